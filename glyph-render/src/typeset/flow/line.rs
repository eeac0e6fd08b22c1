//! One line: its cells and its code.

use super::ascii::{Ascii, ROW, is_ascii};
use super::canvas::Canvas;
use super::face::Face;
use super::stretch::Stretch;
use super::{FlowTypesetter, TAB_DIGIT};
use crate::code::{START, Tail, encode_line, fill_digits};
use crate::config::Alignment;
use crate::document::Document;
use crate::layout::{PlacedLine, Widths, block_starts, half_cells};
use crate::raster::Sign;
use crate::typeset::compose::{Scratch, collect, finish};

/// What a line took.
pub(super) struct Drawn {
    /// Where its text begins and ends.
    pub(super) start: f32,
    pub(super) end: f32,
    /// Where its code ends.
    pub(super) coded_end: usize,
    /// How many ranges of characters its cells come from.
    pub(super) ranges: u8,
}

/// Where the cells of a line lie.
#[derive(Clone, Copy)]
struct Row {
    /// Where its first cell starts, in pixels.
    origin: f32,
    /// Its first row of pixels, and how many it has.
    top: usize,
    height: usize,
    /// The first column of its codes.
    from: usize,
}

/// What came of a line's cells.
struct Cells {
    /// Where the next cell could begin.
    free: usize,
    ranges: u8,
}

/// The nearest whole number, for numbers that are not negative; ties go up.
#[inline]
fn round(value: f32) -> usize {
    let whole = value as u32;
    (whole + u32::from(value - whole as f32 >= 0.5)) as usize
}

impl FlowTypesetter {
    /// Draws a line and its code.
    pub(super) fn draw_line(
        &self,
        document: &Document,
        placed: &PlacedLine<'_>,
        ordinal: u32,
        canvas: &mut Canvas,
        scratch: &mut Scratch,
    ) -> Drawn {
        let PlacedLine { text, line, .. } = placed;
        let style = &self.style;
        let face = self.breaker.face(line);
        let drawn = &text.text[line.range.start..line.draw_end];
        let indent = if line.first {
            style.first_line_indent
        } else {
            0.0
        };
        let column = self.geometry.columns[placed.column];
        let left = column + style.px_across(style.left_indent + indent);
        let room = if line.first {
            self.breaker.room.0
        } else {
            self.breaker.room.1
        };
        let spare = (room - line.width).max(0.0);
        let start = match style.alignment {
            Alignment::Left | Alignment::Justify => left,
            Alignment::Center => left + spare / 2.0,
            Alignment::Right => left + spare,
        };
        let stretch = match style.alignment {
            Alignment::Justify if !line.last => Stretch::new(drawn, spare),
            _ => Stretch::NONE,
        };
        let end = start + if stretch.each > 0.0 { room } else { line.width };
        let (from, to) = self.spans[placed.column];
        let (from, to) = (from as usize, to as usize);
        if self.geometry.columns.len() > 1 || self.geometry.is_boxed() {
            canvas.limit = ((left + room).ceil() as usize).min(canvas.width);
        }
        // Rounding must not push the end's mark out of the span.
        let over = (end.round() - (to as f32 - 1.0)).max(0.0);
        let row = Row {
            origin: (start - over).max(from as f32),
            top: placed.top.round().max(0.0) as usize,
            height: face.sprites.glyphs.style.class.height as usize,
            from,
        };
        scratch.columns.clear();
        scratch.columns.resize(to - from, 0);
        // Lines without replacements tell their operations while they are drawn.
        let plain = text.replacements(&line.range).next().is_none();
        scratch.ops.clear();
        let ascii = face.ascii().filter(|ascii| {
            let fits = (row.top + row.height) * canvas.width <= canvas.pixels.len();
            let narrow = self.flat && ascii.is_narrow();
            plain && narrow && fits && stretch.spaces_only && is_ascii(drawn.as_bytes())
        });
        let cells = match ascii {
            Some(ascii) if stretch.each > 0.0 => {
                draw_ascii::<true>(ascii, drawn.as_bytes(), stretch.each, row, canvas, scratch)
            }
            Some(ascii) => draw_ascii::<false>(ascii, drawn.as_bytes(), 0.0, row, canvas, scratch),
            None => self.draw_cells(face, placed, &stretch, row, canvas, scratch),
        };
        let mut coded_end = 0;
        if self.coding.is_some() {
            // The last cell needs no more than its own width.
            let x = cells.free.max(round(row.origin));
            if let Some(column) = scratch.columns.get_mut(x - from) {
                *column = START;
            }
            let tail = match plain {
                true => finish(text, line, &mut scratch.ops),
                false => collect(text, line, &mut scratch.ops, |c| face.sign(c)),
            };
            let last = (row.top + row.height - 1) * canvas.width + from;
            let place = (ordinal, last, tail);
            coded_end = from + self.draw_code(document, placed, place, canvas, scratch);
            coded_end = coded_end.max(x + 1);
        }
        Drawn {
            start,
            end,
            coded_end,
            ranges: cells.ranges,
        }
    }

