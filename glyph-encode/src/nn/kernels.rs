//! Loops over numbers in memory, for the vector units and all threads of the processor.
//!
//! No fused multiply-add, so that every processor computes the same.

#[cfg(test)]
mod tests;

use fearless_simd::{Level, prelude::*};
use rayon::prelude::*;

use super::{Activation, RotaryPairs};

/// Numbers that are worth a task of their own.
const TASK: usize = 1 << 14;

/// Numbers whose sums and maxima are kept apart until a row ends.
const LANES: usize = 16;

/// Runs `$body` with the widest vectors that the processor has.
macro_rules! vectorized {
    ($body:expr) => {
        fearless_simd::dispatch!(Level::new(), simd => simd.vectorize(
            #[inline(always)]
            || $body
        ))
    };
}

/// Calls `f` for runs of rows, with the number of the first one, on all threads.
fn for_rows(x: &mut [f32], width: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    let rows = (TASK / width.max(1)).max(1);
    if x.len() <= rows * width {
        f(0, x);
    } else {
        x.par_chunks_mut(rows * width)
            .enumerate()
            .for_each(|(i, run)| f(i * rows, run));
    }
}

/// `x + bias + residual`: the bias to every row, the residual to every number.
pub(super) fn add(x: &mut [f32], width: usize, bias: Option<&[f32]>, residual: Option<&[f32]>) {
    for_rows(x, width, |first, rows| {
        let residual = residual.map(|r| &r[first * width..][..rows.len()]);
        vectorized!({
            if let Some(bias) = bias {
                for row in rows.chunks_exact_mut(width) {
                    add_to(row, bias);
                }
            }
            if let Some(residual) = residual {
                add_to(rows, residual);
            }
        });
    });
}

#[inline(always)]
fn add_to(x: &mut [f32], y: &[f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}

/// `activation(x + bias)`.
pub(super) fn activate(x: &mut [f32], width: usize, bias: Option<&[f32]>, activation: Activation) {
    for_rows(x, width, |_, rows| {
        vectorized!(for row in rows.chunks_exact_mut(width) {
            if let Some(bias) = bias {
                add_to(row, bias);
            }
            activate_row(row, activation);
        });
    });
}

/// `activation(gate + bias) * (up + bias)` of rows that hold both, the gate first. Without a bias
/// it is empty.
pub(super) fn activate_gated(
    x: &mut [f32],
    width: usize,
    bias: &[f32],
    activation: Activation,
) -> Vec<f32> {
    let half = width / 2;
    let mut out = vec![0.0; x.len() / 2];
    let rows = (TASK / width.max(1)).max(1);
    let run = |(x, out): (&mut [f32], &mut [f32])| {
        vectorized!(
            for (row, out) in x.chunks_exact_mut(width).zip(out.chunks_exact_mut(half)) {
                if !bias.is_empty() {
                    add_to(row, bias);
                }
                let (gate, up) = row.split_at_mut(half);
                activate_row(gate, activation);
                for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
                    *out = *gate * *up;
                }
            }
        );
    };
    if x.len() <= rows * width {
        run((x, &mut out));
    } else {
        x.par_chunks_mut(rows * width)
            .zip(out.par_chunks_mut(rows * half))
            .for_each(run);
    }
    out
}

#[inline(always)]
fn activate_row(row: &mut [f32], activation: Activation) {
    match activation {
        Activation::Gelu => row
            .iter_mut()
            .for_each(|x| *x *= 0.5 + 0.5 * erf(*x * std::f32::consts::FRAC_1_SQRT_2)),
        Activation::GeluTanh => {
            // 1 + tanh(y) = 2 sigmoid(2 y).
            const C: f32 = 1.595_769;
            row.iter_mut()
                .for_each(|x| *x *= sigmoid(C * (*x + 0.044_715 * *x * *x * *x)));
        }
        Activation::QuickGelu => row.iter_mut().for_each(|x| *x *= sigmoid(1.702 * *x)),
        Activation::Silu => row.iter_mut().for_each(|x| *x *= sigmoid(*x)),
        Activation::Relu => row.iter_mut().for_each(|x| *x = x.max(0.0)),
    }
}

/// Divides rows by the root of their mean square and multiplies them by `gamma`.
pub(super) fn rms_norm(x: &mut [f32], gamma: &[f32], epsilon: f32) {
    let width = gamma.len();
    for_rows(x, width, |_, rows| {
        vectorized!(for row in rows.chunks_exact_mut(width) {
            let (chunks, rest) = row.as_chunks::<LANES>();
            let mut sums = [0.0; LANES];
            for chunk in chunks {
                for (sum, x) in sums.iter_mut().zip(chunk) {
                    *sum += x * x;
                }
            }
            let sum = sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>();
            let factor = 1.0 / (sum / width as f32 + epsilon).sqrt();
            for (x, gamma) in row.iter_mut().zip(gamma) {
                *x = *x * factor * gamma;
            }
        });
    });
}

