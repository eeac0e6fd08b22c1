//! PostScript outlines, which are written again without subroutines (Adobe Technical Notes 5176
//! and 5177).

use ttf_parser::{Face, GlyphId, OutlineBuilder};

use super::sfnt::Outlines;

/// Where the INDEX of charstrings begins in the table that is written here.
const CHARSTRINGS: u8 = 25;
/// The most bytes of a charstring; ttf-parser, which fontdue reads with, takes no more.
const MAX_BYTES: usize = 65_535;

/// `CFF ` of one glyph; `None` where its outline cannot be read or written.
pub(super) fn tables(face: &Face<'_>, id: GlyphId) -> Option<Outlines> {
    let mut string = CharString::default();
    // A glyph without an outline, such as a space, has no box.
    face.outline_glyph(id, &mut string);
    string.bytes.push(ENDCHAR);
    if string.wrong || string.bytes.len() > MAX_BYTES {
        return None;
    }
    // Version 1.0, header size, offset size.
    let mut cff = vec![1, 0, 4, 1];
    // INDEX of one name.
    cff.extend([0, 1, 1, 1, 2, b'g']);
    // INDEX of one dictionary: operand of 32 bits, operator CharStrings.
    cff.extend([0, 1, 1, 1, 7, 29, 0, 0, 0, CHARSTRINGS, 17]);
    // No strings, no global subroutines.
    cff.extend([0, 0, 0, 0]);
    // INDEX of one charstring, offsets of 32 bits.
    cff.extend([0, 1, 4, 0, 0, 0, 1]);
    cff.extend((string.bytes.len() as u32 + 1).to_be_bytes());
    cff.extend(string.bytes);
    Some(Outlines {
        tables: vec![(*b"CFF ", cff)],
        glyphs: 1,
    })
}

const RLINETO: u8 = 5;
const RRCURVETO: u8 = 8;
const ENDCHAR: u8 = 14;
const RMOVETO: u8 = 21;
/// Begins an operand of 16.16 bits.
const FIXED: u8 = 255;

#[derive(Default)]
struct CharString {
    bytes: Vec<u8>,
    at: (f32, f32),
    wrong: bool,
}

impl CharString {
    fn operand(&mut self, value: f32) {
        if !(-32_000.0..32_000.0).contains(&value) || self.bytes.len() > MAX_BYTES {
            self.wrong = true;
            return;
        }
        self.bytes.push(FIXED);
        let fixed = (f64::from(value) * 65_536.0).round() as i32;
        self.bytes.extend(fixed.to_be_bytes());
    }

    fn point(&mut self, x: f32, y: f32) {
        self.operand(x - self.at.0);
        self.operand(y - self.at.1);
        self.at = (x, y);
    }
}

impl OutlineBuilder for CharString {
    fn move_to(&mut self, x: f32, y: f32) {
        self.point(x, y);
        self.bytes.push(RMOVETO);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.point(x, y);
        self.bytes.push(RLINETO);
    }

    fn quad_to(&mut self, _: f32, _: f32, _: f32, _: f32) {
        // PostScript outlines have no quadratic curves.
        self.wrong = true;
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.point(x1, y1);
        self.point(x2, y2);
        self.point(x, y);
        self.bytes.push(RRCURVETO);
    }

    fn close(&mut self) {}
}
