//! Lines to columns and pages.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::importance::{ClassCursor, SizeClasses};
use super::{Line, Lines, NewlineMark, Prepared};
use crate::code::BlockStart;
use crate::config::Normalization;
use crate::document::{Block, BlockKind, Document, PageImage};

/// Where lines go on a page, in pixels.
#[derive(Debug, Clone)]
pub(crate) struct Spacing {
    /// Top of a column's first line.
    pub(crate) top: f32,
    /// Bottom of the area that lines may fill.
    pub(crate) bottom: f32,
    /// From one line's top to the next, by size class.
    pub(crate) line_heights: Vec<f32>,
    /// Columns on a page.
    pub(crate) columns: usize,
    /// Space between two blocks; dropped at a column's top.
    pub(crate) gap: fn(BlockKind, BlockKind, &Spacing) -> f32,
    /// Space around paragraphs, for `gap`.
    pub(crate) around: f32,
    /// Whether a heading moves to the column of the line after it.
    pub(crate) keep_headings: bool,
    /// What newlines are drawn as, when they do not break lines.
    pub(crate) mark: Option<NewlineMark>,
    /// What is done to the text first.
    pub(crate) normalization: Normalization,
}

/// A line and its place.
#[derive(Debug, Clone)]
pub(crate) struct PlacedLine<'a> {
    pub(crate) block: usize,
    /// The blocks that begin with the line: its own, and empty ones before it.
    pub(crate) starts: Range<usize>,
    kind: BlockKind,
    pub(crate) source_page: Option<u32>,
    pub(crate) text: Arc<Prepared<'a>>,
    pub(crate) line: Line,
    /// Counted through the document, from 1; lines that hold nothing are not.
    pub(crate) number: u32,
    pub(crate) column: usize,
    pub(crate) top: f32,
    pub(crate) height: f32,
    /// Space above it where it is not the first in its column.
    gap: f32,
}

/// What goes on one page.
#[derive(Debug, Clone)]
pub(crate) enum PagePlan<'a> {
    Text(Vec<PlacedLine<'a>>),
    Image(&'a PageImage),
}

/// Breaks a text into lines.
pub(crate) trait LineBreaker: Send + Sync {
    /// The lines of `text`, one after the other, in the size classes given.
    fn lines<'t>(&'t self, text: &'t str, classes: ClassCursor) -> Lines<'t>;

    /// Whether lines carry codes, so that every block must begin on some line.
    fn is_coded(&self) -> bool;

    /// The width of a line's drawn part, where it was left by a split.
    fn width(&self, text: &Prepared<'_>, line: &Line) -> f32;

    /// How much of a line has room for its code; `None` where all of it has.
    fn split(&self, text: &Prepared<'_>, line: &Line, starts: &[BlockStart]) -> Option<Split>;
}

/// The part of a line that has room for its code.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Split {
    /// So many block starts, and no text.
    Starts(usize),
    /// The text before an offset of the display text.
    At(usize),
}

/// Fills pages with lines, one page at a time.
pub(crate) struct Pager<'a, B> {
    document: &'a Document,
    spacing: Spacing,
    breaker: &'a B,
    classes: Option<SizeClasses>,
    next_block: usize,
    /// The first block that no line has begun yet.
    unannounced: usize,
    /// Whether empty blocks are to begin on some line: a document without text has no lines.
    announces: bool,
    current: Option<Current<'a>>,
    last_kind: Option<BlockKind>,
    number: u32,
    /// Lines that did not fit in the column before, the next one first.
    waiting: VecDeque<PlacedLine<'a>>,
}

struct Current<'a> {
    block: usize,
    kind: BlockKind,
    source_page: Option<u32>,
    text: Arc<Prepared<'a>>,
    lines: Lines<'a>,
    /// The rest of a line that was split, and whether its width is still to be told: told of
    /// every rest, a line of many splits would be walked once for each.
    rest: Option<(Line, bool)>,
    /// Blocks that begin with the next line.
    starts: Range<usize>,
    /// The gap still to be left before the block's first line.
    gap: f32,
}

impl<'a, B: LineBreaker> Pager<'a, B> {
    pub(crate) fn new(
        document: &'a Document,
        spacing: Spacing,
        classes: Option<SizeClasses>,
        breaker: &'a B,
    ) -> Self {
        Self {
            document,
            spacing,
            breaker,
            classes,
            next_block: 0,
            unannounced: 0,
            announces: breaker.is_coded() && has_text(document),
            current: None,
            last_kind: None,
            number: 0,
            waiting: VecDeque::new(),
        }
    }

