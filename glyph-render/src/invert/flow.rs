//! Reads pages in a proportional style.

use super::assemble::{Cells, assemble};
use super::engine::Engine;
use super::{Content, Read};
use crate::code::{CODE_MASK, LineCode, ROW_BITS, START, Strip, bytes_of, digits_for};
use crate::page::Page;
use crate::raster::{Lexicon, shape};

/// Ink bits of eight pixels.
const INK: u64 = 0xF8F8_F8F8_F8F8_F8F8;
/// A row with fewer codes is no line, but has a pixel altered.
const LEAST_CODES: usize = 5;

/// Reads a page whose strips take `rows` rows each.
pub(super) fn read(page: &Page, strip: &Strip, rows: usize, engine: &Engine) -> Content {
    let (width, height) = (page.width as usize, page.height as usize);
    let mut content = Content::default();
    if (page.width, page.height) != (strip.width, strip.height) {
        content.resized = Some((strip.width, strip.height));
    }
    // Eight more, so that words can be read from anywhere.
    let mut distances = Vec::with_capacity(width * height + 8);
    let tone = strip.tone.on(strip.paper);
    let keep = !tone.mask_bits();
    distances.extend(page.pixels.iter().map(|grey| tone.distance(*grey) & keep));
    distances.resize(width * height + 8, 0);
    let whole = [(0, strip.width)];
    let spans = if strip.spans.is_empty() {
        &whole[..]
    } else {
        &strip.spans
    };
    let inner = rows.min(height)..height.saturating_sub(rows).max(rows.min(height));
    let mut scratch = Scratch::default();
    for (from, to) in spans {
        let span = (*from as usize).min(width)..(*to as usize).min(width);
        let mut blank_from = inner.start;
        for y in inner.clone() {
            let row = &distances[y * width + span.start..y * width + span.end];
            if row.iter().fold(0, |any, code| any | code) & START == 0 {
                continue;
            }
            let codes = row.iter().filter(|code| **code & CODE_MASK != 0).count();
            if codes < LEAST_CODES {
                continue;
            }
            let line = Line {
                distances: &distances,
                stride: width,
                span: (span.start, span.end),
                row: y,
                blank_from,
            };
            let read = line.read(strip, engine, &mut content, &mut scratch);
            content.push(read, strip);
            blank_from = y + 1;
        }
        if strip.pixels.is_none() {
            for y in blank_from..inner.end {
                let row = &distances[y * width + span.start..y * width + span.end];
                content.expect_blank(row, !0, span.start, y);
            }
        }
    }
    content
}

#[derive(Default)]
struct Scratch {
    /// Where cells start, and their digits.
    starts: Vec<(usize, u8)>,
    digits: Vec<u8>,
    bytes: Vec<u8>,
}

/// One line's place on a page.
struct Line<'a> {
    distances: &'a [u8],
    stride: usize,
    /// Columns from and to.
    span: (usize, usize),
    /// The row that holds the codes.
    row: usize,
    /// The row after the line before.
    blank_from: usize,
}

impl Line<'_> {
    fn part(&self, y: usize, from: usize, to: usize) -> &[u8] {
        &self.distances[y * self.stride + from..y * self.stride + to.max(from)]
    }

    fn read(
        &self,
        strip: &Strip,
        engine: &Engine,
        content: &mut Content,
        scratch: &mut Scratch,
    ) -> Read {
        let Scratch {
            starts,
            digits,
            bytes,
        } = scratch;
        starts.clear();
        digits.clear();
        for (x, value) in self
            .part(self.row, self.span.0, self.span.1)
            .iter()
            .enumerate()
        {
            let code = value & CODE_MASK;
            if code & START == 0 {
                digits.push(code);
            } else {
                starts.push((self.span.0 + x, code & !START));
            }
        }
        bytes_of(digits.iter().copied(), ROW_BITS, bytes);
        let code = LineCode::decode(bytes, false);
        let known = code.as_ref().map_or(0, |code| code.class) as usize;
        let class = strip.classes.get(known).unwrap_or(&strip.classes[0]);
        let lexicon = engine.classes.get(known).unwrap_or(&engine.classes[0]);
        let mut whole = known < strip.classes.len();
        if let Some(code) = &code {
            let rest = digits.get(digits_for(code.len, ROW_BITS)..);
            whole &= rest.is_some_and(|rest| rest.iter().all(|digit| *digit == 0));
        }
        let height = (class.height as usize).min(self.row + 1);
        let top = self.row + 1 - height;
        whole &= height == class.height as usize && top >= self.blank_from;
        let mut cells = FlowCells {
            line: self,
            lexicon,
            marks: &engine.marks,
            ranges: strip.ranges,
            starts,
            top,
            height,
        };
        let (text, read) = assemble(code.as_ref(), &mut cells);
        whole &= read;
        // Ink outside of cells, or codes outside of the code row.
        if strip.pixels.is_none() {
            let first = starts.first().map_or(self.span.1, |start| start.0);
            let last = starts.last().map_or(self.span.1, |start| start.0);
            for y in self.blank_from..=self.row {
                if y < top {
                    content.expect_blank(
                        self.part(y, self.span.0, self.span.1),
                        !0,
                        self.span.0,
                        y,
                    );
                    continue;
                }
                let mask = if y == self.row { !CODE_MASK } else { !0 };
                content.expect_blank(self.part(y, self.span.0, first), mask, self.span.0, y);
                content.expect_blank(self.part(y, last, self.span.1), mask, last, y);
                if y < self.row {
                    content.expect_blank(self.part(y, first, last), CODE_MASK, first, y);
                }
            }
        }
        Read {
            top: top as u32,
            code,
            text,
            whole,
        }
    }
}

struct FlowCells<'a> {
    line: &'a Line<'a>,
    lexicon: &'a Lexicon,
    marks: &'a [u64],
    ranges: u8,
    /// The last one ends the line.
    starts: &'a [(usize, u8)],
    top: usize,
    height: usize,
}

impl FlowCells<'_> {
    #[inline]
    fn next(&mut self) -> Option<(u64, u8)> {
        let [(from, digit), rest @ ..] = self.starts else {
            return None;
        };
        let to = rest.first()?.0;
        self.starts = rest;
        let cell = &self.line.distances[self.top * self.line.stride + from..];
        let shape = shape(cell, self.line.stride, to - from, self.height, INK);
        Some((shape, *digit))
    }
}

impl Cells for FlowCells<'_> {
    #[inline]
    fn read(&mut self) -> Option<char> {
        let (shape, digit) = self.next()?;
        self.lexicon.char(shape, digit, self.ranges)
    }

    fn shows(&mut self, c: char) -> bool {
        self.next()
            .is_some_and(|(shape, digit)| digit == 0 && self.lexicon.shape(c) == Some(shape))
    }

    fn passes(&mut self) -> bool {
        self.next().is_some_and(|(shape, digit)| {
            self.lexicon.char(shape, digit, self.ranges).is_some()
                || self.marks.binary_search(&shape).is_ok()
        })
    }

    fn insert(&mut self, _: &str) {}

    fn left(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }
}
