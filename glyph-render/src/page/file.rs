//! Pages as image files.

use std::io::{Cursor, Read};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageReader, Limits};
use serde::{Deserialize, Serialize};

use super::text::TEXT;
use super::{CellLayout, Page, PngOptions, deflate};
use crate::error::RenderError;

/// The largest side of an image that is read.
const MAX_SIDE: u32 = 20_000;
/// The most pixels of an image that is read.
const MAX_PIXELS: u64 = 100_000_000;
/// The most bytes of an image file that is read.
const MAX_FILE: u64 = 512 << 20;

const STYLE: &str = "glyph:style";
const NUMBER: &str = "glyph:page";
const LAYOUT: &str = "glyph:layout";

/// The grid as it stands in a PNG, with the page size it holds for: an image
/// that was resized afterwards must not keep it.
#[derive(Serialize, Deserialize)]
struct LayoutChunk {
    width: u32,
    height: u32,
    #[serde(flatten)]
    grid: CellLayout,
}

impl Page {
    /// Encodes the page as 8-bit grey PNG, the same bytes on every machine. Text chunks carry
    /// the style, the page number and the cell grid; the text itself is not stored.
    ///
    /// # Errors
    /// When the pixels do not fit the page's width and height, or one is 0.
    pub fn to_png(&self) -> Result<Vec<u8>, RenderError> {
        self.to_png_with(PngOptions::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`Page::to_png`].
    pub fn to_png_with(&self, options: PngOptions<'_>) -> Result<Vec<u8>, RenderError> {
        let wrap = |source| RenderError::PngEncode {
            page: self.number,
            source,
        };
        let expected = u64::from(self.width) * u64::from(self.height);
        if expected != self.pixels.len() as u64 {
            return Err(RenderError::PixelCount {
                name: format!("of page {}", self.number),
                width: self.width,
                height: self.height,
                expected,
                found: self.pixels.len() as u64,
            });
        }
        // Unfiltered: repeated glyphs stay alike wherever they stand.
        let data = deflate::zlib(&self.pixels, self.width as usize);
        let mut bytes = Vec::with_capacity(data.len() + 1024);
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let style = if self.layout.is_some() {
            "cells"
        } else {
            "free"
        };
        encoder
            .add_text_chunk(STYLE.to_owned(), style.to_owned())
            .map_err(wrap)?;
        encoder
            .add_text_chunk(NUMBER.to_owned(), self.number.to_string())
            .map_err(wrap)?;
        if let Some(grid) = self.layout {
            let chunk = LayoutChunk {
                width: self.width,
                height: self.height,
                grid,
            };
            let json = serde_json::to_string(&chunk).expect("a struct of integers is valid JSON");
            encoder
                .add_text_chunk(LAYOUT.to_owned(), json)
                .map_err(wrap)?;
        }
        let mut writer = encoder.write_header().map_err(wrap)?;
        if let Some(text) = options.text {
            let mut chunk = png::text_metadata::ITXtChunk::new(TEXT, text.to_json());
            chunk.compress_text().map_err(wrap)?;
            writer.write_text_chunk(&chunk).map_err(wrap)?;
        }
        // A chunk's length has 31 bits.
        for part in data.chunks(1 << 30) {
            writer.write_chunk(png::chunk::IDAT, part).map_err(wrap)?;
        }
        writer.finish().map_err(wrap)?;
        Ok(bytes)
    }

    /// Writes [`Page::to_png`] to a file.
    ///
    /// # Errors
    /// When the page cannot be encoded or the file cannot be written.
    pub fn write_png(&self, path: impl AsRef<Path>) -> Result<(), RenderError> {
        let path = path.as_ref();
        std::fs::write(path, self.to_png()?).map_err(|source| RenderError::Io {
            path: path.to_owned(),
            source,
        })
    }

    /// Reads a page from any PNG or JPEG file; see [`Page::from_image_bytes`].
    ///
    /// # Errors
    /// When the file cannot be read, is no PNG or JPEG, or is larger than 512 MiB.
    pub fn read_png(path: impl AsRef<Path>) -> Result<Self, RenderError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path);
        let read = file.and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
        read.map_err(|source| RenderError::Io {
            path: path.to_owned(),
            source,
        })?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(RenderError::Image {
                name,
                reason: format!("expected at most {MAX_FILE} bytes, found more"),
            });
        }
        Self::from_image_bytes(&name, &bytes)
    }

    /// Decodes any PNG or JPEG to grey, as [`Document::open`](crate::Document::open) does, with
    /// its colours beside where it has any; transparent parts become white. The page
    /// number and the cell grid come back where [`Page::to_png`] stored them;
    /// otherwise the page has number 1 and no grid. It has no lines, because
    /// the file does not hold the text. `name` is for messages.
    ///
    /// # Errors
    /// When the bytes are no PNG or JPEG, are damaged, or the image is larger
    /// than 20,000 px a side or 100 million pixels.
    pub fn from_image_bytes(name: &str, bytes: &[u8]) -> Result<Self, RenderError> {
        let fail = |reason: String| RenderError::Image {
            name: name.to_owned(),
            reason,
        };
        let mut reader = ImageReader::new(Cursor::new(bytes))
            .with_guessed_format()
            .map_err(|error| fail(error.to_string()))?;
        if reader.format().is_none() {
            return Err(fail("expected a PNG or JPEG file".to_owned()));
        }
        let mut limits = Limits::default();
        limits.max_image_width = Some(MAX_SIDE);
        limits.max_image_height = Some(MAX_SIDE);
        // 16-bit RGBA, and room for the decoder's own buffers.
        limits.max_alloc = Some(MAX_PIXELS * 10);
        reader.limits(limits);
        let mut decoder = reader
            .into_decoder()
            .map_err(|error| fail(error.to_string()))?;
        let (width, height) = decoder.dimensions();
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            return Err(fail(format!(
                "expected at most {MAX_PIXELS} pixels, found {width}x{height}"
            )));
        }
        let orientation = decoder
            .orientation()
            .map_err(|error| fail(error.to_string()))?;
        let mut image =
            DynamicImage::from_decoder(decoder).map_err(|error| fail(error.to_string()))?;
        image.apply_orientation(orientation);
        let (width, height) = (image.width(), image.height());
        let (number, layout) = chunks(bytes, width, height);
        let (pixels, color) = channels(image);
        Ok(Self {
            number,
            width,
            height,
            pixels,
            color,
            lines: Vec::new(),
            layout,
        })
    }
}

