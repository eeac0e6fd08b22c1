//! A deflate encoder for page images (RFC 1950, RFC 1951).
//!
//! Pages are white for the most part and repeat the same glyphs in many places. So runs are
//! skipped eight bytes at a time, and matches are looked for at two places only: one row up, and
//! where the same bytes stood last. That is faster and smaller than general encoders at the
//! settings of their speed.

mod huffman;

use huffman::{BitWriter, write_block};

/// How far back a match may lie.
const WINDOW: usize = 32_768;
/// The longest match.
const MAX_MATCH: usize = 258;
/// The shortest match looked for; shorter ones hardly pay.
const MIN_MATCH: usize = 4;
const HASH_BITS: u32 = 14;
/// Tokens of one block; bounds the memory, and lets the codes follow the content.
const BLOCK_TOKENS: usize = 1 << 14;

/// A literal byte, or a match: bit 31, its length less 3 in bits 16 to 23, its distance less 1 in
/// bits 0 to 14.
type Token = u32;

const MATCH: Token = 1 << 31;

fn match_token(length: usize, distance: usize) -> Token {
    MATCH | ((length - 3) as u32) << 16 | (distance - 1) as u32
}

/// Compresses `data` to a zlib stream. Rows of `stride` bytes are expected to resemble the row
/// above them; any value is allowed.
pub(super) fn zlib(data: &[u8], stride: usize) -> Vec<u8> {
    let mut out = BitWriter::new();
    // 32 KiB window, fastest; 0x7801 is a multiple of 31.
    out.bytes(&[0x78, 0x01]);
    let mut matcher = Matcher::new(data, stride);
    let mut tokens = Vec::with_capacity(BLOCK_TOKENS + MAX_MATCH);
    loop {
        tokens.clear();
        let last = matcher.fill(&mut tokens);
        write_block(&mut out, &tokens, last);
        if last {
            break;
        }
    }
    out.align();
    let mut adler = simd_adler32::Adler32::new();
    adler.write(data);
    out.bytes(&adler.finish().to_be_bytes());
    out.finish()
}

struct Matcher<'a> {
    data: &'a [u8],
    stride: usize,
    at: usize,
    /// By hash of four bytes: where they stood last, plus 1.
    heads: Box<[u32]>,
}

impl<'a> Matcher<'a> {
    fn new(data: &'a [u8], stride: usize) -> Self {
        Self {
            data,
            stride: stride.max(1),
            at: 0,
            heads: vec![0; 1 << HASH_BITS].into_boxed_slice(),
        }
    }

    /// The next tokens; true when they are the last.
    fn fill(&mut self, tokens: &mut Vec<Token>) -> bool {
        let data = self.data;
        let end = data.len();
        let mut at = self.at;
        while tokens.len() < BLOCK_TOKENS {
            // Eight bytes for the run test and the hash; the few at the end are literals.
            let Some(word) = word(data, at) else {
                tokens.extend(data[at..].iter().map(|&byte| Token::from(byte)));
                self.at = end;
                return true;
            };
            let slot = hash(word as u32);
            let seen =
                std::mem::replace(&mut self.heads[slot], (at as u32).wrapping_add(1)) as usize;
            let last_seen = at.wrapping_sub(seen).wrapping_add(1);
            let (from_last, from_above) = (
                alike(data, word, at, last_seen),
                alike(data, word, at, self.stride),
            );
            let (mut length, distance) = if from_above >= from_last {
                (from_above, self.stride)
            } else {
                (from_last, last_seen)
            };
            if length < MIN_MATCH {
                tokens.push(Token::from(word as u8));
                at += 1;
                continue;
            }
            if length == 8 {
                // Only here, where a long match is sure, so that short ones need not ask.
                if word == u64::from(data[at - 1]) * 0x0101_0101_0101_0101 {
                    let run = 8 + common(data, at - 1 + 8, at + 8, end);
                    push_run(tokens, run);
                    at += run;
                    continue;
                }
                length += common(data, at + 8 - distance, at + 8, at + MAX_MATCH);
            }
            tokens.push(match_token(length, distance));
            // The ends of a match are where the next text may differ.
            if let Some(word) = self::word(data, at + length - 2) {
                self.heads[hash(word as u32)] = ((at + length - 2) as u32).wrapping_add(1);
            }
            at += length;
        }
        self.at = at;
        at == end
    }
}

