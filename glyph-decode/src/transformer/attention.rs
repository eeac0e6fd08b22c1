//! Attention over the keys and values of one head.

use std::ops::Range;

use super::{Window, ops};
use crate::quant::{Simd, f16_to_f32, with_simd};

/// Buffers of a thread.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    scores: Vec<f32>,
    /// Keys of 16 positions at a time, transposed: `[positions / 16, head_dim]` of 16.
    keys: Vec<[f32; LANES]>,
    /// Values: `[positions, head_dim]`.
    values: Vec<f32>,
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
        64 => with_simd!(simd, |FMA| one_as::<64, FMA>(
            q, keys, values, runs, scores, out
        )),
        128 => with_simd!(simd, |FMA| one_as::<128, FMA>(
            q, keys, values, runs, scores, out
        )),
        _ => with_simd!(simd, |FMA| one_as::<0, FMA>(
            q, keys, values, runs, scores, out
        )),
    }
}

/// `HEAD_DIM` is 0 where the width is known at run time only.
#[inline(always)]
fn one_as<const HEAD_DIM: usize, const FMA: bool>(
    q: &[f32],
    keys: &[u16],
    values: &[u16],
    runs: [Range<usize>; 2],
    scores: &mut Vec<f32>,
    out: &mut [f32],
) {
    let width = if HEAD_DIM == 0 { q.len() } else { HEAD_DIM };
    let q = &q[..width];
    scores.clear();
    for run in &runs {
        for key in keys[run.start * width..run.end * width].chunks_exact(width) {
            scores.push(dot::<FMA>(q, key));
        }
    }
    let sum = softmax(scores);
    let mut weights = &scores[..];
    if HEAD_DIM == 0 {
        out.fill(0.0);
        for run in &runs {
            let rows = values[run.start * width..run.end * width].chunks_exact(width);
            for (value, &p) in rows.zip(weights) {
                for (o, v) in out.iter_mut().zip(value) {
                    *o = multiply_add::<FMA>(p, f16_to_f32(*v), *o);
                }
            }
            weights = &weights[run.len()..];
        }
    } else {
        let mut acc = [0.0f32; HEAD_DIM];
        for run in &runs {
            let rows = values[run.start * width..run.end * width]
                .as_chunks::<HEAD_DIM>()
                .0;
            for (value, &p) in rows.iter().zip(weights) {
                for (a, v) in acc.iter_mut().zip(value) {
                    *a = multiply_add::<FMA>(p, f16_to_f32(*v), *a);
                }
            }
            weights = &weights[run.len()..];
        }
        out.copy_from_slice(&acc);
    }
    let inverse = 1.0 / sum;
    out.iter_mut().for_each(|o| *o *= inverse);
}

#[inline(always)]
fn multiply_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

#[inline(always)]
fn dot<const FMA: bool>(q: &[f32], key: &[u16]) -> f32 {
    let (q, q_rest) = q.as_chunks::<LANES>();
    let (key, key_rest) = key.as_chunks::<LANES>();
    let mut acc = [0.0f32; LANES];
    for (q, k) in q.iter().zip(key) {
        for ((a, q), k) in acc.iter_mut().zip(q).zip(k) {
            *a = multiply_add::<FMA>(*q, f16_to_f32(*k), *a);
        }
    }
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            acc[i] += acc[i + half];
        }
        half /= 2;
    }
    let rest: f32 = q_rest
        .iter()
        .zip(key_rest)
        .map(|(q, k)| q * f16_to_f32(*k))
        .sum();
    acc[0] + rest
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
    match queries.head_dim {
        64 => with_simd!(simd, |FMA| {
            many_as::<64, FMA>(&queries, keys, values, window, scratch, out)
        }),
        128 => with_simd!(simd, |FMA| {
            many_as::<128, FMA>(&queries, keys, values, window, scratch, out)
        }),
        _ => with_simd!(simd, |FMA| {
            many_as::<0, FMA>(&queries, keys, values, window, scratch, out)
        }),
    }
}

