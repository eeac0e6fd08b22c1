//! Fingerprints of cells.

/// Factors of the words of the first rows and columns; others are computed.
const COLUMNS: usize = 4;
static FACTORS: [u64; 128 * COLUMNS] = {
    let mut factors = [0; 128 * COLUMNS];
    let mut i = 0;
    while i < factors.len() {
        factors[i] = factor(i / COLUMNS, i % COLUMNS);
        i += 1;
    }
    factors
};

/// SplitMix64 of a word's place.
const fn factor(row: usize, column: usize) -> u64 {
    let mut z = ((row as u64) << 32 | column as u64).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) | 1
}

/// A fingerprint of the ink in a cell: 0 for a blank one, and the same whatever blank columns
/// or rows come after the ink.
///
/// `distances` starts at the cell's top left and holds the pixels' distances from the
/// background; `mask` keeps the bits that are ink.
#[inline]
pub(crate) fn shape(
    distances: &[u8],
    stride: usize,
    width: usize,
    height: usize,
    mask: u64,
) -> u64 {
    let mut sum = 0u64;
    let words = width / 8;
    let rest = mask & ((1 << (8 * (width % 8))) - 1);
    for row in 0..height {
        let line = &distances[row * stride..];
        for column in 0..words {
            sum = sum.wrapping_add(term(word(&line[8 * column..]) & mask, row, column));
        }
        if rest != 0 {
            sum = sum.wrapping_add(term(word(&line[8 * words..]) & rest, row, words));
        }
    }
    sum
}

#[inline]
fn term(word: u64, row: usize, column: usize) -> u64 {
    let factor = match FACTORS.get(row * COLUMNS + column) {
        Some(known) if column < COLUMNS => *known,
        _ => factor(row, column),
    };
    let product = u128::from(word) * u128::from(factor);
    product as u64 ^ (product >> 64) as u64
}

#[inline]
fn word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => {
            let mut padded = [0; 8];
            padded[..bytes.len()].copy_from_slice(bytes);
            u64::from_le_bytes(padded)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_surroundings_do_not_count_and_every_pixel_does() {
        let (width, height) = (37, 150);
        let mut cell: Vec<u8> = (0..width * height).map(|i| (i * 7 % 256) as u8).collect();
        let wide_stride = 61;
        let mut wide = vec![0u8; wide_stride * (height + 3)];
        for row in 0..height {
            wide[row * wide_stride..][..width].copy_from_slice(&cell[row * width..][..width]);
        }
        let fingerprint = shape(&cell, width, width, height, !0);
        assert_eq!(
            fingerprint,
            shape(&wide, wide_stride, wide_stride, height + 3, !0)
        );
        assert_eq!(shape(&[0; 40], 10, 10, 4, !0), 0);
        for i in 0..cell.len() {
            cell[i] ^= 8;
            assert_ne!(shape(&cell, width, width, height, !0), fingerprint);
            cell[i] ^= 8;
        }
    }
}
