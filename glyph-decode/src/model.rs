//! What every language model of this crate offers, whatever its family and weight format.

use burn::tensor::{Tensor, TensorData};

use crate::{DecodeError, KvCache, ModelConfig, TokenId};

/// A piece of a prompt: text, or vision tokens that are already as wide as the model.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[allow(
    clippy::large_enum_variant,
    reason = "a prompt has few segments, and a tensor is large by itself"
)]
pub enum Segment {
    /// Token ids, embedded by the model.
    Text(Vec<TokenId>),
    /// Embeddings, `[n_tokens, hidden_size]`, at positions one after the other.
    Vision(Tensor<2>),
    /// The tokens of an image or video, whose positions may lie in a grid.
    Image(ImageEmbeds),
}

/// Vision tokens of an image or video in the language model's width.
#[derive(Debug, Clone)]
pub struct ImageEmbeds {
    /// `[frames * rows * columns, hidden_size]`, row after row.
    pub embeds: Tensor<2>,
    /// Frames, rows and columns of tokens.
    pub grid: [usize; 3],
    /// Positions from a frame to the next; 1 for images.
    pub temporal_step: f64,
    /// Tells pictures apart: a prompt that begins with the same pictures as the one before does
    /// not read them again. `None` is like no other picture.
    pub fingerprint: Option<[u8; 32]>,
}

impl ImageEmbeds {
    /// The tokens of an image whose rows and columns of tokens are `grid[1]` and `grid[2]`.
    pub fn new(embeds: Tensor<2>, grid: [usize; 3]) -> Self {
        Self {
            embeds,
            grid,
            temporal_step: 1.0,
            fingerprint: None,
        }
    }

    /// The frames of a video, each by itself.
    pub fn frames(&self) -> Vec<Self> {
        let [frames, rows, columns] = self.grid;
        let n = rows * columns;
        let frame = |i: usize| Self {
            embeds: self.embeds.clone().narrow(0, i * n, n),
            grid: [1, rows, columns],
            temporal_step: 1.0,
            fingerprint: self.fingerprint.map(|mut fingerprint| {
                let place = (i as u64).to_le_bytes();
                fingerprint.iter_mut().zip(place).for_each(|(f, p)| *f ^= p);
                fingerprint
            }),
        };
        (0..frames).map(frame).collect()
    }
}

/// Which positions of a forward pass get logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogitsFor {
    /// None: a beginning of a prompt, of which only keys and values are wanted.
    None,
    /// Only the last one: what generation needs.
    Last,
    /// All of them: what scoring a text needs.
    All,
}

/// One sequence of a batch: its new tokens and what came before them.
#[derive(Debug)]
pub struct Sequence<'a> {
    /// New tokens, at least one.
    pub input_ids: &'a [TokenId],
    /// Keys and values of the tokens before them; takes those of the new ones.
    pub cache: &'a mut KvCache,
}

/// A causal language model.
///
/// A model is used through a shared reference; all that changes from token to token lies in the
/// [`KvCache`], so that one model serves several threads.
pub trait LanguageModel: Send + Sync {
    /// Sizes and special tokens.
    fn config(&self) -> &ModelConfig;

    /// Looks up embeddings.
    ///
    /// # Shapes
    /// - output: `[input_ids.len(), hidden_size]`
    ///
    /// # Errors
    /// If an id lies outside the vocabulary.
    fn embed(&self, input_ids: &[TokenId]) -> Result<Tensor<2>, DecodeError>;

    /// Runs the model over embeddings that follow what `cache` holds, and adds theirs to it.
    ///
    /// # Shapes
    /// - `inputs_embeds`: `[n, hidden_size]`
    /// - output: `[1, vocab_size]` for [`LogitsFor::Last`], `[n, vocab_size]` for
    ///   [`LogitsFor::All`], `[0, vocab_size]` for [`LogitsFor::None`]
    ///
    /// # Errors
    /// If there are no embeddings or of another width, or the cache has no room for them; the
    /// cache is then as it was.
    fn forward(
        &self,
        inputs_embeds: Tensor<2>,
        cache: &mut KvCache,
        logits: LogitsFor,
    ) -> Result<Tensor<2>, DecodeError>;

