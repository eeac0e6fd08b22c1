//! How to generate.

use serde::{Deserialize, Serialize};

use crate::sampler::{
    FrequencyPenalty, LogitBias, MinP, NoRepeatNgram, PresencePenalty, RepetitionPenalty,
    Temperature, TopK, TopP, TypicalP,
};
use crate::{DecodeError, Sampler, TokenId};

/// How to generate. The names are those of `transformers` where it has them.
///
/// The filters run in the order penalties, n-grams, bias, temperature, top-k, top-p, min-p,
/// typical-p; so do those of `transformers`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GenerationConfig {
    /// Most tokens to generate.
    pub max_new_tokens: usize,
    /// 0 takes the most likely token; else the logits are divided by it and a token is drawn.
    pub temperature: f32,
    /// Seed of the draws.
    pub seed: u64,
    /// Keep the most likely tokens, this many; 0 is off.
    pub top_k: usize,
    /// Keep the likely tokens up to this sum of probabilities; 1 is off.
    pub top_p: f32,
    /// Keep tokens at least this many times as likely as the likeliest; 0 is off.
    pub min_p: f32,
    /// Keep the typical tokens up to this sum of probabilities; 1 is off.
    pub typical_p: f32,
    /// Divide the logits of tokens in the output by this; 1 is off.
    pub repetition_penalty: f32,
    /// Whether `repetition_penalty` is for the prompt's tokens, too.
    pub penalize_prompt: bool,
    /// Take this off the logits of tokens in the output; 0 is off.
    pub presence_penalty: f32,
    /// Take this off the logits of tokens in the output, for each time; 0 is off.
    pub frequency_penalty: f32,
    /// Never generate a sequence of this many tokens twice; 0 is off.
    pub no_repeat_ngram_size: usize,
    /// Added to the logits of these tokens.
    pub logit_bias: Vec<(TokenId, f32)>,
    /// Strings that end the output; they are not part of it.
    pub stop: Vec<String>,
    /// Tokens that end the output besides those of the model.
    pub stop_token_ids: Vec<TokenId>,
    /// Go on after the model's end tokens.
    pub ignore_eos: bool,
    /// Tell the log-probability of each token, and of this many alternatives.
    pub top_logprobs: Option<usize>,
    /// End the output when it repeats itself. See [`LoopGuard`](crate::LoopGuard).
    pub loop_guard: bool,
}

impl Default for GenerationConfig {
    fn default() -> Self {
        Self {
            max_new_tokens: 256,
            temperature: 0.0,
            seed: 0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            typical_p: 1.0,
            repetition_penalty: 1.0,
            penalize_prompt: true,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            no_repeat_ngram_size: 0,
            logit_bias: Vec::new(),
            stop: Vec::new(),
            stop_token_ids: Vec::new(),
            ignore_eos: false,
            top_logprobs: None,
            loop_guard: true,
        }
    }
}

impl GenerationConfig {
    /// Greedy, with the loop guard; everything else is off.
    pub fn new(max_new_tokens: usize) -> Self {
        Self {
            max_new_tokens,
            ..Self::default()
        }
    }

    /// The filters and the choice that the settings name.
    ///
    /// # Errors
    /// [`DecodeError::Input`] if a setting is out of its range.
    pub fn sampler(&self) -> Result<Sampler, DecodeError> {
        self.check()?;
        let mut sampler = if self.temperature > 0.0 {
            Sampler::seeded(self.seed)
        } else {
            Sampler::greedy()
        };
        if self.repetition_penalty != 1.0 {
            sampler = sampler.with(RepetitionPenalty {
                penalty: self.repetition_penalty,
                include_prompt: self.penalize_prompt,
            });
        }
        if self.presence_penalty != 0.0 {
            sampler = sampler.with(PresencePenalty(self.presence_penalty));
        }
        if self.frequency_penalty != 0.0 {
            sampler = sampler.with(FrequencyPenalty(self.frequency_penalty));
        }
        if self.no_repeat_ngram_size > 0 {
            sampler = sampler.with(NoRepeatNgram(self.no_repeat_ngram_size));
        }
        if !self.logit_bias.is_empty() {
            sampler = sampler.with(LogitBias(self.logit_bias.clone()));
        }
        if self.temperature > 0.0 {
            // 1 changes nothing and costs a pass over the vocabulary.
            if self.temperature != 1.0 {
                sampler = sampler.with(Temperature(self.temperature));
            }
            if self.top_k > 0 {
                sampler = sampler.with(TopK(self.top_k));
            }
            if self.top_p < 1.0 {
                sampler = sampler.with(TopP(self.top_p));
            }
            if self.min_p > 0.0 {
                sampler = sampler.with(MinP(self.min_p));
            }
            if self.typical_p < 1.0 {
                sampler = sampler.with(TypicalP(self.typical_p));
            }
        }
        Ok(sampler)
    }

    fn check(&self) -> Result<(), DecodeError> {
        let wrong = |what, expected: &str, found: f32| {
            Err(DecodeError::Input {
                what,
                expected: expected.to_owned(),
                found: found.to_string(),
            })
        };
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return wrong("temperature", "0 or more", self.temperature);
        }
        for (what, value) in [
            ("top_p", self.top_p),
            ("min_p", self.min_p),
            ("typical_p", self.typical_p),
        ] {
            if !(0.0..=1.0).contains(&value) {
                return wrong(what, "0 to 1", value);
            }
        }
        if !(self.repetition_penalty > 0.0 && self.repetition_penalty.is_finite()) {
            return wrong("repetition_penalty", "more than 0", self.repetition_penalty);
        }
        for (what, value) in [
            ("presence_penalty", self.presence_penalty),
            ("frequency_penalty", self.frequency_penalty),
        ] {
            if !value.is_finite() {
                return wrong(what, "a number", value);
            }
        }
        Ok(())
    }
}
