//! The proportional style.

mod ascii;
mod breaker;
mod canvas;
mod coding;
mod face;
mod line;
mod stretch;

use std::sync::Arc;

use rayon::prelude::*;

use super::compose::{Chain, Place, Scratch};
use super::image_page;
use crate::code::{Strip, Tone, draw_strip};
use crate::config::{FlowStyle, FontSize, Geometry, NewlineMarkup, Normalization, RenderConfig};
use crate::document::Document;
use crate::error::RenderError;
use crate::font::{FontSet, Latin};
use crate::invert::pixel_checksum;
use crate::layout::{NewlineMark, PagePlan, Pager, PlacedLine, SizeClasses, Spacing, Widths};
use crate::marks::{DocumentMarks, Marks};
use crate::page::{BBox, Page, PageLine};
use crate::raster::{CellStyle, Glyphs, Lexicon, Sprites};
use breaker::FlowBreaker;
use canvas::Canvas;
use coding::{Coding, class};
use face::Face;

/// The digit of a tab among blank cells.
const TAB_DIGIT: u8 = 1;

pub(crate) struct FlowTypesetter {
    style: FlowStyle,
    normalization: Normalization,
    geometry: Geometry,
    /// Columns of pixels that each column of text has for its codes.
    spans: Vec<(u32, u32)>,
    breaker: FlowBreaker,
    tone: Tone,
    /// Whether text lies on the page's own background and nothing is drawn under it.
    flat: bool,
    /// Newline marks in their own colour, by size class.
    newlines: Option<Vec<Sprites>>,
    marks: Marks,
    coding: Option<Coding>,
}

impl std::fmt::Debug for FlowTypesetter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlowTypesetter")
            .field("style", &self.style)
            .finish_non_exhaustive()
    }
}

impl FlowTypesetter {
    pub(crate) fn new(config: &RenderConfig, style: &FlowStyle) -> Result<Self, RenderError> {
        let mut geometry = style.geometry()?;
        let fonts = Arc::new(FontSet::new(&config.fonts, Latin::Sans, geometry.sizes[0])?);
        let (paper, ink) = (style.text_background(), style.font_color.grey());
        let tone = Tone::new(paper, ink, style.mask_levels());
        let spans = geometry.spans();
        let room = room(style, &geometry, &spans, config.invertible);
        let glyphs: Vec<Glyphs> = (geometry.sizes.iter().zip(&geometry.line_heights))
            .map(|(px, line_height)| Glyphs {
                fonts: Arc::clone(&fonts),
                style: CellStyle {
                    class: class(&fonts, *px, *line_height),
                    horizontal_scale: style.horizontal_scale,
                    antialias: config.antialias,
                    tone,
                    room: room.0.min(room.1).max(1.0) as u32,
                },
            })
            .collect();
        let (mark, newlines) = match &style.newline_markup {
            NewlineMarkup::Mark { text, color } => {
                let own = Tone::new(paper, color.grey(), style.mask_levels());
                // Codes go one way on a page, so marks must lie on the ink's side.
                let coded = own.is_coded() && own.dark == tone.dark;
                let own = if !config.invertible || coded {
                    own
                } else {
                    tone
                };
                let sprites = glyphs.iter().cloned().map(|mut glyphs| {
                    glyphs.style.tone = own;
                    Sprites::new(glyphs, None)
                });
                (Some((text.clone(), own.depth)), Some(sprites.collect()))
            }
            NewlineMarkup::Break => (None, None),
        };
        let coding = match config.invertible {
            true => Some(Coding::new(&glyphs, &geometry, &spans, mark, style)?),
            false => None,
        };
        if let Some(coding) = &coding {
            geometry.keep_edges(coding.rows);
        }
        let lexicon = |class: usize| {
            let coding = coding.as_ref();
            coding.map(|coding| Arc::clone(&coding.lexicons[class]))
        };
        let faces = glyphs.into_iter().enumerate();
        let faces = faces
            .map(|(class, glyphs)| Face::new(Sprites::new(glyphs, lexicon(class)), style))
            .collect();
        let narrowest = spans.iter().map(|(from, to)| (to - from) as usize).min();
        let span = coding.as_ref().and(narrowest);
        Ok(Self {
            marks: Marks::new(style, &geometry, &fonts, config.antialias),
            flat: paper == style.page_bg_color.grey()
                && style.para_bg_color.is_none()
                && style.border_width == 0.0
                && style.line_numbers.is_none(),
            style: style.clone(),
            normalization: config.normalization,
            geometry,
            spans,
            breaker: FlowBreaker::new(faces, room, span),
            tone,
            newlines,
            coding,
        })
    }

