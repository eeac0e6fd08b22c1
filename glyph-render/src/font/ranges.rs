//! The characters of the fonts in an order that both writer and reader of pages know.

use super::FontSet;
use super::chunks::Chunk;

/// A set of characters; the sets are told apart by the embedded fonts, whichever font draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CharRange {
    /// ASCII and Latin-1.
    Basic,
    /// Dashes, quotes, currencies.
    Punctuation,
    /// Latin, Greek, Cyrillic and symbols of the first Latin font.
    Alphabets,
    /// Chinese punctuation, kana and the more frequent half of GB2312.
    Han1,
    /// All else that the Latin fonts draw.
    Symbols,
    /// The other half of GB2312.
    Han2,
    /// The other unified ideographs of Unicode 1.1.
    Unified,
    /// What only the user's fonts draw.
    User,
}

/// How many ranges there are.
pub(crate) const RANGES: usize = CharRange::ALL.len();

impl CharRange {
    pub(crate) const ALL: [Self; 8] = [
        Self::Basic,
        Self::Punctuation,
        Self::Alphabets,
        Self::Han1,
        Self::Symbols,
        Self::Han2,
        Self::Unified,
        Self::User,
    ];

    /// Whether its characters are many and most texts hold few of them.
    pub(crate) fn is_rare(self) -> bool {
        matches!(self, Self::Unified | Self::User)
    }
}

impl FontSet {
    /// The range of a character; `None` where no font draws it, and for extension A.
    pub(crate) fn range(&self, c: char) -> Option<CharRange> {
        let latin = self.latin();
        let range = match c {
            ' '..='\u{FF}' => CharRange::Basic,
            '\u{2000}'..='\u{206F}' | '\u{20A0}'..='\u{20CF}' if latin.covers(c) => {
                CharRange::Punctuation
            }
            '\u{100}'..='\u{58F}' | '\u{1E00}'..='\u{27BF}' if latin.covers(c) => {
                CharRange::Alphabets
            }
            c if Chunk::Gb1.covers(c) => CharRange::Han1,
            c if latin.covers(c) || Chunk::Sans.covers(c) => CharRange::Symbols,
            c if Chunk::Gb2.covers(c) => CharRange::Han2,
            c if Chunk::Uro.covers(c) => CharRange::Unified,
            c if self.user.iter().any(|font| font.covers(c)) => CharRange::User,
            _ => return None,
        };
        self.has_glyph(c).then_some(range)
    }

    /// The characters of a range, in the order of their code points.
    pub(crate) fn chars(&self, range: CharRange) -> Vec<char> {
        let latin = self.latin();
        let mut chars = match range {
            CharRange::Basic => (' '..='\u{FF}').collect(),
            CharRange::Punctuation => ('\u{2000}'..='\u{20CF}').collect(),
            CharRange::Alphabets => ('\u{100}'..='\u{27BF}').collect(),
            CharRange::Han1 => Chunk::Gb1.chars(),
            CharRange::Symbols => [latin.chars(), Chunk::Sans.chars()].concat(),
            CharRange::Han2 => Chunk::Gb2.chars(),
            CharRange::Unified => Chunk::Uro.chars(),
            CharRange::User => {
                let chars = self.user.iter().flat_map(|font| font.chars());
                chars.collect::<Vec<_>>()
            }
        };
        chars.sort_unstable();
        chars.dedup();
        chars.retain(|c| self.range(*c) == Some(range));
        chars
    }
}

#[cfg(test)]
mod tests {
    use super::super::Latin;
    use super::*;

    #[test]
    fn ranges_hold_every_character_once() {
        let fonts = FontSet::embedded(Latin::Sans);
        let mut all: Vec<char> = Vec::new();
        for range in CharRange::ALL {
            let chars = fonts.chars(range);
            assert_eq!(chars.is_empty(), range == CharRange::User, "{range:?}");
            all.extend(chars);
        }
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        let ranged = |c: &char| fonts.range(*c).is_some();
        assert_eq!(('\0'..=char::MAX).filter(ranged).count(), count);
    }
}
