//! Vision tokens in, text out.
//!
//! [`Readout`] turns [`VisionTokens`](glyph_encode::VisionTokens) into [`LineReading`]s: the text of
//! each row with a probability for every character. [`BuiltinReadout`] is the one that ships.

mod charset;
mod config;
mod error;
mod kv_cache;
mod model;
mod readout;

pub use charset::{Cell, Charset, Class};
pub use config::{ModelConfig, TokenId};
pub use error::DecodeError;
pub use kv_cache::{CachePolicy, KvCache};
pub use model::{LanguageModel, LogitsFor, Segment, Sequence};
pub use readout::{BuiltinReadout, LineReading, Readout, ReadoutConfig, ReadoutModel};