    fn open(
        &mut self,
        block: usize,
        kind: BlockKind,
        text: &'a str,
        source_page: Option<u32>,
    ) -> Current<'a> {
        let spacing = &self.spacing;
        let prepared = Prepared::new(text, kind, spacing.mark.as_ref(), spacing.normalization);
        let classes = match &self.classes {
            Some(classes) => classes.block(block),
            None => ClassCursor::default(),
        };
        let lines: Lines<'a> = match &prepared.text {
            Cow::Borrowed(text) => self.breaker.lines(text, classes),
            // The lines cannot borrow from a text that moves with them.
            Cow::Owned(text) => {
                let lines: Vec<Line> = self.breaker.lines(text, classes).collect();
                Box::new(lines.into_iter())
            }
        };
        let gap = self
            .last_kind
            .map_or(0.0, |last| (self.spacing.gap)(last, kind, &self.spacing));
        self.last_kind = Some(kind);
        Current {
            block,
            kind,
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
            class: 0,
        };
        let kind = BlockKind::Paragraph;
        Some(Current {
            block: starts.start,
            kind,
            source_page: None,
            text: Arc::new(Prepared::new("", kind, None, Normalization::None)),
            lines: Box::new(std::iter::once(blank)),
            rest: None,
            starts,
            gap: 0.0,
        })
    }

    /// The next line, without a place yet; `None` at a page image or the end.
    fn next_line(&mut self) -> Option<PlacedLine<'a>> {
        if let Some(line) = self.waiting.pop_front() {
            return Some(line);
        }
        loop {
            if let Some(current) = &mut self.current {
                let next = current.next_line(self.breaker, self.document);
                if let Some((line, starts)) = next {
                    self.number += u32::from(!line.range.is_empty());
                    return Some(PlacedLine {
                        block: current.block,
                        starts,
                        kind: current.kind,
                        source_page: current.source_page,
                        text: Arc::clone(&current.text),
                        number: self.number,
                        column: 0,
                        top: 0.0,
                        height: self.spacing.line_heights[usize::from(line.class)],
                        line,
                        gap: std::mem::take(&mut current.gap),
                    });
                }
                self.current = None;
            }
            let document = self.document;
            let Some(Block::Text {
                kind,
                text,
                source_page,
            }) = document.blocks.get(self.next_block)
            else {
                self.current = self.open_empty();
                self.current.as_ref()?;
                continue;
            };
            self.next_block += 1;
            if !text.is_empty() {
                let block = self.next_block - 1;
                self.current = Some(self.open(block, *kind, text, *source_page));
            }
        }
    }

    /// Puts `line` back, and the headings before it that would be alone.
    fn put_back(&mut self, line: PlacedLine<'a>, placed: &mut Vec<PlacedLine<'a>>, start: usize) {
        self.waiting.push_front(line);
        if !self.spacing.keep_headings {
            return;
        }
        let body = placed[start..]
            .iter()
            .rposition(|line| !matches!(line.kind, BlockKind::Heading(_)));
        // A column of nothing but headings stays, else nothing would ever fit.
        if let Some(body) = body {
            for line in placed.drain(start + body + 1..).rev() {
                self.waiting.push_front(line);
            }
        }
    }
}

impl Current<'_> {
    /// The next line that has room for its code, and the blocks that begin with it.
    fn next_line(
        &mut self,
        breaker: &impl LineBreaker,
        document: &Document,
    ) -> Option<(Line, Range<usize>)> {
        let (mut line, unmeasured) = match self.rest.take() {
            Some(rest) => rest,
            None => (self.lines.next()?, false),
        };
        let starts = std::mem::replace(&mut self.starts, 0..0);
        let split = match starts.len() {
            0 => breaker.split(&self.text, &line, &[]),
            _ if !breaker.is_coded() => None,
            _ => breaker.split(&self.text, &line, &block_starts(document, &starts)),
        };
        match split {
            None => {
                if unmeasured {
                    line.width = breaker.width(&self.text, &line);
                }
                Some((line, starts))
            }
            Some(Split::At(at)) => {
                let (mut line, rest) = line.cut(at);
                line.width = breaker.width(&self.text, &line);
                self.rest = Some((rest, true));
                Some((line, starts))
            }
            Some(Split::Starts(n)) => {
                let blank = line.blank_before();
                // Where blocks only are left, the last blank line is the line itself.
                let more = n < starts.len() || !line.range.is_empty();
                self.rest = more.then_some((line, unmeasured));
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
        let (top, bottom) = (self.spacing.top, self.spacing.bottom);
        let mut placed: Vec<PlacedLine<'a>> = Vec::new();
        let mut column = 0;
        // The index of the column's first line.
        let mut start = 0;
        let mut y = top;
        while let Some(mut line) = self.next_line() {
            let empty = placed.len() == start;
            let line_top = if empty { y } else { y + line.gap };
            // A hundredth of a pixel forgives the rounding of sums.
            if line_top + line.height > bottom + 0.01 && !empty {
                self.put_back(line, &mut placed, start);
                column += 1;
                if column == self.spacing.columns {
                    return Some(PagePlan::Text(placed));
                }
                start = placed.len();
                y = top;
                continue;
            }
            line.top = line_top;
            line.column = column;
            y = line_top + line.height;
            placed.push(line);
        }
        if !placed.is_empty() {
            return Some(PagePlan::Text(placed));
        }
        match self.document.blocks.get(self.next_block) {
            Some(Block::Page(image)) => {
                self.next_block += 1;
                self.unannounced = self.next_block;
                self.last_kind = None;
                Some(PagePlan::Image(image))
            }
            _ => None,
        }
    }
}
