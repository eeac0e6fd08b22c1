//! Page images in, vision tokens out.
//!
//! 1. A [`VisionEncoder`] turns a page, or a region of one, into [`VisionTokens`], at one of two
//!    [`Detail`]s. [`BuiltinEncoder`] is the one that ships; anyone can write another.
//! 2. The hierarchy: every page is encoded coarsely, rows of text get a
//!    [`RegionScore`] for the task, [`plan_crops`] turns the scores into crops under a budget, the crops are encoded
//!    finely, and [`VisionTokens::concat`] joins all to one sequence.
//! 3. [`CachedEncoder`] keeps encoded features on disk.
//!
//! [`towers`] holds the vision towers of published checkpoints, which [`checkpoint`] reads;
//! [`preprocess`] turns pages and other pictures into the pixel values that they take.

pub mod builtin;
mod cache;
pub mod checkpoint;
mod encoder;
mod error;
mod hierarchy;
pub mod nn;
pub mod preprocess;
pub mod rows;
pub mod towers;

pub use builtin::BuiltinEncoder;
pub use cache::{CachedEncoder, FeatureCache, FeatureStore};
pub use encoder::{
    Detail, EncoderInput, TokenGrid, TokenPosition, VisionEncoder, VisionTokens, check_pixel_count,
};
pub use error::EncodeError;
pub use glyph_render::{BBox, CellLayout, Page};
pub use hierarchy::{
    Crop, CropBudget, JoinedViews, RegionScore, ViewSeparators, ViewToken, joined_tokens,
    plan_crops,
};
pub use rows::{Row, text_rows};
