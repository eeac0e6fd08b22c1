//! Glyphs of a proportional style, each in a cell of its own.

use std::sync::Arc;

use super::hexbox::hex_box;
use super::lexicon::Shapes;
use super::shape::shape;
use crate::code::{Class, Tone};
use crate::font::FontSet;
use crate::layout::half_cells;

/// Glyphs are drawn this much larger before they are squeezed.
const OVERSAMPLING: usize = 4;
/// From this font size on, rare characters are told by their code points: drawing thousands of
/// them to tell them by shape would take seconds, and large cells have room for codes.
const RARE_BELOW: f32 = 20.0;

/// All that decides the pixels of a cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CellStyle {
    pub(crate) class: Class,
    pub(crate) horizontal_scale: f32,
    pub(crate) antialias: bool,
    pub(crate) tone: Tone,
    /// The widest a cell can be; wider glyphs are cut.
    pub(crate) room: u32,
}

/// Draws characters into cells.
#[derive(Debug, Clone)]
pub(crate) struct Glyphs {
    pub(crate) fonts: Arc<FontSet>,
    pub(crate) style: CellStyle,
}

/// A glyph's cell: `height` rows of `width` distances from the background.
pub(crate) struct Cell {
    /// From this cell's start to the next one's, at least `width` and 1 pixel.
    pub(crate) advance: f32,
    pub(crate) width: usize,
    pub(crate) ink: Vec<u8>,
}

/// Coverage and where it lies from the pen.
struct Bitmap {
    left: i32,
    /// From the baseline up to the top edge.
    rise: i32,
    width: usize,
    coverage: Vec<u8>,
}

impl Glyphs {
    /// The cell of a character; `None` where it takes no room: line breaks, combining marks
    /// and other characters of no width.
    pub(crate) fn cell(&self, c: char) -> Option<Cell> {
        if half_cells(c) == 0 {
            return None;
        }
        let CellStyle {
            class,
            horizontal_scale,
            ..
        } = self.style;
        let px = class.px;
        let Some((outline, _)) = self.fonts.find(c) else {
            if c.is_whitespace() {
                let advance = px * horizontal_scale * half_cells(c) as f32 / 2.0;
                return Some(self.place(advance, None));
            }
            let (advance, bitmap) = self.hex_box(c);
            return Some(self.place(advance, Some(bitmap)));
        };
        let metrics = outline.metrics(px);
        let advance = metrics.advance_width * horizontal_scale;
        if c.is_whitespace() {
            return Some(self.place(advance, None));
        }
        let bitmap = if horizontal_scale == 1.0 {
            let (metrics, coverage) = outline.rasterize(px);
            Bitmap {
                left: metrics.xmin,
                rise: metrics.ymin + metrics.height as i32,
                width: metrics.width,
                coverage,
            }
        } else {
            let (metrics, bitmap) = outline.rasterize(px * OVERSAMPLING as f32);
            squeeze(&metrics, &bitmap, horizontal_scale)
        };
        Some(self.place(advance, Some(bitmap)))
    }

    pub(crate) fn shape_of(&self, cell: &Cell) -> u64 {
        let height = self.style.class.height as usize;
        shape(&cell.ink, cell.width, cell.width, height, !0)
    }

    /// Puts a bitmap into a cell: not before its start, and moved up or down where that keeps
    /// it whole.
    fn place(&self, advance: f32, bitmap: Option<Bitmap>) -> Cell {
        let Class {
            height, baseline, ..
        } = self.style.class;
        let room = self.style.room.max(1) as usize;
        let height = height as usize;
        let mut cell = Cell {
            advance: advance.clamp(1.0, room as f32),
            width: 0,
            ink: Vec::new(),
        };
        let Some(mut bitmap) = bitmap.filter(|bitmap| bitmap.width > 0) else {
            return cell;
        };
        bitmap.trim(baseline as i32, height as i32 - baseline as i32);
        let rows = bitmap.coverage.len() / bitmap.width;
        let left = bitmap.left.max(0) as usize;
        let free = height as i32 - rows as i32;
        let top = baseline as i32 - bitmap.rise;
        let top = if free < 0 {
            free / 2
        } else {
            top.clamp(0, free)
        };
        cell.width = (left + bitmap.width).min(room);
        cell.advance = cell.advance.max(cell.width as f32);
        cell.ink = vec![0; cell.width * height];
        for (row, coverage) in bitmap.coverage.chunks_exact(bitmap.width).enumerate() {
            let y = top + row as i32;
            if !(0..height as i32).contains(&y) {
                continue;
            }
            let line = &mut cell.ink[y as usize * cell.width..][..cell.width];
            for (pixel, coverage) in line.iter_mut().skip(left).zip(coverage) {
                let coverage = match (self.style.antialias, *coverage) {
                    (true, coverage) => coverage,
                    (false, 128..) => 255,
                    (false, _) => 0,
                };
                *pixel = self.style.tone.ink(coverage);
            }
        }
        cell
    }

