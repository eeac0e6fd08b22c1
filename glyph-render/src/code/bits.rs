//! Bytes as digits of 2 or 3 bits, the highest bits first.

/// The digits of a byte string; the last digit is filled up with zero bits.
pub(crate) struct Digits<'a> {
    bytes: &'a [u8],
    width: u32,
    at: u32,
}

impl<'a> Digits<'a> {
    pub(crate) fn new(bytes: &'a [u8], width: u32) -> Self {
        Self {
            bytes,
            width,
            at: 0,
        }
    }
}

impl Iterator for Digits<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let byte = (self.at / 8) as usize;
        let first = *self.bytes.get(byte)?;
        let second = self.bytes.get(byte + 1).copied().unwrap_or(0);
        let pair = u16::from_be_bytes([first, second]);
        let shift = 16 - self.at % 8 - self.width;
        self.at += self.width;
        Some((pair >> shift) as u8 & ((1 << self.width) - 1))
    }
}

/// How many digits `bytes` bytes take.
pub(crate) fn digits_for(bytes: usize, width: u32) -> usize {
    (bytes * 8).div_ceil(width as usize)
}

/// The bytes of a digit string; bits that fill no byte are dropped.
pub(crate) fn bytes_of(digits: impl Iterator<Item = u8>, width: u32, out: &mut Vec<u8>) {
    out.clear();
    let (mut held, mut bits) = (0u32, 0);
    for digit in digits {
        held = (held << width | u32::from(digit)) & 0xFFFF;
        bits += width;
        if bits >= 8 {
            bits -= 8;
            out.push((held >> bits) as u8);
        }
    }
}

/// Writes the two-bit digits of a byte string into the elements that are 0, the first ones first;
/// returns after which element the last digit lies, or `None` where they have no room.
///
/// Without a branch on what is 0: the pattern cannot be guessed.
pub(crate) fn fill_digits(bytes: &[u8], row: &mut [u8]) -> Option<usize> {
    let (mut byte, mut shift) = (0, 6);
    let mut held = *bytes.first()?;
    for (x, element) in row.iter_mut().enumerate() {
        let free = *element == 0;
        *element |= (held >> shift & 3) * u8::from(free);
        if free && shift == 0 {
            byte += 1;
            shift = 8;
            match bytes.get(byte) {
                Some(next) => held = *next,
                None => return Some(x + 1),
            }
        }
        shift -= 2 * u32::from(free);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        for width in [2, 3] {
            for len in [0, 1, 2, 3, 7, 256] {
                let digits: Vec<u8> = Digits::new(&bytes[..len], width).collect();
                assert_eq!(digits.len(), digits_for(len, width));
                assert!(digits.iter().all(|&d| d < 1 << width));
                let mut back = Vec::new();
                bytes_of(digits.into_iter(), width, &mut back);
                assert_eq!(back[..len], bytes[..len]);
                assert!(back[len..].iter().all(|&b| b == 0));
            }
        }
    }

    #[test]
    fn digits_are_written_between_others() {
        let bytes = [0b0001_1011, 0, 0xE4, 0x5A];
        let row: Vec<u8> = (0..40)
            .map(|i| 7 * u8::from(i % 3 == 0 || i % 7 == 2))
            .collect();
        let mut expected = row.clone();
        let free = expected
            .iter_mut()
            .enumerate()
            .filter(|(_, element)| **element == 0);
        let mut last = 0;
        for ((x, element), digit) in free.zip(Digits::new(&bytes, 2)) {
            *element = digit;
            last = x + 1;
        }
        let mut found = row.clone();
        assert_eq!(fill_digits(&bytes, &mut found), Some(last));
        assert_eq!(found, expected);
        assert_eq!(fill_digits(&bytes, &mut row[..last - 1].to_vec()), None);
    }
}
