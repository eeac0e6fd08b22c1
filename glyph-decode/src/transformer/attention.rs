//! Attention over the keys and values of one head.

#![allow(
    clippy::needless_range_loop,
    reason = "loops of constant length over several arrays, which have to unroll"
)]

use std::ops::Range;

use fearless_simd::{f32x16, prelude::*};

use super::{Window, ops};
use crate::quant::{Simd, f16_to_f32, with_simd};

/// Buffers of a thread.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    scores: Vec<f32>,
    /// Keys of 16 positions at a time, transposed: `[positions / 16, head_dim]` of 16.
    keys: Vec<[f32; LANES]>,
    /// Values: `[positions, head_dim]`, the width rounded up to 16.
    values: Vec<f32>,
    /// Queries of a tile, transposed: `[head_dim]` of 8.
    queries: Vec<[f32; TILE]>,
}

const LANES: usize = 16;
/// Queries that share a pass over keys and values.
const TILE: usize = 8;

/// Runs of slots that hold some positions, in their order.
fn slot_runs(positions: Range<usize>, slots: usize) -> [Range<usize>; 2] {
    let start = positions.start % slots;
    let n = positions.len();
    let first = n.min(slots - start);
    [start..start + first, 0..n - first]
}

/// One query against what it sees. `keys` and `values` are `[slots, head_dim]`.
#[allow(clippy::too_many_arguments, reason = "one call site, no state to keep")]
pub(super) fn one(
    simd: Simd,
    q: &[f32],
    keys: &[u16],
    values: &[u16],
    window: Window,
    position: usize,
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    let runs = slot_runs(window.seen(position), window.slots);
    let scores = &mut scratch.scores;
    match q.len() {
        64 => with_simd!(simd, |s| one_as::<_, 64>(
            s, q, keys, values, runs, scores, out
        )),
        128 => with_simd!(simd, |s| one_as::<_, 128>(
            s, q, keys, values, runs, scores, out
        )),
        _ => with_simd!(simd, |s| one_as::<_, 0>(
            s, q, keys, values, runs, scores, out
        )),
    }
}

/// `HEAD_DIM` is 0 where the width is known at run time only.
#[inline(always)]
fn one_as<S: fearless_simd::Simd, const HEAD_DIM: usize>(
    s: S,
    q: &[f32],
    keys: &[u16],
    values: &[u16],
    runs: [Range<usize>; 2],
    scores: &mut Vec<f32>,
    out: &mut [f32],
) {
    let width = if HEAD_DIM == 0 { q.len() } else { HEAD_DIM };
    let q = &q[..width];
    let out = &mut out[..width];
    scores.clear();
    for run in &runs {
        for key in keys[run.start * width..run.end * width].chunks_exact(width) {
            scores.push(dot(s, q, key));
        }
    }
    let sum = softmax(scores);
    // Numbers that stay in registers at a time.
    const WIDE: usize = 4 * LANES;
    let inverse = 1.0 / sum;
    for (i, out) in out.chunks_mut(WIDE).enumerate() {
        let column = i * WIDE;
        let mut weights = &scores[..];
        if out.len() == WIDE {
            let mut acc = [f32x16::splat(s, 0.0); 4];
            for run in &runs {
                let rows = values[run.start * width..run.end * width].chunks_exact(width);
                for (value, &p) in rows.zip(weights) {
                    let p = f32x16::splat(s, p);
                    let value = value[column..column + WIDE].as_chunks::<LANES>().0;
                    for (acc, value) in acc.iter_mut().zip(value) {
                        *acc = p.mul_add(numbers(s, value), *acc);
                    }
                }
                weights = &weights[run.len()..];
            }
            for (acc, out) in acc.iter().zip(out.chunks_exact_mut(LANES)) {
                (*acc * f32x16::splat(s, inverse)).store_slice(out);
            }
        } else {
            out.fill(0.0);
            for run in &runs {
                let rows = values[run.start * width..run.end * width].chunks_exact(width);
                for (value, &p) in rows.zip(weights) {
                    for (o, &v) in out.iter_mut().zip(&value[column..]) {
                        *o += p * f16_to_f32(v);
                    }
                }
                weights = &weights[run.len()..];
            }
            out.iter_mut().for_each(|o| *o *= inverse);
        }
    }
}

