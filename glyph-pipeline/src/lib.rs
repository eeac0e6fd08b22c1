//! Reads documents longer than a language model's context: render, encode, decode, answer.
//!
//! ```
//! use glyph_pipeline::Pipeline;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let pipeline = Pipeline::builtin()?;
//! let text = "The meeting is on Tuesday. The code of the door is 4711.";
//! let reply = pipeline.ask_text(text, "What is the code of the door?")?;
//! assert!(reply.output.text.contains("4711"));
//! # Ok(())
//! # }
//! ```
//!
//! The stages are public: [`Pipeline::scan`] renders, encodes and reads every page coarsely,
//! [`Pipeline::crop`] encodes and reads chosen rows finely, and [`Pipeline::ask`],
//! [`Pipeline::summarize`] and [`Pipeline::extract`] only compose them. Text ends at the renderer:
//! every word that comes out was read from vision tokens. Each stage can be swapped with the
//! [`PipelineBuilder`].
//!
//! [`Pipeline::from_pretrained`] lets a published vision-language checkpoint (GLM-4.1V and Glyph,
//! Qwen2-VL, Qwen2.5-VL, SmolVLM) look at the pages and write the answer.

mod account;
mod builder;
pub mod device;
mod error;
mod frames;
mod page_writer;
mod pipeline;
pub mod pretrained;
mod progress;
mod reading;
mod scorer;
pub mod tasks;
mod viewing;
mod writer;
mod writing;

pub use account::{StageSeconds, TokenAccount, TokenCounter, WriterTokens};
pub use builder::{DEFAULT_REREAD_BELOW, PipelineBuilder};
pub use device::{DeviceError, DeviceSpec, ResolvedDevice};
pub use error::PipelineError;
pub use frames::{FrameChange, FrameConfig, FrameStream};
pub use page_writer::{
    PageView, PageWriter, VideoRequest, ViewRequest, VisionLanguageWriter, WrittenFromPages,
};
pub use pipeline::{Pipeline, Reply, Scan};
pub use pretrained::PretrainedError;
pub use progress::{Draft, Progress, Stage};
pub use scorer::{ClipScorer, RegionScorer};
pub use writer::{LanguageModelWriter, WriteRequest, Writer, Written};
#[cfg(feature = "json-schema")]
pub use writing::JsonExtraction;
pub use writing::{SectionSummary, WrittenSummary};

pub use glyph_decode as decode;
pub use glyph_encode as encode;
pub use glyph_render as render;