    /// Runs the tokens of an image. Models that place them in a grid of rotary positions do so
    /// here; for others the tokens follow one another like text.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    fn forward_image(
        &self,
        image: &ImageEmbeds,
        cache: &mut KvCache,
        logits: LogitsFor,
    ) -> Result<Tensor<2>, DecodeError> {
        self.forward(image.embeds.clone(), cache, logits)
    }

    /// Runs pieces of a prompt, one after the other. A model may put neighbours into one pass, and
    /// need not wait for the device before logits are read.
    ///
    /// # Errors
    /// As [`embed`](Self::embed) and [`forward`](Self::forward), and if there is no token at all.
    /// A cache without room stays as it was, or holds the pieces before the one that failed.
    fn forward_segments(
        &self,
        segments: &[Segment],
        cache: &mut KvCache,
        logits: LogitsFor,
    ) -> Result<Tensor<2>, DecodeError> {
        let mut out = Vec::new();
        for (i, segment) in segments.iter().enumerate() {
            let wanted = match logits {
                LogitsFor::Last if i + 1 < segments.len() => LogitsFor::None,
                wanted => wanted,
            };
            out.push(match segment {
                Segment::Text(ids) => self.forward(self.embed(ids)?, cache, wanted)?,
                Segment::Vision(embeds) => self.forward(embeds.clone(), cache, wanted)?,
                Segment::Image(image) => self.forward_image(image, cache, wanted)?,
            });
        }
        let Some(last) = out.pop() else {
            return Err(DecodeError::Input {
                what: "segments",
                expected: "at least one token".to_owned(),
                found: "none".to_owned(),
            });
        };
        Ok(match logits {
            LogitsFor::All if !out.is_empty() => {
                out.push(last);
                Tensor::cat(out, 0)
            }
            _ => last,
        })
    }

    /// Tokens of a prompt that the model likes to run together. Between two such runs a generation
    /// can be stopped.
    fn prefill_chunk(&self) -> usize {
        256
    }

    /// Makes an empty cache for `capacity` tokens that refuses to take more.
    ///
    /// # Errors
    /// If `capacity` is zero or more than the model's context.
    fn new_cache(&self, capacity: usize) -> Result<KvCache, DecodeError>;

    /// [`forward`](Self::forward) from token ids to plain numbers. `out` is overwritten with the
    /// logits, row after row; it is empty for [`LogitsFor::None`].
    ///
    /// # Errors
    /// As [`embed`](Self::embed) and [`forward`](Self::forward).
    fn forward_ids(
        &self,
        input_ids: &[TokenId],
        cache: &mut KvCache,
        logits: LogitsFor,
        out: &mut Vec<f32>,
    ) -> Result<(), DecodeError> {
        let embeds = self.embed(input_ids)?;
        let data = self.forward(embeds, cache, logits)?.into_data();
        out.clear();
        out.extend(floats(data)?);
        Ok(())
    }

    /// Runs several sequences, each with its own cache. `out` is overwritten with the logits of
    /// the last token of each: `[sequences.len(), vocab_size]`, row after row.
    ///
    /// # Errors
    /// As [`forward_ids`](Self::forward_ids). Sequences before the one that failed have moved on.
    fn forward_batch(
        &self,
        sequences: &mut [Sequence<'_>],
        out: &mut Vec<f32>,
    ) -> Result<(), DecodeError> {
        one_by_one(self, sequences, out)
    }
}

/// [`LanguageModel::forward_batch`] without anything shared.
pub(crate) fn one_by_one<M: LanguageModel + ?Sized>(
    model: &M,
    sequences: &mut [Sequence<'_>],
    out: &mut Vec<f32>,
) -> Result<(), DecodeError> {
    out.clear();
    let mut row = Vec::new();
    for s in sequences {
        model.forward_ids(s.input_ids, s.cache, LogitsFor::Last, &mut row)?;
        out.extend_from_slice(&row);
    }
    Ok(())
}

/// The numbers of a tensor that was read back.
pub(crate) fn floats(data: TensorData) -> Result<Vec<f32>, DecodeError> {
    data.convert::<f32>()
        .try_to_vec()
        .map_err(|e| DecodeError::Tensor(format!("{e:?}")))
}