/// 16 numbers from their bits.
#[inline(always)]
fn numbers<S: fearless_simd::Simd>(s: S, bits: &[u16; LANES]) -> f32x16<S> {
    f32x16::from_slice(s, &bits.map(f16_to_f32))
}

#[inline(always)]
fn dot<S: fearless_simd::Simd>(s: S, q: &[f32], key: &[u16]) -> f32 {
    let (q, q_rest) = q.as_chunks::<LANES>();
    let (key, key_rest) = key.as_chunks::<LANES>();
    let mut acc = f32x16::splat(s, 0.0);
    for (q, k) in q.iter().zip(key) {
        acc = f32x16::from_slice(s, q).mul_add(numbers(s, k), acc);
    }
    let mut sums = [0.0f32; LANES];
    acc.store_slice(&mut sums);
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
        half /= 2;
    }
    let rest: f32 = q_rest
        .iter()
        .zip(key_rest)
        .map(|(q, &k)| q * f16_to_f32(k))
        .sum();
    sums[0] + rest
}

/// Turns scores into weights that are yet to be divided by the sum, which is returned.
#[inline(always)]
fn softmax(scores: &mut [f32]) -> f32 {
    let mut max = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = scores.as_chunks::<LANES>();
    for chunk in chunks {
        for (m, &s) in max.iter_mut().zip(chunk) {
            *m = if s > *m { s } else { *m };
        }
    }
    let max = max
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, f32::max);
    let mut sum = [0.0f32; LANES];
    let (chunks, rest) = scores.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for (sum, s) in sum.iter_mut().zip(chunk) {
            *s = ops::exp(*s - max);
            *sum += *s;
        }
    }
    let mut total: f32 = sum.iter().sum();
    for s in rest {
        *s = ops::exp(*s - max);
        total += *s;
    }
    total
}

/// Queries of some tokens and of the heads that share a key-value head.
#[derive(Debug, Clone)]
pub(super) struct Queries<'a> {
    /// `[tokens, width]`.
    pub(super) q: &'a [f32],
    pub(super) width: usize,
    /// Of each token, rising.
    pub(super) positions: &'a [usize],
    pub(super) heads: Range<usize>,
    pub(super) head_dim: usize,
}

/// Many queries of one key-value head. `out` is laid out as the queries.
pub(super) fn many(
    simd: Simd,
    queries: Queries<'_>,
    keys: &[u16],
    values: &[u16],
    window: Window,
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    with_simd!(simd, |s| many_as(
        s, &queries, keys, values, window, scratch, out
    ));
}

