//! Justified lines.

use super::ascii::is_ascii;
use crate::layout::half_cells;

/// Where a justified line's spare room goes.
pub(super) struct Stretch {
    /// Between words, or after every character.
    pub(super) spaces_only: bool,
    pub(super) each: f32,
}

impl Stretch {
    pub(super) const NONE: Self = Self {
        spaces_only: true,
        each: 0.0,
    };

    pub(super) fn new(text: &str, spare: f32) -> Self {
        if is_ascii(text.as_bytes()) {
            return Self::between_words(text, spare);
        }
        // Stretched spaces would move the text off its tab stops.
        if text.contains('\t') {
            return Self::NONE;
        }
        let wide = text.chars().filter(|&c| half_cells(c) == 2).count();
        let visible = text.chars().filter(|&c| half_cells(c) > 0).count();
        // Chinese has no spaces between words: spread all characters.
        if 2 * wide > visible && visible > 1 {
            return Self {
                spaces_only: false,
                each: spare / (visible - 1) as f32,
            };
        }
        Self::between_words(text, spare)
    }

    fn between_words(text: &str, spare: f32) -> Self {
        let spaces = text.bytes().filter(|byte| *byte == b' ').count();
        if spaces == 0 || text.starts_with(char::is_whitespace) {
            return Self::NONE;
        }
        Self {
            spaces_only: true,
            each: spare / spaces as f32,
        }
    }
}