/// The page number and the grid from a PNG file.
fn chunks(bytes: &[u8], width: u32, height: u32) -> (u32, Option<CellLayout>) {
    // JPEGs and PNGs with odd chunks have decoded by now; they just have none of ours.
    let Ok(reader) = png::Decoder::new(Cursor::new(bytes)).read_info() else {
        return (1, None);
    };
    let text = &reader.info().uncompressed_latin1_text;
    geometry(
        text.iter().map(|c| (c.keyword.as_str(), c.text.as_str())),
        width,
        height,
    )
}

/// The page number and the grid from a PNG's text chunks.
pub(crate) fn geometry<'a>(
    chunks: impl Iterator<Item = (&'a str, &'a str)>,
    width: u32,
    height: u32,
) -> (u32, Option<CellLayout>) {
    let mut number = 1;
    let mut layout = None;
    for (keyword, text) in chunks {
        match keyword {
            NUMBER => number = text.parse().unwrap_or(1),
            LAYOUT => {
                layout = serde_json::from_str(text)
                    .ok()
                    .filter(|chunk: &LayoutChunk| (chunk.width, chunk.height) == (width, height))
                    .map(|chunk| chunk.grid);
            }
            _ => {}
        }
    }
    (number, layout.filter(|grid| fits(grid, width, height)))
}

/// Whether a grid is sane: a file's chunk may say anything.
fn fits(grid: &CellLayout, width: u32, height: u32) -> bool {
    let across = u64::from(grid.x0) + u64::from(grid.columns) * u64::from(grid.cell_width);
    let down = u64::from(grid.y0) + u64::from(grid.rows) * u64::from(grid.line_height);
    let counts = [grid.columns, grid.rows, grid.cell_width, grid.line_height];
    counts.iter().all(|&n| n > 0) && across <= u64::from(width) && down <= u64::from(height)
}

/// Grey values over a white background, and red, green and blue bytes where there is colour.
pub(crate) fn channels(image: DynamicImage) -> (Vec<u8>, Option<Vec<u8>>) {
    let kind = image.color();
    if !kind.has_color() {
        let grey = match kind.has_alpha() {
            true => {
                let image = image.into_luma_alpha8();
                image.pixels().map(|p| on_white(p.0[0], p.0[1])).collect()
            }
            false => image.into_luma8().into_raw(),
        };
        return (grey, None);
    }
    let image = image.into_rgba8();
    let grey = image.pixels().map(|pixel| {
        let [r, g, b, a] = pixel.0;
        on_white(luminance(r, g, b), a)
    });
    let grey = grey.collect();
    let color: Vec<u8> = image
        .pixels()
        .flat_map(|pixel| {
            let [r, g, b, a] = pixel.0;
            [r, g, b].map(|channel| on_white(channel, a))
        })
        .collect();
    (grey, Some(color).filter(|color| is_colored(color)))
}

/// Channels of a pixel that lie no further apart are grey: JPEG and scanners tint what is.
const TINT: u8 = 8;

/// Whether a picture of red, green and blue bytes shows more than grey.
pub(crate) fn is_colored(rgb: &[u8]) -> bool {
    rgb.chunks_exact(3).any(|p| {
        let (low, high) = (p[0].min(p[1]).min(p[2]), p[0].max(p[1]).max(p[2]));
        high - low > TINT
    })
}

/// A grey value with alpha over white.
fn on_white(grey: u8, alpha: u8) -> u8 {
    let (grey, alpha) = (u32::from(grey), u32::from(alpha));
    ((grey * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// The grey value of a colour (ITU-R BT.601).
pub(crate) fn luminance(r: u8, g: u8, b: u8) -> u8 {
    ((u32::from(r) * 299 + u32::from(g) * 587 + u32::from(b) * 114 + 500) / 1000) as u8
}
