//! Qwen2 and Qwen2.5: Llama with biases on queries, keys and values.

use super::{Bias, Traits};
use crate::transformer::Rope;

pub(super) const ARCHITECTURE: &str = "qwen2";

/// Rows keep the order of `transformers` (`LLAMA_ROPE_TYPE_NEOX` of llama.cpp).
pub(super) const GGUF: Traits = Traits {
    qkv_bias: Bias::Always,
    rope: Rope::Halves,
};

pub(super) const HF: Traits = GGUF;
