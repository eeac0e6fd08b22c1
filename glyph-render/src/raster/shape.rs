//! Fingerprints of cells.

/// Words of a row whose factors are kept; those of others are computed.
const COLUMNS: usize = 4;
static FACTORS: [[u64; COLUMNS]; 128] = {
    let mut factors = [[0; COLUMNS]; 128];
    let mut row = 0;
    while row < factors.len() {
        let mut column = 0;
        while column < COLUMNS {
            factors[row][column] = factor(row, column);
            column += 1;
        }
        row += 1;
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
    let last = mask & ((1 << (8 * (width % 8))) - 1);
    let words = width / 8 + usize::from(last != 0);
    let last = if last == 0 { mask } else { last };
    if height > FACTORS.len() {
        return any_shape(distances, (stride, words, height), mask, last);
    }
    match words {
        0 => 0,
        1 => fixed_shape::<1>(distances, (stride, height), mask, last),
        2 => fixed_shape::<2>(distances, (stride, height), mask, last),
        3 => fixed_shape::<3>(distances, (stride, height), mask, last),
        4 => fixed_shape::<4>(distances, (stride, height), mask, last),
        _ => any_shape(distances, (stride, words, height), mask, last),
    }
}

/// The fingerprint of a cell of `N` words a row; `last` is the last word's mask.
#[inline]
fn fixed_shape<const N: usize>(
    distances: &[u8],
    (stride, height): (usize, usize),
    mask: u64,
    last: u64,
) -> u64 {
    let mut sum = 0u64;
    for (row, factors) in FACTORS[..height].iter().enumerate() {
        let line = &distances[row * stride..];
        for (column, factor) in factors[..N].iter().enumerate() {
            let mask = if column + 1 == N { last } else { mask };
            sum = sum.wrapping_add(term(word(line, column) & mask, *factor));
        }
    }
    sum
}

fn any_shape(
    distances: &[u8],
    (stride, words, height): (usize, usize, usize),
    mask: u64,
    last: u64,
) -> u64 {
    let mut sum = 0u64;
    for row in 0..height {
        let line = &distances[row * stride..];
        for column in 0..words {
            let mask = if column + 1 == words { last } else { mask };
            let factor = factor(row, column);
            sum = sum.wrapping_add(term(word(line, column) & mask, factor));
        }
    }
    sum
}

/// 0 for a blank word.
#[inline]
fn term(word: u64, factor: u64) -> u64 {
    let product = u128::from(word) * u128::from(factor);
    product as u64 ^ (product >> 64) as u64
}

#[inline]
fn word(line: &[u8], column: usize) -> u64 {
    let bytes = line.get(8 * column..).unwrap_or_default();
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
        for (width, height) in [(37, 150), (1, 3), (8, 10), (13, 20), (33, 9)] {
            check(width, height);
        }
        assert_eq!(shape(&[0; 40], 10, 10, 4, !0), 0);
    }

    fn check(width: usize, height: usize) {
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
        for i in 0..cell.len() {
            cell[i] ^= 8;
            assert_ne!(shape(&cell, width, width, height, !0), fingerprint);
            cell[i] ^= 8;
        }
    }
}
