//! A matrix of any format, and the input that its products take.

use std::ops::Range;

use super::{
    ActivationBlock, Activations, DenseMatrix, GgmlType, PackedMatrix, ROWS, Simd, with_simd,
};

/// A matrix `[rows, cols]` in the format of its file.
#[derive(Debug, Clone)]
pub(crate) enum Matrix {
    Packed(PackedMatrix),
    Dense(DenseMatrix),
}

impl Matrix {
    /// Reads a matrix row after row.
    ///
    /// # Errors
    /// What `read` returns.
    pub(crate) fn read<E>(
        kind: GgmlType,
        rows: usize,
        cols: usize,
        read: impl FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<Self, E> {
        if kind.is_quantized() {
            PackedMatrix::read(kind, rows, cols, read).map(Self::Packed)
        } else {
            DenseMatrix::read(kind, rows, cols, read).map(Self::Dense)
        }
    }

    /// A matrix of nothing.
    pub(crate) fn empty() -> Self {
        let nothing = |_: &mut [u8]| Ok::<_, std::convert::Infallible>(());
        match DenseMatrix::read(GgmlType::F32, 0, 0, nothing) {
            Ok(m) => Self::Dense(m),
            Err(e) => match e {},
        }
    }

    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Packed(m) => m.rows,
            Self::Dense(m) => m.rows,
        }
    }

    /// Groups of 16 rows, the last one perhaps not full.
    pub(crate) fn groups(&self) -> usize {
        self.rows().div_ceil(ROWS)
    }

    /// Bytes of the numbers.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::Packed(m) => m.memory(),
            Self::Dense(m) => m.memory(),
        }
    }

    /// Writes a row to `out`, as long as a row.
    pub(crate) fn row(&self, row: usize, out: &mut [f32]) {
        match self {
            Self::Packed(m) => m.dequantize_row(row, out),
            Self::Dense(m) => m.row(row, out),
        }
    }

    /// Multiplies rows `16 * groups` with every row of `x`: row `r` of token `t` goes to
    /// `out[t * stride + r - 16 * groups.start]`.
    pub(crate) fn matmul(
        &self,
        simd: Simd,
        groups: Range<usize>,
        x: &mut Input,
        out: &mut [f32],
        stride: usize,
    ) {
        match self {
            Self::Packed(m) => m.matmul(
                simd,
                groups,
                x.quantized(simd, m.activation_block()),
                out,
                stride,
            ),
            Self::Dense(m) => m.matmul(simd, groups, &x.values, out, stride),
        }
    }
}

/// Rows of numbers to multiply with; quantised when a matrix first asks for it.
#[derive(Debug, Default)]
pub(crate) struct Input {
    values: Vec<f32>,
    cols: usize,
    short: Activations,
    long: Activations,
    has_short: bool,
    has_long: bool,
}

impl Input {
    /// Starts over with rows of `cols` numbers, which the caller writes.
    pub(crate) fn start(&mut self, cols: usize) -> &mut Vec<f32> {
        self.cols = cols;
        self.has_short = false;
        self.has_long = false;
        &mut self.values
    }

    fn quantized(&mut self, simd: Simd, block: ActivationBlock) -> &Activations {
        let (has, to) = match block {
            ActivationBlock::Short => (&mut self.has_short, &mut self.short),
            ActivationBlock::Long => (&mut self.has_long, &mut self.long),
        };
        if !*has {
            let (values, cols) = (&self.values, self.cols);
            with_simd!(simd, |_| to.quantize(values, cols, block));
            *has = true;
        }
        to
    }
}
