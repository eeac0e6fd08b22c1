//! A model's memory of what it has read.

use std::fmt;
use std::sync::Arc;

use super::{GenerationConfig, Generator, PREFILL_CHUNK, Prefill, has_room};
use crate::model::floats;
use crate::{
    DecodeError, ImageEmbeds, KvCache, LanguageModel, LogitsFor, Segment, TokenId, Vocabulary,
};
use burn::tensor::Tensor;

/// A piece of what the model has still to read.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Token(TokenId),
    /// Embeddings, `[n, hidden_size]`.
    Vision(Box<Tensor<2>>),
    Image(Box<ImageEmbeds>),
}

impl Part {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Token(_) => 1,
            Self::Vision(embeds) => embeds.dims()[0],
            Self::Image(image) => image.embeds.dims()[0],
        }
    }

    /// Whether it is what the cache holds.
    fn is(&self, held: Held) -> bool {
        match (self, held) {
            (Self::Token(t), Held::Token(h)) => *t == h,
            (Self::Image(image), Held::Image(_, Some(h))) => image.fingerprint == Some(h),
            _ => false,
        }
    }
}

/// A piece of what the cache holds.
#[derive(Debug, Clone, Copy)]
enum Held {
    Token(TokenId),
    /// Vision tokens: how many, and of which picture where that is known.
    Image(usize, Option<[u8; 32]>),
}

impl Held {
    fn len(self) -> usize {
        match self {
            Self::Token(_) => 1,
            Self::Image(n, _) => n,
        }
    }
}

/// A model, its vocabulary and the keys and values of what it has read.
///
/// The session remembers which tokens its cache holds. A prompt that begins as the one before
/// reads only what is new: a second question on the same document does not read the document
/// again.
pub struct Session {
    model: Arc<dyn LanguageModel>,
    vocabulary: Arc<dyn Vocabulary>,
    cache: KvCache,
    /// What the cache holds.
    held: Vec<Held>,
    logits: Vec<f32>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("tokens", &self.cache.len())
            .field("capacity", &self.cache.capacity())
            .finish_non_exhaustive()
    }
}

impl Session {
    /// A session for at most `capacity` tokens, prompt and output together.
    ///
    /// # Errors
    /// If `capacity` is zero or more than the model's context.
    pub fn new(
        model: Arc<dyn LanguageModel>,
        vocabulary: Arc<dyn Vocabulary>,
        capacity: usize,
    ) -> Result<Self, DecodeError> {
        let cache = model.new_cache(capacity)?;
        Ok(Self::with_cache(model, vocabulary, cache))
    }

    /// A session with a cache of one's own, for example one with a sliding window. The cache
    /// is emptied.
    pub fn with_cache(
        model: Arc<dyn LanguageModel>,
        vocabulary: Arc<dyn Vocabulary>,
        mut cache: KvCache,
    ) -> Self {
        cache.clear();
        Self {
            model,
            vocabulary,
            cache,
            held: Vec::new(),
            logits: Vec::new(),
        }
    }

    /// Tokens in the cache.
    pub fn len(&self) -> usize {
        self.cache.len()
    }

    /// Whether nothing was read yet.
    pub fn is_empty(&self) -> bool {
        self.cache.is_empty()
    }

    /// Most tokens that the session holds.
    pub fn capacity(&self) -> usize {
        self.cache.capacity()
    }

    /// The model.
    pub fn model(&self) -> &Arc<dyn LanguageModel> {
        &self.model
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.cache.clear();
        self.held.clear();
    }

    /// Generates from a prompt of tokens. Nothing runs until the generator is asked for its first
    /// piece.
    ///
    /// # Errors
    /// If the prompt is empty or does not fit, or a setting is out of its range.
    pub fn generate(
        &mut self,
        prompt: &[TokenId],
        config: &GenerationConfig,
    ) -> Result<Generator<'_>, DecodeError> {
        self.generate_from(&[Segment::Text(prompt.to_vec())], config)
    }

    /// Generates from a prompt of text and vision tokens. What it has in common with the prompt
    /// before is reused, up to the first vision tokens that have no fingerprint.
    ///
    /// # Errors
    /// As [`generate`](Self::generate).
    pub fn generate_from(
        &mut self,
        prompt: &[Segment],
        config: &GenerationConfig,
    ) -> Result<Generator<'_>, DecodeError> {
        self.prefill().generate(prompt, config)
    }

    /// Begins a prompt that is read piece by piece.
    pub fn prefill(&mut self) -> Prefill<'_> {
        Prefill::new(self)
    }

    /// Forgets everything if a sliding window has moved on: it can't go back to a beginning.
    pub(super) fn forget_if_slid(&mut self) {
        let held: usize = self.held.iter().map(|held| held.len()).sum();
        if held != self.cache.len() {
            self.clear();
        }
    }

    /// Tokens of the picture that the cache holds as its piece `at`, if it is that of this
    /// fingerprint.
    pub(super) fn held_image(&self, at: usize, fingerprint: [u8; 32]) -> Option<usize> {
        match self.held.get(at) {
            Some(Held::Image(tokens, Some(held))) if *held == fingerprint => Some(*tokens),
            _ => None,
        }
    }

    /// How many of the parts the cache holds from its piece `at` on.
    pub(super) fn common(&self, at: usize, parts: &[Part]) -> usize {
        let held = self.held.get(at..).unwrap_or_default();
        let same = |(part, held): &(&Part, &Held)| part.is(**held);
        parts.iter().zip(held).take_while(same).count()
    }

    /// Keeps the first pieces of the cache.
    pub(super) fn keep(&mut self, pieces: usize) {
        let tokens: usize = self.held[..pieces].iter().map(|held| held.len()).sum();
        self.cache.truncate(tokens);
        self.held.truncate(pieces);
    }

    pub(super) fn check_room(&self, tokens: usize) -> Result<(), DecodeError> {
        self.cache.check_room(tokens)
    }

    /// Runs a first chunk of `pending` and takes it off.
    pub(super) fn run_chunk(&mut self, pending: &mut Vec<Part>) -> Result<(), DecodeError> {
        let ids: Vec<TokenId> = pending
            .iter()
            .take(PREFILL_CHUNK)
            .map_while(|part| match part {
                Part::Token(t) => Some(*t),
                Part::Vision(_) | Part::Image(_) => None,
            })
            .collect();
        if !ids.is_empty() {
            self.model
                .forward_ids(&ids, &mut self.cache, LogitsFor::Last, &mut self.logits)?;
            self.held.extend(ids.iter().copied().map(Held::Token));
            pending.drain(..ids.len());
            return Ok(());
        }
        let Some(part) = pending.first() else {
            return Ok(());
        };
        let n = part.len();
        if n > 0 {
            let cache = &mut self.cache;
            let (logits, fingerprint) = match part {
                Part::Image(image) => (
                    self.model.forward_image(image, cache, LogitsFor::Last)?,
                    image.fingerprint,
                ),
                Part::Vision(embeds) => {
                    let embeds = (**embeds).clone();
                    (self.model.forward(embeds, cache, LogitsFor::Last)?, None)
                }
                Part::Token(_) => unreachable!("tokens were run above"),
            };
            self.logits = floats(logits.into_data())?;
            self.held.push(Held::Image(n, fingerprint));
        }
        pending.remove(0);
        Ok(())
    }

    pub(super) fn has_room(&self) -> bool {
        has_room(&self.cache)
    }

    pub(super) fn logits(&self) -> &[f32] {
        &self.logits
    }

    pub(super) fn vocabulary(&self) -> &dyn Vocabulary {
        &*self.vocabulary
    }
}
