//! The proportional style.

use std::sync::Arc;

use rayon::prelude::*;

use super::image_page;
use crate::config::{
    Alignment, FlowStyle, FontSize, Geometry, NewlineMarkup, Normalization, RenderConfig,
};
use crate::document::Document;
use crate::error::RenderError;
use crate::font::{FontSet, Latin};
use crate::layout::{
    ClassCursor, FlowLines, LineBreaker, Lines, NewlineMark, PagePlan, Pager, PlacedLine,
    SizeClasses, Spacing, Widths, half_cells, is_han_latin, tab_stop,
};
use crate::marks::{DocumentMarks, Marks, PageMut};
use crate::page::{BBox, Page, PageLine};
use crate::raster::{Sprite, Sprites};

pub(crate) struct FlowTypesetter {
    style: FlowStyle,
    normalization: Normalization,
    geometry: Geometry,
    breaker: FlowBreaker,
    marks: Marks,
    /// From a line's top to its baseline, by size class.
    baselines: Vec<f32>,
    mark_grey: u8,
}

struct FlowBreaker {
    /// By size class.
    faces: Vec<Face>,
    room: (f32, f32),
}

/// The glyphs of a size class and the space between them.
struct Face {
    sprites: Sprites,
    letter_spacing: f32,
    word_spacing: f32,
    /// Between Han and Latin.
    quarter_em: f32,
    tab_stops: Vec<f32>,
    /// The distance of further tab stops.
    tab: f32,
}

impl Face {
    fn new(fonts: &Arc<FontSet>, style: &FlowStyle, px: f32, antialias: bool) -> Self {
        let sprites = Sprites::new(Arc::clone(fonts), px, style.horizontal_scale, antialias);
        let tab = style.tab_width as f32 * sprites.get(' ').advance;
        let quarter = px * style.horizontal_scale / 4.0;
        Self {
            tab: tab.max(1.0),
            sprites,
            letter_spacing: style.px_across(style.letter_spacing).round(),
            word_spacing: style.px_across(style.word_spacing).round(),
            quarter_em: if style.han_latin_spacing {
                quarter.round()
            } else {
                0.0
            },
            tab_stops: (style.tab_stops.iter())
                .map(|&stop| style.px_across(stop))
                .collect(),
        }
    }
}

impl Widths for Face {
    fn advance(&self, c: char) -> f32 {
        let advance = self.sprites.get(c).advance;
        match c {
            _ if advance == 0.0 => 0.0,
            ' ' | '\u{A0}' => advance + self.letter_spacing + self.word_spacing,
            _ => advance + self.letter_spacing,
        }
    }

    fn between(&self, before: char, after: char) -> f32 {
        // Most styles have none, and most text is of one script.
        if self.quarter_em > 0.0
            && (before >= '\u{2E80}') != (after >= '\u{2E80}')
            && is_han_latin(before, after)
        {
            self.quarter_em
        } else {
            0.0
        }
    }

    fn tab_stop(&self, x: f32) -> f32 {
        let set = self.tab_stops.iter().copied().find(|stop| *stop > x + 0.01);
        set.unwrap_or_else(|| tab_stop(x, self.tab))
    }
}

impl LineBreaker for FlowBreaker {
    fn lines<'t>(&'t self, text: &'t str, classes: ClassCursor) -> Lines<'t> {
        Box::new(FlowLines::new(text, &self.faces, classes, self.room))
    }
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
        let geometry = style.geometry()?;
        let fonts = Arc::new(FontSet::new(&config.fonts, Latin::Sans, geometry.sizes[0])?);
        let faces: Vec<Face> = (geometry.sizes.iter())
            .map(|&px| Face::new(&fonts, style, px, config.antialias))
            .collect();
        let baselines = (faces.iter().zip(&geometry.line_heights))
            .map(|(face, line_height)| {
                let (ascent, descent) = face.sprites.vertical();
                (line_height - ascent - descent) / 2.0 + ascent
            })
            .collect();
        let room = geometry.column_width - style.px_across(style.left_indent + style.right_indent);
        let room = (room - style.px_across(style.first_line_indent), room);
        let mark_grey = match &style.newline_markup {
            NewlineMarkup::Mark { color, .. } => color.grey(),
            NewlineMarkup::Break => style.font_color.grey(),
        };
        Ok(Self {
            style: style.clone(),
            normalization: config.normalization,
            marks: Marks::new(style, &geometry, &fonts, config.antialias),
            geometry,
            breaker: FlowBreaker { faces, room },
            baselines,
            mark_grey,
        })
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

