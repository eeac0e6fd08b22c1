//! Font files of one glyph (the OpenType specification's "font file" and required tables).

use ttf_parser::{Face, GlyphId, Tag};

/// The tables that hold a glyph's outline.
pub(super) struct Outlines {
    pub(super) tables: Vec<([u8; 4], Vec<u8>)>,
    /// Glyphs in them; the first one is drawn.
    pub(super) glyphs: u16,
}

/// A font of the given outlines with the metrics of glyph `id`.
pub(super) fn build(face: &Face<'_>, id: GlyphId, outlines: Outlines) -> Option<Vec<u8>> {
    let raw = face.raw_face();
    // Offsets of glyphs are long, and there is one advance.
    let mut head = raw.table(Tag::from_bytes(b"head"))?.get(..54)?.to_vec();
    head[50..52].copy_from_slice(&[0, 1]);
    let mut hhea = raw.table(Tag::from_bytes(b"hhea"))?.get(..36)?.to_vec();
    hhea[34..36].copy_from_slice(&[0, 1]);
    let [high, low] = face.glyph_hor_advance(id).unwrap_or(0).to_be_bytes();
    let mut hmtx = vec![high, low, 0, 0];
    hmtx.resize(4 + 2 * (usize::from(outlines.glyphs) - 1), 0);
    let [high, low] = outlines.glyphs.to_be_bytes();
    let mut tables = outlines.tables;
    tables.push((*b"head", head));
    tables.push((*b"hhea", hhea));
    tables.push((*b"hmtx", hmtx));
    tables.push((*b"maxp", vec![0, 0, 0x50, 0, high, low]));
    // Says which of two ascents counts.
    if let Some(os2) = raw.table(Tag::from_bytes(b"OS/2")) {
        tables.push((*b"OS/2", os2.to_vec()));
    }
    // Readers search the directory.
    tables.sort_by_key(|(tag, _)| *tag);
    let mut file = vec![0, 1, 0, 0];
    file.extend((tables.len() as u16).to_be_bytes());
    // Three numbers for a binary search, which no reader needs.
    file.extend([0; 6]);
    let mut offset = file.len() + 16 * tables.len();
    for (tag, data) in &tables {
        file.extend(tag);
        // A checksum, which no reader checks.
        file.extend([0; 4]);
        file.extend(u32::try_from(offset).ok()?.to_be_bytes());
        file.extend(u32::try_from(data.len()).ok()?.to_be_bytes());
        offset += data.len().next_multiple_of(4);
    }
    for (_, data) in &tables {
        file.extend(data);
        file.resize(file.len().next_multiple_of(4), 0);
    }
    Some(file)
}
