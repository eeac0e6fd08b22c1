//! The crate's error type.

use std::path::PathBuf;

/// What can go wrong between a document and its pages.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// A file could not be read or written.
    #[error("cannot access {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A font file is not a font that can be used.
    #[error("cannot load font {} (face {index}): {reason}", path.display())]
    Font {
        /// The file.
        path: PathBuf,
        /// The face within a collection.
        index: u32,
        /// What is wrong with it.
        reason: String,
    },
    /// The configuration is not valid JSON.
    #[error("the render configuration is not valid JSON: {source}")]
    ConfigSyntax {
        /// The parser's reason and position.
        #[source]
        source: serde_json::Error,
    },
    /// The configuration holds a key that does not exist.
    #[error("unknown key \"{key}\" in the render configuration; known keys: {known}")]
    UnknownKey {
        /// The key found.
        key: String,
        /// The keys that exist.
        known: String,
    },
    /// The configuration asks for something this crate does not draw.
    #[error("render option \"{key}\" = {found} is not implemented; only {supported} is accepted")]
    UnsupportedOption {
        /// The key.
        key: String,
        /// The value found.
        found: String,
        /// The values that are accepted.
        supported: String,
    },
    /// A configuration value is out of range or of the wrong form.
    #[error("render option \"{key}\" = {found}: expected {expected}")]
    InvalidOption {
        /// The key.
        key: String,
        /// The value found.
        found: String,
        /// What would be accepted.
        expected: String,
    },
    /// An image could not be decoded or breaks the size limits.
    #[error("cannot read image {name}: {reason}")]
    Image {
        /// The file, or a name for data in memory.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A page image in the document has the wrong number of pixels.
    #[error(
        "page image {name} is {width}x{height}, which takes {expected} grey values, but holds {found}"
    )]
    PixelCount {
        /// The image.
        name: String,
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
        /// `width * height`.
        expected: u64,
        /// The number of values it holds.
        found: u64,
    },
    /// A page could not be encoded as PNG.
    #[error("cannot encode page {page} as PNG: {source}")]
    PngEncode {
        /// The page's number.
        page: u32,
        /// The encoder's reason.
        #[source]
        source: png::EncodingError,
    },
}
