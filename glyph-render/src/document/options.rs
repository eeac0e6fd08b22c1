//! How a document is opened: limits, libpdfium, progress.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// What a document may cost; beyond it opening fails with
/// [`DocumentError::TooLarge`](super::DocumentError::TooLarge).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Size of a file on disk in bytes; 512 MiB by default.
    pub max_file_bytes: u64,
    /// Size of the document's text in UTF-8 bytes; 64 MiB by default.
    pub max_text_bytes: u64,
    /// Bytes that the parts of a DOCX that are read may unpack to together, or the object
    /// streams of a PDF; 256 MiB by default.
    pub max_unzipped_bytes: u64,
    /// Bytes that one stream of a PDF may unpack to, or all content streams of one of its pages;
    /// 32 MiB by default. Images are bounded by their pixels.
    pub max_stream_bytes: u64,
    /// Pages of a PDF, or images in a folder; 20,000 by default.
    pub max_pages: u32,
    /// Pixels of one page image, or of one image in a PDF page that is drawn; 100 million by
    /// default (A3 at 600 dpi has 70 million).
    pub max_image_pixels: u64,
    /// Pixels of all page images of a document together, where one with colours counts four times,
    /// as many as the bytes that it takes; 2^32 by default.
    pub max_total_pixels: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_file_bytes: 512 << 20,
            max_text_bytes: 64 << 20,
            max_unzipped_bytes: 256 << 20,
            max_stream_bytes: 32 << 20,
            max_pages: 20_000,
            max_image_pixels: 100_000_000,
            max_total_pixels: 1 << 32,
        }
    }
}

/// Told after every page: how many pages are done, and how many there are.
pub type ProgressCallback = Arc<dyn Fn(u32, u32) + Send + Sync>;

/// How [`Document::open_with`](super::Document::open_with) reads a document.
#[derive(Clone, Default)]
pub struct OpenOptions {
    /// What the document may cost.
    pub limits: Limits,
    /// The libpdfium to read PDF with: the library file, or the folder that holds it.
    ///
    /// `None` looks in the environment variable `PDFIUM_DYNAMIC_LIB_PATH`, then among the
    /// system's libraries, and reads in pure Rust where neither has one. A process loads one
    /// libpdfium: the first one found serves all later calls.
    pub pdfium: Option<PathBuf>,
    /// Called after each page of a PDF and each image of a folder.
    pub progress: Option<ProgressCallback>,
}

impl OpenOptions {
    pub(crate) fn report(&self, done: u32, total: u32) {
        if let Some(progress) = &self.progress {
            progress(done, total);
        }
    }
}

impl fmt::Debug for OpenOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenOptions")
            .field("limits", &self.limits)
            .field("pdfium", &self.pdfium)
            .field("progress", &self.progress.is_some())
            .finish()
    }
}
