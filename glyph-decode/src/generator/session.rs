//! A model's memory of what it has read.

use std::fmt;
use std::sync::Arc;

use burn::tensor::{DType, Tensor};
use glyph_encode::nn::is_host;

use super::{GenerationConfig, Generator, Prefill, has_room};
use crate::model::floats;
use crate::{
    DecodeError, ImageEmbeds, KvCache, LanguageModel, LogitsFor, Segment, TokenId, TokenLogprob,
    Vocabulary,
};

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

    /// What the cache holds once it was read.
    fn held(self) -> Held {
        match self {
            Self::Token(t) => Held::Token(t),
            Self::Vision(embeds) => Held::Image(embeds.dims()[0], None),
            Self::Image(image) => Held::Image(image.embeds.dims()[0], image.fingerprint),
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
    scores: Scores,
}

/// The logits after what was read, where the model left them.
enum Scores {
    Row(Vec<f32>),
    /// `[1, vocab_size]`.
    Tensor(Box<Tensor<2>>),
}

impl Default for Scores {
    fn default() -> Self {
        Self::Row(Vec::new())
    }
}

impl Scores {
    /// Memory for a row.
    fn into_row(self) -> Vec<f32> {
        match self {
            Self::Row(row) => row,
            Self::Tensor(_) => Vec::new(),
        }
    }
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
            scores: Scores::default(),
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

    /// Tokens that the model likes to read together.
    pub(super) fn chunk(&self) -> usize {
        self.model.prefill_chunk().max(1)
    }

    /// Runs a first chunk of `pending` and takes it off. With `last` the prompt ends where `pending`
    /// does, and the logits there are kept.
    pub(super) fn run_chunk(
        &mut self,
        pending: &mut Vec<Part>,
        last: bool,
    ) -> Result<(), DecodeError> {
        let chunk = self.chunk();
        let mut tokens = 0;
        let parts = pending
            .iter()
            .take_while(|part| {
                let wanted = tokens < chunk;
                tokens += part.len();
                wanted
            })
            .count();
        if parts == 0 {
            return Ok(());
        }
        let wanted = match last && parts == pending.len() {
            true => LogitsFor::Last,
            false => LogitsFor::None,
        };
        let segments = segments(&pending[..parts]);
        let cache = &mut self.cache;
        self.scores = match &segments[..] {
            [Segment::Text(ids)] if !cache.is_on_device() => {
                let mut row = std::mem::take(&mut self.scores).into_row();
                self.model.forward_ids(ids, cache, wanted, &mut row)?;
                Scores::Row(row)
            }
            _ => {
                let logits = self.model.forward_segments(&segments, cache, wanted)?;
                match wanted {
                    LogitsFor::None => Scores::default(),
                    _ => Scores::Tensor(Box::new(logits)),
                }
            }
        };
        self.held
            .extend(pending.drain(..parts).map(|part| part.held()));
        Ok(())
    }

    /// The most likely token after what was read, and its log-probability, where the device of the
    /// logits can tell them by itself: a vocabulary of numbers need not be fetched for two. `None`
    /// where they lie in this machine's memory already, or some are no numbers.
    pub(super) fn best(&self) -> Result<Option<TokenLogprob>, DecodeError> {
        match &self.scores {
            Scores::Tensor(logits) if !is_host(&logits.device()) => best_of(*logits.clone()),
            _ => Ok(None),
        }
    }

    /// The logits after what was read.
    pub(super) fn logits(&mut self) -> Result<&[f32], DecodeError> {
        if let Scores::Tensor(logits) = &self.scores {
            self.scores = Scores::Row(floats(logits.as_ref().clone().into_data())?);
        }
        Ok(match &self.scores {
            Scores::Row(row) => row,
            Scores::Tensor(_) => unreachable!("it was read"),
        })
    }

    pub(super) fn has_room(&self) -> bool {
        has_room(&self.cache)
    }

    pub(super) fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.vocabulary.clone()
    }
}

/// Neighbouring tokens of text make one segment.
fn segments(parts: &[Part]) -> Vec<Segment> {
    let mut out: Vec<Segment> = Vec::new();
    for part in parts {
        match (part, out.last_mut()) {
            (Part::Token(t), Some(Segment::Text(ids))) => ids.push(*t),
            (Part::Token(t), _) => out.push(Segment::Text(vec![*t])),
            (Part::Vision(embeds), _) => out.push(Segment::Vision((**embeds).clone())),
            (Part::Image(image), _) => out.push(Segment::Image((**image).clone())),
        }
    }
    out
}

/// The largest logit and its log-probability, if all are numbers; of equal ones the first.
///
/// # Shapes
/// - `logits`: `[1, vocab_size]`
fn best_of(logits: Tensor<2>) -> Result<Option<TokenLogprob>, DecodeError> {
    let logits = logits.cast(DType::F32);
    let (largest, token) = logits.clone().max_dim_with_indices(1);
    let sum = (logits - largest).exp().sum_dim(1);
    // Ids of a vocabulary are exact in F32; together they are one wait for the device.
    let both = Tensor::cat(vec![token.float().cast(DType::F32), sum], 1);
    let [token, sum] = floats(both.into_data())?[..] else {
        return Err(DecodeError::Tensor("two numbers were expected".to_owned()));
    };
    Ok(sum.is_finite().then(|| TokenLogprob {
        token: token as TokenId,
        logprob: -sum.ln(),
    }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::logits::logprobs;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn the_device_finds_the_token_that_the_vocabulary_has() {
        let best = |row: &[f32]| {
            let data = TensorData::new(row.to_vec(), [1, row.len()]);
            best_of(Tensor::from_data(data, &Device::flex())).unwrap()
        };
        let rows = [
            vec![-1000.0, 3.0, 3.0, -2.0],
            (0..5000)
                .map(|i| (i * 7919 % 4999) as f32 / 900.0)
                .collect(),
        ];
        for row in rows {
            let token = crate::Logits::new(row.clone()).argmax().unwrap();
            let (expected, _) = logprobs(&row, token, 0);
            let found = best(&row).unwrap();
            assert_eq!(found.token, token);
            assert!((found.logprob - expected.logprob).abs() < 1e-4, "{found:?}");
        }
        // What is no number has to be left out, which is done on this side.
        assert_eq!(best(&[1.0, f32::NAN, 0.0]), None);
        assert_eq!(best(&[f32::NEG_INFINITY; 3]), None);
    }
}