    pub(crate) fn pages<'a>(
        &'a self,
        document: &'a Document,
    ) -> impl Iterator<Item = Result<Page, RenderError>> + 'a {
        let classes = self.classes(document);
        let count = match self.marks.count_pages() {
            true => self.plans(document, classes.clone()).count() as u32,
            false => 0,
        };
        let marks = self.marks.for_document(document, count);
        let mut plans = self.plans(document, classes).peekable();
        let mut number = 0;
        std::iter::from_fn(move || {
            let plan = plans.next()?;
            number += 1;
            Some(self.draw(&plan, &marks, number, plans.peek().is_none()))
        })
    }

    pub(crate) fn render(&self, document: &Document) -> Result<Vec<Page>, RenderError> {
        let plans: Vec<PagePlan<'_>> = self.plans(document, self.classes(document)).collect();
        let marks = self.marks.for_document(document, plans.len() as u32);
        plans
            .par_iter()
            .enumerate()
            .map(|(i, plan)| self.draw(plan, &marks, i as u32 + 1, i + 1 == plans.len()))
            .collect()
    }

    fn draw(
        &self,
        plan: &PagePlan<'_>,
        marks: &DocumentMarks<'_>,
        number: u32,
        last: bool,
    ) -> Result<Page, RenderError> {
        let placed = match plan {
            PagePlan::Image(image) => return image_page(image, number),
            PagePlan::Text(placed) => placed,
        };
        let geometry = &self.geometry;
        let (width, height) = (geometry.width as usize, geometry.height as usize);
        let background = self.style.page_bg_color.grey();
        let mut canvas = Canvas {
            width,
            height,
            pixels: vec![background; width * height],
        };
        marks.draw_under(&mut canvas.page(), placed);
        let mut lines = Vec::with_capacity(placed.len());
        let mut right = marks.least_width(number) - self.style.px_across(self.style.margin_x);
        for placed in placed {
            let (x, line_right) = self.draw_line(placed, &mut canvas);
            right = right.max(line_right);
            let top = placed.top.round().max(0.0) as u32;
            let bottom = (placed.top + placed.height).round() as u32;
            let left = (x.floor().max(0.0) as u32).min(geometry.width);
            let end = (line_right.ceil().max(0.0) as u32).clamp(left, geometry.width);
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
        if self.style.auto_crop_width {
            let right = right + geometry.inset + self.style.px_across(self.style.margin_x);
            canvas.crop(right.ceil() as usize, height);
        }
        if last && self.style.auto_crop_last_page {
            let ends = placed.iter().map(|line| line.top + line.height);
            let end = ends.fold(0.0, f32::max) + geometry.below;
            canvas.crop(width, end.ceil() as usize);
        }
        marks.draw_over(&mut canvas.page(), number, placed, |line| {
            self.baseline(line)
        });
        marks.add_mask(&mut canvas.page());
        Ok(Page {
            number,
            width: canvas.width as u32,
            height: canvas.height as u32,
            pixels: canvas.pixels,
            lines,
            layout: None,
        })
    }

    fn baseline(&self, placed: &PlacedLine<'_>) -> i32 {
        let rise = self.baselines[usize::from(placed.line.class)];
        (placed.top + rise).round() as i32
    }

    /// Draws a line; returns where it begins and ends.
    fn draw_line(&self, placed: &PlacedLine<'_>, canvas: &mut Canvas) -> (f32, f32) {
        let PlacedLine { text, line, .. } = placed;
        let style = &self.style;
        let drawn = &text.text[line.range.start..line.draw_end];
        let indent = if line.first {
            style.first_line_indent
        } else {
            0.0
        };
        let face = &self.breaker.faces[usize::from(line.class)];
        let left =
            self.geometry.columns[placed.column] + style.px_across(style.left_indent + indent);
        let room = if line.first {
            self.breaker.room.0
        } else {
            self.breaker.room.1
        };
        let spare = (room - line.width).max(0.0);
        let start = match style.alignment {
            Alignment::Left | Alignment::Justify => left,
            Alignment::Center => left + spare / 2.0,
            Alignment::Right => left + spare,
        };
        let stretch = match style.alignment {
            Alignment::Justify if !line.last => Stretch::new(drawn, spare),
            _ => Stretch {
                spaces_only: true,
                each: 0.0,
            },
        };
        let baseline = self.baseline(placed);
        let ink = style.font_color.grey();
        // Tab stops are counted from the line's start, as the line breaker does.
        let mut x = 0.0;
        let mut before = None;
        for (at, c) in drawn.char_indices() {
            if c == '\t' {
                x = face.tab_stop(x);
                before = None;
                continue;
            }
            x += before.map_or(0.0, |before| face.between(before, c));
            before = Some(c);
            let sprite = face.sprites.get(c);
            if sprite.width > 0 {
                let mark = text.is_mark(line.range.start + at);
                let ink = if mark { self.mark_grey } else { ink };
                canvas.blend(sprite, (start + x).round() as i32, baseline, ink);
            }
            x += face.advance(c);
            if c == ' ' || (!stretch.spaces_only && half_cells(c) > 0) {
                x += stretch.each;
            }
        }
        (
            start,
            start + if stretch.each > 0.0 { room } else { line.width },
        )
    }
}

