//! Notices that a model repeats itself.

use std::collections::VecDeque;

use crate::TokenId;

#[cfg(test)]
mod tests;

/// Longest period that is looked for, in tokens.
const MAX_PERIOD: usize = 512;
/// Repeated tokens that make a loop.
const REPEATED: usize = 60;
/// Of a period, one in this many tokens may be a number that changes ("Step 1 … Step 2 …").
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
/// period up to 512 tokens; so at the latest 64 tokens after a model began to repeat. Rounds that
/// differ only in a counter count as well, if the counter is at most an eighth of the tokens.
/// Lists, tables and verse with refrains repeat less than that: their cells and lines differ.
#[derive(Debug, Clone)]
pub struct LoopGuard {
    /// The last tokens, newest first.
    recent: VecDeque<(TokenId, bool)>,
    /// For each period, how many tokens in a row repeat the one a period before.
    exact: Vec<u32>,
    /// The same, where numbers may differ.
    counted: Vec<u32>,
    /// How many of those differ.
    differing: Vec<u32>,
}

impl Default for LoopGuard {
    fn default() -> Self {
        Self {
            recent: VecDeque::with_capacity(MAX_PERIOD + 1),
            exact: vec![0; MAX_PERIOD],
            counted: vec![0; MAX_PERIOD],
            differing: vec![0; MAX_PERIOD],
        }
    }
}

impl LoopGuard {
    /// Takes the next token of the output; `is_number` tells whether its text is digits. Returns
    /// the loop with the shortest period if there is one.
    pub fn push(&mut self, token: TokenId, is_number: bool) -> Option<FoundLoop> {
        let mut found = None;
        for (i, &(before, was_number)) in self.recent.iter().enumerate() {
            let same = before == token;
            self.exact[i] = if same { self.exact[i] + 1 } else { 0 };
            if same || (is_number && was_number) {
                self.counted[i] += 1;
                self.differing[i] += u32::from(!same);
            } else {
                self.counted[i] = 0;
                self.differing[i] = 0;
            }
            let counter = self.differing[i] as usize * COUNTER_SHARE <= self.counted[i] as usize;
            let repeated = if counter {
                self.counted[i].max(self.exact[i])
            } else {
                self.exact[i]
            } as usize;
            if repeated >= REPEATED && found.is_none() {
                found = Some(FoundLoop {
                    period: i + 1,
                    repeated,
                });
            }
        }
        self.recent.push_front((token, is_number));
        self.recent.truncate(MAX_PERIOD);
        found
    }
}
