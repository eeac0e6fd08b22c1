//! Lines to pages.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Line, Lines, NewlineMark, Prepared};
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
}

/// Fills pages with lines, one page at a time.
pub(crate) struct Pager<'a, B> {
    document: &'a Document,
    spacing: Spacing,
    breaker: &'a B,
    next_block: usize,
    current: Option<Current<'a>>,
    last_kind: Option<BlockKind>,
    overflow: Option<PlacedLine<'a>>,
}

struct Current<'a> {
    block: usize,
    source_page: Option<u32>,
    text: Arc<Prepared<'a>>,
    lines: Lines<'a>,
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
            gap,
        }
    }
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
                let Some(line) = current.lines.next() else {
                    self.current = None;
                    break;
                };
                let gap = std::mem::take(&mut current.gap);
                if !placed.is_empty() {
                    y += gap;
                }
                let line = PlacedLine {
                    block: current.block,
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
                None => return (!placed.is_empty()).then_some(PagePlan::Text(placed)),
                Some(Block::Page(_)) if !placed.is_empty() => {
                    return Some(PagePlan::Text(placed));
                }
                Some(Block::Page(image)) => {
                    self.next_block += 1;
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
