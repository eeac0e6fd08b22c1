//! Vision tokens in, text out.
//!
//! [`Readout`] turns [`VisionTokens`](glyph_encode::VisionTokens) into [`LineReading`]s: the text of
//! each row with a probability for every character. [`BuiltinReadout`] is the one that ships.

mod causal_lm;
mod charset;
mod config;
mod error;
mod families;
mod kv_cache;
mod model;
mod quant;
mod readout;
mod tokenizer;
mod transformer;
mod weights;

pub use causal_lm::{CausalLm, Pretrained};
pub use charset::{Cell, Charset, Class};
pub use config::{ModelConfig, TokenId};
pub use error::DecodeError;
pub use kv_cache::{CachePolicy, KvCache};
pub use model::{LanguageModel, LogitsFor, Segment, Sequence};
pub use quant::{GgmlType, dequantize};
pub use readout::{BuiltinReadout, LineReading, Readout, ReadoutConfig, ReadoutModel};
pub use tokenizer::{SpecialTokens, Tokenizer};
pub use weights::gguf::{GgufFile, GgufValue};
