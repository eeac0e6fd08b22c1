//! Page images: single files, and folders of them in natural order.

use super::sniff::{self, Source};
use super::{Block, Document, DocumentError, Limits, OpenOptions, PageImage};
use crate::page::{TEXT, channels};
use image::{ImageDecoder, ImageReader};
use std::cmp::Ordering;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// Reads every PNG and JPEG file of a folder.
pub(crate) fn open_folder(path: &Path, options: &OpenOptions) -> Result<Document, DocumentError> {
    let limits = &options.limits;
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|source| DocumentError::io(path, source))? {
        let file = entry
            .map_err(|source| DocumentError::io(path, source))?
            .path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with('.') && has_image_name(&file) && file.is_file() {
            files.push((name.into_owned(), file));
        }
    }
    if files.is_empty() {
        return Err(DocumentError::NoImages { path: path.into() });
    }
    if files.len() as u64 > u64::from(limits.max_pages) {
        return Err(DocumentError::TooLarge {
            path: path.into(),
            what: "page images in the folder:",
            found: files.len() as u64,
            limit: limits.max_pages.into(),
            name: "max_pages",
            hint: "split the folder",
        });
    }
    files.sort_by(|a, b| natural(&a.0, &b.0));
    let total = files.len() as u32;
    let mut bytes = 0;
    let mut blocks = Vec::with_capacity(files.len());
    for (done, (_, file)) in (1..).zip(&files) {
        let page = open_file(Source::open(file, limits)?, options)?;
        bytes += size(&page.pixels, page.color.as_deref());
        check_total(path, bytes, limits)?;
        blocks.push(Block::Page(page));
        options.report(done, total);
    }
    Ok(Document {
        title: None,
        blocks,
    })
}

/// The bytes that a page image's pixels take.
pub(super) fn size(pixels: &[u8], color: Option<&[u8]>) -> u64 {
    (pixels.len() + color.map_or(0, <[u8]>::len)) as u64
}

/// Fails where the pixels of all page images together take too many bytes.
pub(crate) fn check_total(path: &Path, bytes: u64, limits: &Limits) -> Result<(), DocumentError> {
    if bytes <= limits.max_total_pixels {
        return Ok(());
    }
    Err(DocumentError::TooLarge {
        path: path.into(),
        what: "bytes of all page images' pixels:",
        found: bytes,
        limit: limits.max_total_pixels,
        name: "max_total_pixels",
        hint: "split it",
    })
}

fn has_image_name(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    matches!(
        extension.to_ascii_lowercase().as_str(),
        "png" | "jpg" | "jpeg"
    )
}

/// Reads one PNG or JPEG file.
pub(crate) fn open_file(
    mut source: Source,
    options: &OpenOptions,
) -> Result<PageImage, DocumentError> {
    let path = source.path.clone();
    if !sniff::is_image(&source.head) {
        return Err(DocumentError::image(
            &path,
            "expected a PNG or JPEG signature in the first bytes, found none",
        ));
    }
    let bytes = source.read(&options.limits)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    decode(&bytes, &path, name.into_owned(), &options.limits)
}

/// Decodes an image to grey, and its colours where it has any; alpha composited on white.
fn decode(
    bytes: &[u8],
    path: &Path,
    name: String,
    limits: &Limits,
) -> Result<PageImage, DocumentError> {
    let error = |source: image::ImageError| DocumentError::image(path, source);
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|source| DocumentError::io(path, source))?;
    // The pixel limit is checked below, with a message that names it; this one bounds what
    // the decoder allocates besides: at most 8 bytes per pixel, twice.
    let mut decoder_limits = image::Limits::default();
    decoder_limits.max_alloc = Some(limits.max_image_pixels.saturating_mul(16).max(1 << 20));
    reader.limits(decoder_limits);
    let mut decoder = reader.into_decoder().map_err(error)?;
    let (width, height) = decoder.dimensions();
    let found = u64::from(width) * u64::from(height);
    if found > limits.max_image_pixels {
        return Err(DocumentError::TooLarge {
            path: path.into(),
            what: "pixels in the image:",
            found,
            limit: limits.max_image_pixels,
            name: "max_image_pixels",
            hint: "scale it down",
        });
    }
    let orientation = decoder.orientation().map_err(error)?;
    let mut image = image::DynamicImage::from_decoder(decoder).map_err(error)?;
    image.apply_orientation(orientation);
    // Turning by a quarter swaps the sides.
    let (width, height) = (image.width(), image.height());
    let (pixels, color) = channels(image);
    Ok(PageImage {
        name,
        width,
        height,
        pixels,
        color,
        metadata: png_metadata(bytes),
    })
}

