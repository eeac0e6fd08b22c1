//! The built-in style: a fixed grid of cells.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::compose::{Chain, Place, Scratch, collect, split};
use super::image_page;
use crate::code::{
    BlockStart, CellRow, Class, Digits, MARGIN_BITS, Ops, Strip, Tone, digits_for, draw_strip,
    encode_line,
};
use crate::config::{Normalization, RenderConfig};
use crate::document::{BlockKind, Document};
use crate::error::RenderError;
use crate::font::{FontSet, Latin};
use crate::layout::{
    CellLines, ClassCursor, Line, LineBreaker, Lines, PagePlan, Pager, PlacedLine, Prepared,
    Spacing, Split, advance, block_starts, half_cells,
};
use crate::page::{BBox, CellLayout, Page, PageLine};
use crate::raster::{BASELINE, CELL_HEIGHT, CELL_WIDTH, CellAtlas, CellGlyphs, Lexicon, Sign};

pub(crate) const PAGE_WIDTH: usize = 700;
pub(crate) const PAGE_HEIGHT: usize = 994;
pub(crate) const MARGIN: usize = 14;
pub(crate) const COLUMNS: usize = (PAGE_WIDTH - 2 * MARGIN) / CELL_WIDTH;
/// Ink is black: cells hold all grey levels, and codes lie in the margins.
const TONE: Tone = Tone::coded(255, true, 255, 0);
pub(crate) const ROWS: usize = (PAGE_HEIGHT - 2 * MARGIN) / CELL_HEIGHT;

/// Width and height of a page in the built-in style in pixels.
pub(crate) const BUILTIN_PAGE: (u32, u32) = (PAGE_WIDTH as u32, PAGE_HEIGHT as u32);
/// Half-cells in a row, and rows.
pub(crate) const BUILTIN_GRID: (u32, u32) = (COLUMNS as u32, ROWS as u32);

/// Font size for messages and strips; the atlas has its own for each font.
const PX: f32 = 13.0;
/// Digits that a row has room for: both margins beside it, the right one first.
const ROW_DIGITS: usize = 2 * MARGIN * CELL_HEIGHT;

pub(crate) struct CellTypesetter {
    breaker: CellBreaker,
    coding: Option<Coding>,
    normalization: Normalization,
}

/// What pages that carry codes need besides.
struct Coding {
    /// What is the same on all pages.
    strip: Strip,
    lexicon: Arc<Lexicon>,
}

struct CellBreaker {
    atlas: CellAtlas,
    coded: bool,
}

impl std::fmt::Debug for CellTypesetter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CellTypesetter").finish_non_exhaustive()
    }
}

impl CellTypesetter {
    pub(crate) fn new(config: &RenderConfig) -> Result<Self, RenderError> {
        let fonts = FontSet::new(&config.fonts, Latin::Mono, PX)?;
        let mut cells = Self::with_fonts(fonts, config.antialias, config.invertible);
        cells.normalization = config.normalization;
        Ok(cells)
    }

    /// The built-in style for drawing single lines.
    pub(crate) fn builtin() -> Self {
        Self::with_fonts(FontSet::embedded(Latin::Mono), true, false)
    }

    fn with_fonts(fonts: FontSet, antialias: bool, invertible: bool) -> Self {
        let glyphs = CellGlyphs {
            fonts: Arc::new(fonts),
            antialias,
        };
        let coding = invertible.then(|| Coding::new(&glyphs));
        let lexicon = coding.as_ref().map(|coding| Arc::clone(&coding.lexicon));
        Self {
            breaker: CellBreaker {
                atlas: CellAtlas::new(glyphs, lexicon),
                coded: invertible,
            },
            coding,
            normalization: Normalization::None,
        }
    }

