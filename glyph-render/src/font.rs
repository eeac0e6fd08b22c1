//! Fonts: the user's files first, then the embedded chunks.

mod chunks;
mod ranges;

use std::path::{Path, PathBuf};

use fontdue::{Font, FontSettings};

use crate::error::RenderError;
use chunks::Chunk;
pub(crate) use ranges::{CharRange, RANGES};

/// A font file of the user's, tried before the embedded fonts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FontFile {
    /// A TrueType or OpenType file, or a collection of them.
    pub path: PathBuf,
    /// The face within a collection (TTC); 0 otherwise.
    pub index: u32,
}

/// Which embedded Latin font comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Latin {
    Mono,
    Sans,
}

/// Where a glyph was found; fonts of one family share a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    User,
    DejaVu,
    Droid,
}

/// The chain of fonts that a character is looked up in.
///
/// The user's fonts come first, then DejaVu (Mono or Sans by the style), then
/// Droid Sans Fallback for Chinese and kana, then DejaVu Sans for symbols. The
/// embedded fonts are parsed when a character first needs them.
pub struct FontSet {
    user: Vec<Font>,
    latin: Latin,
    id: u32,
}

impl std::fmt::Debug for FontSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FontSet")
            .field("user_fonts", &self.user.len())
            .field("latin", &self.latin)
            .finish()
    }
}

impl FontSet {
    pub(crate) fn new(files: &[FontFile], latin: Latin, px: f32) -> Result<Self, RenderError> {
        let mut set = Self::embedded(latin);
        let mut id = crc32fast::Hasher::new_with_initial(set.id);
        for file in files {
            let (font, checksum) = load_file(&file.path, file.index, px)?;
            set.user.push(font);
            id.update(&checksum.to_le_bytes());
            id.update(&file.index.to_le_bytes());
        }
        set.id = id.finalize();
        Ok(set)
    }

    pub(crate) fn embedded(latin: Latin) -> Self {
        Self {
            user: Vec::new(),
            latin,
            id: chunks::VERSION ^ latin as u32,
        }
    }

    /// Tells this chain of fonts from others: a page can be inverted only with the fonts that
    /// drew it.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// The first font of the chain that draws `c`, and the glyph's index in it.
    pub(crate) fn find(&self, c: char) -> Option<(&Font, u16, Family)> {
        for font in &self.user {
            let index = font.lookup_glyph_index(c);
            if index != 0 {
                return Some((font, index, Family::User));
            }
        }
        let chain = [
            self.latin(),
            Chunk::Gb1,
            Chunk::Gb2,
            Chunk::Uro,
            Chunk::Ext,
            Chunk::Sans,
        ];
        let chunk = chain.into_iter().find(|chunk| chunk.covers(c))?;
        let font = chunk.font();
        let family = match chunk {
            Chunk::Mono | Chunk::Sans => Family::DejaVu,
            _ => Family::Droid,
        };
        Some((font, font.lookup_glyph_index(c), family))
    }

    fn latin(&self) -> Chunk {
        match self.latin {
            Latin::Mono => Chunk::Mono,
            Latin::Sans => Chunk::Sans,
        }
    }

    /// Whether some font of the chain draws `c`.
    pub fn has_glyph(&self, c: char) -> bool {
        self.user.iter().any(|font| font.has_glyph(c)) || Chunk::ALL.iter().any(|k| k.covers(c))
    }
}

/// The font and a checksum of its file.
fn load_file(path: &Path, index: u32, px: f32) -> Result<(Font, u32), RenderError> {
    let bytes = std::fs::read(path).map_err(|source| RenderError::Io {
        path: path.to_owned(),
        source,
    })?;
    let settings = FontSettings {
        collection_index: index,
        scale: px,
        load_substitutions: false,
    };
    let checksum = crc32fast::hash(&bytes);
    let font = Font::from_bytes(bytes, settings).map_err(|reason| RenderError::Font {
        path: path.to_owned(),
        index,
        reason: reason.to_owned(),
    })?;
    Ok((font, checksum))
}