/// The text chunks of a PNG whose keyword starts with `glyph:`.
fn png_metadata(bytes: &[u8]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_ignore_text_chunk(false);
    let Ok(mut reader) = decoder.read_info() else {
        return found;
    };
    // Text may follow the pixels. A reader that fails here failed above, or misses only text.
    let _ = reader.finish();
    let info = reader.info();
    // A page's text is not for those who read it as an image.
    let ours = |keyword: &str| keyword.starts_with("glyph:") && keyword != TEXT;
    for chunk in &info.uncompressed_latin1_text {
        if ours(&chunk.keyword) {
            found.push((chunk.keyword.clone(), chunk.text.clone()));
        }
    }
    // What others wrote stays packed, and ours is unpacked as far as it may go.
    let mut left = MAX_METADATA;
    for chunk in &info.compressed_latin1_text {
        if ours(&chunk.keyword) {
            let mut chunk = chunk.clone();
            let text = chunk.decompress_text_with_limit(left).ok();
            let text = text.and_then(|()| chunk.get_text().ok());
            left = left.saturating_sub(text.as_ref().map_or(0, String::len));
            found.extend(text.map(|text| (chunk.keyword, text)));
        }
    }
    for chunk in &info.utf8_text {
        if ours(&chunk.keyword) {
            let mut chunk = chunk.clone();
            let text = chunk.decompress_text_with_limit(left).ok();
            let text = text.and_then(|()| chunk.get_text().ok());
            left = left.saturating_sub(text.as_ref().map_or(0, String::len));
            found.extend(text.map(|text| (chunk.keyword, text)));
        }
    }
    found
}

/// The most bytes that a file's compressed text chunks are unpacked to: ours hold a few hundred.
const MAX_METADATA: usize = 1 << 20;

/// Orders names with numbers by their value: `page_2` before `page_10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a, b);
    loop {
        let (nx, ny) = (digits(x), digits(y));
        if !nx.is_empty() && !ny.is_empty() {
            let (vx, vy) = (nx.trim_start_matches('0'), ny.trim_start_matches('0'));
            let order = vx.len().cmp(&vy.len()).then_with(|| vx.cmp(vy));
            if order != Ordering::Equal {
                return order;
            }
            (x, y) = (&x[nx.len()..], &y[ny.len()..]);
            continue;
        }
        let (mut cx, mut cy) = (x.chars(), y.chars());
        match (cx.next(), cy.next()) {
            (None, None) => return a.cmp(b),
            (left, right) => {
                let fold = |c: Option<char>| c.map(|c| c.to_lowercase().next().unwrap_or(c));
                let order = fold(left).cmp(&fold(right));
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
        (x, y) = (cx.as_str(), cy.as_str());
    }
}

fn digits(text: &str) -> &str {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::natural;

    #[test]
    fn numbers_in_names_sort_by_value() {
        let mut names = [
            "p10.png",
            "p2.png",
            "P1.png",
            "p002b.png",
            "p02.png",
            "a.png",
        ];
        names.sort_by(|a, b| natural(a, b));
        let sorted = [
            "a.png",
            "P1.png",
            "p02.png",
            "p2.png",
            "p002b.png",
            "p10.png",
        ];
        assert_eq!(names, sorted);
    }
}
