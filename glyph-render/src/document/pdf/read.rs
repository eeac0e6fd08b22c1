//! A PDF, one page after the other, whichever backend reads it.

use super::lines::{Backend, PageText};
use super::reflow::Reflow;
use crate::document::error::flat;
use crate::document::images::{check_total, size};
use crate::document::sniff::Source;
use crate::document::{Block, Document, DocumentError, OpenOptions, PageImage};

/// Resolution of pages that are drawn because they have no text.
const DPI: f32 = 150.0;

/// A page with images and fewer characters than this counts as scanned.
const SCANNED: usize = 16;

pub(super) fn document<B: Backend>(
    source: Source,
    options: &OpenOptions,
    open: impl FnOnce(Source) -> Result<B, DocumentError>,
) -> Result<Document, DocumentError> {
    let limits = &options.limits;
    let path = source.path.clone();
    let mut backend = open(source)?;
    let pages = backend.pages();
    let too_large = |what, found, limit, name| DocumentError::TooLarge {
        path: path.clone(),
        what,
        found,
        limit,
        name,
        hint: "split it",
    };
    if pages > limits.max_pages {
        let (found, limit) = (pages.into(), limits.max_pages.into());
        return Err(too_large("pages of the PDF:", found, limit, "max_pages"));
    }
    if pages == 0 {
        return Err(DocumentError::Empty {
            path,
            found: "the PDF has no pages",
        });
    }
    let mut reflow = Reflow::default();
    let mut blocks = Vec::new();
    let (mut text_bytes, mut pixel_bytes) = (0, 0);
    for page in 1..=pages {
        backend.check(page)?;
        let (text, failed) = match backend.text(page) {
            Ok(text) => (text, None),
            Err(message) => (PageText::default(), Some(message)),
        };
        let characters = characters(&text);
        let scanned = characters < SCANNED && (text.has_images || characters == 0);
        if scanned {
            backend.check_drawing(page)?;
        }
        let raster = scanned.then(|| backend.draw(page, DPI, limits.max_image_pixels));
        match raster {
            Some(Ok(raster)) if !raster.is_blank() => {
                pixel_bytes += size(&raster.pixels, raster.color.as_deref());
                check_total(&path, pixel_bytes, limits)?;
                blocks.push(Block::Page(PageImage {
                    name: format!("page {page}"),
                    width: raster.width,
                    height: raster.height,
                    pixels: raster.pixels,
                    color: raster.color,
                    metadata: Vec::new(),
                }));
            }
            // A blank page, or text that the drawn page does not show.
            Some(Ok(_)) if failed.is_none() => blocks.extend(reflow.page(text.lines, page)),
            Some(Ok(_)) => {
                return Err(DocumentError::Damaged {
                    path,
                    format: "PDF",
                    detail: format!("page {page}: {}", flat(&failed.unwrap_or_default())),
                    hint: "repair it, e.g. with `qpdf IN OUT`, or install libpdfium",
                    source: None,
                });
            }
            Some(Err(detail)) if characters == 0 && (text.has_images || failed.is_some()) => {
                let detail = flat(&failed.unwrap_or(detail));
                return Err(DocumentError::NoRaster { path, page, detail });
            }
            _ => blocks.extend(reflow.page(text.lines, page)),
        }
        text_bytes += blocks
            .iter()
            .rev()
            .map_while(|block| match block {
                Block::Text {
                    text,
                    source_page: Some(of),
                    ..
                } if *of == page => Some(text.len() as u64),
                _ => None,
            })
            .sum::<u64>();
        if text_bytes > limits.max_text_bytes {
            let limit = limits.max_text_bytes;
            return Err(too_large(
                "bytes of text:",
                text_bytes,
                limit,
                "max_text_bytes",
            ));
        }
        options.report(page, pages);
    }
    if blocks.is_empty() {
        return Err(DocumentError::Empty {
            path,
            found: "no page of the PDF has text or an image",
        });
    }
    let title = backend.title().map(|title| title.trim().to_owned());
    Ok(Document {
        title: title.filter(|title| !title.is_empty()),
        blocks,
    })
}

fn characters(text: &PageText) -> usize {
    let lines = text.lines.iter();
    lines
        .map(|line| line.text.chars().filter(|c| !c.is_whitespace()).count())
        .sum()
}
