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

/// Rows that are resampled at once: a vector holds the same column of all of them.
const BLOCK: usize = 16;

/// Bytes of one column of a block.
const COLUMN: usize = BLOCK * CHANNELS;

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
    let across = axis(image.width(), width).map(Across::new);
    let down = axis(image.height(), height);

    let stride = image.width() as usize * CHANNELS;
    let to_stride = width as usize * CHANNELS;
    let level = Level::new();
    match (across, down) {
        (None, None) => return image.clone(),
        (Some(mut across), None) => {
            let blocks = out.chunks_mut(to_stride * BLOCK);
            for (from, to) in image.as_raw().chunks(stride * BLOCK).zip(blocks) {
                across.resample(level, from, to);
            }
        }
        (None, Some(down)) => {
            let row = |y: usize| &image.as_raw()[y * stride..(y + 1) * stride];
            for (y, to) in out.chunks_exact_mut(to_stride).enumerate() {
                let taps = down.taps(y);
                let rows: Vec<&[u8]> = (taps.start..taps.end()).map(row).collect();
                combine_rows(level, &rows, taps.weights, down.precision(), to);
            }
        }
        (Some(mut across), Some(down)) => {
            // Only the blocks that a row of the result needs are kept, so that they stay in cache.
            let mut window = Window::new(to_stride, down.max_taps());
            let mut blocks = image.as_raw().chunks(stride * BLOCK).enumerate().peekable();
            for (y, to) in out.chunks_exact_mut(to_stride).enumerate() {
                let taps = down.taps(y);
                let needed = |&(block, _): &(usize, &[u8])| block * BLOCK < taps.end();
                while let Some((block, from)) = blocks.next_if(needed) {
                    let to = &mut window.block_mut(block)[..from.len() / stride * to_stride];
                    across.resample(level, from, to);
                }
                let rows: Vec<&[u8]> = (taps.start..taps.end()).map(|y| window.row(y)).collect();
                combine_rows(level, &rows, taps.weights, down.precision(), to);
            }
        }
    }
    out
}

/// The last few blocks of rows of a picture.
struct Window {
    stride: usize,
    rows: usize,
    bytes: Vec<u8>,
}

impl Window {
    /// Keeps any `taps` rows that follow one another.
    fn new(stride: usize, taps: usize) -> Self {
        let rows = (taps + BLOCK).next_multiple_of(BLOCK);
        Self {
            stride,
            rows,
            bytes: vec![0; rows * stride],
        }
    }

    fn block_mut(&mut self, block: usize) -> &mut [u8] {
        let start = block * BLOCK % self.rows * self.stride;
        &mut self.bytes[start..start + BLOCK * self.stride]
    }

    fn row(&self, row: usize) -> &[u8] {
        let start = row % self.rows * self.stride;
        &self.bytes[start..start + self.stride]
    }
}

/// Gives rows another width.
struct Across {
    weights: AxisWeights,
    /// The columns of a block of rows, one after another: scratch.
    columns: Vec<[u8; COLUMN]>,
}

impl Across {
    fn new(weights: AxisWeights) -> Self {
        Self {
            weights,
            columns: Vec::new(),
        }
    }

    /// Gives the rows of `from`, at most [`BLOCK`], the width of those of `out`.
    fn resample(&mut self, level: Level, from: &[u8], out: &mut [u8]) {
        fearless_simd::dispatch!(level, simd => simd.vectorize(
            #[inline(always)]
            || self.resample_as(from, out)
        ));
    }

    #[inline(always)]
    fn resample_as(&mut self, from: &[u8], out: &mut [u8]) {
        let (precision, to_stride) = (self.weights.precision(), self.weights.len() * CHANNELS);
        let rows = out.len() / to_stride;
        let stride = from.len() / rows;
        self.columns.resize(stride / CHANNELS, [0; COLUMN]);
        for (x, column) in self.columns.iter_mut().enumerate() {
            for (y, pixel) in column.chunks_exact_mut(CHANNELS).take(rows).enumerate() {
                pixel.copy_from_slice(&from[y * stride + x * CHANNELS..][..CHANNELS]);
            }
        }
        for x in 0..self.weights.len() {
            let taps = self.weights.taps(x);
            let columns = self.columns[taps.start..taps.end()].iter();
            let column = weighted_sum(columns.zip(taps.weights), precision);
            for (y, pixel) in column.chunks_exact(CHANNELS).take(rows).enumerate() {
                out[y * to_stride + x * CHANNELS..][..CHANNELS].copy_from_slice(pixel);
            }
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
    const LANES: usize = 16;
    let mut start = 0;
    let (chunks, rest) = out.as_chunks_mut::<LANES>();
    for out in chunks {
        let values = rows
            .iter()
            .map(|row| row[start..].first_chunk().expect("rows are equally long"));
        *out = weighted_sum(values.zip(weights), precision);
        start += LANES;
    }
    for (out, i) in rest.iter_mut().zip(start..) {
        let values = rows.iter().map(|row| std::array::from_ref(&row[i]));
        [*out] = weighted_sum(values.zip(weights), precision);
    }
}

#[inline(always)]
fn weighted_sum<'a, const N: usize>(
    taps: impl Iterator<Item = (&'a [u8; N], &'a i16)>,
    precision: u32,
) -> [u8; N] {
    let mut sums = [1 << (precision - 1); N];
    for (values, &weight) in taps {
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum += i32::from(value) * i32::from(weight);
        }
    }
    sums.map(|sum| (sum >> precision).clamp(0, 255) as u8)
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
