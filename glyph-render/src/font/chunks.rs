//! The embedded fonts, cut by `tools/subset_fonts.py`.

use std::sync::OnceLock;

use fontdue::{Font, FontSettings};
use ttf_parser::Face;

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
static FACES: [OnceLock<Face<'static>>; 6] = [const { OnceLock::new() }; 6];
static FONTS: [OnceLock<Font>; 6] = [const { OnceLock::new() }; 6];

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
        let face = FACES[self as usize].get_or_init(|| {
            Face::parse(BYTES[self as usize], 0).expect("embedded fonts are checked by the tests")
        });
        face.glyph_index(c).is_some_and(|index| index.0 != 0)
    }

    /// The parsed font; the first call parses it (15-93 ms).
    pub(crate) fn font(self) -> &'static Font {
        FONTS[self as usize].get_or_init(|| {
            let settings = FontSettings {
                collection_index: 0,
                scale: 40.0,
                load_substitutions: false,
            };
            Font::from_bytes(BYTES[self as usize], settings)
                .expect("embedded fonts are checked by the tests")
        })
    }
}
