//! The block formats of GGUF files, as `ggml-quants.c` of llama.cpp defines them.

use half::{bf16, f16};

/// Element type of a tensor in a GGUF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names are the file format's own")]
#[allow(non_camel_case_types, reason = "the names are the file format's own")]
pub enum GgmlType {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4_K,
    Q5_K,
    Q6_K,
}

impl GgmlType {
    /// The type with this number in the file format, if this crate knows it.
    pub fn from_id(id: u32) -> Option<Self> {
        Some(match id {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            12 => Self::Q4_K,
            13 => Self::Q5_K,
            14 => Self::Q6_K,
            30 => Self::BF16,
            _ => return None,
        })
    }

    /// Elements in a block.
    pub fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::Q4_K | Self::Q5_K | Self::Q6_K => 256,
        }
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q4_K => 144,
            Self::Q5_K => 176,
            Self::Q6_K => 210,
        }
    }

    /// Bytes of so many elements, or `None` if they are no whole number of blocks or the number
    /// does not fit.
    pub fn bytes(self, elements: usize) -> Option<usize> {
        elements
            .is_multiple_of(self.block_len())
            .then_some(elements / self.block_len())?
            .checked_mul(self.block_bytes())
    }

    /// Whether elements share scales in blocks.
    pub fn is_quantized(self) -> bool {
        self.block_len() > 1
    }
}

/// How the integers of a quantised format become numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Bits kept per integer in a packed matrix: 4 or 8.
    pub(crate) bits: usize,
    /// Subtracted from each integer.
    pub(crate) offset: i32,
    /// Whether blocks have a minimum besides the scale.
    pub(crate) min: bool,
    /// Scales of scales: a block of 256 with sub-blocks of so many elements.
    pub(crate) sub_block: Option<usize>,
}

impl Layout {
    /// The layout of a quantised format; `None` for plain numbers.
    pub(crate) fn of(kind: GgmlType) -> Option<Self> {
        let layout = |bits, offset, min, sub_block| {
            Some(Self {
                bits,
                offset,
                min,
                sub_block,
            })
        };
        match kind {
            GgmlType::Q4_0 => layout(4, 8, false, None),
            GgmlType::Q4_1 => layout(4, 0, true, None),
            GgmlType::Q5_0 => layout(8, 16, false, None),
            GgmlType::Q5_1 => layout(8, 0, true, None),
            GgmlType::Q8_0 => layout(8, 128, false, None),
            GgmlType::Q4_K => layout(4, 0, true, Some(32)),
            GgmlType::Q5_K => layout(8, 0, true, Some(32)),
            GgmlType::Q6_K => layout(8, 32, false, Some(16)),
            GgmlType::F32 | GgmlType::F16 | GgmlType::BF16 => None,
        }
    }
}

/// One block, taken apart. A number is `d * scale * (code - offset) + m` in a block of 32 and
/// `d * scale * (code - offset) - m * min` in a block of 256.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    /// One integer an element; blocks of 32 fill the first 32.
    pub(crate) codes: [u8; 256],
    /// Scale.
    pub(crate) d: f16,
    /// Minimum, or the scale of minima.
    pub(crate) m: f16,
    /// Scales of the sub-blocks.
    pub(crate) scales: [i8; 16],
    /// Minima of the sub-blocks.
    pub(crate) mins: [u8; 8],
}

impl Default for Block {
    fn default() -> Self {
        Self {
            codes: [0; 256],
            d: f16::ZERO,
            m: f16::ZERO,
            scales: [1; 16],
            mins: [0; 8],
        }
    }
}

fn half_at(bytes: &[u8], at: usize) -> f16 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// Scale and minimum of sub-block `j`: 6 bits each, 8 of each in 12 bytes.
fn scale_min_k4(j: usize, q: &[u8]) -> (u8, u8) {
    if j < 4 {
        (q[j] & 63, q[j + 4] & 63)
    } else {
        (
            (q[j + 4] & 0x0f) | ((q[j - 4] >> 6) << 4),
            (q[j + 4] >> 4) | ((q[j] >> 6) << 4),
        )
    }
}

