//! Vision tokens in, text out.
//!
//! [`Readout`] turns [`VisionTokens`](glyph_encode::VisionTokens) into [`LineReading`]s: the text of
//! each row with a probability for every character. [`BuiltinReadout`] is the one that ships.

mod causal_lm;
mod charset;
mod config;
mod constraint;
mod error;
#[cfg(test)]
mod fake;
mod families;
mod generator;
mod kv_cache;
mod logits;
mod loop_guard;
mod model;
mod prompt;
mod quant;
mod readout;
pub mod sampler;
mod text_stream;
mod tokenizer;
mod transformer;
mod vlm;
mod vocabulary;
mod weights;

pub use causal_lm::{CausalLm, Pretrained};
pub use charset::{Cell, Charset, Class};
pub use config::{ModelConfig, TokenId};
pub use constraint::Constraint;
#[cfg(feature = "json-schema")]
pub use constraint::{JsonConstraint, SchemaCompiler};
pub use error::DecodeError;
pub use generator::{
    FinishReason, GeneratedToken, Generation, GenerationConfig, GenerationProgress, Generator,
    Piece, Prefill, Session, Usage, generate_batch,
};
pub use kv_cache::{CachePolicy, KvCache};
pub use logits::{Logits, TokenLogprob};
pub use loop_guard::{FoundLoop, LoopGuard};
pub use model::{ImageEmbeds, LanguageModel, LogitsFor, Segment, Sequence};
pub use prompt::{
    AnswerStream, ChatTemplate, Content, ExpandedPrompt, ImagePlaceholder, Message, Part, Prompt,
    Thinking, VisionRun, split_thinking,
};
pub use quant::{GgmlType, dequantize};
pub use readout::{
    BuiltinReadout, Calibration, CalibrationTable, CharacterKind, FinerConfig, FinerModel,
    LineReading, Readout, ReadoutConfig, ReadoutModel, SplitStep, WidenerConfig,
};
pub use sampler::{History, LogitsFilter, Sampler};
pub use tokenizer::{SpecialTokens, Tokenizer};
pub use vlm::{
    PixelValues, RotaryPosition, VisionConfig, VisionLanguageModel, VlmConfig, VlmFamily,
};
pub use vocabulary::Vocabulary;
pub use weights::gguf::{GgufFile, GgufValue};
