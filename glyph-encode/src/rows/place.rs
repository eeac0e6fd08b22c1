//! Letters put into the cells of the built-in grid.

use super::letters::Letter;
use super::line::Strip;
use crate::builtin::{PATCH_SIZE, ROW_WIDTH};

/// Width of a half-width cell in pixels.
const CELL: usize = PATCH_SIZE / 2;
/// Half-width cells in a row.
const CELLS: usize = ROW_WIDTH / CELL;
/// The most blank cells that a gap becomes.
const WIDEST_GAP: usize = 12;

/// A letter and the cell that it was put into.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlacedLetter {
    /// Its half-width cell in the row, from 0; a full-width letter takes the next one too.
    pub cell: usize,
    /// Whether it is full-width.
    pub wide: bool,
    /// Left edge of its ink on the page, in pixels.
    pub from: f32,
    /// Right edge.
    pub to: f32,
}

/// A row of the built-in grid, made of letters of another style.
#[derive(Debug, Clone)]
pub struct PlacedRow {
    /// Grey pixels, [`ROW_WIDTH`] x [`PATCH_SIZE`].
    pub pixels: Vec<u8>,
    /// Its letters, from left to right.
    pub letters: Vec<PlacedLetter>,
}

impl PlacedRow {
    /// Where patches begin on a page of `width` pixels, and where the last one ends; between letters,
    /// and within full-width ones, in proportion, after the last one as if letters went on.
    pub fn patch_edges(&self, width: u32) -> Vec<u32> {
        let known: Vec<(f32, f32)> = (self.letters.iter())
            .flat_map(|letter| {
                let (first, cells) = (letter.cell as f32, 1.0 + f32::from(letter.wide));
                [(first, letter.from), (first + cells, letter.to)]
            })
            .collect();
        let at = |cell: f32| -> f32 {
            let after = known.partition_point(|(place, _)| *place < cell);
            match (after.checked_sub(1).map(|i| known[i]), known.get(after)) {
                (Some((a, x)), Some((b, y))) => x + (y - x) * (cell - a) / (b - a),
                (Some((a, x)), None) => x + (x - known[0].1) / (a - known[0].0) * (cell - a),
                (None, Some((_, y))) => *y,
                (None, None) => 0.0,
            }
        };
        let mut last = 0;
        (0..=CELLS / 2)
            .map(|patch| {
                // Letters may overlap by a part of a pixel.
                last = (at(2.0 * patch as f32).max(0.0) as u32).clamp(last, width.max(last));
                last
            })
            .collect()
    }
}

/// Puts letters into cells, one each, with blank cells for spaces. What does not fit a row goes on
/// in the next one, from a space on where there is one.
pub fn place(strip: &Strip, letters: &[Letter]) -> Vec<PlacedRow> {
    let mut rows = Vec::new();
    let mut rest = letters;
    while !rest.is_empty() {
        let n = fitting(rest);
        rows.push(row(strip, &rest[..n]));
        rest = &rest[n..];
    }
    rows
}

/// How many cells a letter moves on by, the blank ones before it counted.
fn advance(previous: Option<&Letter>, letter: &Letter) -> (usize, usize) {
    let blanks = match previous {
        Some(previous) if letter.space => {
            let gap = letter.from.saturating_sub(previous.to);
            ((gap + 2) / CELL).clamp(1, WIDEST_GAP)
        }
        _ => 0,
    };
    (blanks, 1 + usize::from(letter.wide))
}

/// How many letters fit a row. The last cell stays blank where words end before it: inked, it says
/// that a word goes on in the next row.
fn fitting(letters: &[Letter]) -> usize {
    let (mut used, mut word) = (0, 0);
    // A space early in the row is no place to end it.
    const LEAST: usize = CELLS / 2;
    for (i, letter) in letters.iter().enumerate() {
        let previous = i.checked_sub(1).map(|i| &letters[i]);
        let (blanks, own) = advance(previous, letter);
        if letter.space && used >= LEAST {
            word = i;
        }
        used += blanks + own;
        if used >= CELLS {
            // Han have no spaces, and a long word none either.
            return match word {
                0 => i.max(1),
                word => word,
            };
        }
    }
    letters.len()
}

fn row(strip: &Strip, letters: &[Letter]) -> PlacedRow {
    let mut pixels = vec![255u8; ROW_WIDTH * PATCH_SIZE];
    let mut placed = Vec::with_capacity(letters.len());
    let mut cell = 0;
    for (i, letter) in letters.iter().enumerate() {
        let previous = i.checked_sub(1).map(|i| &letters[i]);
        let (blanks, own) = advance(previous, letter);
        cell += blanks;
        draw(strip, letter, cell * CELL, own * CELL, &mut pixels);
        placed.push(PlacedLetter {
            cell,
            wide: letter.wide,
            from: strip.on_page(letter.from),
            to: strip.on_page(letter.to),
        });
        cell += own;
    }
    PlacedRow {
        pixels,
        letters: placed,
    }
}

/// Draws a letter in the middle of `width` columns from `left` on, narrowed where it is wider; low
/// and narrow full-width ones, which are punctuation, on their left.
fn draw(strip: &Strip, letter: &Letter, left: usize, width: usize, pixels: &mut [u8]) {
    let own = letter.to - letter.from;
    let drawn = own.min(width);
    let punctuation = letter.wide && 2 * own < width;
    let offset = if punctuation { 1 } else { (width - drawn) / 2 };
    for x in 0..drawn {
        // Columns of the strip from `x` to `x + 1` drawn ones, in parts of `drawn`.
        let (from, to) = (x * own, (x + 1) * own);
        for y in 0..PATCH_SIZE {
            let mut sum = 0.0;
            for column in from / drawn..to.div_ceil(drawn) {
                let share =
                    (to.min((column + 1) * drawn) - from.max(column * drawn)) as f32 / own as f32;
                sum += strip.column(letter.from + column)[y] * share;
            }
            let ink = (sum.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
            pixels[y * ROW_WIDTH + left + offset + x] = 255 - ink;
        }
    }
}
