//! Typesets documents (TXT, PDF, DOCX) into deterministic page images for vision encoders.

mod code;
mod config;
mod document;
mod error;
mod font;
mod invert;
mod layout;
mod marks;
mod page;
mod raster;
mod typeset;

pub use config::{
    Alignment, Banner, Color, FlowStyle, FontSize, Grid, Importance, LineNumbers, NewlineMarkup,
    Normalization, PageBudget, RenderConfig, Restart, ScoreCallback, Scorer, Style, Watermark,
};
pub use document::{
    Block, BlockKind, Chunk, Document, DocumentError, Limits, OpenOptions, PageImage,
    ProgressCallback, Section, TocEntry, estimate_tokens, table_of_contents,
};
pub use error::RenderError;
pub use font::{FontFile, FontSet};
pub use invert::{Damage, Inversion, InvertError, InvertedLine, Inverter, PageInversion, invert};
pub use layout::half_cells;
pub use page::{BBox, CellLayout, Page, PageLine, PageText, PngOptions, TextBlock};
pub use typeset::{PageIter, Renderer, Typesetter};
