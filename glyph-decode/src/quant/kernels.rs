//! Products of packed matrices and quantised activations.
//!
//! Every kernel computes the same numbers, bit for bit: sums of integers are exact, and the
//! floating-point part is done row by row, block after block, without fused operations.

mod portable;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod x86;

use std::ops::Range;

use super::{ActivationBlock, Activations, PackedMatrix, ROWS, Simd, with_simd};

/// Blocks of 32 without and with minima, blocks of 256 with sub-blocks of 32 and 16.
pub(crate) const SHORT: u8 = 0;
pub(crate) const SHORT_MIN: u8 = 1;
pub(crate) const LONG_32: u8 = 2;
pub(crate) const LONG_16: u8 = 3;

impl PackedMatrix {
    /// How activations have to be quantised.
    pub(crate) fn activation_block(&self) -> ActivationBlock {
        match self.layout.sub_block {
            None => ActivationBlock::Short,
            Some(_) => ActivationBlock::Long,
        }
    }

    /// Multiplies rows `16 * groups` with every row of `x`: row `r` of token `t` goes to
    /// `out[t * stride + r - 16 * groups.start]`.
    pub(crate) fn matmul(
        &self,
        simd: Simd,
        groups: Range<usize>,
        x: &Activations,
        out: &mut [f32],
        stride: usize,
    ) {
        debug_assert_eq!(
            (x.block, x.groups * 32),
            (self.activation_block(), self.cols)
        );
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        {
            if let Some(s) = simd.0.as_avx512() {
                return x86::matmul_avx512(s, self, groups, x, out, stride);
            }
            if let Some(s) = simd.0.as_avx2() {
                return x86::matmul_avx2(s, self, groups, x, out, stride);
            }
        }
        with_simd!(simd, |_| portable::matmul(self, groups, x, out, stride));
    }
}

/// Runs tiles of 16 rows and up to `$max` tokens over everything. `$tile` is called with the
/// constants that the format asks for.
macro_rules! for_each_tile {
    ($w:expr, $groups:expr, $x:expr, $out:expr, $stride:expr, $tile:ident($($first:expr)?)) => {{
        use $crate::quant::kernels::{LONG_16, LONG_32, SHORT, SHORT_MIN, store};
        macro_rules! run {
            ($bits:literal, $kind:ident, $max:literal) => {{
                for g in $groups.clone() {
                    let row = (g - $groups.start) * $crate::quant::ROWS;
                    let n = ($w.rows - g * $crate::quant::ROWS).min($crate::quant::ROWS);
                    let mut t = 0;
                    while t < $x.rows {
                        let left = $x.rows - t;
                        let at = t * $stride + row;
                        if left >= $max {
                            let tile = $tile::<$max, $bits, $kind>($($first,)? $w, g, $x, t);
                            store(&tile, $out, at, $stride, n);
                            t += $max;
                        } else if left >= 2 {
                            let tile = $tile::<2, $bits, $kind>($($first,)? $w, g, $x, t);
                            store(&tile, $out, at, $stride, n);
                            t += 2;
                        } else {
                            let tile = $tile::<1, $bits, $kind>($($first,)? $w, g, $x, t);
                            store(&tile, $out, at, $stride, n);
                            t += 1;
                        }
                    }
                }
            }};
        }
        let layout = $w.layout;
        match (layout.bits, layout.sub_block, layout.min) {
            (4, None, false) => run!(4, SHORT, 8),
            (4, None, true) => run!(4, SHORT_MIN, 8),
            (_, None, false) => run!(8, SHORT, 8),
            (_, None, true) => run!(8, SHORT_MIN, 8),
            (4, Some(_), _) => run!(4, LONG_32, 4),
            (_, Some(32), _) => run!(8, LONG_32, 4),
            _ => run!(8, LONG_16, 4),
        }
    }};
}
use for_each_tile;

/// Copies the first `n` rows of a tile to where they belong.
#[inline(always)]
pub(in crate::quant) fn store(
    tile: &[[f32; ROWS]],
    out: &mut [f32],
    at: usize,
    stride: usize,
    n: usize,
) {
    for (t, values) in tile.iter().enumerate() {
        let at = at + t * stride;
        if n == ROWS {
            out[at..at + ROWS].copy_from_slice(values);
        } else {
            out[at..at + n].copy_from_slice(&values[..n]);
        }
    }
}
