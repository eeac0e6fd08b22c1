//! Fonts: the user's files first, then the embedded chunks.

mod chunks;
mod file;
mod outline;
mod ranges;

use std::path::PathBuf;

use crate::error::RenderError;
use chunks::Chunk;
use file::UserFont;
pub(crate) use outline::Outline;
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
/// Droid Sans Fallback for Chinese and kana, then DejaVu Sans for symbols. Of
/// each font only the glyphs that are drawn are parsed.
pub struct FontSet {
    user: Vec<UserFont>,
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
            let font = UserFont::open(file, px)?;
            id.update(&font.checksum().to_le_bytes());
            id.update(&file.index.to_le_bytes());
            set.user.push(font);
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

    /// The outline of `c` in the first font of the chain that draws it.
    pub(crate) fn find(&self, c: char) -> Option<(Outline, Family)> {
        let user = self.user.iter().find_map(|font| font.outline(c));
        if let Some(outline) = user {
            return Some((outline, Family::User));
        }
        let chain = [
            self.latin(),
            Chunk::Gb1,
            Chunk::Gb2,
            Chunk::Uro,
            Chunk::Ext,
            Chunk::Sans,
        ];
        let (chunk, outline) = chain
            .into_iter()
            .find_map(|chunk| Some((chunk, chunk.outline(c)?)))?;
        let family = match chunk {
            Chunk::Mono | Chunk::Sans => Family::DejaVu,
            _ => Family::Droid,
        };
        Some((outline, family))
    }

    fn latin(&self) -> Chunk {
        match self.latin {
            Latin::Mono => Chunk::Mono,
            Latin::Sans => Chunk::Sans,
        }
    }

    /// Whether some font of the chain draws `c`.
    pub fn has_glyph(&self, c: char) -> bool {
        self.user.iter().any(|font| font.covers(c)) || Chunk::ALL.iter().any(|k| k.covers(c))
    }
}
