//! From logits to the next token: filters, then the most likely token or a seeded draw.

use std::fmt;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::{DecodeError, Logits, TokenId};

mod filters;
mod penalties;
#[cfg(test)]
mod tests;

pub use filters::{LogitBias, MinP, NoRepeatNgram, Temperature, TopK, TopP, TypicalP};
pub use penalties::{FrequencyPenalty, PresencePenalty, RepetitionPenalty};

/// The tokens before the one that is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History<'a> {
    /// The prompt's tokens; vision tokens have no id and are left out.
    pub prompt: &'a [TokenId],
    /// The tokens generated so far.
    pub generated: &'a [TokenId],
}

/// Changes the logits before a token is chosen: the one thing that all ways of sampling share.
pub trait LogitsFilter: Send {
    /// Changes scores or drops candidates.
    fn filter(&mut self, logits: &mut Logits, history: History<'_>);
}

/// How the token is chosen once the filters have run.
#[derive(Debug)]
enum Choice {
    Greedy,
    // ChaCha gives the same stream on every machine and in every version, which the standard
    // generators do not promise.
    Draw(Box<ChaCha8Rng>),
}

/// A chain of [`LogitsFilter`]s and a choice.
pub struct Sampler {
    filters: Vec<Box<dyn LogitsFilter>>,
    choice: Choice,
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampler")
            .field("filters", &self.filters.len())
            .field("choice", &self.choice)
            .finish()
    }
}

impl Sampler {
    /// Takes the most likely token.
    pub fn greedy() -> Self {
        Self {
            filters: Vec::new(),
            choice: Choice::Greedy,
        }
    }

    /// Draws by probability. The same seed, filters and logits give the same tokens, on every
    /// machine.
    pub fn seeded(seed: u64) -> Self {
        Self {
            filters: Vec::new(),
            choice: Choice::Draw(Box::new(ChaCha8Rng::seed_from_u64(seed))),
        }
    }

    /// Adds a filter after those already there.
    #[must_use]
    pub fn with(mut self, filter: impl LogitsFilter + 'static) -> Self {
        self.filters.push(Box::new(filter));
        self
    }

    /// Whether it takes the token with the highest logit, without a look at the others.
    pub(crate) fn takes_the_best(&self) -> bool {
        self.filters.is_empty() && matches!(self.choice, Choice::Greedy)
    }

    /// Runs the filters and chooses a token.
    ///
    /// # Errors
    /// [`DecodeError::NoCandidate`] if no token is left, as with logits that are not numbers or
    /// filters that exclude everything.
    pub fn sample(
        &mut self,
        logits: &mut Logits,
        history: History<'_>,
    ) -> Result<TokenId, DecodeError> {
        for filter in &mut self.filters {
            filter.filter(logits, history);
        }
        match &mut self.choice {
            Choice::Greedy => logits.argmax(),
            Choice::Draw(rng) => draw(logits, rng),
        }
        .ok_or(DecodeError::NoCandidate {
            step: history.generated.len(),
        })
    }
}

/// Draws a candidate by its probability, in order of ids.
fn draw(logits: &Logits, rng: &mut ChaCha8Rng) -> Option<TokenId> {
    let norm = logits.log_sum_exp();
    let mut all: Vec<(TokenId, f32)> = logits.iter().collect();
    all.sort_unstable_by_key(|(token, _)| *token);
    // 53 bits: a uniform number in [0, 1).
    let mut at = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let mut last = None;
    for (token, value) in all {
        let probability = (f64::from(value) - norm).exp();
        if at < probability {
            return Some(token);
        }
        at -= probability;
        last = Some(token);
    }
    // Rounding may leave a rest.
    last
}
