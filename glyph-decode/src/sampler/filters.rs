//! Filters that look at the logits, or at the order of tokens.

use super::{History, LogitsFilter};
use crate::{Logits, TokenId};

/// Divides the logits: below 1 the likely tokens gain, above 1 the unlikely ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Temperature(pub f32);

impl LogitsFilter for Temperature {
    fn filter(&mut self, logits: &mut Logits, _: History<'_>) {
        if self.0 > 0.0 {
            logits.update_all(|v| v / self.0);
        } else if let Some(best) = logits.argmax() {
            logits.keep_only(vec![best]);
        }
    }
}

/// Keeps the `k` most likely tokens; 0 keeps all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopK(pub usize);

impl LogitsFilter for TopK {
    fn filter(&mut self, logits: &mut Logits, _: History<'_>) {
        if self.0 > 0 {
            let kept = logits.top(self.0).into_iter().map(|(t, _)| t).collect();
            logits.keep_only(kept);
        }
    }
}

/// Tokens that are sorted at first.
const NUCLEUS: usize = 256;

/// Keeps the fewest tokens whose probabilities add up to `p` ("nucleus sampling", Holtzman et
/// al., arXiv 1904.09751); at least one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopP(pub f32);

impl LogitsFilter for TopP {
    fn filter(&mut self, logits: &mut Logits, _: History<'_>) {
        if self.0 >= 1.0 {
            return;
        }
        // A few tokens are enough mostly, and a vocabulary takes long to sort.
        let mut n = NUCLEUS;
        loop {
            let likely = logits.likeliest(n);
            let all = likely.len() < n;
            let nucleus = first_until(&likely, self.0);
            if all || nucleus.len() < likely.len() {
                return logits.keep_only(nucleus);
            }
            n *= 8;
        }
    }
}

/// The first tokens, until their probabilities add up to `p`; at least one.
fn first_until(tokens: &[(TokenId, f32)], p: f32) -> Vec<TokenId> {
    let mut sum = 0.0;
    let within = |(_, probability): &&(TokenId, f32)| {
        let before = sum;
        sum += probability;
        before == 0.0 || before < p
    };
    let kept = tokens.iter().take_while(within);
    kept.map(|(token, _)| *token).collect()
}

/// Keeps the tokens at least `p` times as likely as the most likely one (Nguyen et al.,
/// arXiv 2407.01082).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MinP(pub f32);

impl LogitsFilter for MinP {
    fn filter(&mut self, logits: &mut Logits, _: History<'_>) {
        if self.0 <= 0.0 {
            return;
        }
        let Some(best) = logits.argmax() else { return };
        let least = logits.get(best) + self.0.min(1.0).ln();
        let kept = logits
            .iter()
            .filter(|(_, v)| *v >= least)
            .map(|(t, _)| t)
            .collect();
        logits.keep_only(kept);
    }
}

/// Keeps the tokens whose surprise is nearest to the expected one, until their probabilities add
/// up to `p` ("locally typical sampling", Meister et al., arXiv 2202.00666); at least one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TypicalP(pub f32);

impl LogitsFilter for TypicalP {
    fn filter(&mut self, logits: &mut Logits, _: History<'_>) {
        if self.0 >= 1.0 {
            return;
        }
        let mut all = logits.likeliest(usize::MAX);
        let entropy: f32 = all
            .iter()
            .filter(|(_, p)| *p > 0.0)
            .map(|(_, p)| -p * p.ln())
            .sum();
        let far = |p: f32| (-p.ln() - entropy).abs();
        all.sort_by(|a, b| far(a.1).total_cmp(&far(b.1)).then(a.0.cmp(&b.0)));
        logits.keep_only(first_until(&all, self.0));
    }
}

/// Adds to the logits of some tokens; minus infinity bans a token.
#[derive(Debug, Clone, PartialEq)]
pub struct LogitBias(pub Vec<(TokenId, f32)>);

impl LogitsFilter for LogitBias {
    fn filter(&mut self, logits: &mut Logits, _: History<'_>) {
        for &(token, bias) in &self.0 {
            logits.update(token, |v| v + bias);
        }
    }
}

/// Excludes tokens that would repeat a sequence of `n` generated tokens; 0 does nothing.
///
/// The prompt is not looked at, so that an answer may quote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRepeatNgram(pub usize);

impl LogitsFilter for NoRepeatNgram {
    fn filter(&mut self, logits: &mut Logits, history: History<'_>) {
        let n = self.0;
        let tokens = history.generated;
        if n == 0 || tokens.len() + 1 < n {
            return;
        }
        let tail = &tokens[tokens.len() + 1 - n..];
        for window in tokens.windows(n) {
            if window[..n - 1] == *tail {
                logits.exclude(window[n - 1]);
            }
        }
    }
}
