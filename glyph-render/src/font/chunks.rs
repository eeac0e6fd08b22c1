//! The embedded fonts, cut by `tools/subset_fonts.py`.

use std::sync::OnceLock;

use ttf_parser::Face;

use super::Outline;

/// The size in pixels that curves are flattened for.
const SCALE: f32 = 40.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunk {
    Mono,
    Sans,
    Gb1,
    Gb2,
    Uro,
    Ext,
}

static BYTES: [&[u8]; 6] = [
    include_bytes!("../../assets/fonts/dejavu-sans-mono.ttf"),
    include_bytes!("../../assets/fonts/dejavu-sans.ttf"),
    include_bytes!("../../assets/fonts/droid-gb1.ttf"),
    include_bytes!("../../assets/fonts/droid-gb2.ttf"),
    include_bytes!("../../assets/fonts/droid-uro.ttf"),
    include_bytes!("../../assets/fonts/droid-ext.ttf"),
];
/// Checksum of the embedded fonts' bytes, one after the other.
pub(super) const VERSION: u32 = 0x5004_2d33;

static FACES: [OnceLock<Face<'static>>; 6] = [const { OnceLock::new() }; 6];

impl Chunk {
    pub(crate) const ALL: [Self; 6] = [
        Self::Mono,
        Self::Sans,
        Self::Gb1,
        Self::Gb2,
        Self::Uro,
        Self::Ext,
    ];

    /// Whether the chunk draws `c`; reads the character map only.
    pub(crate) fn covers(self, c: char) -> bool {
        self.face().glyph_index(c).is_some_and(|index| index.0 != 0)
    }

    fn face(self) -> &'static Face<'static> {
        FACES[self as usize].get_or_init(|| {
            Face::parse(BYTES[self as usize], 0).expect("embedded fonts are checked by the tests")
        })
    }

    /// The characters that the chunk draws, in order.
    pub(crate) fn chars(self) -> Vec<char> {
        let mut chars = Vec::new();
        let cmap = self.face().tables().cmap;
        for subtable in cmap.iter().flat_map(|cmap| cmap.subtables) {
            if subtable.is_unicode() {
                subtable.codepoints(|code| chars.extend(char::from_u32(code)));
            }
        }
        chars.sort_unstable();
        chars.dedup();
        chars.retain(|c| self.covers(*c));
        chars
    }

    /// The outline of `c`, where the chunk draws it.
    pub(crate) fn outline(self, c: char) -> Option<Outline> {
        let face = self.face();
        let id = face.glyph_index(c).filter(|id| id.0 != 0)?;
        Outline::new(face, id, SCALE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_loads_and_no_han_is_in_two() {
        for chunk in Chunk::ALL {
            assert!(chunk.face().number_of_glyphs() > 1000, "{chunk:?}");
        }
        let droid = [Chunk::Gb1, Chunk::Gb2, Chunk::Uro, Chunk::Ext];
        for c in '\u{3000}'..='\u{9FFF}' {
            assert!(
                droid.iter().filter(|chunk| chunk.covers(c)).count() < 2,
                "{c}"
            );
        }
        // The 20,902 unified ideographs of Unicode 1.1, which hold all of GB2312.
        let covered = |c: char| droid.iter().any(|chunk| chunk.covers(c));
        assert!(('\u{4E00}'..='\u{9FA5}').all(covered));
    }

    /// Fontdue draws the same from a font of one glyph as from the whole font.
    #[test]
    fn glyphs_are_drawn_as_fontdue_draws_the_whole_font() {
        let settings = fontdue::FontSettings {
            collection_index: 0,
            scale: SCALE,
            load_substitutions: false,
        };
        for chunk in Chunk::ALL {
            let bytes = BYTES[chunk as usize];
            let whole = fontdue::Font::from_bytes(bytes, settings).expect("a font");
            // Latin fonts build accented letters of components; the others are large.
            let step = if chunk as usize > 1 { 23 } else { 1 };
            for c in chunk.chars().into_iter().step_by(step) {
                let outline = chunk.outline(c).expect("an outline");
                for px in [11.6, 40.0] {
                    assert_eq!(outline.rasterize(px), whole.rasterize(c, px), "{c}");
                }
            }
            let lines = whole.horizontal_line_metrics(12.0).expect("metrics");
            let c = chunk.chars()[0];
            let vertical = chunk.outline(c).expect("an outline").vertical(12.0);
            assert_eq!(vertical, Some((lines.ascent, lines.descent)));
        }
    }

    #[test]
    fn the_version_is_that_of_the_files() {
        let mut crc = crc32fast::Hasher::new();
        BYTES.iter().for_each(|bytes| crc.update(bytes));
        let found = crc.finalize();
        assert_eq!(found, VERSION, "{found:#x}");
    }

    #[test]
    fn common_text_needs_the_small_chunks_only() {
        for c in (' '..='~').chain("“”‘’—…·éñßαωЖя→≤─│█".chars()) {
            assert!(Chunk::Mono.covers(c), "{c}");
        }
        for c in "的一是在不了有和人这，。、；：？！（）《》「」【】０ａあア".chars()
        {
            assert!(Chunk::Gb1.covers(c), "{c}");
        }
    }
}
