//! The proportional style.

mod breaker;
mod canvas;

use std::sync::Arc;

use rayon::prelude::*;

use super::compose::{Chain, Place, Scratch, collect, first_block};
use super::image_page;
use crate::code::{
    BlockStart, Class, Digits, ROW_BITS, START, Strip, Tone, draw_strip, encode_line,
};
use crate::config::{Alignment, FlowStyle, NewlineMarkup, RenderConfig};
use crate::document::{BlockKind, Document};
use crate::error::RenderError;
use crate::font::{FontSet, Latin};
use crate::layout::{
    NewlineMark, PagePlan, Pager, PlacedLine, Spacing, Widths, block_starts, half_cells, tab_stop,
};
use crate::page::{BBox, Page, PageLine};
use crate::raster::{CellStyle, Glyphs, Lexicon, Sign, Sprites};
use breaker::FlowBreaker;
use canvas::Canvas;

/// The narrowest page on which every line has room for its code, in pixels.
const LEAST_WIDTH: u32 = 56;

pub(crate) struct FlowTypesetter {
    style: FlowStyle,
    width: u32,
    height: u32,
    breaker: FlowBreaker,
    tone: Tone,
    class: Class,
    /// Newline marks in their own colour.
    marks: Option<Sprites>,
    coding: Option<Coding>,
}