    /// How pages are coded, where they carry codes.
    pub(crate) fn coding(&self) -> Option<(Strip, Vec<Arc<Lexicon>>)> {
        let coding = self.coding.as_ref()?;
        Some((coding.strip.clone(), vec![Arc::clone(&coding.lexicon)]))
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

    pub(crate) fn pages_from<'a>(
        &'a self,
        document: &'a Document,
        mut skip: usize,
    ) -> impl Iterator<Item = Result<Page, RenderError>> + 'a {
        let mut plans = self.plans(document).peekable();
        let mut chain = Chain::default();
        std::iter::from_fn(move || {
            loop {
                let plan = plans.next()?;
                let place = chain.place(document, &plan, plans.peek());
                if skip == 0 {
                    return Some(self.draw(document, &plan, place));
                }
                skip -= 1;
            }
        })
    }

    pub(crate) fn render(&self, document: &Document) -> Result<Vec<Page>, RenderError> {
        let plans: Vec<PagePlan<'_>> = self.plans(document).collect();
        let mut chain = Chain::default();
        let places: Vec<Place> = (0..plans.len())
            .map(|i| chain.place(document, &plans[i], plans.get(i + 1)))
            .collect();
        plans
            .par_iter()
            .zip(&places)
            .map(|(plan, place)| self.draw(document, plan, *place))
            .collect()
    }

    fn draw(
        &self,
        document: &Document,
        plan: &PagePlan<'_>,
        place: Place,
    ) -> Result<Page, RenderError> {
        let placed = match plan {
            PagePlan::Image(image) => return image_page(image, place.number),
            PagePlan::Text(placed) => placed,
        };
        let mut pixels = vec![255u8; PAGE_WIDTH * PAGE_HEIGHT];
        let mut lines = Vec::with_capacity(placed.len());
        let mut scratch = Scratch::default();
        let mut ranges = 0;
        for (ordinal, placed) in placed.iter().enumerate() {
            let PlacedLine { text, line, .. } = placed;
            let y = placed.top as usize;
            let start = y * PAGE_WIDTH + MARGIN;
            let area = &mut pixels[start..start + CELL_HEIGHT * PAGE_WIDTH - MARGIN];
            let room = COLUMNS * CELL_WIDTH;
            let drawn = &text.text[line.range.start..line.draw_end];
            let used = self.draw_into(drawn, area, PAGE_WIDTH, room);
            ranges = ranges.max(used);
            if self.coding.is_some() {
                self.draw_code(document, placed, ordinal as u32, &mut pixels, &mut scratch);
            }
            if line.range.is_empty() {
                continue;
            }
            lines.push(PageLine {
                source_block: placed.block,
                source: text.source(&line.range),
                source_page: placed.source_page,
                bbox: BBox {
                    x: MARGIN as u32,
                    y: y as u32,
                    width: line.width as u32 * CELL_WIDTH as u32,
                    height: CELL_HEIGHT as u32,
                },
            });
        }
        if let Some(coding) = &self.coding {
            let strip = place.strip(&coding.strip, document, placed, ranges);
            draw_strip(&strip.encode(), TONE, &mut pixels, PAGE_WIDTH);
        }
        Ok(Page {
            number: place.number,
            width: PAGE_WIDTH as u32,
            height: PAGE_HEIGHT as u32,
            pixels,
            color: None,
            lines,
            layout: Some(CellLayout::BUILTIN),
        })
    }

    /// Writes a line's code into the margins beside it.
    fn draw_code(
        &self,
        document: &Document,
        placed: &PlacedLine<'_>,
        ordinal: u32,
        pixels: &mut [u8],
        scratch: &mut Scratch,
    ) {
        let PlacedLine { text, line, .. } = placed;
        let starts = block_starts(document, &placed.starts);
        let content = text.original(&line.range);
        let Scratch {
            ops, code, cells, ..
        } = scratch;
        self.breaker
            .encode((text, line), &starts, ordinal, content, (ops, cells, code));
        let mut digits = Digits::new(code, MARGIN_BITS);
        for area in margins(placed.top as usize) {
            for row in area {
                for pixel in &mut pixels[row] {
                    *pixel = TONE.grey(digits.next().unwrap_or(0));
                }
            }
        }
        debug_assert!(digits.next().is_none(), "the line breaker leaves room");
    }

    pub(crate) fn draw_line(&self, text: &str, pixels: &mut [u8], stride: usize) {
        self.draw_into(text, pixels, stride, stride.min(COLUMNS * CELL_WIDTH));
    }

    /// Draws `text` from `pixels[0]` on, no further right than `room`. Returns how many ranges
    /// of characters it comes from.
    fn draw_into(&self, text: &str, pixels: &mut [u8], stride: usize, room: usize) -> u8 {
        let mut ranges = 1;
        if stride == 0 {
            return ranges;
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
            let signed = self.breaker.atlas.get(c);
            let cell = &signed.cell;
            if let Sign::Shape { range, .. } = signed.sign {
                ranges = ranges.max(range + 1);
            }
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
        ranges
    }
}

