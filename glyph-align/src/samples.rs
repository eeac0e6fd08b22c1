//! Lines of text, drawn and labelled, to train the built-in reader on.

mod foreign;
mod hand;
mod text;

pub(crate) use foreign::Hands;
pub use hand::{DrawnChar, DrawnLine, Fonts};
pub use text::{Corpus, TextSource};

use burn::tensor::{Device, Tensor, TensorData};
use glyph_decode::{Cell, Charset};
use glyph_encode::builtin::{PATCH_SIZE, PATCHES_PER_ROW, ROW_WIDTH, WINDOW_SIZE, row_windows};
use glyph_render::{Typesetter, half_cells};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageFormat};
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
    /// Whether the row is in another hand, which the encoder looks at with its second trunk.
    pub foreign: bool,
}

/// What an encoder sees of samples.
///
/// # Shapes
/// - output: `[samples, PATCHES_PER_ROW, WINDOW_SIZE]`, ink = 1, paper = 0
pub(crate) fn pixel_values<'a>(
    samples: impl ExactSizeIterator<Item = &'a Sample>,
    device: &Device,
) -> Tensor<3> {
    let shape = [samples.len(), PATCHES_PER_ROW, WINDOW_SIZE];
    let mut values = vec![0.0; shape.iter().product()];
    let rows = values.chunks_exact_mut(PATCHES_PER_ROW * WINDOW_SIZE);
    for (sample, out) in samples.zip(rows) {
        row_windows(&sample.pixels, ROW_WIDTH, out);
    }
    Tensor::from_data(TensorData::new(values, shape), device)
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
        Self {
            pixels,
            cells,
            foreign: false,
        }
    }

    /// Wears the row as images of pages are worn, legible still: moved by a pixel, with noise on 2 of
    /// 100 pixels, or through JPEG at quality 80. The labels stay.
    pub fn wear(mut self, rng: &mut impl Rng) -> Self {
        match rng.random_range(0..3) {
            0 => {
                let (dx, dy) = [(1, 0), (-1, 0), (0, 1), (0, -1)][rng.random_range(0..4)];
                let source = self.pixels.clone();
                for y in 0..PATCH_SIZE as i64 {
                    for x in 0..ROW_WIDTH as i64 {
                        let (from_x, from_y) = (x - dx, y - dy);
                        let inside = (0..ROW_WIDTH as i64).contains(&from_x)
                            && (0..PATCH_SIZE as i64).contains(&from_y);
                        self.pixels[y as usize * ROW_WIDTH + x as usize] = if inside {
                            source[from_y as usize * ROW_WIDTH + from_x as usize]
                        } else {
                            255
                        };
                    }
                }
            }
            1 => {
                for pixel in &mut self.pixels {
                    if rng.random_bool(0.02) {
                        *pixel = rng.random();
                    }
                }
            }
            _ => {
                // JPEG's blocks of 8 x 8 lie anywhere on a row.
                let (left, top) = (rng.random_range(0..8), rng.random_range(0..8));
                self.pixels = through_jpeg(&self.pixels, left, top);
            }
        }
        self
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

/// A row after JPEG at quality 80, its top left at `(left, top)` of the image.
fn through_jpeg(row: &[u8], left: usize, top: usize) -> Vec<u8> {
    let (width, height) = (ROW_WIDTH + left, PATCH_SIZE + top);
    let mut canvas = vec![255u8; width * height];
    for (y, line) in row.chunks_exact(ROW_WIDTH).enumerate() {
        let at = (y + top) * width + left;
        canvas[at..at + ROW_WIDTH].copy_from_slice(line);
    }
    let worn = jpeg(&canvas, width, height, 80);
    let mut out = Vec::with_capacity(row.len());
    for y in 0..PATCH_SIZE {
        let at = (y + top) * width + left;
        out.extend_from_slice(&worn[at..at + ROW_WIDTH]);
    }
    out
}

/// Grey pixels after JPEG.
fn jpeg(pixels: &[u8], width: usize, height: usize, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode(pixels, width as u32, height as u32, ExtendedColorType::L8)
        .expect("a grey image of a row's size is valid");
    image::load_from_memory_with_format(&bytes, ImageFormat::Jpeg)
        .expect("what was just encoded can be decoded")
        .into_luma8()
        .into_raw()
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

#[cfg(test)]
mod tests {
    use super::*;
    use glyph_render::RenderConfig;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn worn_rows_keep_their_labels_and_most_of_their_ink() {
        let typesetter = Typesetter::new(RenderConfig::builtin()).expect("the built-in style");
        let clean = Sample::draw(&typesetter, "A row of text, 一行文字.");
        let ink = |s: &Sample| -> i64 { s.pixels.iter().map(|&p| 255 - i64::from(p)).sum() };
        let mut changed = 0;
        for seed in 0..12 {
            let worn = clean.clone().wear(&mut ChaCha8Rng::seed_from_u64(seed));
            assert_eq!(worn.cells, clean.cells);
            assert_eq!(worn.pixels.len(), clean.pixels.len());
            // Noise adds ink on white paper: 2 of 100 pixels, half black on average.
            let noise = (ROW_WIDTH * PATCH_SIZE) as i64 * 255 * 2 / 100;
            assert!((ink(&worn) - ink(&clean)).abs() < noise + ink(&clean) / 4);
            changed += usize::from(worn.pixels != clean.pixels);
        }
        assert_eq!(changed, 12);
    }
}
