//! One glyph at a time from a font file to fontdue.
//!
//! fontdue parses all glyphs when it loads a font, which takes 0.2 to 0.7 s and 100 to 300 MB for
//! a font of all Han, and it trusts what it parsed. So each glyph that is drawn is checked and
//! handed to fontdue as a font of its own, a file of a few hundred bytes; fontdue draws the same
//! pixels from it.

mod cff;
mod glyf;
mod sfnt;

use fontdue::{Font, FontSettings, Metrics};
use ttf_parser::{Face, GlyphId, OutlineBuilder};

/// The largest glyph bitmap in pixels. fontdue computes offsets in single precision, which counts
/// no further than 2^24.
const MAX_PIXELS: f32 = (1 << 24) as f32;
/// How far outlines may lie from the origin, in em.
const MAX_EM: f32 = 16.0;
/// The most points of an outline.
const MAX_POINTS: usize = 100_000;

/// The outline of one glyph, to be drawn at any size.
pub(crate) struct Outline {
    /// A font whose glyph 0 this is.
    font: Font,
}

impl Outline {
    /// The outline of a glyph of a font that is known to be sound. `scale` is the size in pixels
    /// that curves are flattened for. `None` where the file does not hold an outline.
    pub(crate) fn new(face: &Face<'_>, id: GlyphId, scale: f32) -> Option<Self> {
        Self::load(Self::file(face, id)?, scale)
    }

    /// The same of any font; `None` also where the outline is not sound.
    pub(crate) fn checked(face: &Face<'_>, id: GlyphId, scale: f32) -> Option<Self> {
        let file = Self::file(face, id)?;
        // The check is of the very outline that fontdue gets.
        let mut extent = Extent::default();
        let glyph = Face::parse(&file, 0).ok()?;
        glyph.outline_glyph(GlyphId(0), &mut extent);
        if !extent.is_sound(MAX_EM * f32::from(face.units_per_em())) {
            return None;
        }
        Self::load(file, scale)
    }

    /// A font file of the one glyph.
    fn file(face: &Face<'_>, id: GlyphId) -> Option<Vec<u8>> {
        let outlines = if face.tables().glyf.is_some() {
            glyf::tables(face, id)?
        } else {
            cff::tables(face, id)?
        };
        sfnt::build(face, id, outlines)
    }

    fn load(file: Vec<u8>, scale: f32) -> Option<Self> {
        let settings = FontSettings {
            collection_index: 0,
            scale,
            load_substitutions: false,
        };
        let font = Font::from_bytes(file, settings).ok()?;
        Some(Self { font })
    }

    /// The glyph's metrics at a size in pixels. One that would be too large to draw is empty.
    pub(crate) fn metrics(&self, px: f32) -> Metrics {
        let metrics = self.font.metrics_indexed(0, px);
        if metrics.width as f32 * metrics.height as f32 >= MAX_PIXELS {
            return Metrics {
                advance_width: metrics.advance_width,
                ..Metrics::default()
            };
        }
        metrics
    }

    /// The glyph's metrics and coverage at a size in pixels.
    pub(crate) fn rasterize(&self, px: f32) -> (Metrics, Vec<u8>) {
        let metrics = self.metrics(px);
        if metrics.width == 0 || metrics.height == 0 {
            return (metrics, Vec::new());
        }
        self.font.rasterize_indexed(0, px)
    }

    /// Ascent and (negative) descent of the font at a size in pixels.
    pub(crate) fn vertical(&self, px: f32) -> Option<(f32, f32)> {
        let metrics = self.font.horizontal_line_metrics(px)?;
        Some((metrics.ascent, metrics.descent))
    }
}

/// Where an outline's points lie.
#[derive(Default)]
struct Extent {
    points: usize,
    farthest: f32,
    wrong: bool,
}

impl Extent {
    fn add(&mut self, x: f32, y: f32) {
        self.points += 1;
        self.farthest = self.farthest.max(x.abs()).max(y.abs());
        self.wrong |= !x.is_finite() || !y.is_finite();
    }

    fn is_sound(&self, limit: f32) -> bool {
        !self.wrong && self.points <= MAX_POINTS && self.farthest <= limit
    }
}

impl OutlineBuilder for Extent {
    fn move_to(&mut self, x: f32, y: f32) {
        self.add(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.add(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.add(x1, y1);
        self.add(x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.add(x1, y1);
        self.add(x2, y2);
        self.add(x, y);
    }

    fn close(&mut self) {}
}