impl Block {
    /// Takes apart the bytes of one block of a quantised format.
    pub(crate) fn unpack(&mut self, kind: GgmlType, bytes: &[u8]) {
        debug_assert_eq!(bytes.len(), kind.block_bytes());
        match kind {
            GgmlType::Q4_0 | GgmlType::Q4_1 => {
                self.d = half_at(bytes, 0);
                let mut at = 2;
                if kind == GgmlType::Q4_1 {
                    self.m = half_at(bytes, 2);
                    at = 4;
                }
                for (j, &q) in bytes[at..at + 16].iter().enumerate() {
                    self.codes[j] = q & 0x0f;
                    self.codes[j + 16] = q >> 4;
                }
            }
            GgmlType::Q5_0 | GgmlType::Q5_1 => {
                self.d = half_at(bytes, 0);
                let mut at = 2;
                if kind == GgmlType::Q5_1 {
                    self.m = half_at(bytes, 2);
                    at = 4;
                }
                let high =
                    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
                for (j, &q) in bytes[at + 4..at + 20].iter().enumerate() {
                    self.codes[j] = (q & 0x0f) | (((high >> j) & 1) as u8) << 4;
                    self.codes[j + 16] = (q >> 4) | (((high >> (j + 16)) & 1) as u8) << 4;
                }
            }
            GgmlType::Q8_0 => {
                self.d = half_at(bytes, 0);
                for (code, &q) in self.codes.iter_mut().zip(&bytes[2..34]) {
                    *code = q ^ 0x80;
                }
            }
            GgmlType::Q4_K | GgmlType::Q5_K => {
                self.d = half_at(bytes, 0);
                self.m = half_at(bytes, 2);
                for j in 0..8 {
                    let (scale, min) = scale_min_k4(j, &bytes[4..16]);
                    self.scales[j] = scale as i8;
                    self.mins[j] = min;
                }
                let (high, low) = match kind {
                    GgmlType::Q4_K => (None, &bytes[16..144]),
                    _ => (Some(&bytes[16..48]), &bytes[48..176]),
                };
                for (i, q) in low.chunks_exact(32).enumerate() {
                    for (j, &q) in q.iter().enumerate() {
                        let h = high.map_or(0, |h| h[j] >> (2 * i));
                        self.codes[64 * i + j] = (q & 0x0f) | (h & 1) << 4;
                        self.codes[64 * i + 32 + j] = (q >> 4) | (h >> 1 & 1) << 4;
                    }
                }
            }
            GgmlType::Q6_K => {
                for (i, (low, high)) in bytes[..128]
                    .chunks_exact(64)
                    .zip(bytes[128..192].chunks_exact(32))
                    .enumerate()
                {
                    let codes = &mut self.codes[128 * i..128 * (i + 1)];
                    for j in 0..32 {
                        codes[j] = (low[j] & 0x0f) | (high[j] & 3) << 4;
                        codes[j + 32] = (low[j + 32] & 0x0f) | (high[j] >> 2 & 3) << 4;
                        codes[j + 64] = (low[j] >> 4) | (high[j] >> 4 & 3) << 4;
                        codes[j + 96] = (low[j + 32] >> 4) | (high[j] >> 6) << 4;
                    }
                }
                for (scale, &q) in self.scales.iter_mut().zip(&bytes[192..208]) {
                    *scale = q as i8;
                }
                self.d = half_at(bytes, 208);
            }
            GgmlType::F32 | GgmlType::F16 | GgmlType::BF16 => {
                unreachable!("plain numbers have no blocks")
            }
        }
    }

    /// The block's numbers.
    fn numbers(&self, kind: GgmlType, layout: Layout, out: &mut [f32]) {
        let (d, m) = (self.d.to_f32(), self.m.to_f32());
        match layout.sub_block {
            None => {
                let m = if layout.min { m } else { 0.0 };
                for (o, &q) in out.iter_mut().zip(&self.codes) {
                    *o = (i32::from(q) - layout.offset) as f32 * d + m;
                }
            }
            Some(len) => {
                let n = kind.block_len() / len;
                for (j, out) in out.chunks_exact_mut(len).enumerate().take(n) {
                    let scale = d * f32::from(self.scales[j]);
                    let min = if layout.min {
                        m * f32::from(self.mins[j])
                    } else {
                        0.0
                    };
                    for (o, &q) in out.iter_mut().zip(&self.codes[j * len..]) {
                        *o = scale * (i32::from(q) - layout.offset) as f32 - min;
                    }
                }
            }
        }
    }
}

/// Turns the bytes of a tensor into numbers.
///
/// # Panics
/// If `bytes` is not the size of `out.len()` elements.
pub fn dequantize(kind: GgmlType, bytes: &[u8], out: &mut [f32]) {
    assert_eq!(
        Some(bytes.len()),
        kind.bytes(out.len()),
        "bytes of {} elements of {kind:?}",
        out.len()
    );
    let Some(layout) = Layout::of(kind) else {
        match kind {
            GgmlType::F32 => {
                for (o, b) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *o = f32::from_le_bytes(*b);
                }
            }
            GgmlType::F16 => {
                for (o, b) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *o = f16::from_le_bytes(*b).to_f32();
                }
            }
            _ => {
                for (o, b) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *o = bf16::from_le_bytes(*b).to_f32();
                }
            }
        }
        return;
    };
    let mut block = Block::default();
    for (out, bytes) in out
        .chunks_exact_mut(kind.block_len())
        .zip(bytes.chunks_exact(kind.block_bytes()))
    {
        block.unpack(kind, bytes);
        block.numbers(kind, layout, out);
    }
}
