//! A quantised matrix with 16 rows interleaved.

use half::f16;

use super::blocks::{Block, Layout};
use super::{GgmlType, ROWS};

/// 64 bytes of integers: a word of four columns for each of 16 rows.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Lanes(pub(crate) [u8; 64]);

/// A quantised matrix `[rows, cols]` whose rows are interleaved by 16.
///
/// For 16 rows and 32 columns the integers are 4 or 8 [`Lanes`]. With 8 bits the `i`-th holds
/// columns `4 i .. 4 i + 4`; with 4 bits the low halves hold columns `4 i .. 4 i + 4` and the
/// high ones those 16 further. The arrays run over columns first, then over groups of 16 rows.
/// Formats of 5 and 6 bits are widened to 8; the others keep their size.
#[derive(Debug, Clone)]
pub(crate) struct PackedMatrix {
    pub(crate) kind: GgmlType,
    pub(crate) layout: Layout,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) codes: Vec<Lanes>,
    /// Scales, one a block, as the bits of f16.
    pub(crate) d: Vec<[u16; ROWS]>,
    /// Minima or their scales, one a block, if the format has them.
    pub(crate) m: Vec<[u16; ROWS]>,
    /// Scales of sub-blocks.
    pub(crate) scales: Vec<[i8; ROWS]>,
    /// Minima of sub-blocks.
    pub(crate) mins: Vec<[u8; ROWS]>,
}

impl PackedMatrix {
    /// Reads a matrix row after row: `read` fills a buffer with the next bytes of the file.
    ///
    /// # Errors
    /// What `read` returns.
    ///
    /// # Panics
    /// If `kind` is not quantised or `cols` is no whole number of its blocks.
    pub(crate) fn read<E>(
        kind: GgmlType,
        rows: usize,
        cols: usize,
        mut read: impl FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let layout = Layout::of(kind).expect("a quantised format");
        let row_bytes = kind.bytes(cols).expect("a whole number of blocks");
        let row_groups = rows.div_ceil(ROWS);
        let blocks = cols / kind.block_len();
        let lanes = cols / 32 * layout.bits;
        let sub_blocks = layout.sub_block.map_or(0, |len| cols / len);
        let minima = if layout.min { blocks } else { 0 };
        let mut packed = Self {
            kind,
            layout,
            rows,
            cols,
            codes: Vec::with_capacity(row_groups * lanes),
            d: Vec::with_capacity(row_groups * blocks),
            m: Vec::with_capacity(row_groups * minima),
            scales: Vec::with_capacity(row_groups * sub_blocks),
            mins: Vec::with_capacity(if layout.min {
                row_groups * sub_blocks
            } else {
                0
            }),
        };
        let mut bytes = vec![0; row_bytes * ROWS];
        let mut block = Block::default();
        for group in 0..row_groups {
            let filled = (rows - group * ROWS).min(ROWS);
            bytes.fill(0);
            read(&mut bytes[..filled * row_bytes])?;
            let starts = (packed.codes.len(), packed.scales.len());
            packed.codes.resize(starts.0 + lanes, Lanes([0; 64]));
            packed.d.resize(packed.d.len() + blocks, Default::default());
            packed.m.resize(packed.m.len() + minima, Default::default());
            packed
                .scales
                .resize(starts.1 + sub_blocks, Default::default());
            if layout.min {
                packed
                    .mins
                    .resize(starts.1 + sub_blocks, Default::default());
            }
            for (row, bytes) in bytes.chunks_exact(row_bytes).enumerate() {
                for (b, bytes) in bytes.chunks_exact(kind.block_bytes()).enumerate() {
                    block.unpack(kind, bytes);
                    packed.put(&block, group, row, b, starts);
                }
            }
        }
        Ok(packed)
    }

    /// Stores block `b` of a row; `starts` are where the group's codes and scales begin.
    fn put(&mut self, block: &Block, group: usize, row: usize, b: usize, starts: (usize, usize)) {
        let len = self.kind.block_len();
        let blocks = self.cols / len;
        let layout = self.layout;
        for (c, &code) in block.codes[..len].iter().enumerate() {
            let column = b * len + c;
            let (lane, shift) = lane_of(column, layout.bits);
            self.codes[starts.0 + lane].0[row * 4 + column % 4] |= code << shift;
        }
        self.d[group * blocks + b][row] = block.d.to_bits();
        if layout.min {
            self.m[group * blocks + b][row] = block.m.to_bits();
        }
        if let Some(sub) = layout.sub_block {
            let n = len / sub;
            for j in 0..n {
                self.scales[starts.1 + b * n + j][row] = block.scales[j];
                if layout.min {
                    self.mins[starts.1 + b * n + j][row] = block.mins[j];
                }
            }
        }
    }

    /// Writes row `row` as numbers to `out`, which is `cols` long.
    pub(crate) fn dequantize_row(&self, row: usize, out: &mut [f32]) {
        let (group, r) = (row / ROWS, row % ROWS);
        let layout = self.layout;
        let len = self.kind.block_len();
        let blocks = self.cols / len;
        let lanes = self.cols / 32 * layout.bits;
        let mask = if layout.bits == 4 { 0x0f } else { 0xff };
        for (column, out) in out.iter_mut().enumerate() {
            let (lane, shift) = lane_of(column, layout.bits);
            let code = self.codes[group * lanes + lane].0[r * 4 + column % 4] >> shift & mask;
            let at = group * blocks + column / len;
            let code = (i32::from(code) - layout.offset) as f32;
            let d = f16::from_bits(self.d[at][r]).to_f32();
            *out = match layout.sub_block {
                None if layout.min => code * d + f16::from_bits(self.m[at][r]).to_f32(),
                None => code * d,
                Some(sub) => {
                    let j = group * (self.cols / sub) + column / sub;
                    let scaled = d * f32::from(self.scales[j][r]) * code;
                    if layout.min {
                        scaled - f16::from_bits(self.m[at][r]).to_f32() * f32::from(self.mins[j][r])
                    } else {
                        scaled
                    }
                }
            };
        }
    }

    /// Bytes of the matrix.
    pub(crate) fn memory(&self) -> usize {
        self.codes.len() * 64
            + (self.d.len() + self.m.len()) * 2 * ROWS
            + (self.scales.len() + self.mins.len()) * ROWS
    }
}

/// Which of a row group's lanes holds a column, and the shift of its bits.
fn lane_of(column: usize, bits: usize) -> (usize, usize) {
    let word = column % 32 / 4;
    let group = column / 32 * bits;
    if bits == 4 {
        (group + word % 4, word / 4 * 4)
    } else {
        (group + word, 0)
    }
}
