//! The proportional style.

use rayon::prelude::*;

use super::image_page;
use crate::config::{Alignment, FlowStyle, NewlineMarkup, RenderConfig};
use crate::document::Document;
use crate::error::RenderError;
use crate::font::{FontSet, Latin};
use crate::layout::{
    FlowLines, LineBreaker, Lines, NewlineMark, PagePlan, Pager, PlacedLine, Spacing, half_cells,
    tab_stop,
};
use crate::page::{BBox, Page, PageLine};
use crate::raster::{Sprite, Sprites};

pub(crate) struct FlowTypesetter {
    style: FlowStyle,
    width: u32,
    height: u32,
    breaker: FlowBreaker,
    /// From a line's top to its baseline.
    baseline: f32,
    mark_grey: u8,
}

struct FlowBreaker {
    sprites: Sprites,
    room: (f32, f32),
}

impl LineBreaker for FlowBreaker {
    fn lines<'t>(&'t self, text: &'t str) -> Lines<'t> {
        Box::new(FlowLines::new(text, &self.sprites, self.room))
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
        let (width, height) = style.page_pixels()?;
        let px = style.px(style.font_size);
        let fonts = FontSet::new(&config.fonts, Latin::Sans, px)?;
        let sprites = Sprites::new(fonts, px, style.horizontal_scale, config.antialias);
        let (ascent, descent) = sprites.vertical();
        let baseline = (style.px(style.line_height) - ascent - descent) / 2.0 + ascent;
        let indents = 2.0 * style.margin_x + style.left_indent + style.right_indent;
        let room = width as f32 - style.px_across(indents);
        let room = (room - style.px_across(style.first_line_indent), room);
        let mark_grey = match &style.newline_markup {
            NewlineMarkup::Mark { color, .. } => color.grey(),
            NewlineMarkup::Break => style.font_color.grey(),
        };
        let breaker = FlowBreaker { sprites, room };
        Ok(Self {
            style: style.clone(),
            width,
            height,
            breaker,
            baseline,
            mark_grey,
        })
    }

    fn plans<'a>(&'a self, document: &'a Document) -> Pager<'a, FlowBreaker> {
        let style = &self.style;
        let spacing = Spacing {
            top: style.px(style.margin_y),
            bottom: self.height as f32 - style.px(style.margin_y),
            line_height: style.px(style.line_height),
            gap: |_, _, spacing| spacing.around,
            around: style.px(style.space_before.max(style.space_after)),
            mark: match &style.newline_markup {
                NewlineMarkup::Mark { text, .. } => Some(NewlineMark { text: text.clone() }),
                NewlineMarkup::Break => None,
            },
        };
        Pager::new(document, spacing, &self.breaker)
    }

    pub(crate) fn pages<'a>(
        &'a self,
        document: &'a Document,
    ) -> impl Iterator<Item = Result<Page, RenderError>> + 'a {
        let mut plans = self.plans(document).peekable();
        let mut number = 0;
        std::iter::from_fn(move || {
            let plan = plans.next()?;
            number += 1;
            Some(self.draw(&plan, number, plans.peek().is_none()))
        })
    }

    pub(crate) fn render(&self, document: &Document) -> Result<Vec<Page>, RenderError> {
        let plans: Vec<PagePlan<'_>> = self.plans(document).collect();
        plans
            .par_iter()
            .enumerate()
            .map(|(i, plan)| self.draw(plan, i as u32 + 1, i + 1 == plans.len()))
            .collect()
    }

    fn draw(&self, plan: &PagePlan<'_>, number: u32, last: bool) -> Result<Page, RenderError> {
        let placed = match plan {
            PagePlan::Image(image) => return image_page(image, number),
            PagePlan::Text(placed) => placed,
        };
        let (width, height) = (self.width as usize, self.height as usize);
        let background = self.style.page_bg_color.grey();
        let mut canvas = Canvas {
            width,
            height,
            pixels: vec![background; width * height],
        };
        let mut lines = Vec::with_capacity(placed.len());
        let mut right = 0f32;
        for placed in placed {
            let (x, line_right) = self.draw_line(placed, &mut canvas);
            right = right.max(line_right);
            let top = placed.top.round().max(0.0) as u32;
            let bottom = (placed.top + self.style.px(self.style.line_height)).round() as u32;
            let left = (x.floor().max(0.0) as u32).min(self.width);
            let end = (line_right.ceil().max(0.0) as u32).clamp(left, self.width);
            lines.push(PageLine {
                source_block: placed.block,
                source: placed.text.source(&placed.line.range),
                source_page: placed.source_page,
                bbox: BBox {
                    x: left,
                    y: top,
                    width: end - left,
                    height: bottom.min(self.height).saturating_sub(top),
                },
            });
        }
        if self.style.auto_crop_width {
            let wanted = (right + self.style.px_across(self.style.margin_x)).ceil() as usize;
            canvas.crop(wanted, height);
        }
        if let (true, true, Some(line)) = (last, self.style.auto_crop_last_page, placed.last()) {
            let below = self.style.line_height + self.style.margin_y;
            canvas.crop(width, (line.top + self.style.px(below)).ceil() as usize);
        }
        Ok(Page {
            number,
            width: canvas.width as u32,
            height: canvas.height as u32,
            pixels: canvas.pixels,
            lines,
            layout: None,
        })
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
        let left = style.px_across(style.margin_x + style.left_indent + indent);
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
        let baseline = (placed.top + self.baseline).round() as i32;
        let ink = style.font_color.grey();
        // Tab stops are counted from the line's start, as the line breaker does.
        let mut x = 0.0;
        for (at, c) in drawn.char_indices() {
            if c == '\t' {
                x = tab_stop(x, crate::layout::Widths::tab(&self.breaker.sprites));
                continue;
            }
            let sprite = self.breaker.sprites.get(c);
            if sprite.width > 0 {
                let mark = text.is_mark(line.range.start + at);
                let ink = if mark { self.mark_grey } else { ink };
                canvas.blend(sprite, (start + x).round() as i32, baseline, ink);
            }
            x += sprite.advance;
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
