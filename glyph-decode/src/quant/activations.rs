//! Activations quantised to 8 bits.

use half::f16;

/// Elements that share a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActivationBlock {
    /// 32, for weights in blocks of 32 (`Q8_0` and `Q8_1` of llama.cpp).
    Short,
    /// 256, for weights in blocks of 256 (`Q8_K` of llama.cpp).
    Long,
}

impl ActivationBlock {
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Short => 32,
            Self::Long => 256,
        }
    }
}

/// Rows of activations, quantised.
#[derive(Debug, Clone)]
pub(crate) struct Activations {
    pub(crate) rows: usize,
    pub(crate) block: ActivationBlock,
    /// Columns in groups of 32, as many as a row has.
    pub(crate) groups: usize,
    /// Four signed bytes a word, the first in the lowest; 8 words a group.
    pub(crate) words: Vec<[i32; 8]>,
    /// Sums of the integers, by halves of a group.
    pub(crate) sums: Vec<[i32; 2]>,
    /// Scale of each block.
    pub(crate) scales: Vec<f32>,
    /// Scale times sum of each block of 32, rounded as llama.cpp stores it; unused for 256.
    pub(crate) scaled_sums: Vec<f32>,
}

impl Default for Activations {
    fn default() -> Self {
        Self {
            rows: 0,
            block: ActivationBlock::Short,
            groups: 0,
            words: Vec::new(),
            sums: Vec::new(),
            scales: Vec::new(),
            scaled_sums: Vec::new(),
        }
    }
}

impl Activations {
    /// Quantises `x`, rows of `cols` numbers, in place of what was here.
    #[inline(always)]
    pub(crate) fn quantize(&mut self, x: &[f32], cols: usize, block: ActivationBlock) {
        debug_assert!(cols.is_multiple_of(block.len()) && x.len().is_multiple_of(cols));
        self.rows = x.len() / cols;
        self.block = block;
        self.groups = cols / 32;
        self.words.clear();
        self.sums.clear();
        self.scales.clear();
        self.scaled_sums.clear();
        match block {
            ActivationBlock::Short => {
                for x in x.as_chunks::<32>().0 {
                    let max = max_abs(x);
                    let d = max / 127.0;
                    let inverse = if max == 0.0 { 0.0 } else { 127.0 / max };
                    let q = round_to_i8(x, inverse);
                    let sum = self.push(&q);
                    self.scales.push(f16::from_f32(d).to_f32());
                    self.scaled_sums
                        .push(f16::from_f32(d * sum as f32).to_f32());
                }
            }
            ActivationBlock::Long => {
                for x in x.chunks_exact(256) {
                    let (mut max, mut signed) = (0.0f32, 0.0f32);
                    for &v in x {
                        if v.abs() > max {
                            max = v.abs();
                            signed = v;
                        }
                    }
                    let inverse = if max == 0.0 { 0.0 } else { -127.0 / signed };
                    for x in x.as_chunks::<32>().0 {
                        let q = round_to_i8(x, inverse);
                        self.push(&q);
                    }
                    self.scales
                        .push(if max == 0.0 { 0.0 } else { 1.0 / inverse });
                }
            }
        }
    }

    /// Appends a group; returns its sum.
    #[inline(always)]
    fn push(&mut self, q: &[i8; 32]) -> i32 {
        let mut words = [0i32; 8];
        for (word, q) in words.iter_mut().zip(q.as_chunks::<4>().0) {
            *word = i32::from_le_bytes(q.map(|q| q as u8));
        }
        let half = |q: &[i8]| q.iter().map(|&q| i32::from(q)).sum();
        let sums: [i32; 2] = [half(&q[..16]), half(&q[16..])];
        self.words.push(words);
        self.sums.push(sums);
        sums[0] + sums[1]
    }
}

#[inline(always)]
fn max_abs(x: &[f32; 32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    for x in x.as_chunks::<8>().0 {
        for (m, v) in lanes.iter_mut().zip(x) {
            let a = v.abs();
            *m = if a > *m { a } else { *m };
        }
    }
    lanes.into_iter().fold(0.0, f32::max)
}

#[inline(always)]
fn round_to_i8(x: &[f32; 32], inverse: f32) -> [i8; 32] {
    // Adding and taking away 1.5 * 2^23 rounds to the nearest integer, ties to even, without a
    // call where the processor has no instruction for it.
    const MAGIC: f32 = 12_582_912.0;
    let mut q = [0i8; 32];
    for (q, &v) in q.iter_mut().zip(x) {
        let bits = (v * inverse + MAGIC).to_bits() as i32;
        *q = (bits - MAGIC.to_bits() as i32) as i8;
    }
    q
}