/// Where a justified line's spare room goes.
struct Stretch {
    /// Between words, or after every character.
    spaces_only: bool,
    each: f32,
}

impl Stretch {
    fn new(text: &str, spare: f32) -> Self {
        let none = Self {
            spaces_only: true,
            each: 0.0,
        };
        // Stretched spaces would move the text off its tab stops.
        if text.contains('\t') {
            return none;
        }
        let wide = text.chars().filter(|&c| half_cells(c) == 2).count();
        let spaces = text.trim_start().matches(' ').count();
        let visible = text.chars().filter(|&c| half_cells(c) > 0).count();
        // Chinese has no spaces between words: spread all characters.
        if 2 * wide > visible && visible > 1 {
            return Self {
                spaces_only: false,
                each: spare / (visible - 1) as f32,
            };
        }
        if spaces == 0 || text.starts_with(char::is_whitespace) {
            return none;
        }
        Self {
            spaces_only: true,
            each: spare / spaces as f32,
        }
    }
}

struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    fn page(&mut self) -> PageMut<'_> {
        PageMut {
            pixels: &mut self.pixels,
            width: self.width,
        }
    }

    /// Draws a glyph with its pen at (`x`, `baseline`); clipped to the page.
    fn blend(&mut self, sprite: &Sprite, x: i32, baseline: i32, ink: u8) {
        let (left, top) = (x + sprite.left, baseline - sprite.rise);
        let from = (-left).clamp(0, sprite.width as i32) as usize;
        let to = (self.width as i32 - left).clamp(from as i32, sprite.width as i32) as usize;
        for (row, coverage) in sprite.coverage.chunks_exact(sprite.width).enumerate() {
            let y = top + row as i32;
            if y < 0 || y >= self.height as i32 || from == to {
                continue;
            }
            let at = y as usize * self.width + (left + from as i32) as usize;
            let target = &mut self.pixels[at..at + to - from];
            for (pixel, &coverage) in target.iter_mut().zip(&coverage[from..to]) {
                let (below, cover) = (u32::from(*pixel), u32::from(coverage));
                let mixed = below * (255 - cover) + u32::from(ink) * cover;
                *pixel = ((mixed + 127) / 255) as u8;
            }
        }
    }

    /// Keeps the top left of at most this size.
    fn crop(&mut self, width: usize, height: usize) {
        let (width, height) = (width.clamp(1, self.width), height.clamp(1, self.height));
        self.pixels.truncate(height * self.width);
        if width < self.width {
            for y in 0..height {
                let start = y * self.width;
                self.pixels.copy_within(start..start + width, y * width);
            }
            self.pixels.truncate(width * height);
        }
        (self.width, self.height) = (width, height);
    }
}