    /// Draws a line's cells, and notes where they start and which of them codes must name.
    fn draw_cells(
        &self,
        face: &Face,
        placed: &PlacedLine<'_>,
        stretch: &Stretch,
        row: Row,
        canvas: &mut Canvas,
        scratch: &mut Scratch,
    ) -> Cells {
        let PlacedLine { text, line, .. } = placed;
        let drawn = &text.text[line.range.start..line.draw_end];
        let plain = text.replacements(&line.range).next().is_none();
        // Tab stops are counted from the line's start, as the line breaker does.
        let mut pen = 0.0;
        let mut before = None;
        let mut free = 0;
        let mut ranges = 0;
        for (at, c) in drawn.char_indices() {
            let sprite = face.sprites.get(c);
            let is_tab = c == '\t';
            if !is_tab {
                pen += before.map_or(0.0, |before| face.between(before, c));
            }
            before = Some(c);
            if sprite.advance == 0.0 && !is_tab {
                if plain {
                    scratch.ops.insert(c);
                }
                continue;
            }
            // Cells never overlap, whatever the widths were.
            let x = round(row.origin + pen).max(free);
            let sprite = match &self.newlines {
                Some(newlines) if text.is_mark(line.range.start + at) => {
                    newlines[usize::from(line.class)].get(c)
                }
                _ => sprite,
            };
            if !sprite.pixels.is_empty() {
                canvas.put(sprite, x, row.top, row.height);
            }
            let mut mark = START;
            if is_tab {
                mark |= TAB_DIGIT;
                pen = face.tab_stop(pen);
                scratch.ops.skip(1);
            } else {
                if let Sign::Shape { digit, range } = sprite.sign {
                    mark |= digit;
                    ranges = ranges.max(range + 1);
                    scratch.ops.skip(1);
                } else if plain {
                    scratch.ops.explicit(c);
                }
                pen += sprite.advance + face.spacing(c);
            }
            if let Some(column) = scratch.columns.get_mut(x - row.from) {
                *column = mark;
            }
            // A tab is as wide as its stop is far.
            let least = if is_tab { 1 } else { sprite.advance as usize };
            free = x + least.max(1);
            if c == ' ' || (!stretch.spaces_only && half_cells(c) > 0) {
                pen += stretch.each;
            }
        }
        Cells { free, ranges }
    }

    /// Writes a line's code between the marks of its cells, from pixel `row` on; returns how
    /// many pixels on it ends.
    fn draw_code(
        &self,
        document: &Document,
        placed: &PlacedLine<'_>,
        (ordinal, row, tail): (u32, usize, Tail),
        canvas: &mut Canvas,
        scratch: &mut Scratch,
    ) -> usize {
        let PlacedLine { text, line, .. } = placed;
        let starts = block_starts(document, &placed.starts);
        let content = text.original(&line.range);
        let Scratch {
            ops, code, columns, ..
        } = scratch;
        let class = u32::from(line.class);
        encode_line((class, tail, ordinal), &starts, None, ops, content, code);
        let end = fill_digits(code, columns);
        debug_assert!(end.is_some(), "the line breaker leaves room");
        self.tone
            .add(&mut canvas.pixels[row..row + columns.len()], columns);
        end.unwrap_or(columns.len())
    }
}

/// The same as `draw_cells`, of printable ASCII on a page with nothing under it.
fn draw_ascii<const STRETCHED: bool>(
    ascii: &Ascii,
    drawn: &[u8],
    each: f32,
    row: Row,
    canvas: &mut Canvas,
    scratch: &mut Scratch,
) -> Cells {
    let (width, limit) = (canvas.width, canvas.limit);
    let band = &mut canvas.pixels[row.top * width..][..row.height * width];
    let columns = scratch.columns.as_mut_slice();
    let (mut pen, mut free) = (0.0, 0);
    for byte in drawn {
        let cell = ascii.cell(*byte);
        let x = round(row.origin + pen).max(free);
        let rows = ascii.rows(*byte);
        if x + ROW <= limit {
            copy_cell(rows, &mut band[x..], width);
        } else if x < limit {
            let wide = limit - x;
            for (line, row) in band.chunks_exact_mut(width).zip(rows) {
                line[x..limit].copy_from_slice(&row[..wide]);
            }
        }
        if let Some(column) = columns.get_mut(x - row.from) {
            *column = cell.mark;
        }
        free = x + cell.least as usize;
        pen += cell.advance;
        if STRETCHED && *byte == b' ' {
            pen += each;
        }
    }
    scratch.ops.skip(drawn.len() as u32);
    Cells {
        free,
        ranges: u8::from(!drawn.is_empty()),
    }
}

/// Copies a cell's rows to `pixels`, whose first is that of the cell.
#[inline]
fn copy_cell(rows: &[[u8; ROW]], pixels: &mut [u8], width: usize) {
    // Not by chunks of the width: counting them would take a division for every cell.
    let mut at = 0;
    for row in rows {
        if let Some(target) = pixels.get_mut(at..at + ROW) {
            target.copy_from_slice(row);
        }
        at += width;
    }
}