    /// How pages are coded, where they carry codes.
    pub(crate) fn coding(&self) -> Option<(Strip, Vec<Arc<Lexicon>>)> {
        let coding = self.coding.as_ref()?;
        Some((coding.strip.clone(), coding.lexicons.clone()))
    }

    pub(super) fn style(&self) -> &FlowStyle {
        &self.style
    }

    pub(super) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// How many characters like those of `text` a line has room for in a size class.
    pub(super) fn fits(&self, class: usize, text: &str) -> f32 {
        let face = &self.breaker.faces[class];
        let width: f32 = text.chars().map(|c| face.advance(c)).sum();
        self.breaker.room.1 * text.chars().count() as f32 / width
    }

    fn newline_mark(&self) -> Option<NewlineMark> {
        match &self.style.newline_markup {
            NewlineMarkup::Mark { text, .. } => Some(NewlineMark { text: text.clone() }),
            NewlineMarkup::Break => None,
        }
    }

    /// The size classes of the document's passages, where there are two.
    fn classes(&self, document: &Document) -> Option<SizeClasses> {
        match &self.style.font_size {
            FontSize::ByImportance(importance) => {
                let mark = self.newline_mark();
                let normalization = self.normalization;
                Some(SizeClasses::new(
                    document,
                    importance,
                    mark.as_ref(),
                    normalization,
                ))
            }
            FontSize::Points(_) => None,
        }
    }

