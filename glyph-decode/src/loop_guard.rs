//! Notices that a model repeats itself.

use std::collections::VecDeque;

use crate::TokenId;

#[cfg(test)]
mod tests;

/// Longest period that is looked for, in tokens.
const MAX_PERIOD: usize = 512;
/// Repeated tokens that make a loop.
const REPEATED: usize = 60;
/// Of these tokens, one in this many may be a digit that differs ("Step 1 … Step 2 …").
const COUNTER_SHARE: usize = 8;

/// A loop in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundLoop {
    /// Tokens from one round to the next.
    pub period: usize,
    /// Tokens at the end of the output that only repeat what is one period before them.
    pub repeated: usize,
}

/// Notices repetition at the end of a growing output.
///
/// A loop is found once 60 tokens in a row each equal the token one period before them, for any
/// period up to 512 tokens; so at the latest 64 tokens after a model began to repeat. Three rounds
/// of words that differ only in a counter are a loop as well. Lists, tables and verse with
/// refrains repeat less than that: their cells and lines differ.
#[derive(Debug, Clone)]
pub struct LoopGuard {
    /// The last tokens, newest first.
    recent: VecDeque<(TokenId, Kind)>,
    /// How the end of the output matches itself, for each period.
    matches: Vec<Match>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Word,
    Mark,
}

impl Kind {
    fn of(text: &[u8]) -> Self {
        let text = text.trim_ascii();
        if text
            .iter()
            .any(|b| b.is_ascii_alphabetic() || !b.is_ascii())
        {
            Self::Word
        } else if !text.is_empty() && text.iter().all(u8::is_ascii_digit) {
            Self::Number
        } else {
            Self::Mark
        }
    }
}

/// How many tokens at the end of the output match those one period before.
#[derive(Debug, Clone, Copy, Default)]
struct Match {
    /// Tokens in a row that are the same.
    exact: usize,
    /// Tokens in a row that are the same or both numbers.
    counted: usize,
    /// Of those, tokens that differ.
    differing: usize,
    /// Runs of tokens that differ.
    counters: usize,
    /// Words among those that are the same.
    words: usize,
    /// Whether the last one differs.
    in_counter: bool,
}

impl Match {
    fn push(&mut self, same: bool, before: Kind, now: Kind) {
        self.exact = if same { self.exact + 1 } else { 0 };
        if same || (before == Kind::Number && now == Kind::Number) {
            self.counted += 1;
            self.differing += usize::from(!same);
            self.counters += usize::from(!same && !self.in_counter);
            self.words += usize::from(same && now == Kind::Word);
            self.in_counter = !same;
        } else {
            *self = Self {
                exact: self.exact,
                ..Self::default()
            };
        }
    }

    /// Tokens that repeat, if they make a loop.
    fn repeated(&self, period: usize) -> Option<usize> {
        if self.exact >= REPEATED {
            return Some(self.exact);
        }
        let rounds = self.counted / period;
        (self.counted >= REPEATED
            && rounds >= 2
            && self.counters <= rounds + 1
            && self.differing * COUNTER_SHARE <= self.counted
            && self.words * 2 >= self.counted)
            .then_some(self.counted)
    }
}

impl Default for LoopGuard {
    fn default() -> Self {
        Self {
            recent: VecDeque::with_capacity(MAX_PERIOD + 1),
            matches: vec![Match::default(); MAX_PERIOD],
        }
    }
}

impl LoopGuard {
    /// Takes the next token of the output and its text. Returns the loop with the shortest period
    /// if there is one.
    pub fn push(&mut self, token: TokenId, text: &[u8]) -> Option<FoundLoop> {
        let kind = Kind::of(text);
        let mut found = None;
        for (i, (&(before, was), matching)) in self.recent.iter().zip(&mut self.matches).enumerate()
        {
            matching.push(before == token, was, kind);
            if found.is_none() {
                found = matching.repeated(i + 1).map(|repeated| FoundLoop {
                    period: i + 1,
                    repeated,
                });
            }
        }
        self.recent.push_front((token, kind));
        self.recent.truncate(MAX_PERIOD);
        found
    }
}
