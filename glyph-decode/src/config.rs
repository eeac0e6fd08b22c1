//! Sizes and special tokens.

/// A token of the model's vocabulary.
pub type TokenId = u32;

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