    fn plans<'a>(
        &'a self,
        document: &'a Document,
        classes: Option<SizeClasses>,
    ) -> Pager<'a, FlowBreaker> {
        let (style, geometry) = (&self.style, &self.geometry);
        let around = style.px(style.space_before.max(style.space_after));
        let spacing = Spacing {
            top: geometry.top,
            bottom: geometry.bottom,
            line_heights: geometry.line_heights.clone(),
            columns: geometry.columns.len(),
            gap: |_, _, spacing| spacing.around,
            around: around + 2.0 * geometry.inset,
            keep_headings: style.keep_headings,
            mark: self.newline_mark(),
            normalization: self.normalization,
        };
        Pager::new(document, spacing, classes, &self.breaker)
    }

    pub(crate) fn pages_from<'a>(
        &'a self,
        document: &'a Document,
        mut skip: usize,
    ) -> impl Iterator<Item = Result<Page, RenderError>> + 'a {
        let classes = self.classes(document);
        let count = match self.marks.count_pages() {
            true => self.plans(document, classes.clone()).count() as u32,
            false => 0,
        };
        let marks = self.marks.for_document(document, count);
        let mut plans = self.plans(document, classes).peekable();
        let mut chain = Chain::default();
        std::iter::from_fn(move || {
            loop {
                let plan = plans.next()?;
                let place = chain.place(document, &plan, plans.peek());
                if skip == 0 {
                    let end = plans.peek().is_none();
                    return Some(self.draw(document, &plan, &marks, place, end));
                }
                skip -= 1;
            }
        })
    }

    pub(crate) fn render(&self, document: &Document) -> Result<Vec<Page>, RenderError> {
        let plans: Vec<PagePlan<'_>> = self.plans(document, self.classes(document)).collect();
        let marks = self.marks.for_document(document, plans.len() as u32);
        let mut chain = Chain::default();
        let places: Vec<Place> = (0..plans.len())
            .map(|i| chain.place(document, &plans[i], plans.get(i + 1)))
            .collect();
        plans
            .par_iter()
            .zip(&places)
            .map(|(plan, place)| {
                let end = place.number as usize == plans.len();
                self.draw(document, plan, &marks, *place, end)
            })
            .collect()
    }

    /// Draws a page; `end` is set for the last one.
    fn draw(
        &self,
        document: &Document,
        plan: &PagePlan<'_>,
        marks: &DocumentMarks<'_>,
        place: Place,
        end: bool,
    ) -> Result<Page, RenderError> {
        let placed = match plan {
            PagePlan::Image(image) => return image_page(image, place.number),
            PagePlan::Text(placed) => placed,
        };
        let geometry = &self.geometry;
        let size = (geometry.width as usize, geometry.height as usize);
        let mut canvas = Canvas::new(size, self.style.page_bg_color.grey());
        marks.draw_under(&mut canvas.page(), placed, |line| self.baseline(line));
        let mut scratch = Scratch::default();
        let mut lines = Vec::with_capacity(placed.len());
        let margin = self.style.px_across(self.style.margin_x);
        let mut right = marks.least_width(place.number) - margin;
        let (mut coded_right, mut ranges) = (0, 0);
        for (ordinal, placed) in placed.iter().enumerate() {
            let drawn = self.draw_line(document, placed, ordinal as u32, &mut canvas, &mut scratch);
            right = right.max(drawn.end);
            coded_right = coded_right.max(drawn.coded_end);
            ranges = ranges.max(drawn.ranges);
            if placed.line.range.is_empty() {
                continue;
            }
            let top = placed.top.round().max(0.0) as u32;
            let bottom = (placed.top + placed.height).round() as u32;
            let left = (drawn.start.floor().max(0.0) as u32).min(geometry.width);
            let end = (drawn.end.ceil().max(0.0) as u32).clamp(left, geometry.width);
            lines.push(PageLine {
                source_block: placed.block,
                source: placed.text.source(&placed.line.range),
                source_page: placed.source_page,
                bbox: BBox {
                    x: left,
                    y: top,
                    width: end - left,
                    height: bottom.min(geometry.height).saturating_sub(top),
                },
            });
        }
        let mut strip = self
            .coding
            .as_ref()
            .map(|coding| place.strip(&coding.strip, document, placed, ranges));
        let rows = self.coding.as_ref().map_or(0, |coding| coding.rows);
        if self.style.auto_crop_width {
            let wanted = (right + geometry.inset + margin).ceil() as usize;
            // The strip must keep to its rows.
            let least = strip.as_ref().map_or(1, |strip| strip.least_width(rows));
            canvas.crop(wanted.max(coded_right).max(least), size.1);
            if let Some(strip) = &mut strip {
                // Columns that were cut off hold no line.
                let width = canvas.width as u32;
                strip.spans.retain(|(from, _)| *from < width);
                for (_, to) in &mut strip.spans {
                    *to = (*to).min(width);
                }
            }
        }
        if end && self.style.auto_crop_last_page {
            let ends = placed.iter().map(|line| line.top + line.height);
            let end = ends.fold(0.0, f32::max) + geometry.below;
            canvas.crop(canvas.width, end.ceil() as usize);
        }
        let least = strip
            .as_ref()
            .map_or(0, |strip| strip.rows_at(canvas.width));
        marks.draw_over(&mut canvas.page(), place.number, least);
        if let Some(strip) = &mut strip {
            (strip.width, strip.height) = (canvas.width as u32, canvas.height as u32);
            if strip.pixels.is_some() {
                let rows = strip.rows_at(canvas.width);
                strip.pixels = Some(pixel_checksum(&canvas.pixels, canvas.width, rows));
            }
            draw_strip(
                &strip.encode(),
                strip.tone,
                &mut canvas.pixels,
                canvas.width,
            );
        }
        Ok(Page {
            number: place.number,
            width: canvas.width as u32,
            height: canvas.height as u32,
            pixels: canvas.pixels,
            color: None,
            lines,
            layout: None,
        })
    }

    fn baseline(&self, placed: &PlacedLine<'_>) -> i32 {
        let class = self.breaker.face(&placed.line).sprites.glyphs.style.class;
        placed.top.round() as i32 + class.baseline as i32
    }
}

/// Widths in pixels of a paragraph's first line and of its others.
fn room(
    style: &FlowStyle,
    geometry: &Geometry,
    spans: &[(u32, u32)],
    invertible: bool,
) -> (f32, f32) {
    let mut room = geometry.column_width - style.px_across(style.left_indent + style.right_indent);
    if invertible {
        // A line's end is marked in the column after its last cell.
        for (left, (_, to)) in geometry.columns.iter().zip(spans) {
            let left = left + style.px_across(style.left_indent);
            room = room.min(*to as f32 - 1.0 - left);
        }
    }
    (room - style.px_across(style.first_line_indent), room)
}
