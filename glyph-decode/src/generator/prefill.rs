//! A prompt that is read piece by piece.

use std::fmt;

use super::session::Part;
use super::{Decoding, GenerationConfig, Generator, Session, Usage};
use crate::{DecodeError, Segment, TokenId};

/// Reads a prompt into a [`Session`] as it comes, so that a document's pictures need not all be
/// embeddings at once: what was read is keys and values only.
///
/// A model runs a certain number of tokens at once best
/// ([`prefill_chunk`](crate::LanguageModel::prefill_chunk)), across pictures and text; what is
/// less waits for what follows, and is dropped with this if nothing is generated.
///
/// Made by [`Session::prefill`]. What the prompt has in common with the one before is not read
/// again; [`skip_image`](Self::skip_image) tells before a picture is encoded.
pub struct Prefill<'s> {
    session: &'s mut Session,
    /// Pieces of the cache that the prompt has begun with; `None` once they differ.
    matched: Option<usize>,
    /// What has come but is not yet enough for the model to run.
    pending: Vec<Part>,
    ids: Vec<TokenId>,
    usage: Usage,
}

impl fmt::Debug for Prefill<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prefill")
            .field("usage", &self.usage)
            .finish_non_exhaustive()
    }
}

impl<'s> Prefill<'s> {
    pub(super) fn new(session: &'s mut Session) -> Self {
        session.forget_if_slid();
        Self {
            session,
            matched: Some(0),
            pending: Vec::new(),
            ids: Vec::new(),
            usage: Usage::default(),
        }
    }

    /// Tokens read so far, those included that the cache held.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Whether the cache holds the picture of this fingerprint at this place, from the prompt
    /// before; it counts as read then.
    pub fn skip_image(&mut self, fingerprint: [u8; 32]) -> bool {
        let known = self
            .matched
            .and_then(|at| Some((at, self.session.held_image(at, fingerprint)?)));
        if let Some((at, tokens)) = known {
            self.matched = Some(at + 1);
            self.usage.prompt_tokens += tokens;
            self.usage.reused_tokens += tokens;
        }
        known.is_some()
    }

    /// Reads the next segments of the prompt.
    ///
    /// # Errors
    /// If they have no room, or the model fails.
    pub fn read(&mut self, segments: &[Segment]) -> Result<(), DecodeError> {
        let parts = self.parts(segments);
        let parts = self.unread(parts)?;
        self.pending.extend(parts);
        while tokens(&self.pending) >= self.session.chunk() {
            self.session.run_chunk(&mut self.pending, false)?;
        }
        Ok(())
    }

    /// Generates once the last segments have been read too. Nothing runs until the generator is
    /// asked for its first piece.
    ///
    /// # Errors
    /// If there is no last segment or it does not fit, or a setting is out of its range.
    pub fn generate(
        mut self,
        segments: &[Segment],
        config: &GenerationConfig,
    ) -> Result<Generator<'s>, DecodeError> {
        let mut parts = self.parts(segments);
        // The last part always runs, for its logits.
        let Some(last) = parts.pop() else {
            return Err(DecodeError::Input {
                what: "the prompt",
                expected: "at least 1 token at its end".to_owned(),
                found: "none".to_owned(),
            });
        };
        let ids = std::mem::take(&mut self.ids);
        let decoding = Decoding::new(config, &self.session.model().config().eos_token_ids, ids)?;
        let parts = self.unread(parts)?;
        self.diverge();
        self.usage.prompt_tokens += last.len();
        let mut pending = self.pending;
        pending.extend(parts);
        pending.push(last);
        self.session.check_room(tokens(&pending))?;
        Ok(Generator::new(self.session, pending, decoding, self.usage))
    }

    /// Cuts segments to parts, and notes the text.
    fn parts(&mut self, segments: &[Segment]) -> Vec<Part> {
        let mut parts = Vec::new();
        for segment in segments {
            match segment {
                Segment::Text(tokens) => {
                    parts.extend(tokens.iter().map(|t| Part::Token(*t)));
                    self.ids.extend_from_slice(tokens);
                }
                Segment::Vision(embeds) => parts.push(Part::Vision(Box::new(embeds.clone()))),
                Segment::Image(image) => parts.push(Part::Image(Box::new(image.clone()))),
            }
        }
        parts.retain(|part| part.len() > 0);
        parts
    }

    /// The parts that the cache does not hold at this place; there is room for them.
    fn unread(&mut self, mut parts: Vec<Part>) -> Result<Vec<Part>, DecodeError> {
        self.usage.prompt_tokens += tokens(&parts);
        if let Some(at) = self.matched {
            let common = self.session.common(at, &parts);
            self.usage.reused_tokens += tokens(&parts[..common]);
            self.matched = Some(at + common);
            parts.drain(..common);
        }
        if !parts.is_empty() {
            self.diverge();
            self.session
                .check_room(tokens(&self.pending) + tokens(&parts))?;
        }
        Ok(parts)
    }

    /// Leaves of the cache what the prompt has in common with it.
    fn diverge(&mut self) {
        if let Some(at) = self.matched.take() {
            self.session.keep(at);
        }
    }
}

fn tokens(parts: &[Part]) -> usize {
    parts.iter().map(Part::len).sum()
}
