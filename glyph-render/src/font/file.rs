//! The user's font files.

use std::fs::File;
use std::io::Read;

use ttf_parser::{Face, GlyphId};

use super::{FontFile, Outline};
use crate::error::RenderError;

/// The largest font file that is read in bytes: a collection of all Noto CJK faces has 120 MB.
const MAX_BYTES: u64 = 256 << 20;
/// The largest font size in pixels.
const MAX_PX: f32 = 4_000.0;

/// A font file in memory. Glyphs are parsed when they are drawn.
pub(super) struct UserFont {
    data: Vec<u8>,
    index: u32,
    px: f32,
    checksum: u32,
}

impl UserFont {
    /// Reads a font file. `px` is the size that curves are flattened for.
    pub(super) fn open(file: &FontFile, px: f32) -> Result<Self, RenderError> {
        let access = |source| RenderError::Io {
            path: file.path.clone(),
            source,
        };
        let wrong = |reason: String| RenderError::Font {
            path: file.path.clone(),
            index: file.index,
            reason,
        };
        let mut data = Vec::new();
        File::open(&file.path)
            .and_then(|source| source.take(MAX_BYTES + 1).read_to_end(&mut data))
            .map_err(access)?;
        if data.len() as u64 > MAX_BYTES {
            return Err(wrong(format!(
                "expected at most {MAX_BYTES} bytes, found more"
            )));
        }
        let face = Face::parse(&data, file.index).map_err(|error| {
            let faces = ttf_parser::fonts_in_collection(&data).unwrap_or(1);
            wrong(format!(
                "expected a TrueType or OpenType font, found {} bytes with {faces} face(s): {error}",
                data.len()
            ))
        })?;
        let tables = face.tables();
        if tables.glyf.is_none() && tables.cff.is_none() {
            let reason = "expected outlines (glyf or CFF), found none; \
                          fonts of bitmaps or coloured pictures cannot be used";
            return Err(wrong(reason.to_owned()));
        }
        let maps = tables.cmap.into_iter().flat_map(|cmap| cmap.subtables);
        if !maps.into_iter().any(|map| map.is_unicode()) {
            return Err(wrong(
                "expected a Unicode character map, found none".to_owned(),
            ));
        }
        let checksum = crc32fast::hash(&data);
        Ok(Self {
            data,
            index: file.index,
            px: px.min(MAX_PX),
            checksum,
        })
    }

    /// CRC-32 of the file.
    pub(super) fn checksum(&self) -> u32 {
        self.checksum
    }

    fn face(&self) -> Option<Face<'_>> {
        // A microsecond; the tables are not read before they are used.
        Face::parse(&self.data, self.index).ok()
    }

    /// Whether the font has a glyph for `c`.
    pub(super) fn covers(&self, c: char) -> bool {
        self.face().is_some_and(|face| glyph(&face, c).is_some())
    }

    /// The characters that the font has glyphs for, in order.
    pub(super) fn chars(&self) -> Vec<char> {
        // All of Unicode, because a map that lies may list it more than once.
        let face = self.face();
        let covered = |c: &char| face.as_ref().is_some_and(|face| glyph(face, *c).is_some());
        ('\0'..=char::MAX).filter(covered).collect()
    }

    /// The outline of `c`; `None` where the font has none, or none that is sound.
    pub(super) fn outline(&self, c: char) -> Option<Outline> {
        let face = self.face()?;
        Outline::checked(&face, glyph(&face, c)?, self.px)
    }
}

fn glyph(face: &Face<'_>, c: char) -> Option<GlyphId> {
    face.glyph_index(c).filter(|id| id.0 != 0)
}
