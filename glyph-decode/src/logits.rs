//! The scores of all tokens at one step.

use crate::TokenId;

/// A token and the natural logarithm of its probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TokenLogprob {
    /// The token.
    pub token: TokenId,
    /// Natural logarithm of its probability, at most 0.
    pub logprob: f32,
}

/// The logits of one step: a score for every token of the vocabulary, and which tokens are still
/// candidates.
///
/// Filters change scores and drop candidates; the sampler draws from what is left. After a filter
/// such as top-k only the few candidates are visited, not the vocabulary.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Logits {
    values: Vec<f32>,
    /// `None` while every token is a candidate.
    candidates: Option<Vec<TokenId>>,
}

impl Logits {
    /// Scores by token id. What is not a number counts as excluded.
    pub fn new(values: Vec<f32>) -> Self {
        let mut logits = Self {
            values,
            candidates: None,
        };
        logits.values.iter_mut().for_each(|v| *v = number(*v));
        logits
    }

    /// The scores of another step, in the same memory.
    pub(crate) fn renew(&mut self, row: &[f32]) {
        self.candidates = None;
        self.values.clear();
        self.values.extend(row.iter().map(|v| number(*v)));
    }

    /// Number of tokens in the vocabulary.
    pub fn vocab_size(&self) -> usize {
        self.values.len()
    }

    /// Score of a token; minus infinity if it is no candidate or outside the vocabulary.
    pub fn get(&self, token: TokenId) -> f32 {
        self.values
            .get(token as usize)
            .copied()
            .unwrap_or(f32::NEG_INFINITY)
    }

    /// Changes the score of a token by `f`, if it is a candidate.
    pub fn update(&mut self, token: TokenId, f: impl FnOnce(f32) -> f32) {
        if let Some(value) = self.values.get_mut(token as usize)
            && *value > f32::NEG_INFINITY
        {
            *value = f(*value);
        }
    }

    /// Changes the score of every candidate by `f`.
    pub fn update_all(&mut self, f: impl Fn(f32) -> f32) {
        match &self.candidates {
            None => {
                for value in self.values.iter_mut().filter(|v| **v > f32::NEG_INFINITY) {
                    *value = f(*value);
                }
            }
            Some(candidates) => {
                for &token in candidates {
                    let value = &mut self.values[token as usize];
                    *value = f(*value);
                }
            }
        }
    }

    /// Excludes a token.
    pub fn exclude(&mut self, token: TokenId) {
        self.update(token, |_| f32::NEG_INFINITY);
    }

    /// Keeps only the tokens for which `keep` holds.
    pub fn retain(&mut self, keep: impl Fn(TokenId) -> bool) {
        let kept: Vec<TokenId> = self
            .iter()
            .map(|(token, _)| token)
            .filter(|t| keep(*t))
            .collect();
        self.keep_only(kept);
    }

    /// Keeps only `kept`, which must be candidates.
    pub(crate) fn keep_only(&mut self, kept: Vec<TokenId>) {
        let scores: Vec<f32> = kept.iter().map(|&t| self.get(t)).collect();
        match &self.candidates {
            None => self.values.fill(f32::NEG_INFINITY),
            Some(candidates) => {
                for &token in candidates {
                    self.values[token as usize] = f32::NEG_INFINITY;
                }
            }
        }
        for (&token, score) in kept.iter().zip(scores) {
            self.values[token as usize] = score;
        }
        self.candidates = Some(kept);
    }

