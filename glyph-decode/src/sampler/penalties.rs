//! Filters that make tokens less likely that were there already.

use std::collections::{BTreeMap, BTreeSet};

use super::{History, LogitsFilter};
use crate::Logits;

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
        let seen: BTreeSet<_> = prompt.iter().chain(history.generated).copied().collect();
        for token in seen {
            logits.update(token, |v| {
                if v > 0.0 {
                    v / self.penalty
                } else {
                    v * self.penalty
                }
            });
        }
    }
}

/// Takes this off the logit of every token that the output holds, once (as in OpenAI's interface).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PresencePenalty(pub f32);

impl LogitsFilter for PresencePenalty {
    fn filter(&mut self, logits: &mut Logits, history: History<'_>) {
        let seen: BTreeSet<_> = history.generated.iter().copied().collect();
        for token in seen {
            logits.update(token, |v| v - self.0);
        }
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
