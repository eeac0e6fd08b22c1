//! PDF: text by libpdfium where it is found, in pure Rust otherwise; pages without text as images.

#[cfg(feature = "pdfium")]
mod pdfium;
#[cfg(feature = "pdf")]
mod pure;
#[cfg(any(feature = "pdf", feature = "pdfium"))]
mod reflow;

use super::sniff::Source;
use super::{Document, DocumentError, OpenOptions};
#[cfg(any(feature = "pdf", feature = "pdfium"))]
use super::{Block, PageImage, images};
#[cfg(any(feature = "pdf", feature = "pdfium"))]
use std::path::Path;

/// A page with fewer characters than this is taken for a scan.
#[cfg(any(feature = "pdf", feature = "pdfium"))]
const MIN_CHARS: usize = 16;
/// Resolution of the images of pages without text.
#[cfg(any(feature = "pdf", feature = "pdfium"))]
const RASTER_DPI: f32 = 150.0;

/// What one way to read PDF has to offer. Pages count from 1.
#[cfg(any(feature = "pdf", feature = "pdfium"))]
trait Backend {
    fn pages(&self) -> u32;
    fn text(&mut self, page: u32) -> Result<String, String>;
    /// Width, height and grey pixels.
    fn raster(&mut self, page: u32, limit: u64) -> Result<(u32, u32, Vec<u8>), String>;
}

#[cfg(any(feature = "pdf", feature = "pdfium"))]
pub(crate) fn open(mut source: Source, options: &OpenOptions) -> Result<Document, DocumentError> {
    let path = source.path.clone();
    let bytes = source.read(&options.limits)?;
    #[cfg(feature = "pdfium")]
    if let Some(pdfium) = pdfium::bind(options.pdfium.as_deref())? {
        return read(&path, &mut pdfium::Backend::open(pdfium, &path, bytes)?, options);
    }
    #[cfg(feature = "pdf")]
    return read(&path, &mut pure::Backend::open(&path, bytes)?, options);
    #[cfg(not(feature = "pdf"))]
    {
        drop(bytes);
        Err(DocumentError::Unavailable {
            path,
            what: "PDF needs libpdfium in this build, and none was found",
            hint: "install it, or set PDFIUM_DYNAMIC_LIB_PATH to its file or folder",
        })
    }
}

#[cfg(not(any(feature = "pdf", feature = "pdfium")))]
pub(crate) fn open(source: Source, _: &OpenOptions) -> Result<Document, DocumentError> {
    Err(DocumentError::Unavailable {
        path: source.path,
        what: "PDF needs the feature `pdf` or `pdfium` of glyph-render; both are off in this build",
        hint: "build with one of them, or convert the file to text",
    })
}

#[cfg(any(feature = "pdf", feature = "pdfium"))]
fn read(path: &Path, backend: &mut dyn Backend, options: &OpenOptions) -> Result<Document, DocumentError> {
    let limits = &options.limits;
    let pages = backend.pages();
    if pages == 0 {
        return Err(DocumentError::Empty { path: path.into(), found: "it has no page" });
    }
    let too_large = |what, found, limit, name| DocumentError::TooLarge {
        path: path.into(),
        what,
        found,
        limit,
        name,
        hint: "split it",
    };
    if pages > limits.max_pages {
        return Err(too_large("pages:", pages.into(), limits.max_pages.into(), "max_pages"));
    }
    let mut document = Document::default();
    let (mut text_bytes, mut pixels) = (0u64, 0u64);
    let mut reflow = reflow::Reflow::default();
    for page in 1..=pages {
        let text = backend.text(page);
        let chars = text.as_ref().map_or(0, |t| t.chars().filter(|c| !c.is_whitespace()).count());
        if let (Ok(text), true) = (&text, chars >= MIN_CHARS) {
            text_bytes += text.len() as u64;
            if text_bytes > limits.max_text_bytes {
                return Err(too_large("bytes of text:", text_bytes, limits.max_text_bytes, "max_text_bytes"));
            }
            reflow.page(text, page);
        } else {
            let drawn = backend.raster(page, limits.max_image_pixels);
            let few = text.as_deref().is_ok_and(|t| !t.trim().is_empty());
            match drawn {
                // An empty page, such as the back of a title, is no scan.
                Ok((_, _, grey)) if grey.iter().all(|&p| p > 250) => {}
                Ok(_) if few => reflow.page(text.as_deref().unwrap_or_default(), page),
                Ok((width, height, grey)) => {
                    document.blocks.append(&mut reflow.finish());
                    pixels += grey.len() as u64;
                    images::check_total(path, pixels, limits)?;
                    document.blocks.push(Block::Page(PageImage {
                        name: format!("{} page {page}", path.display()),
                        width,
                        height,
                        pixels: grey,
                        metadata: Vec::new(),
                    }));
                }
                Err(detail) => return Err(DocumentError::NoRaster { path: path.into(), page, detail }),
            }
        }
        options.report(page, pages);
    }
    document.blocks.append(&mut reflow.finish());
    if document.blocks.is_empty() {
        return Err(DocumentError::Empty { path: path.into(), found: "its pages are blank" });
    }
    Ok(document)
}

#[cfg(any(feature = "pdf", feature = "pdfium"))]
fn damaged(path: &Path, detail: &str) -> DocumentError {
    DocumentError::Damaged {
        path: path.into(),
        format: "PDF",
        detail: super::error::flat(detail),
        hint: "export or download it again",
        source: None,
    }
}

#[cfg(any(feature = "pdf", feature = "pdfium"))]
fn encrypted(path: &Path) -> DocumentError {
    DocumentError::Encrypted { path: path.into(), what: "the PDF", hint: ", e.g. with `qpdf --decrypt`" }
}
