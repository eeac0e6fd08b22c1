//! Lines to pages.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::{Line, Lines, NewlineMark, Prepared};
use crate::code::BlockStart;
use crate::document::{Block, BlockKind, Document, PageImage};

/// Where lines go on a page, in pixels.
#[derive(Debug, Clone)]
pub(crate) struct Spacing {
    /// Top of a page's first line.
    pub(crate) top: f32,
    /// Bottom of the area that lines may fill.
    pub(crate) bottom: f32,
    /// From one line's top to the next.
    pub(crate) line_height: f32,
    /// Space between two blocks; dropped at a page's top.
    pub(crate) gap: fn(BlockKind, BlockKind, &Spacing) -> f32,
    /// Space around paragraphs, for `gap`.
    pub(crate) around: f32,
    /// What newlines are drawn as, when they do not break lines.
    pub(crate) mark: Option<NewlineMark>,
}

/// A line and its place.
#[derive(Debug, Clone)]
pub(crate) struct PlacedLine<'a> {
    pub(crate) block: usize,
    /// The blocks that begin with the line: its own, and empty ones before it.
    pub(crate) starts: Range<usize>,
    pub(crate) source_page: Option<u32>,
    pub(crate) text: Arc<Prepared<'a>>,
    pub(crate) line: Line,
    pub(crate) top: f32,
}

/// What goes on one page.
#[derive(Debug, Clone)]
pub(crate) enum PagePlan<'a> {
    Text(Vec<PlacedLine<'a>>),
    Image(&'a PageImage),
}

/// Breaks a text into lines.
pub(crate) trait LineBreaker: Send + Sync {
    /// The lines of `text`, one after the other.
    fn lines<'t>(&'t self, text: &'t str) -> Lines<'t>;

    /// Whether lines carry codes, so that every block must begin on some line.
    fn is_coded(&self) -> bool;

    /// How much of a line has room for its code; `None` where all of it has.
    fn split(&self, text: &Prepared<'_>, line: &Line, starts: &[BlockStart]) -> Option<Split>;
}

/// The part of a line that has room for its code.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Split {
    /// So many block starts, and no text.
    Starts(usize),
    /// The text before an offset of the display text; and the widths of both parts.
    At(usize, (f32, f32)),
}

/// Fills pages with lines, one page at a time.
pub(crate) struct Pager<'a, B> {
    document: &'a Document,
    spacing: Spacing,
    breaker: &'a B,
    next_block: usize,
    /// The first block that no line has begun yet.
    unannounced: usize,
    /// Whether empty blocks are to begin on some line: a document without text has no lines.
    announces: bool,
    current: Option<Current<'a>>,
    last_kind: Option<BlockKind>,
    overflow: Option<PlacedLine<'a>>,
}

struct Current<'a> {
    block: usize,
    source_page: Option<u32>,
    text: Arc<Prepared<'a>>,
    lines: Lines<'a>,
    /// The rest of a line that was split.
    rest: Option<Line>,
    /// Blocks that begin with the next line.
    starts: Range<usize>,
    /// The gap still to be left before the block's first line.
    gap: f32,
}

impl<'a, B: LineBreaker> Pager<'a, B> {
    pub(crate) fn new(document: &'a Document, spacing: Spacing, breaker: &'a B) -> Self {
        Self {
            document,
            spacing,
            breaker,
            next_block: 0,
            unannounced: 0,
            announces: breaker.is_coded() && has_text(document),
            current: None,
            last_kind: None,
            overflow: None,
        }
    }

    fn open(
        &mut self,
        block: usize,
        kind: BlockKind,
        text: &'a str,
        source_page: Option<u32>,
    ) -> Current<'a> {
        let prepared = Prepared::new(text, kind, self.spacing.mark.as_ref());
        let lines: Lines<'a> = match &prepared.text {
            Cow::Borrowed(text) => self.breaker.lines(text),
            // The lines cannot borrow from a text that moves with them.
            Cow::Owned(text) => {
                let lines: Vec<Line> = self.breaker.lines(text).collect();
                Box::new(lines.into_iter())
            }
        };
        let gap = self
            .last_kind
            .map_or(0.0, |last| (self.spacing.gap)(last, kind, &self.spacing));
        self.last_kind = Some(kind);
        Current {
            block,
            source_page,
            text: Arc::new(prepared),
            lines,
            rest: None,
            starts: std::mem::replace(&mut self.unannounced, block + 1)..block + 1,
            gap,
        }
    }

    /// Lines without text for the empty blocks that no line has begun, if there are any.
    fn open_empty(&mut self) -> Option<Current<'a>> {
        let starts = self.unannounced..self.next_block;
        self.unannounced = self.next_block;
        if starts.is_empty() || !self.announces {
            return None;
        }
        let blank = Line {
            range: 0..0,
            draw_end: 0,
            width: 0.0,
            first: true,
            last: true,
        };
        Some(Current {
            block: starts.start,
            source_page: None,
            text: Arc::new(Prepared::new("", BlockKind::Paragraph, None)),
            lines: Box::new(std::iter::once(blank)),
            rest: None,
            starts,
            gap: 0.0,
        })
    }
}