    fn hex_box(&self, c: char) -> (f32, Bitmap) {
        let height = (self.style.class.px.round() as usize).max(2);
        let width = if height >= 14 {
            height
        } else {
            (height * 7 / 10).max(2)
        };
        let bitmap = Bitmap {
            left: 0,
            rise: (height * 4 / 5) as i32,
            width,
            coverage: hex_box(c, width, height),
        };
        (width as f32 + 1.0, bitmap)
    }

    /// Rows above and below the baseline that letters take at a font size, to the nearest row:
    /// the text itself, without room for accents on capitals.
    pub(crate) fn extent(fonts: &FontSet, px: f32) -> (i32, i32) {
        let (mut above, mut below) = (0, 0);
        for c in "Hdlgjpqy".chars() {
            if let Some((outline, _)) = fonts.find(c) {
                let bounds = outline.metrics(px).bounds;
                above = above.max((bounds.ymin + bounds.height).round() as i32);
                below = below.max((-bounds.ymin).round() as i32);
            }
        }
        (above, below)
    }
}

impl Bitmap {
    /// Drops faint rows at the top and the bottom that do not fit between the rows `above` and
    /// `below` the baseline.
    fn trim(&mut self, above: i32, below: i32) {
        let faint = |row: &[u8]| row.iter().all(|coverage| *coverage < 128);
        while self.rise > above
            && self
                .coverage
                .chunks_exact(self.width)
                .next()
                .is_some_and(faint)
        {
            self.coverage.drain(..self.width);
            self.rise -= 1;
        }
        let rows = |bitmap: &Self| (bitmap.coverage.len() / bitmap.width) as i32;
        while rows(self) - self.rise > below
            && self
                .coverage
                .rchunks_exact(self.width)
                .next()
                .is_some_and(faint)
        {
            self.coverage.truncate(self.coverage.len() - self.width);
        }
    }
}

impl Shapes for Glyphs {
    fn shape(&self, c: char) -> Option<u64> {
        self.cell(c).map(|cell| self.shape_of(&cell))
    }

    fn fonts(&self) -> &Arc<FontSet> {
        &self.fonts
    }

    fn rare(&self) -> bool {
        self.style.class.px < RARE_BELOW
    }
}

/// Averages an oversampled bitmap down, by another factor across than down.
fn squeeze(metrics: &fontdue::Metrics, bitmap: &[u8], scale: f32) -> Bitmap {
    let down = OVERSAMPLING as i32;
    let across = OVERSAMPLING as f32 / scale;
    let (left, right) = (
        metrics.xmin as f32,
        metrics.xmin as f32 + metrics.width as f32,
    );
    let (bottom, top) = (metrics.ymin, metrics.ymin + metrics.height as i32);
    let first = (left / across).floor() as i32;
    let end = (right / across).ceil() as i32;
    let width = (end - first).max(0) as usize;
    let rise = top.div_euclid(down) + i32::from(top.rem_euclid(down) != 0);
    let height = (rise - bottom.div_euclid(down)).max(0) as usize;
    let mut sums = vec![0f32; width * height];
    for row in 0..metrics.height {
        // Rows are counted down from the top; `rise` is counted up.
        let y = ((rise * down - top) as usize + row) / OVERSAMPLING;
        for column in 0..metrics.width {
            let value = f32::from(bitmap[row * metrics.width + column]);
            let (x0, x1) = (
                (left + column as f32) / across,
                (left + column as f32 + 1.0) / across,
            );
            let mut x = x0;
            while x < x1 {
                let next = (x.floor() + 1.0).min(x1);
                let cell = (x.floor() as i32 - first).clamp(0, width as i32 - 1);
                sums[y * width + cell as usize] += value * (next - x);
                x = next;
            }
        }
    }
    Bitmap {
        left: first,
        rise,
        width,
        coverage: sums
            .iter()
            .map(|sum| (sum / OVERSAMPLING as f32).round().min(255.0) as u8)
            .collect(),
    }
}
