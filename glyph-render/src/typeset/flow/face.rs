//! The glyphs of a size class, and the space between them.

use std::sync::OnceLock;

use super::ascii::Ascii;
use crate::config::FlowStyle;
use crate::layout::{LEAST_TAB, Widths, is_han_latin, tab_stop};
use crate::raster::{Sign, Sprites};

pub(super) struct Face {
    pub(super) sprites: Sprites,
    letter_spacing: f32,
    word_spacing: f32,
    /// Between Han and Latin.
    quarter_em: f32,
    tab_stops: Vec<f32>,
    /// The distance of further tab stops.
    tab: f32,
    ascii: OnceLock<Option<Ascii>>,
}

impl Face {
    pub(super) fn new(sprites: Sprites, style: &FlowStyle) -> Self {
        let tab = style.tab_width as f32 * sprites.get(' ').advance;
        let quarter = sprites.glyphs.style.class.px * style.horizontal_scale / 4.0;
        Self {
            tab: tab.max(1.0),
            sprites,
            letter_spacing: style.px_across(style.letter_spacing).round(),
            word_spacing: style.px_across(style.word_spacing).round(),
            quarter_em: if style.han_latin_spacing {
                quarter.round()
            } else {
                0.0
            },
            tab_stops: (style.tab_stops.iter())
                .map(|&stop| style.px_across(stop))
                .collect(),
            ascii: OnceLock::new(),
        }
    }

    /// Printable ASCII at hand, where readers tell all of it by its shape.
    #[inline]
    pub(super) fn ascii(&self) -> Option<&Ascii> {
        let ascii = self.ascii.get_or_init(|| Ascii::new(self));
        ascii.as_ref()
    }

    /// How a reader tells a character's cell.
    #[inline]
    pub(super) fn sign(&self, c: char) -> Sign {
        match c {
            '\t' => Sign::Shape {
                digit: super::TAB_DIGIT,
                range: 0,
            },
            c => self.sprites.get(c).sign,
        }
    }

    /// Space after a character whose cell has this advance.
    #[inline]
    pub(super) fn spacing(&self, c: char) -> f32 {
        match c {
            ' ' | '\u{A0}' => self.letter_spacing + self.word_spacing,
            _ => self.letter_spacing,
        }
    }
}

impl Widths for Face {
    #[inline]
    fn advance(&self, c: char) -> f32 {
        let advance = self.sprites.get(c).advance;
        if advance == 0.0 {
            return 0.0;
        }
        advance + self.spacing(c)
    }

    #[inline]
    fn between(&self, before: char, after: char) -> f32 {
        // Most styles have none, and most text is of one script.
        if self.quarter_em > 0.0
            && (before >= '\u{2E80}') != (after >= '\u{2E80}')
            && is_han_latin(before, after)
        {
            self.quarter_em
        } else {
            0.0
        }
    }

    #[inline]
    fn ascii(&self) -> Option<&[f32; 256]> {
        Some(Self::ascii(self)?.advances())
    }

    fn tab_stop(&self, x: f32) -> f32 {
        let set = self
            .tab_stops
            .iter()
            .copied()
            .find(|stop| *stop >= x + LEAST_TAB);
        set.unwrap_or_else(|| tab_stop(x, self.tab))
    }
}
