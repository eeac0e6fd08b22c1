//! PDF: text page by page, and page images where a page has no text.

#[cfg(feature = "pdf")]
mod content;
#[cfg(feature = "pdf")]
mod extract;
#[cfg(feature = "pdf")]
mod guard;
#[cfg(any(feature = "pdf", feature = "pdfium"))]
mod lines;
#[cfg(feature = "pdfium")]
mod pdfium;
#[cfg(feature = "pdf")]
mod quiet;
#[cfg(feature = "pdf")]
mod raster;
#[cfg(any(feature = "pdf", feature = "pdfium"))]
mod read;
#[cfg(any(feature = "pdf", feature = "pdfium"))]
mod reflow;
#[cfg(feature = "pdf")]
mod unpack;
#[cfg(feature = "pdf")]
mod widths;

use super::sniff::Source;
use super::{Document, DocumentError, OpenOptions};

/// Reads a PDF with libpdfium where there is one, and in pure Rust otherwise.
#[cfg_attr(
    not(any(feature = "pdf", feature = "pdfium")),
    allow(unused_variables, clippy::needless_pass_by_value)
)]
pub(crate) fn open(source: Source, options: &OpenOptions) -> Result<Document, DocumentError> {
    #[cfg(feature = "pdfium")]
    if let Some(library) = pdfium::library(options)? {
        return read::document(source, options, |source| pdfium::open(library, source));
    }
    #[cfg(feature = "pdf")]
    return read::document(source, options, |source| {
        extract::Extract::open(source, &options.limits)
    });
    #[cfg(not(feature = "pdf"))]
    Err(DocumentError::Unavailable {
        path: source.path,
        what: "PDF needs libpdfium, and none was found, or the feature `pdf` of glyph-render, \
               which is off in this build",
        hint: "set PDFIUM_DYNAMIC_LIB_PATH to the library, build with the feature, or convert \
               the file with `pdftotext`",
    })
}
