//! Glyphs placed in cells, each rasterised once.

use std::sync::{Arc, OnceLock};

use super::hexbox::hex_box;
use super::lexicon::{Lexicon, Shapes, Sign};
use super::shape::shape;
use crate::font::{Family, FontSet};
use crate::layout::half_cells;

/// Width of a half-cell in pixels.
pub(crate) const CELL_WIDTH: usize = 7;
/// Height of a cell, which is the line height.
pub(crate) const CELL_HEIGHT: usize = 14;
/// Rows above the baseline.
pub(crate) const BASELINE: i32 = 11;
/// DejaVu Sans Mono is 1233/2048 em wide, so a half-cell takes 11.6 px.
const DEJAVU_PX: f32 = 11.6;
/// Han ink is up to 242/256 em wide: at 13 px it leaves one column free.
const DROID_PX: f32 = 13.0;
const PAGE: usize = 64;

/// A cell's pixels, ready to be copied: `CELL_HEIGHT` rows of `width * CELL_WIDTH`.
pub(crate) struct Cell {
    /// In half-cells: 0, 1 or 2.
    pub(crate) width: usize,
    pub(crate) pixels: [u8; 2 * CELL_WIDTH * CELL_HEIGHT],
}

/// A cell and how a reader tells its character.
pub(crate) struct SignedCell {
    pub(crate) cell: Cell,
    pub(crate) sign: Sign,
}

type CellPage = Box<[OnceLock<SignedCell>; PAGE]>;

/// Cells by character, filled as characters appear.
pub(crate) struct CellAtlas {
    pub(crate) glyphs: CellGlyphs,
    /// Tells characters of the same shape apart; none where pages carry no code.
    lexicon: Option<Arc<Lexicon>>,
    pages: Box<[OnceLock<CellPage>]>,
}

impl CellAtlas {
    pub(crate) fn new(glyphs: CellGlyphs, lexicon: Option<Arc<Lexicon>>) -> Self {
        let pages = (0..=char::MAX as usize / PAGE)
            .map(|_| OnceLock::new())
            .collect();
        Self {
            glyphs,
            lexicon,
            pages,
        }
    }

    pub(crate) fn get(&self, c: char) -> &SignedCell {
        let code = c as usize;
        let page =
            self.pages[code / PAGE].get_or_init(|| Box::new([const { OnceLock::new() }; PAGE]));
        page[code % PAGE].get_or_init(|| {
            let cell = self.glyphs.cell(c);
            let sign = match &self.lexicon {
                _ if cell.width == 0 => Sign::Hidden,
                None => Sign::Explicit,
                Some(lexicon) => lexicon.sign(c, cell.shape()),
            };
            SignedCell { cell, sign }
        })
    }
}

impl Cell {
    fn shape(&self) -> u64 {
        let width = self.width * CELL_WIDTH;
        let ink = self.pixels.map(|grey| 255 - grey);
        shape(&ink, width, width, CELL_HEIGHT, !0)
    }
}

/// Draws characters into cells.
#[derive(Debug, Clone)]
pub(crate) struct CellGlyphs {
    pub(crate) fonts: Arc<FontSet>,
    pub(crate) antialias: bool,
}

impl Shapes for CellGlyphs {
    fn shape(&self, c: char) -> Option<u64> {
        let cell = self.cell(c);
        (cell.width > 0).then(|| cell.shape())
    }

    fn fonts(&self) -> &Arc<FontSet> {
        &self.fonts
    }

    fn rare(&self) -> bool {
        true
    }
}

impl CellGlyphs {
    fn cell(&self, c: char) -> Cell {
        let width = half_cells(c);
        let mut cell = Cell {
            width,
            pixels: [255; 2 * CELL_WIDTH * CELL_HEIGHT],
        };
        if width == 0 || c.is_whitespace() {
            return cell;
        }
        let columns = width * CELL_WIDTH;
        let mut paint = |x: usize, y: usize, coverage: u8| {
            let coverage = match (self.antialias, coverage) {
                (true, coverage) => coverage,
                (false, 128..) => 255,
                (false, _) => 0,
            };
            cell.pixels[y * columns + x] = 255 - coverage;
        };
        let Some((outline, family)) = self.fonts.find(c) else {
            let coverage = hex_box(c, columns, CELL_HEIGHT);
            for (i, &value) in coverage.iter().enumerate() {
                paint(i % columns, i / columns, value);
            }
            return cell;
        };
        let mut px = match family {
            Family::Droid => DROID_PX,
            Family::DejaVu => DEJAVU_PX,
            Family::User if width == 2 => DROID_PX,
            Family::User => DEJAVU_PX,
        };
        // Shrink what would not fit: a wide symbol in one half-cell, a tall font.
        let metrics = outline.metrics(px);
        let room = columns as f32;
        // Lines and blocks overhang their advance on purpose, to join up.
        let wide = match c {
            '\u{2500}'..='\u{259F}' => metrics.advance_width,
            _ => metrics.advance_width.max(metrics.bounds.width),
        };
        if wide > room {
            px *= room / wide;
        }
        let (metrics, bitmap) = outline.rasterize(px);
        let spare = ((room - metrics.advance_width) / 2.0).max(0.0) as i32;
        let left = into(metrics.xmin + spare, metrics.width, columns);
        let top = BASELINE - metrics.ymin - metrics.height as i32;
        let top = into(top, metrics.height, CELL_HEIGHT);
        for y in 0..metrics.height {
            for x in 0..metrics.width {
                let (cx, cy) = (left + x as i32, top + y as i32);
                if (0..columns as i32).contains(&cx) && (0..CELL_HEIGHT as i32).contains(&cy) {
                    paint(cx as usize, cy as usize, bitmap[y * metrics.width + x]);
                }
            }
        }
        cell
    }
}

/// Moves a bitmap into a cell where it fits; centres it where it does not.
fn into(at: i32, size: usize, room: usize) -> i32 {
    let free = room as i32 - size as i32;
    if free < 0 {
        free / 2
    } else {
        at.clamp(0, free)
    }
}
