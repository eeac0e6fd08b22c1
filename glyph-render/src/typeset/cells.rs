//! The built-in style: a fixed grid of cells.

use rayon::prelude::*;

use super::image_page;
use crate::config::{Normalization, RenderConfig};
use crate::document::{BlockKind, Document};
use crate::error::RenderError;
use crate::font::{FontSet, Latin};
use crate::layout::{
    CellLines, ClassCursor, LineBreaker, Lines, PagePlan, Pager, PlacedLine, Spacing, advance,
};
use crate::page::{BBox, CellLayout, Page, PageLine};
use crate::raster::{CELL_HEIGHT, CELL_WIDTH, CellAtlas};

const PAGE_WIDTH: usize = 700;
const PAGE_HEIGHT: usize = 994;
const MARGIN: usize = 14;
const COLUMNS: usize = (PAGE_WIDTH - 2 * MARGIN) / CELL_WIDTH;
const ROWS: usize = (PAGE_HEIGHT - 2 * MARGIN) / CELL_HEIGHT;

/// Width and height of a page in the built-in style in pixels.
pub(crate) const BUILTIN_PAGE: (u32, u32) = (PAGE_WIDTH as u32, PAGE_HEIGHT as u32);
/// Half-cells in a row, and rows.
pub(crate) const BUILTIN_GRID: (u32, u32) = (COLUMNS as u32, ROWS as u32);

/// The grid of every page in the built-in style.
const LAYOUT: CellLayout = CellLayout {
    x0: MARGIN as u32,
    y0: MARGIN as u32,
    cell_width: CELL_WIDTH as u32,
    line_height: CELL_HEIGHT as u32,
    columns: COLUMNS as u32,
    rows: ROWS as u32,
};

pub(crate) struct CellTypesetter {
    atlas: CellAtlas,
    breaker: CellBreaker,
    normalization: Normalization,
}

struct CellBreaker;

impl LineBreaker for CellBreaker {
    fn lines<'t>(&'t self, text: &'t str, _: ClassCursor) -> Lines<'t> {
        Box::new(CellLines::new(text, COLUMNS))
    }
}

impl std::fmt::Debug for CellTypesetter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CellTypesetter").finish_non_exhaustive()
    }
}

impl CellTypesetter {
    pub(crate) fn new(config: &RenderConfig) -> Result<Self, RenderError> {
        let fonts = FontSet::new(&config.fonts, Latin::Mono, 13.0)?;
        let mut cells = Self::with_fonts(fonts, config.antialias);
        cells.normalization = config.normalization;
        Ok(cells)
    }

    pub(crate) fn builtin() -> Self {
        Self::with_fonts(FontSet::embedded(Latin::Mono), true)
    }

    fn with_fonts(fonts: FontSet, antialias: bool) -> Self {
        Self {
            atlas: CellAtlas::new(fonts, antialias),
            breaker: CellBreaker,
            normalization: Normalization::None,
        }
    }

    fn plans<'a>(&'a self, document: &'a Document) -> Pager<'a, CellBreaker> {
        let spacing = Spacing {
            top: MARGIN as f32,
            bottom: (MARGIN + ROWS * CELL_HEIGHT) as f32,
            line_heights: vec![CELL_HEIGHT as f32],
            columns: 1,
            gap,
            around: CELL_HEIGHT as f32,
            keep_headings: false,
            mark: None,
            normalization: self.normalization,
        };
        Pager::new(document, spacing, None, &self.breaker)
    }

    pub(crate) fn pages<'a>(
        &'a self,
        document: &'a Document,
    ) -> impl Iterator<Item = Result<Page, RenderError>> + 'a {
        self.plans(document)
            .zip(1..)
            .map(|(plan, number)| self.draw(&plan, number))
    }

    pub(crate) fn render(&self, document: &Document) -> Result<Vec<Page>, RenderError> {
        let plans: Vec<PagePlan<'_>> = self.plans(document).collect();
        plans
            .par_iter()
            .enumerate()
            .map(|(i, plan)| self.draw(plan, i as u32 + 1))
            .collect()
    }

    fn draw(&self, plan: &PagePlan<'_>, number: u32) -> Result<Page, RenderError> {
        let lines = match plan {
            PagePlan::Image(image) => return image_page(image, number),
            PagePlan::Text(lines) => lines,
        };
        let mut pixels = vec![255u8; PAGE_WIDTH * PAGE_HEIGHT];
        let lines = lines
            .iter()
            .map(|placed| {
                let PlacedLine { text, line, .. } = placed;
                let y = placed.top as usize;
                let start = y * PAGE_WIDTH + MARGIN;
                let area = &mut pixels[start..start + CELL_HEIGHT * PAGE_WIDTH - MARGIN];
                let room = COLUMNS * CELL_WIDTH;
                self.draw_into(
                    &text.text[line.range.start..line.draw_end],
                    area,
                    PAGE_WIDTH,
                    room,
                );
                PageLine {
                    source_block: placed.block,
                    source: text.source(&line.range),
                    source_page: placed.source_page,
                    bbox: BBox {
                        x: MARGIN as u32,
                        y: y as u32,
                        width: line.width as u32 * CELL_WIDTH as u32,
                        height: CELL_HEIGHT as u32,
                    },
                }
            })
            .collect();
        Ok(Page {
            number,
            width: PAGE_WIDTH as u32,
            height: PAGE_HEIGHT as u32,
            pixels,
            lines,
            layout: Some(LAYOUT),
        })
    }

    pub(crate) fn draw_line(&self, text: &str, pixels: &mut [u8], stride: usize) {
        self.draw_into(text, pixels, stride, stride.min(COLUMNS * CELL_WIDTH));
    }

    /// Draws `text` from `pixels[0]` on, no further right than `room`.
    fn draw_into(&self, text: &str, pixels: &mut [u8], stride: usize, room: usize) {
        if stride == 0 {
            return;
        }
        let rows = CELL_HEIGHT.min((pixels.len() + stride - room) / stride);
        let mut column = 0;
        for c in text.chars() {
            if c == ' ' {
                column += 1;
                continue;
            }
            if c == '\t' {
                column = advance(column, c);
                continue;
            }
            let cell = self.atlas.get(c);
            let x = column * CELL_WIDTH;
            column += cell.width;
            if column * CELL_WIDTH > room {
                break;
            }
            match cell.width {
                0 => {}
                1 => copy::<CELL_WIDTH>(&cell.pixels, pixels, x, stride, rows),
                _ => copy::<{ 2 * CELL_WIDTH }>(&cell.pixels, pixels, x, stride, rows),
            }
        }
    }
}

/// Copies a cell's rows of `N` pixels; a fixed length compiles to few stores.
fn copy<const N: usize>(cell: &[u8], pixels: &mut [u8], x: usize, stride: usize, rows: usize) {
    for (row, source) in cell.chunks_exact(N).take(rows).enumerate() {
        let at = row * stride + x;
        pixels[at..at + N].copy_from_slice(source);
    }
}

/// One blank row between blocks, none between the items of a list or table.
fn gap(before: BlockKind, after: BlockKind, spacing: &Spacing) -> f32 {
    use BlockKind::{ListItem, TableRow};
    match (before, after) {
        (ListItem, ListItem) | (TableRow, TableRow) => 0.0,
        _ => spacing.around,
    }
}