/// What pages that carry codes need besides.
struct Coding {
    /// What is the same on all pages.
    strip: Strip,
    /// Rows kept free for the strip along each edge.
    rows: u32,
    lexicon: Arc<Lexicon>,
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
        let fonts = Arc::new(FontSet::new(&config.fonts, Latin::Sans, px)?);
        let tone = Tone::new(style.page_bg_color.grey(), style.font_color.grey());
        let class = class(&fonts, px, style.px(style.line_height));
        let left = style.px_across(style.margin_x + style.left_indent);
        let indent = style.px_across(style.first_line_indent);
        let right = style.px_across(style.margin_x + style.right_indent);
        // A line's end is marked in the column after its last cell.
        let right = right.max(if config.invertible { 1.0 } else { 0.0 });
        let room = width as f32 - left - right;
        let room = (room - indent, room);
        let glyphs = Glyphs {
            fonts,
            style: CellStyle {
                class,
                horizontal_scale: style.horizontal_scale,
                antialias: config.antialias,
                tone,
                room: room.0.min(room.1).max(1.0) as u32,
            },
        };
        let (mark, marks) = match &style.newline_markup {
            NewlineMarkup::Mark { text, color } => {
                let mut glyphs = glyphs.clone();
                let own = Tone::new(tone.background, color.grey());
                // Codes go one way on a page, so marks must lie on the ink's side.
                if !config.invertible || own.is_coded() && own.dark == tone.dark {
                    glyphs.style.tone = own;
                }
                let depth = glyphs.style.tone.depth;
                let marks = Sprites::new(glyphs, None);
                (Some((text.clone(), depth)), Some(marks))
            }
            NewlineMarkup::Break => (None, None),
        };
        let coding = match config.invertible {
            true => Some(Coding::new(&glyphs, (width, height), mark, style)?),
            false => None,
        };
        let lexicon = coding.as_ref().map(|coding| Arc::clone(&coding.lexicon));
        let span = coding.as_ref().map(|_| width as usize);
        let breaker = FlowBreaker::new(Sprites::new(glyphs, lexicon), room, span);
        Ok(Self {
            style: style.clone(),
            width,
            height,
            breaker,
            tone,
            class,
            marks,
            coding,
        })
    }

    /// How pages are coded, where they carry codes.
    pub(crate) fn coding(&self) -> Option<(Strip, Vec<Arc<Lexicon>>)> {
        let coding = self.coding.as_ref()?;
        Some((coding.strip.clone(), vec![Arc::clone(&coding.lexicon)]))
    }

    fn plans<'a>(&'a self, document: &'a Document) -> Pager<'a, FlowBreaker> {
        let style = &self.style;
        let margin = style.px(style.margin_y);
        let rows = self.coding.as_ref().map_or(0, |coding| coding.rows) as f32;
        let spacing = Spacing {
            top: margin.max(rows),
            bottom: self.height as f32 - margin.max(rows),
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
        let mut chain = Chain::default();
        std::iter::from_fn(move || {
            let plan = plans.next()?;
            let place = chain.place(document, &plan, plans.peek());
            Some(self.draw(document, &plan, place, plans.peek().is_none()))
        })
    }

    pub(crate) fn render(&self, document: &Document) -> Result<Vec<Page>, RenderError> {
        let plans: Vec<PagePlan<'_>> = self.plans(document).collect();
        let mut chain = Chain::default();
        let places: Vec<Place> = (0..plans.len())
            .map(|i| chain.place(document, &plans[i], plans.get(i + 1)))
            .collect();
        plans
            .par_iter()
            .zip(&places)
            .map(|(plan, place)| {
                let end = place.number as usize == plans.len();
                self.draw(document, plan, *place, end)
            })
            .collect()
    }

    /// Draws a page; `end` is set for the last one.
    fn draw(
        &self,
        document: &Document,
        plan: &PagePlan<'_>,
        place: Place,
        end: bool,
    ) -> Result<Page, RenderError> {
        let placed = match plan {
            PagePlan::Image(image) => return image_page(image, place.number),
            PagePlan::Text(placed) => placed,
        };
        let size = (self.width as usize, self.height as usize);
        let mut canvas = Canvas::new(size, self.tone.background);
        let mut scratch = Scratch::default();
        let mut lines = Vec::with_capacity(placed.len());
        let (mut right, mut coded_right, mut ranges) = (0f32, 0, 0);
        for (ordinal, placed) in placed.iter().enumerate() {
            let drawn = self.draw_line(document, placed, ordinal as u32, &mut canvas, &mut scratch);
            right = right.max(drawn.end);
            coded_right = coded_right.max(drawn.coded_end);
            ranges = ranges.max(drawn.ranges);
            let top = placed.top.round().max(0.0) as u32;
            let bottom = (placed.top + self.style.px(self.style.line_height)).round() as u32;
            let left = (drawn.start.floor().max(0.0) as u32).min(self.width);
            let end = (drawn.end.ceil().max(0.0) as u32).clamp(left, self.width);
            if placed.line.range.is_empty() {
                continue;
            }
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
        let margin = self.style.px(self.style.margin_y);
        let rows = self.coding.as_ref().map_or(0, |coding| coding.rows);
        let mut strip = self.coding.as_ref().map(|coding| Strip {
            last: place.last,
            number: place.number,
            document: place.document,
            before: place.before,
            after: place.after,
            lines: placed.len() as u32,
            block: first_block(document, placed),
            ranges,
            ..coding.strip.clone()
        });
        if self.style.auto_crop_width {
            let wanted = (right + self.style.px_across(self.style.margin_x)).ceil() as usize;
            // The strip must keep to its rows.
            let least = strip.as_ref().map_or(1, |s| s.least_width(rows));
            canvas.crop(wanted.max(coded_right).max(least), size.1);
        }
        if let (true, true, Some(line)) = (end, self.style.auto_crop_last_page, placed.last()) {
            let below = self.style.px(self.style.line_height) + margin.max(rows as f32);
            canvas.crop(canvas.width, (line.top + below).ceil() as usize);
        }
        if let Some(strip) = &mut strip {
            (strip.width, strip.height) = (canvas.width as u32, canvas.height as u32);
            draw_strip(&strip.encode(), self.tone, &mut canvas.pixels, canvas.width);
        }
        Ok(Page {
            number: place.number,
            width: canvas.width as u32,
            height: canvas.height as u32,
            pixels: canvas.pixels,
            lines,
            layout: None,
        })
    }

    /// Draws a line and its code.
    fn draw_line(
        &self,
        document: &Document,
        placed: &PlacedLine<'_>,
        ordinal: u32,
        canvas: &mut Canvas,
        scratch: &mut Scratch,
    ) -> Drawn {
        let PlacedLine { text, line, .. } = placed;
        let style = &self.style;
        let sprites = &self.breaker.sprites;
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
        let top = placed.top.round().max(0.0) as usize;
        let end = start + if stretch.each > 0.0 { room } else { line.width };
        // Rounding must not push the end's mark off the page.
        let over = (end.round() - (self.width as f32 - 1.0)).max(0.0);
        let origin = (start - over).max(0.0);
        scratch.columns.clear();
        scratch.columns.resize(self.width as usize, 0);
        // Tab stops are counted from the line's start, as the line breaker does.
        let mut pen = 0.0;
        let mut free = 0;
        let mut ranges = 0;
        for (at, c) in drawn.char_indices() {
            let sprite = sprites.get(c);
            let is_tab = c == '\t';
            if sprite.advance == 0.0 && !is_tab {
                continue;
            }
            // Cells never overlap, whatever the widths were.
            let x = ((origin + pen).round() as usize).max(free);
            let sprite = match &self.marks {
                Some(marks) if text.is_mark(line.range.start + at) => marks.get(c),
                _ => sprite,
            };
            if !sprite.pixels.is_empty() {
                canvas.put(sprite, x, top, self.class.height as usize);
            }
            let mut mark = START;
            if is_tab {
                mark |= TAB_DIGIT;
                pen = tab_stop(pen, sprites.tab());
            } else {
                if let Sign::Shape { digit, range } = sprite.sign {
                    mark |= digit;
                    ranges = ranges.max(range + 1);
                }
                pen += sprite.advance;
            }
            if let Some(column) = scratch.columns.get_mut(x) {
                *column = mark;
            }
            free = x + (sprite.advance as usize).max(1);
            if c == ' ' || (!stretch.spaces_only && half_cells(c) > 0) {
                pen += stretch.each;
            }
        }
        let mut coded_end = 0;
        if self.coding.is_some() {
            // The last cell needs no more than its own width.
            let x = free.max(origin.round() as usize);
            if let Some(column) = scratch.columns.get_mut(x) {
                *column = START;
            }
            coded_end = self.draw_code(document, placed, ordinal, top, canvas, scratch);
            coded_end = coded_end.max(x + 1);
        }
        Drawn {
            start,
            end,
            coded_end,
            ranges,
        }
    }

    /// Writes a line's code between the marks of its cells; returns where it ends.
    fn draw_code(
        &self,
        document: &Document,
        placed: &PlacedLine<'_>,
        ordinal: u32,
        top: usize,
        canvas: &mut Canvas,
        scratch: &mut Scratch,
    ) -> usize {
        let PlacedLine { text, line, .. } = placed;
        let tail = collect(text, line, &mut scratch.ops, |c| self.breaker.sign(c));
        let starts = match placed.starts.is_empty() {
            true => Vec::new(),
            false => block_starts(document, &placed.starts),
        };
        let content = text.original(&line.range);
        let Scratch {
            ops, code, columns, ..
        } = scratch;
        encode_line((0, tail, ordinal), &starts, None, ops, content, code);
        let mut end = 0;
        let mut digits = Digits::new(code, ROW_BITS);
        for (x, column) in columns.iter_mut().enumerate() {
            if *column == 0 {
                let Some(digit) = digits.next() else { break };
                *column = digit;
                end = x + 1;
            }
        }
        debug_assert!(digits.next().is_none(), "the line breaker leaves room");
        let row = (top + self.class.height as usize - 1) * canvas.width;
        self.tone
            .add(&mut canvas.pixels[row..row + columns.len()], columns);
        end
    }
}

/// The digit of a tab among blank cells.
const TAB_DIGIT: u8 = 1;

/// What a line took.
struct Drawn {
    /// Where its text begins and ends.
    start: f32,
    end: f32,
    /// Where its code ends.
    coded_end: usize,
    /// How many ranges of characters its cells come from.
    ranges: u8,
}

impl Coding {
    fn new(
        glyphs: &Glyphs,
        (width, height): (u32, u32),
        mark: Option<(String, u8)>,
        style: &FlowStyle,
    ) -> Result<Self, RenderError> {
        let refuse = |key: &str, found: String, expected: String| RenderError::InvalidOption {
            key: key.to_owned(),
            found,
            expected,
        };
        let CellStyle {
            class,
            tone,
            antialias,
            horizontal_scale,
            room,
        } = glyphs.style.clone();
        if !tone.is_coded() {
            let found = format!("{} on {}", style.font_color.grey(), tone.background);
            let expected = "a grey at least 24 levels from the background's, so that pages can \
                            be inverted, or \"invertible\": false";
            return Err(refuse("font-color", found, expected.to_owned()));
        }
        if width < LEAST_WIDTH {
            let expected = format!(
                "at least {LEAST_WIDTH} px, so that pages can be inverted, or \"invertible\": false"
            );
            return Err(refuse("page width", format!("{width} px"), expected));
        }
        let mut strip = Strip {
            cells: false,
            antialias,
            last: false,
            width,
            height,
            tone,
            horizontal_scale,
            room,
            classes: vec![class],
            mark,
            fonts: glyphs.fonts.id(),
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
            spans: Vec::new(),
            pixels: None,
        };
        // Room for the longest strip; where margins are taller they may be filled.
        let rows = Strip::rows(strip.encode().len(), width as usize) as u32;
        let rows = rows.max(style.px(style.margin_y) as u32);
        let room = height as f32 - 2.0 * rows as f32;
        let line = style.px(style.line_height);
        if room < line {
            let found = format!("{height} px less {rows} px at each edge");
            let expected = format!(
                "at least one line, {line:.1} px, between the edges, where pages that can be \
                 inverted say how they were drawn, or \"invertible\": false"
            );
            return Err(refuse("page height", found, expected));
        }
        strip.number = 0;
        Ok(Self {
            strip,
            rows,
            lexicon: Arc::new(Lexicon::new(glyphs.clone())),
        })
    }
}

/// The box of a line: where capitals and descenders fit, they are whole.
fn class(fonts: &FontSet, px: f32, line_height: f32) -> Class {
    let vertical = fonts
        .find('x')
        .and_then(|(outline, _)| outline.vertical(px));
    let (ascent, descent) = vertical.unwrap_or((px * 0.93, px * -0.24));
    let descent = -descent;
    let height = (line_height as i32).max(1);
    let (above, below) = Glyphs::extent(fonts, px);
    let baseline = ((line_height - ascent - descent) / 2.0 + ascent).round() as i32;
    let baseline = baseline.min(height - below).max(above).clamp(0, height);
    Class {
        px,
        height: height as u32,
        baseline: baseline as u32,
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
