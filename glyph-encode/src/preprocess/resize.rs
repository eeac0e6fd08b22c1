//! Separable resampling of 8-bit pictures, bit for bit as torchvision does it.
//!
//! `torchvision.transforms.v2.functional.resize(..., antialias=True)` hands 8-bit tensors to ATen:
//! weights in double precision, rounded to 16 bits with as many binary places as the largest of
//! an axis allows; sums of integers; rows first, then columns, each rounded to 8 bits; an axis
//! whose length stays is left out.
//!
//! <https://github.com/pytorch/pytorch/blob/main/aten/src/ATen/native/cpu/UpSampleKernel.cpp>
//! and `UpSampleKernelAVXAntialias.h` beside it.

mod weights;

use fearless_simd::{Level, prelude::*};
use image::RgbImage;

use weights::AxisWeights;

/// How a picture is resampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resample {
    /// Lanczos with three lobes; Pillow's number 1.
    Lanczos,
    /// A triangle; Pillow's number 2.
    Bilinear,
    /// Keys' cubic with a = -1/2; Pillow's number 3.
    Bicubic,
}

const CHANNELS: usize = 3;

/// The picture at another size, equal in every byte to torchvision's `resize` with antialiasing
/// of an 8-bit tensor on a CPU with AVX2 or better.
///
/// A picture without pixels becomes a black one.
#[must_use]
pub fn resize(image: &RgbImage, width: u32, height: u32, resample: Resample) -> RgbImage {
    let mut out = RgbImage::new(width, height);
    if image.as_raw().is_empty() || out.as_raw().is_empty() {
        return out;
    }
    let axis = |from: u32, to: u32| {
        (from != to).then(|| AxisWeights::new(from as usize, to as usize, resample))
    };
    let across = axis(image.width(), width);
    let down = axis(image.height(), height);

    let from = image
        .as_raw()
        .chunks_exact(image.width() as usize * CHANNELS);
    let to = out.chunks_exact_mut(width as usize * CHANNELS);
    let level = Level::new();
    match (across, down) {
        (None, None) => out.copy_from_slice(image.as_raw()),
        (Some(across), None) => {
            let mut padded = Vec::new();
            for (row, to) in from.zip(to) {
                resample_row(level, row, &across, &mut padded, to);
            }
        }
        (None, Some(down)) => {
            let rows: Vec<&[u8]> = from.collect();
            for (y, to) in to.enumerate() {
                let taps = down.taps(y);
                let rows = &rows[taps.start..taps.start + taps.weights.len()];
                combine_rows(level, rows, taps.weights, down.precision(), to);
            }
        }
        (Some(across), Some(down)) => {
            // Only the rows that a row of the result needs are kept, so that they stay in cache.
            let mut window = Window::new(width as usize * CHANNELS, down.max_taps());
            let mut padded = Vec::new();
            let mut from = from.enumerate().peekable();
            for (y, to) in to.enumerate() {
                let taps = down.taps(y);
                let end = taps.start + taps.weights.len();
                while let Some((number, row)) = from.next_if(|&(number, _)| number < end) {
                    if number >= taps.start {
                        let slot = window.slot_mut(number);
                        resample_row(level, row, &across, &mut padded, slot);
                    }
                }
                let rows = window.rows(taps.start..end);
                combine_rows(level, &rows, taps.weights, down.precision(), to);
            }
        }
    }
    out
}

/// The last few rows of a picture.
struct Window {
    width: usize,
    capacity: usize,
    bytes: Vec<u8>,
}

impl Window {
    fn new(width: usize, capacity: usize) -> Self {
        Self {
            width,
            capacity,
            bytes: vec![0; width * capacity],
        }
    }

    fn slot_mut(&mut self, row: usize) -> &mut [u8] {
        let start = row % self.capacity * self.width;
        &mut self.bytes[start..start + self.width]
    }

    fn rows(&self, rows: std::ops::Range<usize>) -> Vec<&[u8]> {
        rows.map(|row| row % self.capacity * self.width)
            .map(|start| &self.bytes[start..start + self.width])
            .collect()
    }
}

