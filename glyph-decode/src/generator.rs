//! Prompt in, text out, token by token.

use std::fmt;
use std::ops::ControlFlow;

use crate::{Constraint, DecodeError, KvCache, LogitsFilter, TokenId, TokenLogprob};

mod batch;
mod config;
mod decoding;
mod prefill;
mod session;
#[cfg(test)]
mod tests;

pub use batch::generate_batch;
pub use config::GenerationConfig;
pub use prefill::Prefill;
pub use session::Session;

use decoding::Decoding;

/// A generated token.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GeneratedToken {
    /// The token.
    pub token: TokenId,
    /// Its log-probability, if asked for.
    pub logprob: Option<f32>,
    /// The most likely tokens of its place, if asked for.
    pub top_logprobs: Vec<TokenLogprob>,
}

/// A piece of output: text, and the tokens since the piece before.
///
/// A token brings no text of its own while it may be part of a character or of a stop string, so
/// a piece can hold several tokens, and the last one may hold tokens only.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Piece {
    /// New text; whole characters, and nothing of a stop string.
    pub text: String,
    /// Tokens since the piece before, the one that ended the output included.
    pub tokens: Vec<GeneratedToken>,
}

/// Why an output ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FinishReason {
    /// The model said so, with this token.
    Eos(TokenId),
    /// A stop string was reached; it is not part of the text.
    Stop(String),
    /// The constraint is fulfilled and nothing may follow.
    Complete,
    /// `max_new_tokens` was reached.
    Length,
    /// The cache is full.
    ContextFull,
    /// The output repeated itself.
    Loop {
        /// Tokens from one round to the next.
        period: usize,
        /// Tokens at the end of the output that only repeat.
        repeated: usize,
    },
    /// The progress callback said stop.
    Cancelled,
}

/// What a generation cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens of the prompt, vision tokens included.
    pub prompt_tokens: usize,
    /// Of those, tokens that were in the cache already and did not run again.
    pub reused_tokens: usize,
    /// Tokens generated, the one that ended the output included.
    pub generated_tokens: usize,
}

/// How far a generation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct GenerationProgress {
    /// Tokens of the prompt that have been read, the reused ones included. Of those a GPU may
    /// still have some before it.
    pub prompt_tokens_read: usize,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens generated.
    pub generated_tokens: usize,
}

/// A finished output.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Generation {
    /// The text.
    pub text: String,
    /// The tokens, the one that ended the output included.
    pub tokens: Vec<GeneratedToken>,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// What it cost.
    pub usage: Usage,
}

type ProgressCallback<'s> = dyn FnMut(GenerationProgress) -> ControlFlow<()> + Send + 's;

/// Runs a model over a prompt and yields its output as it comes: an iterator of [`Piece`]s.
///
/// Made by [`Session::generate`]. Dropping it stops the generation; the session keeps what was
/// read and goes on from there.
pub struct Generator<'s> {
    session: &'s mut Session,
    /// What the cache does not hold yet, in order.
    pending: Vec<session::Part>,
    decoding: Decoding,
    usage: Usage,
    finish_reason: Option<FinishReason>,
    /// Whether nothing more comes.
    ended: bool,
    progress: Option<Box<ProgressCallback<'s>>>,
}

impl fmt::Debug for Generator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator")
            .field("usage", &self.usage)
            .field("finish_reason", &self.finish_reason)
            .finish_non_exhaustive()
    }
}

impl<'s> Generator<'s> {
    fn new(
        session: &'s mut Session,
        pending: Vec<session::Part>,
        decoding: Decoding,
        usage: Usage,
    ) -> Self {
        Self {
            session,
            pending,
            decoding,
            usage,
            finish_reason: None,
            ended: false,
            progress: None,
        }
    }

    /// Lets only outputs of a given form through.
    #[must_use]
    pub fn constrained_by(mut self, constraint: impl Constraint + 'static) -> Self {
        self.decoding.constraint = Some(Box::new(constraint));
        self
    }

    /// Adds a filter after those that the configuration names.
    #[must_use]
    pub fn filtered_by(mut self, filter: impl LogitsFilter + 'static) -> Self {
        self.decoding.add_filter(filter);
        self
    }

    /// Is told about progress while the prompt is read and after every token, and stops the
    /// generation by returning [`ControlFlow::Break`].
    #[must_use]
    pub fn on_progress(
        mut self,
        callback: impl FnMut(GenerationProgress) -> ControlFlow<()> + Send + 's,
    ) -> Self {
        self.progress = Some(Box::new(callback));
        self
    }

