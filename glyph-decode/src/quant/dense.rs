//! Matrices of plain numbers with 16 rows interleaved, and products with them.

#![allow(
    clippy::needless_range_loop,
    reason = "loops of constant length over several arrays, which have to unroll"
)]

use std::ops::Range;

use fearless_simd::{f32x16, prelude::*};
use half::{bf16, f16};

use super::{GgmlType, ROWS, Simd, with_simd};

/// A matrix `[rows, cols]` of plain numbers in the type of its file. The arrays run over columns
/// first, then over groups of 16 rows.
#[derive(Debug, Clone)]
pub(crate) struct DenseMatrix {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    data: Data,
}

#[derive(Debug, Clone)]
enum Data {
    F32(Vec<[f32; ROWS]>),
    F16(Vec<[u16; ROWS]>),
    BF16(Vec<[u16; ROWS]>),
}

/// A number of a half-precision type from its bits, in a form that compiles to vector
/// instructions; not for infinities and NaN, which no weight should be.
#[inline(always)]
pub(crate) fn f16_to_f32(bits: u16) -> f32 {
    // The exponent's bias differs by 112.
    const SCALE: f32 = f32::from_bits((127 + 112) << 23);
    let magnitude = f32::from_bits(u32::from(bits & 0x7fff) << 13) * SCALE;
    f32::from_bits(magnitude.to_bits() | u32::from(bits & 0x8000) << 16)
}

#[inline(always)]
fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

impl DenseMatrix {
    /// Reads a matrix row after row: `read` fills a buffer with the next bytes of the file.
    ///
    /// # Errors
    /// What `read` returns.
    pub(crate) fn read<E>(
        kind: GgmlType,
        rows: usize,
        cols: usize,
        mut read: impl FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let size = kind.block_bytes();
        let groups = rows.div_ceil(ROWS);
        let mut data = match kind {
            GgmlType::F32 => Data::F32(Vec::with_capacity(groups * cols)),
            GgmlType::F16 => Data::F16(Vec::with_capacity(groups * cols)),
            _ => Data::BF16(Vec::with_capacity(groups * cols)),
        };
        let mut bytes = vec![0; cols * size * ROWS];
        for group in 0..groups {
            let filled = (rows - group * ROWS).min(ROWS);
            bytes.fill(0);
            read(&mut bytes[..filled * cols * size])?;
            for c in 0..cols {
                let at = |r: usize| (r * cols + c) * size;
                match &mut data {
                    Data::F32(v) => v.push(std::array::from_fn(|r| {
                        let b = &bytes[at(r)..at(r) + 4];
                        f32::from_le_bytes([b[0], b[1], b[2], b[3]])
                    })),
                    Data::F16(v) | Data::BF16(v) => v.push(std::array::from_fn(|r| {
                        u16::from_le_bytes([bytes[at(r)], bytes[at(r) + 1]])
                    })),
                }
            }
        }
        Ok(Self { rows, cols, data })
    }

    /// Writes row `row` to `out`, which is `cols` long.
    pub(crate) fn row(&self, row: usize, out: &mut [f32]) {
        let (group, r) = (row / ROWS, row % ROWS);
        for (c, out) in out.iter_mut().enumerate() {
            let at = group * self.cols + c;
            *out = match &self.data {
                Data::F32(v) => v[at][r],
                Data::F16(v) => f16::from_bits(v[at][r]).to_f32(),
                Data::BF16(v) => bf16::from_bits(v[at][r]).to_f32(),
            };
        }
    }

    /// Bytes of the matrix.
    pub(crate) fn memory(&self) -> usize {
        match &self.data {
            Data::F32(v) => v.len() * 4 * ROWS,
            Data::F16(v) | Data::BF16(v) => v.len() * 2 * ROWS,
        }
    }

    /// Multiplies rows `16 * groups` with every row of `x`: row `r` of token `t` goes to
    /// `out[t * stride + r - 16 * groups.start]`.
    pub(crate) fn matmul(
        &self,
        simd: Simd,
        groups: Range<usize>,
        x: &[f32],
        out: &mut [f32],
        stride: usize,
    ) {
        match &self.data {
            Data::F32(v) => {
                with_simd!(simd, |s| self.run(s, v, |x| x, groups, x, out, stride));
            }
            Data::F16(v) => {
                with_simd!(simd, |s| self.run(s, v, f16_to_f32, groups, x, out, stride));
            }
            Data::BF16(v) => {
                with_simd!(simd, |s| self.run(
                    s,
                    v,
                    bf16_to_f32,
                    groups,
                    x,
                    out,
                    stride
                ));
            }
        }
    }

    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "one call site, no state to keep")]
    fn run<S: fearless_simd::Simd, T: Copy>(
        &self,
        s: S,
        data: &[[T; ROWS]],
        number: impl Fn(T) -> f32 + Copy,
        groups: Range<usize>,
        x: &[f32],
        out: &mut [f32],
        stride: usize,
    ) {
        let tokens = x.len() / self.cols;
        for g in groups.clone() {
            let w = &data[g * self.cols..(g + 1) * self.cols];
            let n = (self.rows - g * ROWS).min(ROWS);
            let row = (g - groups.start) * ROWS;
            let mut t = 0;
            while t < tokens {
                let left = tokens - t;
                let step = if left >= 8 {
                    let tile = tile::<S, T, 8>(s, w, number, &x[t * self.cols..]);
                    super::kernels::store(&tile, out, t * stride + row, stride, n);
                    8
                } else {
                    let tile = tile::<S, T, 1>(s, w, number, &x[t * self.cols..]);
                    super::kernels::store(&tile, out, t * stride + row, stride, n);
                    1
                };
                t += step;
            }
        }
    }
}

#[inline(always)]
fn tile<S: fearless_simd::Simd, T: Copy, const N: usize>(
    s: S,
    w: &[[T; ROWS]],
    number: impl Fn(T) -> f32 + Copy,
    x: &[f32],
) -> [[f32; ROWS]; N] {
    let cols = w.len();
    let mut rows: [&[f32]; N] = [&[]; N];
    for (t, row) in rows.iter_mut().enumerate() {
        *row = &x[t * cols..][..cols];
    }
    let zero = f32x16::splat(s, 0.0);
    let mut acc = [zero; N];
    if N == 1 {
        // Four sums side by side hide the latency.
        let mut sums = [zero; 4];
        let mut w = w.chunks_exact(4);
        let mut x = rows[0].chunks_exact(4);
        for (w, x) in (&mut w).zip(&mut x) {
            for u in 0..4 {
                let w = f32x16::from_slice(s, &w[u].map(number));
                sums[u] = w.mul_add(f32x16::splat(s, x[u]), sums[u]);
            }
        }
        for (w, &x) in w.remainder().iter().zip(x.remainder()) {
            let w = f32x16::from_slice(s, &w.map(number));
            sums[0] = w.mul_add(f32x16::splat(s, x), sums[0]);
        }
        acc[0] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    } else {
        for (c, w) in w.iter().enumerate() {
            let w = f32x16::from_slice(s, &w.map(number));
            for t in 0..N {
                acc[t] = w.mul_add(f32x16::splat(s, rows[t][c]), acc[t]);
            }
        }
    }
    let mut out = [[0.0; ROWS]; N];
    for t in 0..N {
        acc[t].store_slice(&mut out[t]);
    }
    out
}