/// One row at another width. `padded` is scratch.
fn resample_row(
    level: Level,
    row: &[u8],
    weights: &AxisWeights,
    padded: &mut Vec<u8>,
    out: &mut [u8],
) {
    // Pixels are read four bytes at a time; the last has only three.
    padded.clear();
    padded.extend_from_slice(row);
    padded.push(0);
    fearless_simd::dispatch!(level, simd => simd.vectorize(
        #[inline(always)]
        || resample_row_as(padded, weights, out)
    ));
}

#[inline(always)]
fn resample_row_as(padded: &[u8], weights: &AxisWeights, out: &mut [u8]) {
    let precision = weights.precision();
    for (x, out) in out.chunks_exact_mut(CHANNELS).enumerate() {
        let taps = weights.taps(x);
        let mut sums = [1 << (precision - 1); 4];
        let pixels = &padded[taps.start * CHANNELS..];
        let pixels = &pixels[..taps.weights.len() * CHANNELS + 1];
        for (tap, &weight) in taps.weights.iter().enumerate() {
            let pixel = &pixels[tap * CHANNELS..tap * CHANNELS + 4];
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += i32::from(value) * i32::from(weight);
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = to_byte(sum, precision);
        }
    }
}

/// The weighted sum of rows.
fn combine_rows(level: Level, rows: &[&[u8]], weights: &[i16], precision: u32, out: &mut [u8]) {
    fearless_simd::dispatch!(level, simd => simd.vectorize(
        #[inline(always)]
        || combine_rows_as(rows, weights, precision, out)
    ));
}

#[inline(always)]
fn combine_rows_as(rows: &[&[u8]], weights: &[i16], precision: u32, out: &mut [u8]) {
    const LANES: usize = 32;
    let mut chunks = out.chunks_exact_mut(LANES);
    let mut start = 0;
    for out in &mut chunks {
        let mut sums = [1 << (precision - 1); LANES];
        for (row, &weight) in rows.iter().zip(weights) {
            let values = &row[start..start + LANES];
            for (sum, &value) in sums.iter_mut().zip(values) {
                *sum += i32::from(value) * i32::from(weight);
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = to_byte(sum, precision);
        }
        start += LANES;
    }
    for (x, out) in chunks.into_remainder().iter_mut().enumerate() {
        let sum = rows
            .iter()
            .zip(weights)
            .fold(1 << (precision - 1), |sum, (row, &weight)| {
                sum + i32::from(row[start + x]) * i32::from(weight)
            });
        *out = to_byte(sum, precision);
    }
}

#[inline(always)]
fn to_byte(sum: i32, precision: u32) -> u8 {
    (sum >> precision).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn one_colour_stays_the_same() {
        let image = RgbImage::from_pixel(37, 23, Rgb([3, 128, 250]));
        for resample in [Resample::Lanczos, Resample::Bilinear, Resample::Bicubic] {
            for (width, height) in [(1, 1), (36, 23), (37, 90), (200, 5)] {
                let resized = resize(&image, width, height, resample);
                assert_eq!(resized.dimensions(), (width, height));
                assert!(resized.pixels().all(|&pixel| pixel == Rgb([3, 128, 250])));
            }
        }
    }

    #[test]
    fn half_the_size_is_the_mean_of_a_triangle() {
        let image = RgbImage::from_fn(4, 1, |x, _| Rgb([[0, 80, 160, 240][x as usize]; 3]));
        let resized = resize(&image, 2, 1, Resample::Bilinear);
        // Weights 3, 3 and 1 of 7.
        assert_eq!([resized[(0, 0)][0], resized[(1, 0)][0]], [57, 183]);
    }

    #[test]
    fn nothing_gives_nothing() {
        let empty = RgbImage::new(0, 5);
        assert_eq!(resize(&empty, 2, 2, Resample::Bicubic), RgbImage::new(2, 2));
        let image = RgbImage::from_pixel(3, 3, Rgb([9; 3]));
        assert_eq!(resize(&image, 0, 7, Resample::Lanczos).dimensions(), (0, 7));
    }
}