/// `softmax(scale * x)` of rows. With `visible`, rows come in blocks of `block`, and the first row
/// of a block has so many numbers that count, each later one more; the others become 0.
pub(super) fn softmax(x: &mut [f32], width: usize, scale: f32, visible: Option<(usize, usize)>) {
    for_rows(x, width, |first, rows| {
        vectorized!(for (i, row) in rows.chunks_exact_mut(width).enumerate() {
            let counts = match visible {
                Some((block, visible)) => width.min(visible + (first + i) % block),
                None => width,
            };
            let (row, hidden) = row.split_at_mut(counts);
            softmax_row(row, scale);
            hidden.fill(0.0);
        });
    });
}

#[inline(always)]
fn softmax_row(row: &mut [f32], scale: f32) {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    let mut maxima = [f32::NEG_INFINITY; LANES];
    for chunk in chunks.iter() {
        for (max, x) in maxima.iter_mut().zip(chunk) {
            *max = larger(*max, *x);
        }
    }
    let max = maxima.into_iter().chain(rest.iter().copied());
    let max = max.fold(f32::NEG_INFINITY, larger);
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *x = exp((*x - max) * scale);
            *sum += *x;
        }
    }
    let mut sum = sums.iter().sum::<f32>();
    for x in rest {
        *x = exp((*x - max) * scale);
        sum += *x;
    }
    let factor = 1.0 / sum;
    row.iter_mut().for_each(|x| *x *= factor);
}

/// Angles of a sequence: cosines and sines, `pairs` numbers a token.
#[derive(Debug, Clone)]
pub(super) struct Angles {
    pub(super) cos: Vec<f32>,
    pub(super) sin: Vec<f32>,
}

/// Turns the first `turned` of the `heads` heads of each token.
pub(super) fn rotate(
    x: &mut [f32],
    [heads, turned, head_dim]: [usize; 3],
    angles: &Angles,
    (half, pairs): (usize, RotaryPairs),
) {
    let width = heads * head_dim;
    for_rows(x, width, |first, rows| {
        vectorized!(for (i, row) in rows.chunks_exact_mut(width).enumerate() {
            let at = (first + i) * half;
            let (cos, sin) = (&angles.cos[at..at + half], &angles.sin[at..at + half]);
            for head in row[..turned * head_dim].chunks_exact_mut(head_dim) {
                match pairs {
                    RotaryPairs::Halves => {
                        let (a, b) = head[..2 * half].split_at_mut(half);
                        for (((a, b), cos), sin) in a.iter_mut().zip(b).zip(cos).zip(sin) {
                            (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
                        }
                    }
                    RotaryPairs::Neighbours => {
                        let (chunks, _) = head[..2 * half].as_chunks_mut::<2>();
                        for (([a, b], cos), sin) in chunks.iter_mut().zip(cos).zip(sin) {
                            (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
                        }
                    }
                }
            }
        });
    });
}

/// Rows of `width` numbers into columns.
pub(super) fn transpose(x: &[f32], width: usize, out: &mut [f32]) {
    /// Side of a tile: its lines stay in the cache until all of it is read.
    const TILE: usize = 32;
    let rows = x.len() / width.max(1);
    out.par_chunks_mut((TILE * rows).max(1))
        .enumerate()
        .for_each(|(i, out)| {
            let left = i * TILE;
            let columns = out.len() / rows;
            for top in (0..rows).step_by(TILE) {
                for y in top..rows.min(top + TILE) {
                    let row = &x[y * width + left..][..columns];
                    for (column, x) in row.iter().enumerate() {
                        out[column * rows + y] = *x;
                    }
                }
            }
        });
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The exponential function to about 1e-7 of its value, without branches; what would be below the
/// smallest normal number comes out near it. After Cephes' `expf`
/// (<https://www.netlib.org/cephes/>, `single/expf.c`).
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding it rounds to a whole number, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    for c in [
        1.398_2e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ] {
        p = p * r + c;
    }
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    let scale = f32::from_bits(exponent.wrapping_add(127) << 23);
    (p * r * r + r + 1.0) * scale
}

/// The error function with an error of at most 1.5e-7: Abramowitz and Stegun, Handbook of
/// Mathematical Functions, 7.1.26.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let mut p = 1.061_405_4;
    for c in [-1.453_152_1, 1.421_413_8, -0.284_496_72, 0.254_829_6] {
        p = p * t + c;
    }
    (1.0 - p * t * exp(-a * a)).copysign(x)
}
