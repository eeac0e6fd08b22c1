//! A deflate encoder for page images (RFC 1950, RFC 1951).
//!
//! Pages are white for the most part and repeat the same glyphs in many places. So matches are
//! looked for at two places only: one row up, and where the same bytes stood last. That is faster
//! and smaller than general encoders at the settings of their speed.

mod huffman;
mod matcher;

use fearless_simd::{Level, Simd, dispatch};
use huffman::BitWriter;
use matcher::Lane;

/// How far back a match may lie.
const WINDOW: usize = 32_768;
/// The longest match.
const MAX_MATCH: usize = 258;

/// A literal byte; or a match: bit 8, its length less 3 in the bits below, its distance less 1 in
/// the bits above. So the lowest nine bits are a place in a table of 256 literals and 256 lengths.
type Token = u32;

const MATCH: Token = 1 << 8;

/// The rows of an image; in the stream a zero stands before each, the filter that filters nothing.
#[derive(Clone, Copy)]
struct Rows<'a> {
    pixels: &'a [u8],
    width: usize,
}

impl<'a> Rows<'a> {
    fn count(self) -> usize {
        self.pixels.len() / self.width
    }

    fn get(self, row: usize) -> &'a [u8] {
        &self.pixels[row * self.width..][..self.width]
    }

    /// From a byte to the one below.
    fn stride(self) -> usize {
        self.width + 1
    }
}

/// Compresses an image to the zlib stream of a PNG: rows of `width` grey pixels, which is not 0, each
/// after a filter byte.
pub(super) fn zlib(pixels: &[u8], width: usize) -> Vec<u8> {
    let rows = Rows { pixels, width };
    dispatch!(Level::new(), simd => encode(simd, rows))
}

#[inline(always)]
fn encode<S: Simd>(simd: S, rows: Rows<'_>) -> Vec<u8> {
    let mut out = BitWriter::new();
    // 32 KiB window, fastest; 0x7801 is a multiple of 31.
    out.bytes(&[0x78, 0x01]);
    let mut adler = simd_adler32::Adler32::new();
    for row in 0..rows.count() {
        adler.write(&[0]);
        adler.write(rows.get(row));
    }
    if rows.count() > 0 {
        let above = if rows.stride() > WINDOW {
            1
        } else {
            rows.stride()
        };
        // The first row has none above it, and its first byte none before it.
        let mut first = Lane::new(rows, 0, 1);
        first.begin();
        first.run(simd, 1);
        let half = rows.count().div_ceil(2);
        first.extend_to(half);
        let mut second = Lane::new(rows, half, rows.count());
        Lane::run_both(simd, &mut first, &mut second, above);
        first.run(simd, above);
        second.run(simd, above);
        first.finish(&mut out);
        second.finish(&mut out);
    }
    out.last_block();
    out.align();
    out.bytes(&adler.finish().to_be_bytes());
    out.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// Decodes as the rows of a PNG.
    fn inflate(stream: &[u8], width: usize, rows: usize) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width as u32, rows as u32);
        encoder.set_color(png::ColorType::Grayscale);
        let mut writer = encoder.write_header().expect("a header");
        writer
            .write_chunk(png::chunk::IDAT, stream)
            .expect("a chunk");
        writer.finish().expect("an end");
        let decoder = png::Decoder::new(std::io::Cursor::new(file));
        let mut reader = decoder.read_info().expect("a header");
        let mut out = vec![0; width * rows];
        reader.next_frame(&mut out).expect("the pixels");
        out
    }

    /// `data` as rows of `width`; the last one is filled with 7.
    fn check(mut data: Vec<u8>, width: usize) {
        let rows = data.len().div_ceil(width);
        data.resize(rows * width, 7);
        let stream = super::zlib(&data, width);
        assert!(
            inflate(&stream, width, rows) == data,
            "{rows} rows of {width}"
        );
        let raw = data.len() + rows;
        assert!(
            stream.len() <= raw + raw / 40 + 400,
            "{} of {raw}",
            stream.len()
        );
    }

    /// Runs, repeats of what stood before, and noise.
    fn mixture(parts: Vec<(u8, usize, usize)>, width: usize, seed: u32) -> Vec<u8> {
        let mut data: Vec<u8> = Vec::new();
        let mut state = seed | 1;
        for (byte, length, kind) in parts {
            for _ in 0..length {
                state = state.wrapping_mul(0x0019_660D).wrapping_add(0x3C6E_F35F);
                let back = data.len().checked_sub(width * (1 + kind));
                data.push(match (kind, back) {
                    (0, _) => byte,
                    (1, _) => (state >> 24) as u8,
                    (2, _) => (state >> 24) as u8 & byte,
                    (_, Some(back)) => data[back],
                    (_, None) => byte,
                });
            }
        }
        data
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(
            parts in prop::collection::vec((any::<u8>(), 1usize..700, 0usize..5), 1..60),
            width in 1usize..900,
            seed in any::<u32>(),
        ) {
            check(mixture(parts, width, seed), width);
        }
    }

    #[test]
    fn large_images_come_back() {
        // Several times what a lane reads at once, tokens of many blocks, rows longer than the
        // window, and runs longer than a step takes.
        let parts = |n: usize| {
            let kinds = (0..n).map(|i| (i as u8 | 1, 1 + i * 7919 % 90_000, i % 5));
            kinds.collect()
        };
        check(mixture(parts(40), 1000, 1), 1000);
        check(mixture(parts(40), 40_000, 2), 40_000);
        check(mixture(parts(40), 70_000, 3), 70_000);
        check(vec![255; 3_000_000], 2000);
        check(vec![255; 3_000_000], 1_500_000);
    }

    #[test]
    fn extremes_come_back() {
        for length in [
            1usize, 2, 3, 7, 8, 31, 32, 33, 63, 65, 257, 258, 259, 260, 261, 517, 100_000,
        ] {
            for width in [1, 2, length.div_ceil(2), length] {
                check(vec![255; length], width);
                check((0..length).map(|i| i as u8).collect(), width);
            }
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
