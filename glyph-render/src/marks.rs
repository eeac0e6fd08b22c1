//! What is drawn beside the text: headers and footers, line numbers, frames around
//! blocks, corner marks, and the mask of grid and watermark.
//!
//! Everything but the mask stays outside the boxes of lines, so that a page reads
//! back as without it; the mask is a remainder of the text's levels ([`mask`]).

mod frame;
mod letters;
mod mask;
mod template;

use std::sync::Arc;

use crate::code::Tone;
use crate::config::{FlowStyle, Geometry, Restart};
use crate::document::Document;
use crate::font::FontSet;
use crate::layout::PlacedLine;
use letters::Letters;
use mask::Mask;
pub(crate) use mask::remove_mask;
pub(crate) use template::check_template;
use template::{Fields, document_id, expand, has_field};

/// A page's pixels.
pub(crate) struct PageMut<'p> {
    pub(crate) pixels: &'p mut [u8],
    pub(crate) width: usize,
}

impl PageMut<'_> {
    fn height(&self) -> usize {
        self.pixels.len() / self.width.max(1)
    }

    /// Sets a rectangle, as far as it is on the page.
    fn fill(&mut self, x: std::ops::Range<i64>, y: std::ops::Range<i64>, grey: u8) {
        let (width, height) = (self.width as i64, self.height() as i64);
        let (from, to) = (x.start.clamp(0, width), x.end.clamp(0, width));
        for row in y.start.clamp(0, height)..y.end.clamp(0, height) {
            let line = &mut self.pixels[(row * width) as usize..][..width as usize];
            if from < to {
                line[from as usize..to as usize].fill(grey);
            }
        }
    }
}

/// A style's marks.
pub(crate) struct Marks {
    style: FlowStyle,
    geometry: Geometry,
    antialias: bool,
    letters: Letters,
}

/// The most characters of a title that marks show: more than the widest page has room for in the
/// smallest letters.
const LONGEST_TITLE: usize = 20_000;

/// The marks of one document's pages.
pub(crate) struct DocumentMarks<'m> {
    marks: &'m Marks,
    title: String,
    id: String,
    pages: u32,
    mask: Option<Mask>,
}

impl Marks {
    pub(crate) fn new(
        style: &FlowStyle,
        geometry: &Geometry,
        fonts: &Arc<FontSet>,
        antialias: bool,
    ) -> Self {
        let scale = style.horizontal_scale;
        Self {
            style: style.clone(),
            geometry: geometry.clone(),
            antialias,
            letters: Letters::new(fonts, geometry.mark_px, scale, antialias),
        }
    }

    fn templates(&self) -> impl Iterator<Item = &str> {
        let watermark = self.style.watermark.as_ref().map(|mark| mark.text.as_str());
        let banners = [&self.style.header, &self.style.footer];
        (banners.into_iter().flat_map(|banner| banner.parts())).chain(watermark)
    }

    /// Whether the number of pages must be known before the first is drawn.
    pub(crate) fn count_pages(&self) -> bool {
        self.templates().any(|text| has_field(text, "pages"))
    }

    /// What is known before the first page; `pages` matters only where
    /// [`Marks::count_pages`].
    pub(crate) fn for_document(&self, document: &Document, pages: u32) -> DocumentMarks<'_> {
        let id = match &self.style.document_id {
            Some(id) => id.clone(),
            None if self.templates().any(|text| has_field(text, "id")) => document_id(document),
            None => String::new(),
        };
        let title = document.title.as_deref().unwrap_or_default();
        let title: String = title.chars().take(LONGEST_TITLE).collect();
        let text = self.style.watermark.as_ref().map(|watermark| {
            let fields = Fields {
                title: &title,
                id: &id,
                page: 0,
                pages: 0,
            };
            expand(&watermark.text, &fields)
        });
        let fonts = self.letters.fonts();
        let mask = Mask::new(
            &self.style,
            &self.geometry,
            text.as_deref(),
            fonts,
            self.antialias,
        );
        DocumentMarks {
            marks: self,
            title,
            id,
            pages,
            mask,
        }
    }
}

impl DocumentMarks<'_> {
    fn expand(&self, number: u32, template: &str) -> String {
        let fields = Fields {
            title: &self.title,
            id: &self.id,
            page: number,
            pages: self.pages,
        };
        expand(template, &fields)
    }

    /// Width in pixels that a page needs for its banners.
    pub(crate) fn least_width(&self, number: u32) -> f32 {
        let Marks {
            style,
            geometry,
            letters,
            ..
        } = self.marks;
        let width = |banner: &crate::config::Banner| {
            let parts = banner
                .parts()
                .map(|part| letters.width(&self.expand(number, part)));
            let drawn = parts.iter().filter(|width| **width > 0.0).count();
            if drawn == 0 {
                return 0.0;
            }
            let between = (drawn - 1) as f32 * geometry.mark_px * style.horizontal_scale;
            let [left, center, right] = parts;
            // The middle part stays in the middle.
            let sides = if center > 0.0 {
                2.0 * left.max(right) + center
            } else {
                left + right
            };
            sides + between + 2.0 * style.px_across(style.margin_x)
        };
        width(&style.header).max(width(&style.footer))
    }

    fn tone(&self) -> Tone {
        let style = &self.marks.style;
        let (page, ink) = (style.page_bg_color.grey(), style.font_color.grey());
        Tone::new(page, ink, style.mask_levels())
    }

    /// Backgrounds and frames of blocks, and line numbers; drawn before the text, whose
    /// codes lie over them. `baseline` is a line's, in rows of the page.
    pub(crate) fn draw_under(
        &self,
        page: &mut PageMut<'_>,
        lines: &[PlacedLine<'_>],
        baseline: impl Fn(&PlacedLine<'_>) -> i32,
    ) {
        let Marks {
            style,
            geometry,
            letters,
            ..
        } = self.marks;
        frame::boxes(style, geometry, page, lines);
        let Some(numbers) = style.line_numbers else {
            return;
        };
        let lines = lines.iter().filter(|line| !line.line.range.is_empty());
        for (line, count) in lines.zip(1..) {
            let count = match numbers.restart {
                Restart::Page => count,
                Restart::Document => line.number,
            };
            if count.is_multiple_of(numbers.every) {
                let text = count.to_string();
                let right = geometry.columns[line.column] - geometry.number_gap;
                let left = right - letters.width(&text);
                letters.draw(&text, left, baseline(line), self.tone(), page);
            }
        }
    }

    /// Headers, footers, corner marks and the mask; drawn when the text stands and the
    /// page has its final size. `rows` are kept clear at the upper and lower edge.
    pub(crate) fn draw_over(&self, page: &mut PageMut<'_>, number: u32, rows: usize) {
        let Marks {
            style,
            geometry,
            letters,
            ..
        } = self.marks;
        let tone = self.tone();
        let tops = [
            (&style.header, geometry.header_top),
            (&style.footer, page.height() as f32 - geometry.footer_rise),
        ];
        for (banner, top) in tops {
            if banner.is_empty() {
                continue;
            }
            let baseline = (top + geometry.mark_px).round() as i32;
            let margin = style.px_across(style.margin_x);
            for (part, share) in banner.parts().into_iter().zip([0.0, 0.5, 1.0]) {
                let text = self.expand(number, part);
                let spare = page.width as f32 - 2.0 * margin - letters.width(&text);
                letters.draw(&text, margin + spare * share, baseline, tone, page);
            }
        }
        frame::corners(geometry.corner, rows, tone, page);
        if let Some(mask) = &self.mask {
            mask.add(page, rows, tone);
        }
    }
}
