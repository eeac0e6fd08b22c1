//! Rows in other hands, made as the encoder makes them of a page that it did not draw.

use glyph_decode::{Cell, Charset};
use glyph_encode::builtin::{PATCH_SIZE, ROW_WIDTH};
use glyph_encode::rows::{Segmenter, foreign_line};
use glyph_render::{RenderConfig, Typesetter};
use rand::Rng;

use super::{CELLS_PER_ROW, Fonts, Sample, jpeg};
use crate::AlignError;

/// Draws rows that are not as the built-in style draws them.
#[derive(Debug)]
pub(crate) struct Hands {
    fonts: Fonts,
    /// The built-in style without anti-aliasing.
    jagged: Typesetter,
}

impl Hands {
    pub(crate) fn new(fonts: Fonts) -> Result<Self, AlignError> {
        let mut config = RenderConfig::builtin();
        config.antialias = false;
        Ok(Self {
            fonts,
            jagged: Typesetter::new(config)?,
        })
    }

    /// A row in a random hand, or in the built-in style, jagged or worn hard; `None` if the hand
    /// left no line.
    pub(crate) fn draw(
        &self,
        builtin: &Typesetter,
        text: &str,
        rng: &mut impl Rng,
    ) -> Option<Sample> {
        let sample = match rng.random_range(0..100) {
            0..=69 => Sample::foreign(&self.fonts, text, rng)?,
            70..=81 => {
                let sample = Sample::draw(&self.jagged, text);
                if rng.random_bool(0.2) {
                    sample.weather(rng)
                } else {
                    sample
                }
            }
            _ => Sample::draw(builtin, text).weather(rng),
        };
        Some(Sample {
            foreign: true,
            ..sample
        })
    }
}

impl Sample {
    /// Draws `text` in a random hand and finds its letters as the reader would. A cell is labelled
    /// with the character whose ink has its middle there; none or several are illegible. `None` if
    /// no line was found.
    pub fn foreign(fonts: &Fonts, text: &str, rng: &mut impl Rng) -> Option<Self> {
        let line = fonts.draw(text, rng)?;
        let row = foreign_line(&line.page, Segmenter::builtin())?;
        let set = Charset::builtin();
        let mut cells = vec![Cell::Blank; CELLS_PER_ROW];
        for letter in &row.letters {
            let middle = |c: &&super::DrawnChar| {
                let middle = (c.ink.0 + c.ink.1) / 2.0;
                (letter.from..letter.to).contains(&middle)
            };
            let mut within = line.chars.iter().filter(middle);
            let cell = match (within.next(), within.next()) {
                (Some(one), None) if set.contains(one.c) => Cell::Char(one.c),
                _ => Cell::Unknown,
            };
            cells[letter.cell] = cell;
            if letter.wide {
                cells[letter.cell + 1] = match cell {
                    Cell::Char(_) => Cell::SecondHalf,
                    _ => Cell::Unknown,
                };
            }
        }
        Some(Self {
            pixels: row.pixels,
            cells,
            foreign: true,
        })
    }

    /// Wears the row harder than [`wear`](Self::wear), legible still: moved by up to a pixel or a
    /// part of one, pale, noisy, and through JPEG, each at random.
    pub(crate) fn weather(mut self, rng: &mut impl Rng) -> Self {
        if rng.random_bool(0.6) {
            let (dx, dy) = (
                rng.random_range(-1.2..1.2f32),
                rng.random_range(-1.2..1.2f32),
            );
            let source = self.pixels.clone();
            let at = |x: i64, y: i64| -> f32 {
                let inside =
                    (0..ROW_WIDTH as i64).contains(&x) && (0..PATCH_SIZE as i64).contains(&y);
                if inside {
                    f32::from(source[y as usize * ROW_WIDTH + x as usize])
                } else {
                    255.0
                }
            };
            // Most are moved by whole pixels.
            let (dx, dy) = if rng.random_bool(0.6) {
                (dx.round(), dy.round())
            } else {
                (dx, dy)
            };
            let (left, top) = (dx.floor(), dy.floor());
            let (u, v) = (dx - left, dy - top);
            for y in 0..PATCH_SIZE {
                for x in 0..ROW_WIDTH {
                    let (sx, sy) = (x as i64 - left as i64, y as i64 - top as i64);
                    let row = |y: i64| at(sx, y) * (1.0 - u) + at(sx - 1, y) * u;
                    let grey = row(sy) * (1.0 - v) + row(sy - 1) * v;
                    self.pixels[y * ROW_WIDTH + x] = grey.round() as u8;
                }
            }
        }
        if rng.random_bool(0.3) {
            let (paper, black) = (
                rng.random_range(235.0..255.0f32),
                rng.random_range(0.0..90.0f32),
            );
            for pixel in &mut self.pixels {
                *pixel = (black + (paper - black) * f32::from(*pixel) / 255.0).round() as u8;
            }
        }
        if rng.random_bool(0.5) {
            let share = rng.random_range(0.005..0.04);
            for pixel in &mut self.pixels {
                if rng.random_bool(share) {
                    *pixel = rng.random();
                }
            }
        }
        if rng.random_bool(0.25) {
            self.pixels = jpeg(
                &self.pixels,
                ROW_WIDTH,
                PATCH_SIZE,
                rng.random_range(60..92),
            );
        }
        self
    }
}