    /// The candidates and their scores.
    pub fn iter(&self) -> impl Iterator<Item = (TokenId, f32)> + '_ {
        let (all, some) = match &self.candidates {
            None => (Some(0..self.values.len() as TokenId), None),
            Some(candidates) => (None, Some(candidates.iter().copied())),
        };
        all.into_iter()
            .flatten()
            .chain(some.into_iter().flatten())
            .map(|token| (token, self.values[token as usize]))
            .filter(|(_, value)| *value > f32::NEG_INFINITY)
    }

    /// Whether no token is left.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The candidate with the highest score; of equal ones that with the lowest id.
    pub fn argmax(&self) -> Option<TokenId> {
        self.iter()
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
            .map(|(token, _)| token)
    }

    /// The candidates by falling score, at most `n`; equal scores by rising id.
    pub fn top(&self, n: usize) -> Vec<(TokenId, f32)> {
        top(self.iter(), n)
    }

    /// `ln Σ exp(score)` over the candidates.
    pub fn log_sum_exp(&self) -> f64 {
        log_sum_exp(|| self.iter().map(|(_, v)| v))
    }

    /// The `n` likeliest candidates with their probabilities, by falling probability.
    pub(crate) fn likeliest(&self, n: usize) -> Vec<(TokenId, f32)> {
        let norm = self.log_sum_exp();
        let mut all = self.top(n);
        for (_, value) in &mut all {
            *value = (f64::from(*value) - norm).exp() as f32;
        }
        all
    }
}

fn number(value: f32) -> f32 {
    match value.is_nan() {
        true => f32::NEG_INFINITY,
        false => value,
    }
}

/// At most `n` of some tokens by falling score; equal scores by rising id.
fn top(tokens: impl Iterator<Item = (TokenId, f32)>, n: usize) -> Vec<(TokenId, f32)> {
    if n == 0 {
        return Vec::new();
    }
    let mut all: Vec<(TokenId, f32)> = tokens.collect();
    let order = |a: &(TokenId, f32), b: &(TokenId, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if n < all.len() {
        all.select_nth_unstable_by(n - 1, order);
        all.truncate(n);
    }
    all.sort_unstable_by(order);
    all
}

fn log_sum_exp<I: Iterator<Item = f32>>(scores: impl Fn() -> I) -> f64 {
    let max = scores().fold(f32::NEG_INFINITY, f32::max);
    if max == f32::NEG_INFINITY {
        return f64::from(max);
    }
    let sum: f64 = scores().map(|v| f64::from((v - max).exp())).sum();
    f64::from(max) + sum.ln()
}

/// Log-probability of `token` and of the `most` likeliest tokens, by the model alone: before any
/// filter, at temperature 1.
pub(crate) fn logprobs(
    row: &[f32],
    token: TokenId,
    most: usize,
) -> (TokenLogprob, Vec<TokenLogprob>) {
    let norm = log_sum_exp(|| row.iter().map(|v| number(*v)));
    let of = |(token, value): (TokenId, f32)| TokenLogprob {
        token,
        logprob: (f64::from(value) - norm) as f32,
    };
    let own = row
        .get(token as usize)
        .map_or(f32::NEG_INFINITY, |v| number(*v));
    let all = (0..).zip(row.iter().map(|v| number(*v)));
    let candidates = all.filter(|(_, value)| *value > f32::NEG_INFINITY);
    let top = top(candidates, most).into_iter().map(of).collect();
    (of((token, own)), top)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_shrink_and_keep_their_scores() {
        let mut logits = Logits::new(vec![1.0, f32::NAN, 3.0, 2.0, 3.0]);
        assert_eq!(logits.argmax(), Some(2));
        assert_eq!(logits.top(3), vec![(2, 3.0), (4, 3.0), (3, 2.0)]);
        logits.retain(|t| t != 2);
        assert_eq!(logits.iter().count(), 3);
        assert_eq!(logits.argmax(), Some(4));
        logits.exclude(4);
        logits.update_all(|v| v * 2.0);
        assert_eq!(logits.top(9), vec![(3, 4.0), (0, 2.0)]);
        assert_eq!(logits.get(2), f32::NEG_INFINITY);
        logits.retain(|_| false);
        assert!(logits.is_empty() && logits.argmax().is_none());
    }

    #[test]
    fn log_probabilities_sum_to_one_and_survive_large_scores() {
        let (chosen, top) = logprobs(&[1000.0, 999.0, -1000.0], 1, 3);
        let sum: f32 = top.iter().map(|t| t.logprob.exp()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{sum}");
        assert_eq!((top[0].token, top[1].token), (0, 1));
        assert_eq!(chosen, top[1]);
        assert!((chosen.logprob - (-1.313_261_7)).abs() < 1e-4, "{chosen:?}");
    }
}
