//! Typesets documents (TXT, PDF, DOCX) into deterministic page images for vision encoders.

mod document;

pub use document::{
    Block, BlockKind, Document, DocumentError, Limits, OpenOptions, PageImage, ProgressCallback,
};
