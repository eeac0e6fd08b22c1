//! Lines of text, drawn and labelled, to train the built-in reader on.

mod text;

pub use text::{Corpus, TextSource};

use glyph_decode::{Cell, Charset};
use glyph_encode::builtin::{PATCH_SIZE, ROW_WIDTH};
use glyph_render::{Typesetter, half_cells};
use rand::Rng;

/// Half-width cells in a row.
pub const CELLS_PER_ROW: usize = 96;

/// A drawn row of text and what each of its cells holds.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Grey pixels, [`ROW_WIDTH`] x [`PATCH_SIZE`].
    pub pixels: Vec<u8>,
    /// Contents of the [`CELLS_PER_ROW`] cells.
    pub cells: Vec<Cell>,
}

impl Sample {
    /// Draws `text` in the built-in style; what does not fit a row is left out.
    pub fn draw(typesetter: &Typesetter, text: &str) -> Self {
        let text: String = fit(text);
        let mut pixels = vec![255; ROW_WIDTH * PATCH_SIZE];
        typesetter.draw_cells(&text, &mut pixels, ROW_WIDTH);
        let set = Charset::builtin();
        let mut cells = vec![Cell::Blank; CELLS_PER_ROW];
        let mut at = 0;
        for c in text.chars() {
            let width = half_cells(c);
            if width == 0 {
                continue;
            }
            if !c.is_whitespace() {
                cells[at] = if set.contains(c) {
                    Cell::Char(c)
                } else {
                    Cell::Unknown
                };
                if width == 2 {
                    cells[at + 1] = if set.contains(c) {
                        Cell::SecondHalf
                    } else {
                        Cell::Unknown
                    };
                }
            }
            at += width;
        }
        Self { pixels, cells }
    }

    /// Makes the row illegible for this reader (moved off the grid, stretched, or noise) and labels
    /// all ink as [`Cell::Unknown`], so that the reader learns to say that it can't read.
    pub fn spoil(mut self, rng: &mut impl Rng) -> Self {
        let source = self.pixels.clone();
        let at = |x: i64, y: i64| {
            let inside = (0..ROW_WIDTH as i64).contains(&x) && (0..PATCH_SIZE as i64).contains(&y);
            if inside {
                source[y as usize * ROW_WIDTH + x as usize]
            } else {
                255
            }
        };
        let kind = rng.random_range(0..4);
        let (dx, dy) = (
            rng.random_range(-3..=3i64),
            rng.random_range(4..=8i64) * if rng.random() { 1 } else { -1 },
        );
        let sx = if rng.random() {
            rng.random_range(0.55..0.85)
        } else {
            rng.random_range(1.2..2.2)
        };
        let sy = rng.random_range(0.6..1.9);
        for y in 0..PATCH_SIZE {
            for x in 0..ROW_WIDTH {
                self.pixels[y * ROW_WIDTH + x] = match kind {
                    0 => at(x as i64 + dx, y as i64 + dy),
                    1 | 2 => {
                        let y = if kind == 1 { y as f64 } else { y as f64 * sy };
                        at((x as f64 * sx) as i64 + dx, y as i64)
                    }
                    _ => {
                        255 - ((255 - at(x as i64, y as i64)) as f64 * 0.3) as u8
                            - rng.random_range(0..150)
                    }
                };
            }
        }
        for (i, cell) in self.cells.iter_mut().enumerate() {
            let x = i * ROW_WIDTH / CELLS_PER_ROW;
            let width = ROW_WIDTH / CELLS_PER_ROW;
            let inked = (0..PATCH_SIZE).any(|y| {
                self.pixels[y * ROW_WIDTH + x..y * ROW_WIDTH + x + width]
                    .iter()
                    .any(|&p| p < 200)
            });
            *cell = if inked { Cell::Unknown } else { Cell::Blank };
        }
        self
    }
}

/// The longest beginning of `text` that fits a row, without tabs and control characters.
fn fit(text: &str) -> String {
    let mut used = 0;
    text.chars()
        .filter(|c| !c.is_control())
        .take_while(|&c| {
            used += half_cells(c);
            used <= CELLS_PER_ROW
        })
        .collect()
}
