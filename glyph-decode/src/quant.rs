//! Quantised matrices: the block formats of GGUF files, and products with them.
//!
//! Weights stay quantised in memory. A matrix is repacked once, when it is loaded: 16 rows are
//! interleaved so that a vector lane belongs to a row, and a product needs no sums across lanes
//! ([`PackedMatrix`]). Activations are quantised to 8 bits block by block as llama.cpp does
//! ([`Activations`]), so that products are sums of integers, exact in any order.

mod activations;
mod blocks;
mod dense;
mod dispatch;
mod kernels;
mod matrix;
mod packed;

pub(crate) use activations::{ActivationBlock, Activations};
pub use blocks::{GgmlType, dequantize};
pub(crate) use dense::{DenseMatrix, f16_to_f32};
pub(crate) use dispatch::{Simd, with_simd};
pub(crate) use matrix::{Input, Matrix};
pub(crate) use packed::PackedMatrix;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

/// Rows that are interleaved.
pub(crate) const ROWS: usize = 16;
