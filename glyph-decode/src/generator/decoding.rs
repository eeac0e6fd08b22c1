//! One output in the making: what happens between the logits and the text.

use crate::logits::logprobs;
use crate::text_stream::TextStream;
use crate::{
    Constraint, DecodeError, FinishReason, GeneratedToken, GenerationConfig, History, Logits,
    LogitsFilter, LoopGuard, Sampler, TokenId, TokenLogprob, Vocabulary,
};

/// A quarter of the output is kept for bringing a constrained one to its end.
const HURRY_SHARE: usize = 4;

pub(super) struct Decoding {
    sampler: Sampler,
    pub(super) constraint: Option<Box<dyn Constraint>>,
    stream: TextStream,
    guard: Option<LoopGuard>,
    prompt: Vec<TokenId>,
    generated: Vec<TokenId>,
    eos: Vec<TokenId>,
    max_new_tokens: usize,
    top_logprobs: Option<usize>,
    /// Memory for the scores of a step.
    logits: Logits,
    /// Tokens that no piece has yet told of.
    untold: Vec<GeneratedToken>,
}

pub(super) struct Step {
    pub(super) token: TokenId,
    pub(super) text: String,
    pub(super) finish_reason: Option<FinishReason>,
}

impl Decoding {
    pub(super) fn new(
        config: &GenerationConfig,
        model_eos: &[TokenId],
        prompt: Vec<TokenId>,
    ) -> Result<Self, DecodeError> {
        let mut eos = config.stop_token_ids.clone();
        if !config.ignore_eos {
            eos.extend_from_slice(model_eos);
        }
        Ok(Self {
            sampler: config.sampler()?,
            constraint: None,
            stream: TextStream::new(&config.stop),
            guard: config.loop_guard.then(LoopGuard::default),
            prompt,
            generated: Vec::new(),
            eos,
            max_new_tokens: config.max_new_tokens,
            top_logprobs: config.top_logprobs,
            logits: Logits::new(Vec::new()),
            untold: Vec::new(),
        })
    }

    pub(super) fn add_filter(&mut self, filter: impl LogitsFilter + 'static) {
        let sampler = std::mem::replace(&mut self.sampler, Sampler::greedy());
        self.sampler = sampler.with(filter);
    }

    pub(super) fn tokens_left(&self) -> usize {
        self.max_new_tokens - self.generated.len()
    }

    /// Text that waited for a stop string that did not come.
    pub(super) fn held_text(&mut self) -> String {
        self.stream.finish()
    }

    pub(super) fn take_tokens(&mut self) -> Vec<GeneratedToken> {
        std::mem::take(&mut self.untold)
    }

    /// Whether the next token is the most likely one, whatever the others are.
    pub(super) fn takes_the_best(&self) -> bool {
        self.constraint.is_none()
            && self.sampler.takes_the_best()
            && self.top_logprobs.unwrap_or(0) == 0
    }

    /// Takes the most likely token.
    pub(super) fn take(
        &mut self,
        best: TokenLogprob,
        vocabulary: &dyn Vocabulary,
    ) -> Result<Step, DecodeError> {
        let logprob = self.top_logprobs.map(|_| best.logprob);
        self.push(best.token, logprob, Vec::new(), vocabulary)
    }

    /// Chooses the next token by a row of logits.
    pub(super) fn step(
        &mut self,
        row: &[f32],
        vocabulary: &dyn Vocabulary,
    ) -> Result<Step, DecodeError> {
        let token = self.choose(row)?;
        let (logprob, top_logprobs) = match self.top_logprobs {
            Some(n) => {
                let (own, top) = logprobs(row, token, n);
                (Some(own.logprob), top)
            }
            None => (None, Vec::new()),
        };
        self.push(token, logprob, top_logprobs, vocabulary)
    }

    fn push(
        &mut self,
        token: TokenId,
        logprob: Option<f32>,
        top_logprobs: Vec<TokenLogprob>,
        vocabulary: &dyn Vocabulary,
    ) -> Result<Step, DecodeError> {
        self.generated.push(token);
        self.untold.push(GeneratedToken {
            token,
            logprob,
            top_logprobs,
        });
        if let Some(constraint) = &mut self.constraint {
            constraint.accept(token)?;
        }
        if self.eos.contains(&token) {
            return Ok(Step {
                token,
                text: String::new(),
                finish_reason: Some(FinishReason::Eos(token)),
            });
        }
        let bytes = vocabulary.token_bytes(token);
        let released = self.stream.push(&bytes);
        let looped = self.guard.as_mut().and_then(|g| g.push(token, &bytes));
        let finish_reason = if let Some(stop) = released.stop {
            Some(FinishReason::Stop(stop))
        } else if self.constraint.as_ref().is_some_and(|c| c.is_complete()) {
            Some(FinishReason::Complete)
        } else {
            looped.map(|found| FinishReason::Loop {
                period: found.period,
                repeated: found.repeated,
            })
        };
        Ok(Step {
            token,
            text: released.text,
            finish_reason,
        })
    }

    fn choose(&mut self, row: &[f32]) -> Result<TokenId, DecodeError> {
        let mut logits = std::mem::take(&mut self.logits);
        logits.renew(row);
        let chosen = self.choose_of(&mut logits);
        self.logits = logits;
        chosen
    }

    fn choose_of(&mut self, logits: &mut Logits) -> Result<TokenId, DecodeError> {
        let history = History {
            prompt: &self.prompt,
            generated: &self.generated,
        };
        let left = self.max_new_tokens - self.generated.len();
        let Some(constraint) = &mut self.constraint else {
            return self.sampler.sample(logits, history);
        };
        if left <= self.max_new_tokens / HURRY_SHARE {
            constraint.hurry();
        }
        constraint.mask(logits)?;
        let allowed = logits.argmax();
        match self.sampler.sample(logits, history) {
            // The form goes before the filters, such as that against repeated n-grams.
            Err(DecodeError::NoCandidate { step }) => {
                allowed.ok_or(DecodeError::NoCandidate { step })
            }
            chosen => chosen,
        }
    }
}
