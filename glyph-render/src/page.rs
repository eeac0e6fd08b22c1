//! A rendered page.

mod deflate;
mod file;
mod text;

pub use text::{PageText, PngOptions, TextBlock};
pub(crate) use text::{TEXT, kind_name};

#[cfg(any(feature = "pdf", feature = "pdfium"))]
pub(crate) use file::is_colored;
pub(crate) use file::{channels, geometry, luminance};

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::raster::{CELL_HEIGHT, CELL_WIDTH};
use crate::typeset::grid;

use crate::code::Tone;
use crate::config::RenderConfig;
use crate::marks::remove_mask;

/// A rectangle in pixels, its origin at the page's top left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BBox {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Width; 0 for a line that draws nothing.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl BBox {
    /// The smallest rectangle that covers both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        let x = self.x.min(other.x);
        let y = self.y.min(other.y);
        Self {
            x,
            y,
            width: (self.x + self.width).max(other.x + other.width) - x,
            height: (self.y + self.height).max(other.y + other.height) - y,
        }
    }
}

/// One drawn line and the text it came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageLine {
    /// Index into [`Document::blocks`](crate::Document::blocks).
    pub source_block: usize,
    /// Bytes of the block's text: those drawn, and the white space and line
    /// break after them. The ranges of a block's lines follow one another.
    pub source: Range<usize>,
    /// The 1-based page of the source, where known.
    pub source_page: Option<u32>,
    /// Where the line is drawn.
    pub bbox: BBox,
}

/// Where the grid of a page in the built-in style lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CellLayout {
    /// Left edge of the first column.
    pub x0: u32,
    /// Top edge of the first row.
    pub y0: u32,
    /// Width of a half-cell.
    pub cell_width: u32,
    /// Height of a row.
    pub line_height: u32,
    /// Half-cells in a row.
    pub columns: u32,
    /// Rows on a page.
    pub rows: u32,
}

impl CellLayout {
    /// Width and height in pixels of a page in the built-in style.
    pub const BUILTIN_PAGE: (u32, u32) = (grid::PAGE_WIDTH as u32, grid::PAGE_HEIGHT as u32);

    /// The grid of every page in the built-in style.
    pub const BUILTIN: Self = Self {
        x0: grid::MARGIN as u32,
        y0: grid::MARGIN as u32,
        cell_width: CELL_WIDTH as u32,
        line_height: CELL_HEIGHT as u32,
        columns: grid::COLUMNS as u32,
        rows: grid::ROWS as u32,
    };
}

/// A rendered page: 8-bit grey, row-major, 255 is white.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// 1-based number.
    pub number: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `width * height` grey values.
    pub pixels: Vec<u8>,
    /// The same pixels as red, green and blue bytes, on a page that was a coloured image: what
    /// vision-language models are shown. All else looks at `pixels`.
    pub color: Option<Vec<u8>>,
    /// The lines in reading order; none on a page that was an image already.
    pub lines: Vec<PageLine>,
    /// The cell grid; `None` outside the built-in style.
    pub layout: Option<CellLayout>,
}

impl Page {
    /// The page without its grid and watermark: as it was when only they were
    /// still to be added. `config` is the one the page was rendered with; a page
    /// without them, or that was an image already, comes back as it is.
    #[must_use]
    pub fn without_mask(&self, config: &RenderConfig) -> Self {
        let mut page = self.clone();
        if let Some(style) = config.flow().filter(|style| style.mask_levels() > 0)
            && !self.lines.is_empty()
        {
            let (background, ink) = (style.page_bg_color.grey(), style.font_color.grey());
            let tone = Tone::new(background, ink, style.mask_levels());
            remove_mask(&mut page.pixels, tone);
        }
        page
    }
}