    /// Why the output ended; `None` while it goes on.
    pub fn finish_reason(&self) -> Option<&FinishReason> {
        self.finish_reason.as_ref()
    }

    /// What the generation has cost so far.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Runs to the end.
    ///
    /// # Errors
    /// If the model, a filter or the constraint fails.
    pub fn finish(self) -> Result<Generation, DecodeError> {
        self.finish_with(|_| ControlFlow::Continue(()))
    }

    /// Runs to the end and tells `each` every piece as it comes; it stops the generation by
    /// returning [`ControlFlow::Break`], and the finish reason is then
    /// [`Cancelled`](FinishReason::Cancelled).
    ///
    /// # Errors
    /// As [`finish`](Self::finish).
    pub fn finish_with(
        mut self,
        mut each: impl FnMut(&Piece) -> ControlFlow<()>,
    ) -> Result<Generation, DecodeError> {
        let mut text = String::new();
        let mut tokens = Vec::new();
        let mut stopped = false;
        for piece in &mut self {
            let piece = piece?;
            stopped = each(&piece).is_break();
            text += &piece.text;
            tokens.extend(piece.tokens);
            if stopped {
                break;
            }
        }
        if stopped {
            self.finish_reason = Some(FinishReason::Cancelled);
        }
        Ok(Generation {
            text,
            tokens,
            finish_reason: self.finish_reason.unwrap_or(FinishReason::Cancelled),
            usage: self.usage,
        })
    }

    /// Tells the callback; whether it says stop.
    fn is_cancelled(&mut self) -> bool {
        let unread: usize = self.pending.iter().map(session::Part::len).sum();
        let generated_tokens = self.usage.generated_tokens;
        let prompt_tokens = self.usage.prompt_tokens;
        self.progress.as_mut().is_some_and(|callback| {
            callback(GenerationProgress {
                prompt_tokens_read: if generated_tokens == 0 {
                    prompt_tokens.saturating_sub(unread)
                } else {
                    prompt_tokens
                },
                prompt_tokens,
                generated_tokens,
            })
            .is_break()
        })
    }

    /// Runs what is pending, a chunk at a time. `false` if the callback said stop.
    fn run_pending(&mut self) -> Result<bool, DecodeError> {
        while !self.pending.is_empty() {
            self.session.run_chunk(&mut self.pending, true)?;
            if self.usage.generated_tokens == 0 && self.is_cancelled() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn next_piece(&mut self) -> Result<Option<Piece>, DecodeError> {
        let mut text = String::new();
        while self.finish_reason.is_none() && text.is_empty() {
            if self.decoding.tokens_left() == 0 {
                self.finish_reason = Some(FinishReason::Length);
                break;
            }
            // The prompt has to fit, or that is an error; what follows it ends the output.
            if self.usage.generated_tokens > 0 && !self.session.has_room() {
                self.finish_reason = Some(FinishReason::ContextFull);
                break;
            }
            if !self.run_pending()? {
                self.finish_reason = Some(FinishReason::Cancelled);
                break;
            }
            let vocabulary = self.session.vocabulary();
            let best = match self.decoding.takes_the_best() {
                true => self.session.best()?,
                false => None,
            };
            let step = match best {
                Some(best) => self.decoding.take(best, &*vocabulary)?,
                None => self.decoding.step(self.session.logits()?, &*vocabulary)?,
            };
            self.usage.generated_tokens += 1;
            self.pending.push(session::Part::Token(step.token));
            text += &step.text;
            self.finish_reason = step.finish_reason;
            if self.finish_reason.is_none() && self.is_cancelled() {
                self.finish_reason = Some(FinishReason::Cancelled);
            }
        }
        if self.finish_reason.is_some() {
            self.ended = true;
            text += &self.decoding.held_text();
        }
        let tokens = self.decoding.take_tokens();
        Ok((!text.is_empty() || !tokens.is_empty()).then_some(Piece { text, tokens }))
    }
}

impl Iterator for Generator<'_> {
    type Item = Result<Piece, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let piece = self.next_piece();
        if piece.is_err() {
            self.ended = true;
        }
        piece.transpose()
    }
}

/// Whether a cache takes one more token.
fn has_room(cache: &KvCache) -> bool {
    cache.check_room(1).is_ok()
}
