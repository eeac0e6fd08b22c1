//! Filters that make tokens less likely that were there already.

use std::collections::BTreeMap;

use super::{History, LogitsFilter};
use crate::{Logits, TokenId};

/// Divides positive and multiplies negative logits of the tokens in the prompt and the output
/// (Keskar et al., arXiv 1909.05858), as `transformers` does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RepetitionPenalty {
    /// More than 1 discourages repetition, 1 does nothing.
    pub penalty: f32,
    /// Whether the prompt's tokens count too. An answer that should quote its prompt wants
    /// `false`.
    pub include_prompt: bool,
}

impl LogitsFilter for RepetitionPenalty {
    fn filter(&mut self, logits: &mut Logits, history: History<'_>) {
        let prompt = if self.include_prompt {
            history.prompt
        } else {
            &[]
        };
        update_each_once(logits, prompt.iter().chain(history.generated), |v| {
            if v > 0.0 {
                v / self.penalty
            } else {
                v * self.penalty
            }
        });
    }
}

/// Takes this off the logit of every token that the output holds, once (as in OpenAI's interface).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PresencePenalty(pub f32);

impl LogitsFilter for PresencePenalty {
    fn filter(&mut self, logits: &mut Logits, history: History<'_>) {
        update_each_once(logits, history.generated.iter(), |v| v - self.0);
    }
}

/// Takes this off a token's logit for each time that the output holds it (as in OpenAI's
/// interface).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FrequencyPenalty(pub f32);

impl LogitsFilter for FrequencyPenalty {
    fn filter(&mut self, logits: &mut Logits, history: History<'_>) {
        let mut counts = BTreeMap::new();
        for &token in history.generated {
            *counts.entry(token).or_insert(0u32) += 1;
        }
        for (token, count) in counts {
            logits.update(token, |v| v - self.0 * count as f32);
        }
    }
}

/// Changes the scores of tokens, each once however often it comes. A prompt may have 100,000 of
/// them at every step: a bit for each word of the vocabulary is faster than a sorted set.
fn update_each_once<'a>(
    logits: &mut Logits,
    tokens: impl Iterator<Item = &'a TokenId>,
    f: impl Fn(f32) -> f32,
) {
    let mut seen = vec![0u64; logits.vocab_size().div_ceil(64)];
    for &token in tokens {
        let Some(word) = seen.get_mut(token as usize / 64) else {
            continue;
        };
        let bit = 1 << (token % 64);
        if *word & bit == 0 {
            *word |= bit;
            logits.update(token, &f);
        }
    }
}