#[inline(always)]
fn many_as<S: fearless_simd::Simd>(
    s: S,
    queries: &Queries<'_>,
    keys: &[u16],
    values: &[u16],
    window: Window,
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    let width = queries.head_dim;
    let positions = queries.positions;
    let (Some(&first), Some(&last)) = (positions.first(), positions.last()) else {
        return;
    };
    let range = window.seen(first).start..last + 1;
    scratch.load(range.clone(), keys, values, window, width);
    let Scratch {
        scores,
        keys,
        values,
        queries: tile,
    } = scratch;
    let padded = width.next_multiple_of(LANES);
    let group = queries.heads.len();
    let total = positions.len() * group;
    let stride = range.len().next_multiple_of(LANES);
    scores.clear();
    scores.resize(TILE * stride, 0.0);
    tile.clear();
    tile.resize(width, [0.0; TILE]);
    for start in (0..total).step_by(TILE) {
        let live = (total - start).min(TILE);
        // Tokens and places of the queries; the last one stands in for those that are not there.
        let mut token = [0; TILE];
        let mut at = [0; TILE];
        for i in 0..TILE {
            let query = start + i.min(live - 1);
            token[i] = query / group;
            at[i] = token[i] * queries.width + (queries.heads.start + query % group) * width;
            for (tile, &q) in tile.iter_mut().zip(&queries.q[at[i]..at[i] + width]) {
                tile[i] = q;
            }
        }
        let last = positions[token[TILE - 1]] + 1 - range.start;
        let used = last.next_multiple_of(LANES);
        for (block, keys) in keys[..used / LANES * width].chunks_exact(width).enumerate() {
            let mut acc = [f32x16::splat(s, 0.0); TILE];
            for (key, q) in keys.iter().zip(&*tile) {
                let key = f32x16::from_slice(s, key);
                for i in 0..TILE {
                    acc[i] = f32x16::splat(s, q[i]).mul_add(key, acc[i]);
                }
            }
            for i in 0..TILE {
                let at = i * stride + block * LANES;
                acc[i].store_slice(&mut scores[at..at + LANES]);
            }
        }
        let mut inverse = [0.0f32; TILE];
        for i in 0..live {
            let seen = window.seen(positions[token[i]]);
            let scores = &mut scores[i * stride..][..used];
            let seen = seen.start - range.start..seen.end - range.start;
            scores[..seen.start].fill(f32::NEG_INFINITY);
            scores[seen.end..].fill(f32::NEG_INFINITY);
            inverse[i] = 1.0 / softmax(scores);
            scores[..seen.start].fill(0.0);
            scores[seen.end..].fill(0.0);
        }
        for column in (0..width).step_by(2 * LANES) {
            // Weights of four positions at a time are read for each query.
            let mut acc = [[f32x16::splat(s, 0.0); 2]; TILE];
            let two = column + LANES < width;
            for (p, value) in values[..last * padded].chunks_exact(padded).enumerate() {
                let first = f32x16::from_slice(s, &value[column..column + LANES]);
                let second = if two {
                    f32x16::from_slice(s, &value[column + LANES..column + 2 * LANES])
                } else {
                    first
                };
                for i in 0..TILE {
                    let weight = f32x16::splat(s, scores[i * stride + p]);
                    acc[i][0] = weight.mul_add(first, acc[i][0]);
                    acc[i][1] = weight.mul_add(second, acc[i][1]);
                }
            }
            for i in 0..live {
                for (half, acc) in acc[i].iter().enumerate() {
                    let from = column + half * LANES;
                    if from >= width {
                        continue;
                    }
                    let mut values = [0.0f32; LANES];
                    (*acc * f32x16::splat(s, inverse[i])).store_slice(&mut values);
                    let n = (width - from).min(LANES);
                    out[at[i] + from..at[i] + from + n].copy_from_slice(&values[..n]);
                }
            }
        }
    }
}

impl Scratch {
    /// Copies the keys and values of some positions as f32.
    #[inline(always)]
    fn load(
        &mut self,
        range: Range<usize>,
        keys: &[u16],
        values: &[u16],
        window: Window,
        width: usize,
    ) {
        let blocks = range.len().div_ceil(LANES);
        let padded = width.next_multiple_of(LANES);
        self.keys.resize(blocks * width, [0.0; LANES]);
        self.values.resize(range.len() * padded, 0.0);
        let mut rows = [[0u16; LANES]; LANES];
        for (block, to) in self.keys.chunks_exact_mut(width).enumerate() {
            for (c, to) in to.chunks_mut(LANES).enumerate() {
                for (i, row) in rows.iter_mut().enumerate() {
                    let position = range.start + block * LANES + i;
                    let at = position.min(range.end - 1) % window.slots * width + c * LANES;
                    row[..to.len()].copy_from_slice(&keys[at..at + to.len()]);
                }
                for (d, to) in to.iter_mut().enumerate() {
                    for (to, row) in to.iter_mut().zip(&rows) {
                        *to = f16_to_f32(row[d]);
                    }
                }
            }
        }
        for (position, to) in range.zip(self.values.chunks_exact_mut(padded)) {
            let at = position % window.slots * width;
            for (to, &v) in to.iter_mut().zip(&values[at..at + width]) {
                *to = f16_to_f32(v);
            }
        }
    }
}
