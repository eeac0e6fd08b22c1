use glyph_decode::DecodeError;
use glyph_encode::EncodeError;
use glyph_render::{DocumentError, RenderError};

use crate::device::DeviceError;
use crate::pretrained::PretrainedError;
use crate::tasks::TaskError;

/// What can go wrong between a document and an answer; the stage that failed is the variant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The document cannot be opened.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The pages cannot be drawn.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The pages cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The vision tokens cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The task cannot be done.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// A pretrained model cannot be had.
    #[error(transparent)]
    Pretrained(#[from] PretrainedError),
    /// A task that only a language model can do.
    #[error("{task} needs a language model: give the pipeline a writer")]
    NoWriter {
        /// What was to be done.
        task: &'static str,
    },
    /// The language model did not bring its output to an end.
    #[error("the model {writer} wrote no complete {what}: {reason}")]
    Unfinished {
        /// Name of the model.
        writer: String,
        /// What was to be written.
        what: &'static str,
        /// Why it ended.
        reason: String,
    },
    /// Pages that cost more vision tokens than the model reads.
    #[error(
        "the pages cost {vision_tokens} vision tokens, {over} more than the {limit} that a context \
         of {context_length} has room for; with max_vision_tokens set (to {limit}, for example) \
         the pages are scanned and only the parts that matter are shown"
    )]
    TooManyVisionTokens {
        /// What all pages cost.
        vision_tokens: usize,
        /// What there is room for beside the task and the answer.
        limit: usize,
        /// By how much that is too many.
        over: usize,
        /// Tokens that the model reads at most.
        context_length: usize,
    },
    /// Nothing to read.
    #[error(
        "no text found: the document has {pages} page(s) without any row of text; \
         check that they show text, dark on light and upright"
    )]
    NoText {
        /// Pages looked at.
        pages: usize,
    },
    /// The progress callback asked to stop.
    #[error("cancelled after {pages} page(s)")]
    Cancelled {
        /// Pages that were done.
        pages: usize,
    },
}