#[inline(always)]
fn many_as<const HEAD_DIM: usize, const FMA: bool>(
    queries: &Queries<'_>,
    keys: &[u16],
    values: &[u16],
    window: Window,
    scratch: &mut Scratch,
    out: &mut [f32],
) {
    let width = if HEAD_DIM == 0 {
        queries.head_dim
    } else {
        HEAD_DIM
    };
    let positions = queries.positions;
    let (Some(&first), Some(&last)) = (positions.first(), positions.last()) else {
        return;
    };
    let range = window.seen(first).start..last + 1;
    let blocks = range.len().div_ceil(LANES);
    scratch.keys.clear();
    scratch.keys.resize(blocks * width, [0.0; LANES]);
    scratch.values.clear();
    for (i, position) in range.clone().enumerate() {
        let at = position % window.slots * width;
        for (d, k) in keys[at..at + width].iter().enumerate() {
            scratch.keys[i / LANES * width + d][i % LANES] = f16_to_f32(*k);
        }
        let row = values[at..at + width].iter();
        scratch.values.extend(row.map(|v| f16_to_f32(*v)));
    }
    let group = queries.heads.len();
    let total = positions.len() * group;
    let stride = blocks * LANES;
    scratch.scores.clear();
    scratch.scores.resize(TILE * stride, 0.0);
    let place = |i: usize| {
        let i = i.min(total - 1);
        let head = queries.heads.start + i % group;
        (i / group, (i / group) * queries.width + head * width)
    };
    for start in (0..total).step_by(TILE) {
        let q: [&[f32]; TILE] = std::array::from_fn(|i| {
            let (_, at) = place(start + i);
            &queries.q[at..at + width]
        });
        let last = positions[place(start + TILE - 1).0] + 1 - range.start;
        let seen: [Range<usize>; TILE] = std::array::from_fn(|i| {
            let seen = window.seen(positions[place(start + i).0]);
            seen.start - range.start..seen.end - range.start
        });
        let used = last.div_ceil(LANES);
        for (block, keys) in scratch.keys[..used * width].chunks_exact(width).enumerate() {
            let mut acc = [[0.0f32; LANES]; TILE];
            for (d, key) in keys.iter().enumerate() {
                for (acc, q) in acc.iter_mut().zip(&q) {
                    let q = q[d];
                    for (a, k) in acc.iter_mut().zip(key) {
                        *a = multiply_add::<FMA>(q, *k, *a);
                    }
                }
            }
            for (i, acc) in acc.iter().enumerate() {
                let at = i * stride + block * LANES;
                scratch.scores[at..at + LANES].copy_from_slice(acc);
            }
        }
        let mut sums = [0.0f32; TILE];
        for (i, sum) in sums.iter_mut().enumerate() {
            let scores = &mut scratch.scores[i * stride..][..used * LANES];
            scores[..seen[i].start].fill(f32::NEG_INFINITY);
            scores[seen[i].end..].fill(f32::NEG_INFINITY);
            *sum = softmax(scores);
            scores[..seen[i].start].fill(0.0);
            scores[seen[i].end..].fill(0.0);
        }
        let weights: [&[f32]; TILE] =
            std::array::from_fn(|i| &scratch.scores[i * stride..][..last]);
        let live = (total - start).min(TILE);
        for column in (0..width).step_by(LANES) {
            let n = (width - column).min(LANES);
            let mut acc = [[0.0f32; LANES]; TILE];
            if n == LANES {
                for (p, value) in scratch.values[..last * width]
                    .chunks_exact(width)
                    .enumerate()
                {
                    let value = &value[column..column + LANES];
                    for (acc, w) in acc.iter_mut().zip(&weights) {
                        let w = w[p];
                        for (a, v) in acc.iter_mut().zip(value) {
                            *a = multiply_add::<FMA>(w, *v, *a);
                        }
                    }
                }
            } else {
                for (p, value) in scratch.values[..last * width]
                    .chunks_exact(width)
                    .enumerate()
                {
                    for (acc, w) in acc.iter_mut().zip(&weights) {
                        for (a, v) in acc.iter_mut().zip(&value[column..column + n]) {
                            *a = multiply_add::<FMA>(w[p], *v, *a);
                        }
                    }
                }
            }
            for (i, acc) in acc.iter().enumerate().take(live) {
                let (_, at) = place(start + i);
                let inverse = 1.0 / sums[i];
                for (o, a) in out[at + column..at + column + n].iter_mut().zip(acc) {
                    *o = a * inverse;
                }
            }
        }
    }
}
