//! Benchmarks of Glyph: the texts and measures that they share.

mod measure;
#[cfg(feature = "checkpoints")]
pub mod tensors;
mod text;

pub use measure::{cpu_seconds, peak_memory};
pub use text::{Language, text};