impl<'a> Current<'a> {
    /// The next line that has room for its code, and the blocks that begin with it.
    fn next_line(
        &mut self,
        breaker: &impl LineBreaker,
        document: &Document,
    ) -> Option<(Line, Range<usize>)> {
        let line = self.rest.take().or_else(|| self.lines.next())?;
        let starts = std::mem::replace(&mut self.starts, 0..0);
        let split = match starts.len() {
            0 => breaker.split(&self.text, &line, &[]),
            _ if !breaker.is_coded() => None,
            _ => breaker.split(&self.text, &line, &block_starts(document, &starts)),
        };
        match split {
            None => Some((line, starts)),
            Some(Split::At(at, widths)) => {
                let (line, rest) = line.cut(at, widths);
                self.rest = Some(rest);
                Some((line, starts))
            }
            Some(Split::Starts(n)) => {
                let blank = line.blank_before();
                // Where blocks only are left, the last blank line is the line itself.
                self.rest = (n < starts.len() || !line.range.is_empty()).then_some(line);
                self.starts = starts.start + n..starts.end;
                Some((blank, starts.start..starts.start + n))
            }
        }
    }
}

fn has_text(document: &Document) -> bool {
    let mut blocks = document.blocks.iter();
    blocks.any(|block| matches!(block, Block::Text { text, .. } if !text.is_empty()))
}

/// What a line says of the blocks that begin with it.
pub(crate) fn block_starts(document: &Document, blocks: &Range<usize>) -> Vec<BlockStart> {
    let blocks = document.blocks[blocks.clone()].iter();
    blocks
        .filter_map(|block| match block {
            Block::Text {
                kind,
                text,
                source_page,
            } => Some(BlockStart {
                kind: *kind,
                source_page: *source_page,
                empty: text.is_empty(),
            }),
            Block::Page(_) => None,
        })
        .collect()
}

impl<'a, B: LineBreaker> Iterator for Pager<'a, B> {
    type Item = PagePlan<'a>;

    fn next(&mut self) -> Option<PagePlan<'a>> {
        let Spacing {
            top,
            bottom,
            line_height,
            ..
        } = self.spacing;
        let mut placed: Vec<PlacedLine<'a>> = Vec::new();
        let mut y = top;
        if let Some(mut line) = self.overflow.take() {
            line.top = top;
            placed.push(line);
            y += line_height;
        }
        loop {
            while let Some(current) = &mut self.current {
                let next = current.next_line(self.breaker, self.document);
                let Some((line, starts)) = next else {
                    self.current = None;
                    break;
                };
                let gap = std::mem::take(&mut current.gap);
                if !placed.is_empty() {
                    y += gap;
                }
                let line = PlacedLine {
                    block: current.block,
                    starts,
                    source_page: current.source_page,
                    text: Arc::clone(&current.text),
                    line,
                    top: y,
                };
                // A hundredth of a pixel forgives the rounding of sums.
                if y + line_height > bottom + 0.01 && !placed.is_empty() {
                    self.overflow = Some(line);
                    return Some(PagePlan::Text(placed));
                }
                placed.push(line);
                y += line_height;
            }
            match self.document.blocks.get(self.next_block) {
                None | Some(Block::Page(_)) if self.unannounced < self.next_block => {
                    self.current = self.open_empty();
                }
                None => return (!placed.is_empty()).then_some(PagePlan::Text(placed)),
                Some(Block::Page(_)) if !placed.is_empty() => {
                    return Some(PagePlan::Text(placed));
                }
                Some(Block::Page(image)) => {
                    self.next_block += 1;
                    self.unannounced = self.next_block;
                    self.last_kind = None;
                    return Some(PagePlan::Image(image));
                }
                Some(Block::Text {
                    kind,
                    text,
                    source_page,
                }) => {
                    self.next_block += 1;
                    if !text.is_empty() {
                        let block = self.next_block - 1;
                        self.current = Some(self.open(block, *kind, text, *source_page));
                    }
                }
            }
        }
    }
}
