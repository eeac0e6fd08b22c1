//! What every language model of this crate offers, whatever its family and weight format.

use burn::tensor::{Tensor, TensorData};

use crate::{DecodeError, KvCache};

/// A token of the model's vocabulary.
pub type TokenId = u32;

/// A piece of a prompt: text, or vision tokens that are already as wide as the model.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Segment {
    /// Token ids, embedded by the model.
    Text(Vec<TokenId>),
    /// Embeddings, `[n_tokens, hidden_size]`.
    Vision(Tensor<2>),
}

/// Which positions of a forward pass get logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogitsFor {
    /// Only the last one: what generation needs.
    Last,
    /// All of them: what scoring a text needs.
    All,
}

/// Sizes and special tokens of a language model.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ModelConfig {
    /// Family as the model file names it, for example `llama` or `qwen2`.
    pub architecture: String,
    /// Number of tokens in the vocabulary: the width of the logits.
    pub vocab_size: usize,
    /// Width of an embedding.
    pub hidden_size: usize,
    /// Width between the two halves of a feed-forward layer.
    pub intermediate_size: usize,
    /// Number of transformer blocks.
    pub num_hidden_layers: usize,
    /// Number of query heads.
    pub num_attention_heads: usize,
    /// Number of key and value heads; query heads share them in groups.
    pub num_key_value_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Tokens that the model was trained to look at (`max_position_embeddings`).
    pub context_length: usize,
    /// Added to the mean square in RMSNorm.
    pub rms_norm_eps: f32,
    /// Base of the rotary embedding's wavelengths.
    pub rope_theta: f32,
    /// Token that opens a text, if the model wants one.
    pub bos_token_id: Option<TokenId>,
    /// Tokens that end an answer.
    pub eos_token_ids: Vec<TokenId>,
}

impl ModelConfig {
    /// A configuration with the sizes that every model has; set the other fields afterwards.
    pub fn new(vocab_size: usize, hidden_size: usize, context_length: usize) -> Self {
        Self {
            architecture: String::new(),
            vocab_size,
            hidden_size,
            intermediate_size: 0,
            num_hidden_layers: 0,
            num_attention_heads: 0,
            num_key_value_heads: 0,
            head_dim: 0,
            context_length,
            rms_norm_eps: 1e-5,
            rope_theta: 10_000.0,
            bos_token_id: None,
            eos_token_ids: Vec::new(),
        }
    }
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
    ///   [`LogitsFor::All`]
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

    /// Makes an empty cache for `capacity` tokens that refuses to take more.
    ///
    /// # Errors
    /// If `capacity` is zero or more than the model's context.
    fn new_cache(&self, capacity: usize) -> Result<KvCache, DecodeError>;

    /// [`forward`](Self::forward) from token ids to plain numbers. `out` is overwritten with the
    /// logits, row after row.
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
        out.clear();
        let mut row = Vec::new();
        for s in sequences {
            self.forward_ids(s.input_ids, s.cache, LogitsFor::Last, &mut row)?;
            out.extend_from_slice(&row);
        }
        Ok(())
    }
}

/// The numbers of a tensor that was read back.
pub(crate) fn floats(data: TensorData) -> Result<Vec<f32>, DecodeError> {
    data.convert::<f32>()
        .try_to_vec()
        .map_err(|e| DecodeError::Tensor(format!("{e:?}")))
}
