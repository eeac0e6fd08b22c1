//! The kernel for any processor, and what the others are tested against.

use std::ops::Range;

use super::{LONG_16, LONG_32, SHORT_MIN, for_each_tile};
use crate::quant::{Activations, PackedMatrix, ROWS, f16_to_f32};

#[inline(always)]
pub(super) fn matmul(
    w: &PackedMatrix,
    groups: Range<usize>,
    x: &Activations,
    out: &mut [f32],
    stride: usize,
) {
    for_each_tile!(w, groups, x, out, stride, tile());
}

/// `ints[r] += code[r, k] * x[k]` over four columns.
#[inline(always)]
fn dot(ints: &mut [i32; ROWS], codes: &[u8; 64], shift: u32, mask: u8, word: i32) {
    let x = word.to_le_bytes().map(|b| i32::from(b as i8));
    for (i, c) in ints.iter_mut().zip(codes.as_chunks::<4>().0) {
        for (c, x) in c.iter().zip(x) {
            *i += i32::from(c >> shift & mask) * x;
        }
    }
}

#[inline(always)]
fn tile<const N: usize, const BITS: usize, const KIND: u8>(
    w: &PackedMatrix,
    g: usize,
    x: &Activations,
    t0: usize,
) -> [[f32; ROWS]; N] {
    let mut acc = [[0.0f32; ROWS]; N];
    let long = KIND == LONG_32 || KIND == LONG_16;
    let per_block = if long { 8 } else { 1 };
    let blocks = x.groups / per_block;
    let offset = w.layout.offset;
    for b in 0..blocks {
        let d = w.d[g * blocks + b].map(f16_to_f32);
        let m = if KIND == SHORT_MIN || KIND == LONG_32 {
            w.m[g * blocks + b].map(f16_to_f32)
        } else {
            [0.0; ROWS]
        };
        for (t, acc) in acc.iter_mut().enumerate() {
            let token = t0 + t;
            let mut sum = [0i32; ROWS];
            let mut minima = [0i32; ROWS];
            for i in 0..per_block {
                let column = b * per_block + i;
                let codes = &w.codes[(g * x.groups + column) * BITS..][..BITS];
                let words = &x.words[token * x.groups + column];
                let sums = x.sums[token * x.groups + column];
                let mut halves = sums.map(|s| [-offset * s; ROWS]);
                for (h, ints) in halves.iter_mut().enumerate() {
                    for j in 0..4 {
                        let word = words[4 * h + j];
                        if BITS == 4 {
                            dot(ints, &codes[j].0, 4 * h as u32, 0x0f, word);
                        } else {
                            dot(ints, &codes[4 * h + j].0, 0, 0xff, word);
                        }
                    }
                }
                let [low, high] = halves;
                let scales = g * x.groups + column;
                for r in 0..ROWS {
                    if KIND == LONG_16 {
                        sum[r] += low[r] * i32::from(w.scales[2 * scales][r])
                            + high[r] * i32::from(w.scales[2 * scales + 1][r]);
                    } else if KIND == LONG_32 {
                        sum[r] += (low[r] + high[r]) * i32::from(w.scales[scales][r]);
                        minima[r] += (sums[0] + sums[1]) * i32::from(w.mins[scales][r]);
                    } else {
                        sum[r] = low[r] + high[r];
                    }
                }
            }
            let scale = x.scales[token * blocks + b];
            for r in 0..ROWS {
                acc[r] += d[r] * scale * sum[r] as f32;
                if KIND == SHORT_MIN {
                    acc[r] += m[r] * x.scaled_sums[token * blocks + b];
                } else if KIND == LONG_32 {
                    acc[r] -= m[r] * scale * minima[r] as f32;
                }
            }
        }
    }
    acc
}