impl Coding {
    fn new(glyphs: &CellGlyphs) -> Self {
        let strip = Strip {
            cells: true,
            antialias: glyphs.antialias,
            last: false,
            width: PAGE_WIDTH as u32,
            height: PAGE_HEIGHT as u32,
            tone: TONE,
            horizontal_scale: 1.0,
            room: 2 * CELL_WIDTH as u32,
            classes: vec![Class {
                px: PX,
                height: CELL_HEIGHT as u32,
                baseline: BASELINE as u32,
            }],
            paper: TONE.background,
            mark: None,
            fonts: glyphs.fonts.id(),
            ranges: 0,
            number: 0,
            document: 0,
            before: 0,
            after: 0,
            lines: 0,
            block: (
                0,
                BlockStart {
                    kind: BlockKind::Paragraph,
                    source_page: None,
                    empty: false,
                },
            ),
            spans: Vec::new(),
            pixels: None,
        };
        Self {
            strip,
            lexicon: Arc::new(Lexicon::new(glyphs.clone())),
        }
    }
}

/// The pixels in the margins that hold the code of a row of cells, in order.
pub(crate) fn margins(top: usize) -> [impl Iterator<Item = Range<usize>>; 2] {
    let columns = [PAGE_WIDTH - MARGIN, 0];
    columns.map(|x| {
        (top..top + CELL_HEIGHT).map(move |y| {
            let from = y * PAGE_WIDTH + x;
            from..from + MARGIN
        })
    })
}

impl CellBreaker {
    fn sign(&self, c: char) -> Sign {
        match c {
            // A tab moves on to the next stop; no cell is drawn.
            '\t' => Sign::Hidden,
            c => self.atlas.get(c).sign,
        }
    }

    /// Encodes a line.
    fn encode(
        &self,
        (text, line): (&Prepared<'_>, &Line),
        starts: &[BlockStart],
        ordinal: u32,
        content: &str,
        (ops, cells, code): (&mut Ops, &mut CellRow, &mut Vec<u8>),
    ) {
        cells.clear();
        let tail = collect(text, line, ops, |c| {
            let sign = self.sign(c);
            match sign {
                Sign::Hidden => {}
                Sign::Explicit => cells.push(half_cells(c) == 2, 0),
                Sign::Shape { digit, .. } => cells.push(half_cells(c) == 2, digit),
            }
            sign
        });
        encode_line((0, tail, ordinal), starts, Some(cells), ops, content, code);
    }

    /// Whether a line surely has room for its code: most lines are told by this alone.
    fn surely_fits(&self, text: &Prepared<'_>, line: &Line) -> bool {
        let tail = &text.text.as_bytes()[line.draw_end..line.range.end];
        let mut drawn = text.text[line.range.start..line.draw_end].chars();
        // Plain cells take half a byte each at most: their widths and their digits.
        matches!(tail, b"" | b" " | b"\n" | b"\r\n")
            && drawn.all(|c| matches!(self.sign(c), Sign::Shape { .. }))
            && text.replacements(&line.range).next().is_none()
    }
}

impl LineBreaker for CellBreaker {
    fn lines<'t>(&'t self, text: &'t str, _: ClassCursor) -> Lines<'t> {
        Box::new(CellLines::new(text, COLUMNS))
    }

    fn is_coded(&self) -> bool {
        self.coded
    }

    fn width(&self, text: &Prepared<'_>, line: &Line) -> f32 {
        let drawn = &text.text[line.range.start..line.draw_end];
        drawn.chars().fold(0, advance) as f32
    }

    fn split(&self, text: &Prepared<'_>, line: &Line, starts: &[BlockStart]) -> Option<Split> {
        if !self.coded || starts.len() < 2 && self.surely_fits(text, line) {
            return None;
        }
        let fits = |line: &Line, starts: &[BlockStart]| {
            let (mut ops, mut cells, mut code) = Default::default();
            self.encode(
                (text, line),
                starts,
                0,
                "",
                (&mut ops, &mut cells, &mut code),
            );
            digits_for(code.len(), MARGIN_BITS) <= ROW_DIGITS
        };
        split(text, line, starts, fits)
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
