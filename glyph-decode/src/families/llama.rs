//! Llama 2 and 3, SmolLM2, and what shares their architecture.

use super::{Bias, Traits};
use crate::transformer::Rope;

pub(super) const ARCHITECTURE: &str = "llama";

/// llama.cpp's converter permutes the rows of queries and keys (`LlamaModel.permute`), so that
/// pairs of the rotary embedding are neighbours.
pub(super) const GGUF: Traits = Traits {
    qkv_bias: Bias::IfThere,
    rope: Rope::Interleaved,
};

pub(super) const HF: Traits = Traits {
    qkv_bias: Bias::IfThere,
    rope: Rope::Halves,
};
