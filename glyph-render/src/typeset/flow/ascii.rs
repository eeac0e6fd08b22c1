//! Printable ASCII, most of most texts: what the line breaker and the raster need of it, side by
//! side.

use super::face::Face;
use crate::code::START;
use crate::layout::Widths;
use crate::raster::{Sign, Sprite};

const FIRST: u8 = b' ';
const COUNT: usize = (b'~' - FIRST) as usize + 1;
/// Pixels of a row that are copied at once.
pub(super) const ROW: usize = 16;

/// Whether all bytes are printable ASCII.
#[inline]
pub(super) fn is_ascii(bytes: &[u8]) -> bool {
    // Without an early end this is done many bytes at a time.
    bytes.iter().fold(true, |all, byte| {
        all & (usize::from(byte.wrapping_sub(FIRST)) < COUNT)
    })
}

/// A character's cell.
#[derive(Debug, Clone, Copy)]
pub(super) struct AsciiCell {
    /// To where the pen stands after it.
    pub(super) advance: f32,
    /// From its start to where the next cell may begin, in pixels.
    pub(super) least: u32,
    /// The code of the column at which it starts.
    pub(super) mark: u8,
}

/// The printable ASCII of a face.
pub(super) struct Ascii {
    advances: Box<[f32; 256]>,
    cells: Box<[AsciiCell; COUNT]>,
    /// Rows of all cells, those of one after those of another; empty where some cell is wider.
    rows: Vec<[u8; ROW]>,
    height: usize,
}

impl Ascii {
    /// `None` where codes must say which character some cell shows.
    pub(super) fn new(face: &Face) -> Option<Self> {
        let sprites = &face.sprites;
        let height = sprites.glyphs.style.class.height as usize;
        let background = sprites.glyphs.style.tone.background;
        let mut advances = Box::new([f32::INFINITY; 256]);
        let mut rows = Vec::with_capacity(COUNT * height);
        let mut cells = Vec::with_capacity(COUNT);
        let mut narrow = true;
        for byte in FIRST..=b'~' {
            let c = char::from(byte);
            let sprite = sprites.get(c);
            let digit = match sprite.sign {
                Sign::Shape { digit, range: 0 } => digit,
                Sign::Explicit if sprites.lexicon.is_none() => 0,
                _ => return None,
            };
            let advance = face.advance(c);
            advances[usize::from(byte)] = advance;
            cells.push(AsciiCell {
                advance,
                least: (sprite.advance as u32).max(1),
                mark: START | digit,
            });
            narrow &= sprite.stride <= ROW;
            rows.extend(
                (0..height)
                    .filter(|_| narrow)
                    .map(|y| row(sprite, y, background)),
            );
        }
        if !narrow {
            rows.clear();
        }
        Some(Self {
            advances,
            cells: cells.into_boxed_slice().try_into().ok()?,
            rows,
            height,
        })
    }

    /// Advances by byte, infinite where it is no printable ASCII.
    pub(super) fn advances(&self) -> &[f32; 256] {
        &self.advances
    }

    /// Whether all cells are narrow enough for [`Ascii::rows`].
    pub(super) fn is_narrow(&self) -> bool {
        !self.rows.is_empty()
    }

    /// The cell of a printable character.
    #[inline]
    pub(super) fn cell(&self, byte: u8) -> &AsciiCell {
        &self.cells[usize::from(byte - FIRST).min(COUNT - 1)]
    }

    /// The rows of a printable character's cell; what is right of its ink is blank.
    #[inline]
    pub(super) fn rows(&self, byte: u8) -> &[[u8; ROW]] {
        &self.rows[usize::from(byte - FIRST) * self.height..][..self.height]
    }
}

fn row(sprite: &Sprite, y: usize, background: u8) -> [u8; ROW] {
    let mut row = [background; ROW];
    if sprite.stride > 0 {
        row[..sprite.stride].copy_from_slice(&sprite.pixels[y * sprite.stride..][..sprite.stride]);
    }
    row
}
