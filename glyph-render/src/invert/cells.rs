//! Reads pages in the built-in style.

use super::assemble::{Cells, assemble};
use super::engine::Engine;
use super::{Content, Read};
use crate::code::{CellRow, Digits, LineCode, MARGIN_BITS, Strip, bytes_of};
use crate::layout::advance;
use crate::page::Page;
use crate::raster::{CELL_HEIGHT, CELL_WIDTH, Lexicon, shape};
use crate::typeset::grid::{COLUMNS, MARGIN, PAGE_HEIGHT, PAGE_WIDTH, ROWS, margins};

/// Reads a page whose strips take `rows` rows each.
pub(super) fn read(page: &Page, strip: &Strip, rows: usize, engine: &Engine) -> Content {
    let mut content = Content::default();
    let (width, height) = (page.width as usize, page.height as usize);
    // The grid has one size only, so the rows of a page with another one are gone.
    if (width, height) != (PAGE_WIDTH, PAGE_HEIGHT) {
        content.resized = Some((strip.width, strip.height));
    }
    let mut distances = vec![0; PAGE_WIDTH * PAGE_HEIGHT + 8];
    for (row, line) in page
        .pixels
        .chunks_exact(width.max(1))
        .take(PAGE_HEIGHT)
        .enumerate()
    {
        let target = &mut distances[row * PAGE_WIDTH..][..PAGE_WIDTH.min(width)];
        for (distance, grey) in target.iter_mut().zip(line) {
            *distance = strip.tone.distance(*grey);
        }
    }
    let mut digits = Vec::new();
    let mut bytes = Vec::new();
    for row in 0..ROWS {
        let top = MARGIN + row * CELL_HEIGHT;
        digits.clear();
        for part in margins(top).into_iter().flatten() {
            digits.extend_from_slice(&distances[part]);
        }
        bytes_of(
            digits.iter().map(|digit| digit & 7),
            MARGIN_BITS,
            &mut bytes,
        );
        let code = LineCode::decode(&bytes, true);
        let grid = Grid {
            distances: &distances[top * PAGE_WIDTH + MARGIN..],
        };
        let blank_code = digits.iter().all(|digit| *digit == 0);
        if blank_code && grid.is_blank(0, COLUMNS) {
            continue;
        }
        let len = code.as_ref().map_or(0, |code| code.len.min(bytes.len()));
        let expected = Digits::new(&bytes[..len], MARGIN_BITS).chain(std::iter::repeat(0));
        let mut whole = digits.iter().copied().zip(expected).all(|(a, b)| a == b);
        let empty = CellRow::default();
        let mut cells = GridCells {
            grid,
            lexicon: &engine.classes[0],
            ranges: strip.ranges,
            hint: 0,
            row: code
                .as_ref()
                .and_then(|code| code.cells.as_ref())
                .unwrap_or(&empty),
            cell: 0,
            column: 0,
            blank: true,
        };
        let (text, read) = assemble(code.as_ref(), &mut cells);
        whole &= read && cells.blank && cells.grid.is_blank(cells.column.min(COLUMNS), COLUMNS);
        // Without its code nothing tells a row from an altered pixel but its ink.
        if code.is_none() && digits.iter().filter(|digit| **digit != 0).count() < 3 {
            let x = MARGIN;
            for y in top..top + CELL_HEIGHT {
                let line = &distances[y * PAGE_WIDTH..][..PAGE_WIDTH];
                content.expect_blank(&line[x..PAGE_WIDTH - x], !0, x, y);
                content.expect_blank(&line[..x], !0, 0, y);
                content.expect_blank(&line[PAGE_WIDTH - x..], !0, PAGE_WIDTH - x, y);
            }
            continue;
        }
        content.push(
            Read {
                top: top as u32,
                code,
                text,
                whole,
            },
            strip,
        );
    }
    for y in (rows..MARGIN).chain(PAGE_HEIGHT - MARGIN..PAGE_HEIGHT - rows.min(MARGIN)) {
        let line = &distances[y * PAGE_WIDTH..][..PAGE_WIDTH];
        content.expect_blank(line, !0, 0, y);
    }
    content
}

/// The pixels of a row of cells, from its first cell on.
struct Grid<'a> {
    distances: &'a [u8],
}

impl Grid<'_> {
    fn is_blank(&self, from: usize, to: usize) -> bool {
        (0..CELL_HEIGHT).all(|y| {
            let line = &self.distances[y * PAGE_WIDTH..];
            let part = line.get(from * CELL_WIDTH..to * CELL_WIDTH);
            part.is_some_and(|part| part.iter().all(|distance| *distance == 0))
        })
    }
}

struct GridCells<'a> {
    grid: Grid<'a>,
    lexicon: &'a Lexicon,
    ranges: u8,
    /// The range that the cell before came from.
    hint: u8,
    row: &'a CellRow,
    cell: usize,
    /// The next cell's first half-cell.
    column: usize,
    /// Whether all that tabs left out is blank.
    blank: bool,
}

impl GridCells<'_> {
    fn next(&mut self) -> Option<(u64, u8)> {
        let wide = *self.row.wide.get(self.cell)?;
        let digit = self.row.digits[self.cell];
        let (from, halves) = (self.column, 1 + usize::from(wide));
        self.cell += 1;
        self.column += halves;
        if self.column > COLUMNS {
            return None;
        }
        let cell = &self.grid.distances[from * CELL_WIDTH..];
        let width = halves * CELL_WIDTH;
        Some((shape(cell, PAGE_WIDTH, width, CELL_HEIGHT, !0), digit))
    }
}

impl Cells for GridCells<'_> {
    fn read(&mut self) -> Option<char> {
        let (shape, digit) = self.next()?;
        self.lexicon
            .char_near(shape, digit, self.ranges, &mut self.hint)
    }

    fn shows(&mut self, c: char) -> bool {
        self.next()
            .is_some_and(|(shape, digit)| digit == 0 && self.lexicon.shape(c) == Some(shape))
    }

    fn passes(&mut self) -> bool {
        self.read().is_some()
    }

    fn insert(&mut self, text: &str) {
        // Tabs after the last cell draw nothing.
        if self.left() == 0 {
            return;
        }
        for _ in text.matches('\t') {
            let to = advance(self.column, '\t');
            self.blank &= to <= COLUMNS && self.grid.is_blank(self.column, to);
            self.column = to.min(COLUMNS);
        }
    }

    fn left(&self) -> usize {
        self.row.wide.len() - self.cell
    }
}
