//! TrueType outlines: a glyph's data, and those of its components.

use ttf_parser::{Face, GlyphId, Tag};

use super::sfnt::Outlines;

/// How deep components may nest. Real fonts nest two or three levels.
const MAX_DEPTH: u32 = 6;
/// The most components of a glyph, those of components included.
const MAX_COMPONENTS: usize = 256;

/// `glyf` and `loca` of one glyph; `None` where the data are damaged or nest without end.
pub(super) fn tables(face: &Face<'_>, id: GlyphId) -> Option<Outlines> {
    let raw = face.raw_face();
    let source = Source {
        glyf: raw.table(Tag::from_bytes(b"glyf"))?,
        loca: raw.table(Tag::from_bytes(b"loca"))?,
        long: *raw.table(Tag::from_bytes(b"head"))?.get(51)? != 0,
    };
    let mut glyphs = vec![Vec::new()];
    source.copy(id.0, 0, 0, &mut glyphs)?;
    let mut glyf = Vec::new();
    let mut loca = vec![0; 4];
    for glyph in &glyphs {
        glyf.extend(glyph);
        glyf.resize(glyf.len().next_multiple_of(4), 0);
        loca.extend(u32::try_from(glyf.len()).ok()?.to_be_bytes());
    }
    Some(Outlines {
        tables: vec![(*b"glyf", glyf), (*b"loca", loca)],
        glyphs: glyphs.len() as u16,
    })
}

struct Source<'a> {
    glyf: &'a [u8],
    loca: &'a [u8],
    /// Whether offsets have 32 bits.
    long: bool,
}

impl<'a> Source<'a> {
    fn offset(&self, id: usize) -> Option<usize> {
        Some(if self.long {
            u32::from_be_bytes(*self.loca.get(4 * id..)?.first_chunk()?) as usize
        } else {
            2 * usize::from(u16::from_be_bytes(*self.loca.get(2 * id..)?.first_chunk()?))
        })
    }

    fn data(&self, id: u16) -> Option<&'a [u8]> {
        let id = usize::from(id);
        self.glyf.get(self.offset(id)?..self.offset(id + 1)?)
    }

    /// Copies glyph `id` to place `to`, and its components behind all that are there. A component
    /// that is used twice is there twice, so that the number of glyphs bounds the work of drawing.
    fn copy(&self, id: u16, to: usize, depth: u32, glyphs: &mut Vec<Vec<u8>>) -> Option<()> {
        let mut data = self.data(id)?.to_vec();
        let mut more = data
            .first_chunk()
            .is_some_and(|n| i16::from_be_bytes(*n) < 0);
        // The number of contours and the bounding box take ten bytes.
        let mut at = 10;
        while more {
            let flags = u16::from_be_bytes(*data.get(at..)?.first_chunk()?);
            let component = u16::from_be_bytes(*data.get(at + 2..)?.first_chunk()?);
            if depth == MAX_DEPTH || glyphs.len() > MAX_COMPONENTS {
                return None;
            }
            let place = glyphs.len();
            data[at + 2..at + 4].copy_from_slice(&(place as u16).to_be_bytes());
            glyphs.push(Vec::new());
            self.copy(component, place, depth + 1, glyphs)?;
            at += 4 + Self::arguments(flags);
            // MORE_COMPONENTS
            more = flags & 0x20 != 0;
        }
        glyphs[to] = data;
        Some(())
    }

    /// Bytes of a component's place and transformation.
    fn arguments(flags: u16) -> usize {
        // ARG_1_AND_2_ARE_WORDS
        let place = if flags & 0x1 != 0 { 4 } else { 2 };
        let transformation = match flags {
            // WE_HAVE_A_SCALE
            _ if flags & 0x8 != 0 => 2,
            // WE_HAVE_AN_X_AND_Y_SCALE
            _ if flags & 0x40 != 0 => 4,
            // WE_HAVE_A_TWO_BY_TWO
            _ if flags & 0x80 != 0 => 8,
            _ => 0,
        };
        place + transformation
    }
}
