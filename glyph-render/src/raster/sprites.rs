//! Cells of a proportional style by character, each drawn once.

use std::sync::{Arc, OnceLock};

use super::glyphs::Glyphs;
use super::lexicon::{Lexicon, Sign};

const PAGE: usize = 64;

/// A cell ready to be copied.
pub(crate) struct Sprite {
    /// From this cell's start to the next one's; 0 for what takes no room.
    pub(crate) advance: f32,
    /// Grey values, rows of `stride`; the cell's ink and blank columns after it.
    pub(crate) pixels: Box<[u8]>,
    pub(crate) stride: usize,
    /// How a reader tells the character.
    pub(crate) sign: Sign,
}

type SpritePage = Box<[OnceLock<Sprite>; PAGE]>;

/// Sprites by character, filled as characters appear.
pub(crate) struct Sprites {
    pub(crate) glyphs: Glyphs,
    /// Tells characters of the same shape apart; none where pages carry no code.
    pub(crate) lexicon: Option<Arc<Lexicon>>,
    pages: Box<[OnceLock<SpritePage>]>,
}

impl Sprites {
    pub(crate) fn new(glyphs: Glyphs, lexicon: Option<Arc<Lexicon>>) -> Self {
        let pages = (0..=char::MAX as usize / PAGE)
            .map(|_| OnceLock::new())
            .collect();
        Self {
            glyphs,
            lexicon,
            pages,
        }
    }

    #[inline]
    pub(crate) fn get(&self, c: char) -> &Sprite {
        let code = c as usize;
        let page =
            self.pages[code / PAGE].get_or_init(|| Box::new([const { OnceLock::new() }; PAGE]));
        page[code % PAGE].get_or_init(|| self.draw(c))
    }

    fn draw(&self, c: char) -> Sprite {
        let Some(cell) = self.glyphs.cell(c) else {
            return Sprite {
                advance: 0.0,
                pixels: Box::default(),
                stride: 0,
                sign: Sign::Hidden,
            };
        };
        let sign = match &self.lexicon {
            None => Sign::Explicit,
            Some(lexicon) => lexicon.sign(c, self.glyphs.shape_of(&cell)),
        };
        // Rows of 8, 16, ... bytes are copied in few stores.
        let stride = cell.width.next_multiple_of(8);
        let tone = self.glyphs.style.tone;
        let mut pixels = vec![tone.background; stride * self.glyphs.style.class.height as usize];
        if cell.width > 0 {
            let rows = pixels.chunks_exact_mut(stride);
            for (row, ink) in rows.zip(cell.ink.chunks_exact(cell.width)) {
                for (pixel, distance) in row.iter_mut().zip(ink) {
                    *pixel = tone.grey(*distance);
                }
            }
        }
        Sprite {
            advance: cell.advance,
            pixels: pixels.into_boxed_slice(),
            stride,
            sign,
        }
    }
}
