//! How pages of the proportional style are coded.

use std::sync::Arc;

use crate::code::{BlockStart, Class, Strip};
use crate::config::{FlowStyle, Geometry, invalid};
use crate::document::BlockKind;
use crate::error::RenderError;
use crate::font::FontSet;
use crate::raster::{CellStyle, Glyphs, Lexicon};

/// The narrowest part of a page on which every line has room for its code, in pixels.
const LEAST_WIDTH: u32 = 56;

/// What pages that carry codes need besides.
pub(super) struct Coding {
    /// What is the same on all pages.
    pub(super) strip: Strip,
    /// Rows kept free for the strip along each edge.
    pub(super) rows: u32,
    /// By size class.
    pub(super) lexicons: Vec<Arc<Lexicon>>,
}

impl Coding {
    /// `glyphs` are those of the size classes, `spans` the columns of pixels that
    /// columns of text lie in, `mark` the text of newlines and the depth of its ink.
    pub(super) fn new(
        glyphs: &[Glyphs],
        geometry: &Geometry,
        spans: &[(u32, u32)],
        mark: Option<(String, u8)>,
        style: &FlowStyle,
    ) -> Result<Self, RenderError> {
        let Geometry { width, height, .. } = *geometry;
        let CellStyle {
            tone,
            antialias,
            horizontal_scale,
            room,
            ..
        } = glyphs[0].style.clone();
        if !tone.is_coded() {
            let found = format!("{} on {}", style.font_color.grey(), tone.background);
            let expected = "a grey at least 24 levels from the background's, so that pages can \
                            be inverted, or \"invertible\": false";
            return Err(invalid("font-color", found, expected));
        }
        let page = style.page_bg_color.grey();
        // Codes lie beside the text too, and go the way that ink goes.
        let free = if tone.dark { page } else { 255 - page };
        if free < 8 {
            let expected = "a grey with 8 levels to the text's side, so that pages can be \
                            inverted, or \"invertible\": false";
            return Err(invalid("page-bg-color", page, expected));
        }
        let narrowest = spans.iter().map(|(from, to)| to - from).min().unwrap_or(0);
        if narrowest < LEAST_WIDTH {
            let expected = format!(
                "at least {LEAST_WIDTH} px a column, so that pages can be inverted, or \
                 \"invertible\": false"
            );
            return Err(invalid("page width", format!("{narrowest} px"), expected));
        }
        let mut strip = Strip {
            cells: false,
            antialias,
            last: false,
            width,
            height,
            tone: tone.on(page),
            paper: tone.background,
            horizontal_scale,
            room,
            classes: glyphs.iter().map(|glyphs| glyphs.style.class).collect(),
            mark,
            fonts: glyphs[0].fonts.id(),
            ranges: 0,
            number: u32::MAX,
            document: 0,
            before: 0,
            after: 0,
            lines: height,
            block: (
                u32::MAX,
                BlockStart {
                    kind: BlockKind::Heading(u8::MAX),
                    source_page: Some(u32::MAX),
                    empty: false,
                },
            ),
            // One column of text uses the whole page.
            spans: if spans.len() > 1 {
                spans.to_vec()
            } else {
                Vec::new()
            },
            pixels: style.has_marks().then_some(0),
        };
        // Room for the longest strip; where margins are taller they may be filled.
        let rows = Strip::rows(strip.encode().len(), width as usize) as u32;
        // Marks may stand in the margins, so there it takes no more than it needs.
        let margin = if style.has_marks() {
            0
        } else {
            style.px(style.margin_y) as u32
        };
        let rows = rows.max(margin);
        let top = geometry.top.max(rows as f32);
        let room = geometry.bottom.min(height as f32 - rows as f32) - top;
        let line = style.px(style.line_height);
        if room < line {
            let found = format!("{height} px less {rows} px at each edge");
            let expected = format!(
                "at least one line, {line:.1} px, between the edges, where pages that can be \
                 inverted say how they were drawn, or \"invertible\": false"
            );
            return Err(invalid("page height", found, expected));
        }
        strip.number = 0;
        Ok(Self {
            strip,
            rows,
            lexicons: (glyphs.iter())
                .map(|glyphs| Arc::new(Lexicon::new(glyphs.clone())))
                .collect(),
        })
    }
}

/// The box of a line: where capitals and descenders fit, they are whole.
pub(super) fn class(fonts: &FontSet, px: f32, line_height: f32) -> Class {
    let vertical = fonts
        .find('x')
        .and_then(|(outline, _)| outline.vertical(px));
    let (ascent, descent) = vertical.unwrap_or((px * 0.93, px * -0.24));
    let descent = -descent;
    let height = (line_height as i32).max(1);
    let (above, below) = Glyphs::extent(fonts, px);
    let baseline = ((line_height - ascent - descent) / 2.0 + ascent).round() as i32;
    // Where both do not fit, descenders do: capitals without their tops are easier to read than
    // letters without their tails.
    let baseline = baseline.max(above).min(height - below).clamp(0, height);
    Class {
        px,
        height: height as u32,
        baseline: baseline as u32,
    }
}
