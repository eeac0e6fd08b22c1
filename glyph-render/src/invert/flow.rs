//! Reads pages in a proportional style.

use super::assemble::{Cells, assemble};
use super::engine::Engine;
use super::{Content, Read};
use crate::code::{CODE_MASK, LineCode, ROW_BITS, START, Strip, Tone, bytes_of, digits_for};
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
    let tone = strip.tone.on(strip.paper);
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
        let mut band = Band::new(span.start, span.len(), inner.start);
        for y in inner.clone() {
            let row = &page.pixels[y * width + span.start..y * width + span.end];
            if !band.push(row, tone) {
                continue;
            }
            let codes = band.last().iter().filter(|code| **code & CODE_MASK != 0);
            if codes.count() < LEAST_CODES {
                continue;
            }
            let read = band.line(strip, engine, &mut content, &mut scratch);
            content.push(read, strip);
            band.clear(y + 1);
        }
        if strip.pixels.is_none() {
            band.expect_blank(band.rows(), &mut content);
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

impl Scratch {
    /// Parts a code row into starts of cells and the bytes between them.
    fn parse(&mut self, row: &[u8]) {
        const STARTS: u64 = 0x0404_0404_0404_0404;
        self.starts.clear();
        self.digits.clear();
        // Digits that are 0 so far: most are, after the code.
        let mut zeros = 0;
        let mut one = |x: usize, value: u8, zeros: &mut usize| match value & CODE_MASK {
            0 => *zeros += 1,
            code if code & START != 0 => self.starts.push((x, code & !START)),
            digit => {
                let len = self.digits.len() + *zeros;
                self.digits.resize(len, 0);
                *zeros = 0;
                self.digits.push(digit);
            }
        };
        let (words, rest) = row.as_chunks::<8>();
        for (i, bytes) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*bytes);
            let starts = word & STARTS;
            let digits = word & (STARTS >> 1 | STARTS >> 2) & !(starts >> 1 | starts >> 2);
            if digits != 0 {
                for (j, value) in bytes.iter().enumerate() {
                    one(8 * i + j, *value, &mut zeros);
                }
                continue;
            }
            let mut left = starts;
            while left != 0 {
                let j = left.trailing_zeros() as usize / 8;
                one(8 * i + j, bytes[j], &mut zeros);
                left &= left - 1;
            }
            zeros += 8 - starts.count_ones() as usize;
        }
        for (j, value) in rest.iter().enumerate() {
            one(8 * words.len() + j, *value, &mut zeros);
        }
        let count = self.digits.len() + zeros;
        self.digits
            .resize(self.digits.len().next_multiple_of(4).min(count), 0);
        bytes_of(self.digits.iter().copied(), ROW_BITS, &mut self.bytes);
        self.bytes.resize(count / 4, 0);
    }
}

/// The rows since the line before, as distances from the background.
struct Band {
    distances: Vec<u8>,
    /// For each row all its bits.
    any: Vec<u8>,
    width: usize,
    /// Place of the first pixel on the page.
    x: usize,
    y: usize,
}

impl Band {
    fn new(x: usize, width: usize, y: usize) -> Self {
        Self {
            distances: Vec::new(),
            any: Vec::new(),
            width,
            x,
            y,
        }
    }

    fn clear(&mut self, y: usize) {
        self.distances.clear();
        self.any.clear();
        self.y = y;
    }

    fn rows(&self) -> usize {
        self.any.len()
    }

    /// Adds a row; whether a cell starts in it.
    fn push(&mut self, pixels: &[u8], tone: Tone) -> bool {
        let from = self.distances.len();
        let keep = !tone.mask_bits();
        let distances = pixels.iter().map(|grey| tone.distance(*grey) & keep);
        self.distances.extend(distances);
        let row = &self.distances[from..];
        let any = row.iter().fold(0, |any, distance| any | distance);
        self.any.push(any);
        any & START != 0
    }

    fn last(&self) -> &[u8] {
        self.part(self.rows() - 1, 0, self.width)
    }

    fn part(&self, row: usize, from: usize, to: usize) -> &[u8] {
        &self.distances[row * self.width + from..row * self.width + to.max(from)]
    }

    /// Looks for pixels in the first rows, which should be blank.
    fn expect_blank(&self, rows: usize, content: &mut Content) {
        for row in (0..rows).filter(|row| self.any[*row] != 0) {
            let part = self.part(row, 0, self.width);
            content.expect_blank(part, !0, self.x, self.y + row);
        }
    }

    /// Reads the line that ends with the last row.
    fn line(
        &self,
        strip: &Strip,
        engine: &Engine,
        content: &mut Content,
        scratch: &mut Scratch,
    ) -> Read {
        scratch.parse(self.last());
        let Scratch {
            starts,
            digits,
            bytes,
        } = scratch;
        let code = LineCode::decode(bytes, false);
        let known = code.as_ref().map_or(0, |code| code.class) as usize;
        let class = strip.classes.get(known).unwrap_or(&strip.classes[0]);
        let lexicon = engine.classes.get(known).unwrap_or(&engine.classes[0]);
        let mut whole = known < strip.classes.len();
        if let Some(code) = &code {
            let mut rest = digits.iter().skip(digits_for(code.len, ROW_BITS));
            whole &= rest.all(|digit| *digit == 0);
        }
        let last = self.rows() - 1;
        let height = (class.height as usize).min(self.rows());
        let top = self.rows() - height;
        whole &= starts.last().is_some_and(|end| end.1 == 0);
        whole &= height == class.height as usize;
        let mut cells = FlowCells {
            band: self,
            lexicon,
            marks: &engine.marks,
            ranges: strip.ranges,
            hint: 0,
            starts,
            top,
            height,
        };
        let (text, read) = assemble(code.as_ref(), &mut cells);
        whole &= read;
        // Ink outside of cells, or codes outside of the code row.
        if strip.pixels.is_none() {
            self.expect_blank(top, content);
            let first = starts.first().map_or(self.width, |start| start.0);
            let end = starts.last().map_or(self.width, |start| start.0);
            for row in top..=last {
                let mut expect = |from: usize, to: usize, mask: u8| {
                    let part = self.part(row, from, to);
                    content.expect_blank(part, mask, self.x + from, self.y + row);
                };
                let mask = if row == last { !CODE_MASK } else { !0 };
                expect(0, first, mask);
                expect(end, self.width, mask);
                if row < last && self.any[row] & CODE_MASK != 0 {
                    expect(first, end, CODE_MASK);
                }
            }
        }
        Read {
            top: (self.y + top) as u32,
            code,
            text,
            whole,
        }
    }
}

struct FlowCells<'a> {
    band: &'a Band,
    lexicon: &'a Lexicon,
    marks: &'a [u64],
    ranges: u8,
    /// The range that the cell before came from.
    hint: u8,
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
        let stride = self.band.width;
        let cell = &self.band.distances[self.top * stride + from..];
        let shape = shape(cell, stride, to - from, self.height, INK);
        Some((shape, *digit))
    }
}

impl Cells for FlowCells<'_> {
    #[inline]
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