/// A run of the byte before it.
fn push_run(tokens: &mut Vec<Token>, mut run: usize) {
    while run > MAX_MATCH {
        // What is left after the last full match must not be below 3.
        let length = MAX_MATCH.min(run - 3);
        tokens.push(match_token(length, 1));
        run -= length;
    }
    tokens.push(match_token(run, 1));
}

fn word(data: &[u8], at: usize) -> Option<u64> {
    let bytes = data.get(at..)?.first_chunk::<8>()?;
    Some(u64::from_le_bytes(*bytes))
}

fn hash(bytes: u32) -> usize {
    (bytes.wrapping_mul(0x9E37_79B1) >> (32 - HASH_BITS)) as usize
}

/// How many of the eight bytes of `word`, which stand at `at`, stand `distance` before too; 0 where
/// the window does not reach.
#[inline]
fn alike(data: &[u8], word: u64, at: usize, distance: usize) -> usize {
    if distance > at.min(WINDOW) {
        return 0;
    }
    let before = self::word(data, at - distance).unwrap_or(!word);
    ((word ^ before).trailing_zeros() / 8) as usize
}

/// How many bytes from `a` and from `b` on are the same, `b` going no further than `limit`.
fn common(data: &[u8], a: usize, b: usize, limit: usize) -> usize {
    let limit = limit.min(data.len());
    let mut length = 0;
    while let (Some(x), Some(y)) = (word(data, a + length), word(data, b + length)) {
        if b + length + 8 > limit {
            break;
        }
        let different = x ^ y;
        if different != 0 {
            return length + different.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    while b + length < limit && data[a + length] == data[b + length] {
        length += 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// Decodes by way of a PNG of one row.
    fn inflate(data: &[u8], stream: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, data.len() as u32 - 1, 1);
        encoder.set_color(png::ColorType::Grayscale);
        let mut writer = encoder.write_header().expect("a header");
        writer
            .write_chunk(png::chunk::IDAT, stream)
            .expect("a chunk");
        writer.finish().expect("an end");
        let decoder = png::Decoder::new(std::io::Cursor::new(file));
        let mut reader = decoder.read_info().expect("a header");
        let mut out = vec![0; data.len() - 1];
        reader.next_frame(&mut out).expect("the pixels");
        out
    }

    fn check(mut data: Vec<u8>, stride: usize) {
        // The filter byte of the one row.
        data.insert(0, 0);
        let stream = super::zlib(&data, stride);
        assert_eq!(inflate(&data, &stream), data[1..]);
        assert!(stream.len() <= data.len() + data.len() / 50 + 200);
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(
            parts in prop::collection::vec((any::<u8>(), 1usize..700, 0usize..5), 1..60),
            stride in 1usize..900,
            seed in any::<u32>(),
        ) {
            // Runs, repeats of what stood before, and noise.
            let mut data: Vec<u8> = Vec::new();
            let mut state = seed | 1;
            for (byte, length, kind) in parts {
                for _ in 0..length {
                    state = state.wrapping_mul(0x0019_660D).wrapping_add(0x3C6E_F35F);
                    let back = data.len().checked_sub(stride * (1 + kind));
                    data.push(match (kind, back) {
                        (0, _) => byte,
                        (1, _) => (state >> 24) as u8,
                        (2, _) => (state >> 24) as u8 & byte,
                        (_, Some(back)) => data[back],
                        (_, None) => byte,
                    });
                }
            }
            check(data, stride);
        }
    }

    #[test]
    fn extremes_come_back() {
        for length in [1, 2, 3, 7, 8, 9, 257, 258, 259, 260, 261, 262, 517, 100_000] {
            check(vec![255; length], 1);
            check((0..length).map(|i| i as u8).collect(), 300);
        }
        // Counts like Fibonacci numbers ask for codes of more than 15 bits.
        let mut data = Vec::new();
        let (mut a, mut b) = (1usize, 1usize);
        for byte in 0..24u8 {
            data.extend((0..a).map(|i| (byte, i)));
            (a, b) = (b, a + b);
        }
        data.sort_by_key(|&(byte, i)| {
            i.wrapping_mul(0x9E37_79B1).wrapping_add(byte.into()) % 65_521
        });
        check(data.into_iter().map(|(byte, _)| byte * 10).collect(), 7);
    }
}
