//! A line of text, its measures, and the strip of fixed scale that letters are cut out of.

use glyph_render::BBox;

use crate::builtin::PATCH_SIZE;

/// Bins of a line's height in its profile.
const BINS: usize = 24;
/// Numbers of a [profile](TextLine::profile).
pub const PROFILE_SIZE: usize = 2 * BINS + 3;
/// Em of a strip in pixels: between the built-in style's 11.6 for Latin letters and 13 for Han.
const EM: f32 = 12.5;
/// Rows of a strip above the baseline, as in the built-in style.
const BASELINE: f32 = 11.0;

/// A line of text found on a page.
#[derive(Debug, Clone)]
pub struct TextLine {
    /// Where it lies on the page, in pixels.
    pub bbox: BBox,
    /// Ink from 0 to 255, row by row, of the pixels in the box.
    pub ink: Vec<u8>,
}

/// The measures of a line that scale and place it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LineScale {
    /// Size of the type in pixels of the page: that of Han, or 1/0.72 of the height of capitals.
    pub em: f32,
    /// The baseline in pixels of the page, from the line's top edge down.
    pub baseline: f32,
}

impl TextLine {
    /// What a line's measures are told from: the ink of its rows, the edges that its rows cross, and
    /// height, density and edges as a whole.
    pub fn profile(&self) -> [f32; PROFILE_SIZE] {
        let (width, height) = (self.bbox.width as usize, self.bbox.height as usize);
        let mut rows = vec![[0.0f32; 2]; height];
        for (row, line) in rows.iter_mut().zip(self.ink.chunks_exact(width.max(1))) {
            row[0] = line.iter().map(|&i| u32::from(i)).sum::<u32>() as f32;
            row[1] = line
                .windows(2)
                .map(|w| u32::from(w[0].abs_diff(w[1])))
                .sum::<u32>() as f32;
        }
        let mut vertical = 0u64;
        for y in 1..height {
            let (above, below) = (
                &self.ink[(y - 1) * width..y * width],
                &self.ink[y * width..(y + 1) * width],
            );
            vertical += above
                .iter()
                .zip(below)
                .map(|(a, b)| u64::from(a.abs_diff(*b)))
                .sum::<u64>();
        }
        let mut out = [0.0; PROFILE_SIZE];
        for part in 0..2 {
            let bins = &mut out[part * BINS..(part + 1) * BINS];
            for (b, bin) in bins.iter_mut().enumerate() {
                let at = |i: usize| i as f32 * height as f32 / BINS as f32;
                *bin = overlaps(at(b), at(b + 1), height)
                    .map(|(y, share)| rows[y][part] * share)
                    .sum();
            }
            let most = bins.iter().copied().fold(1.0f32, f32::max);
            bins.iter_mut().for_each(|b| *b /= most);
        }
        let (inked, edges) = rows
            .iter()
            .fold((0.0, 0.0), |s, r| (s.0 + r[0], s.1 + r[1]));
        out[2 * BINS] = height as f32 / 32.0;
        // Strokes that a column crosses on average, and that a stretch as long as the line is high does.
        out[2 * BINS + 1] = vertical as f32 / (inked + 1.0) * height as f32 / 16.0;
        out[2 * BINS + 2] = edges / (inked + 1.0) * height as f32 / 16.0;
        out
    }

    /// Scales the line so that its em is the strip's.
    pub fn strip(&self, scale: LineScale) -> Strip {
        let (width, height) = (self.bbox.width as usize, self.bbox.height as usize);
        let step = scale.em.max(1.0) / EM;
        let columns = ((width as f32 / step).ceil() as usize).max(1);
        // A pixel of the strip gathers what lies in its box; boxes smaller than a pixel of the page
        // are widened to one, which is linear interpolation.
        let reach = |i: f32| {
            let (middle, half) = ((i + 0.5) * step, step.max(1.0) / 2.0);
            (middle - half, middle + half)
        };
        let mut narrow = vec![0.0f32; height * columns];
        for x in 0..columns {
            let (from, to) = reach(x as f32);
            for (source, share) in overlaps(from, to, width) {
                let share = share / (255.0 * (to - from));
                for y in 0..height {
                    narrow[y * columns + x] += f32::from(self.ink[y * width + source]) * share;
                }
            }
        }
        let mut ink = vec![0.0f32; PATCH_SIZE * columns];
        for y in 0..PATCH_SIZE {
            let (from, to) = reach(y as f32 - BASELINE);
            let (from, to) = (from + scale.baseline, to + scale.baseline);
            for (source, share) in overlaps(from, to, height) {
                let share = share / (to - from);
                let row = &narrow[source * columns..(source + 1) * columns];
                for (x, v) in row.iter().enumerate() {
                    ink[x * PATCH_SIZE + y] += v * share;
                }
            }
        }
        Strip {
            columns,
            ink,
            left: self.bbox.x as f32,
            step,
        }
    }
}

/// Pixels of `0..n` that an interval overlaps, and by how much.
fn overlaps(from: f32, to: f32, n: usize) -> impl Iterator<Item = (usize, f32)> {
    let (first, last) = (from.max(0.0), to.min(n as f32));
    let range = first as usize..(last.max(0.0).ceil() as usize).min(n);
    range.filter_map(move |i| {
        let share = last.min(i as f32 + 1.0) - first.max(i as f32);
        (share > 0.0).then_some((i, share))
    })
}

/// A line scaled to 14 rows of pixels, its baseline where the built-in style has it.
#[derive(Debug, Clone)]
pub struct Strip {
    /// Columns of pixels.
    pub columns: usize,
    /// Ink from 0 to 1, column by column, each of [`PATCH_SIZE`] pixels from top to bottom.
    pub ink: Vec<f32>,
    /// Left edge on the page in pixels.
    pub left: f32,
    /// Pixels of the page that a column stands for.
    pub step: f32,
}

impl Strip {
    /// A column's pixels.
    pub fn column(&self, x: usize) -> &[f32] {
        &self.ink[x * PATCH_SIZE..(x + 1) * PATCH_SIZE]
    }

    /// Pixels of the page at the left edge of a column.
    pub fn on_page(&self, x: usize) -> f32 {
        self.left + x as f32 * self.step
    }

    /// Columns from the strip's left edge, of a place on the page.
    pub fn at(&self, page_x: f32) -> f32 {
        (page_x - self.left) / self.step
    }
}
