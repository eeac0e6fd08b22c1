//! Boxes with hexadecimal digits, for characters that no font draws.

/// 3x5 digits, one row per three bits, top row first.
const DIGITS: [u16; 16] = [
    0b111_101_101_101_111,
    0b010_110_010_010_111,
    0b111_001_111_100_111,
    0b111_001_111_001_111,
    0b101_101_111_001_001,
    0b111_100_111_001_111,
    0b111_100_111_101_111,
    0b111_001_010_010_010,
    0b111_101_111_101_111,
    0b111_101_111_001_111,
    0b111_101_111_101_101,
    0b110_101_110_101_110,
    0b111_100_100_100_111,
    0b110_101_101_101_110,
    0b111_100_110_100_111,
    0b111_100_110_100_100,
];

/// Coverage of a `width` x `height` box that holds the code point of `c`.
///
/// From 14x14 the box holds up to six digits in two rows; from 7x14 four, and
/// the plane's bits in the bottom line; anything smaller is an empty box.
pub(crate) fn hex_box(c: char, width: usize, height: usize) -> Vec<u8> {
    let mut pixels = vec![0u8; width * height];
    if width < 2 || height < 2 {
        return pixels;
    }
    let code = c as u32;
    if width >= 14 && height >= 14 {
        let scale = (width.min(height)) / 14;
        frame(&mut pixels, width, height);
        let count = if code > 0xFFFF { 6 } else { 4 };
        let per_row = count / 2;
        let left = (width - (per_row * 4 - 1) * scale) / 2;
        let top = (height - 11 * scale) / 2;
        for i in 0..count {
            let value = (code >> (4 * (count - 1 - i))) as usize & 15;
            let (x, y) = (
                left + (i % per_row) * 4 * scale,
                top + (i / per_row) * 6 * scale,
            );
            digit(&mut pixels, width, value, x, y, scale);
        }
    } else if width >= 7 && height >= 14 {
        for x in 0..width {
            pixels[x] = 255;
            let plane = code >> 16;
            let inked = plane == 0 || x >= 5 || plane >> (4 - x) & 1 == 1;
            pixels[(height - 1) * width + x] = if inked { 255 } else { 0 };
        }
        for i in 0..4 {
            let value = (code >> (4 * (3 - i))) as usize & 15;
            digit(
                &mut pixels,
                width,
                value,
                (i % 2) * 4,
                2 + (i / 2) * 6 - (i / 2),
                1,
            );
        }
    } else {
        frame(&mut pixels, width, height);
    }
    pixels
}

fn frame(pixels: &mut [u8], width: usize, height: usize) {
    for x in 0..width {
        pixels[x] = 255;
        pixels[(height - 1) * width + x] = 255;
    }
    for y in 0..height {
        pixels[y * width] = 255;
        pixels[y * width + width - 1] = 255;
    }
}

fn digit(pixels: &mut [u8], stride: usize, value: usize, x0: usize, y0: usize, scale: usize) {
    for y in 0..5 * scale {
        for x in 0..3 * scale {
            if DIGITS[value] >> (14 - (y / scale * 3 + x / scale)) & 1 == 1 {
                pixels[(y0 + y) * stride + x0 + x] = 255;
            }
        }
    }
}
