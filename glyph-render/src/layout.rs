//! Text to lines to pages; no pixels here.

mod ascii;
mod breaks;
mod cells;
mod flow;
mod importance;
mod normalize;
mod pager;
mod prepare;

pub use cells::half_cells;
pub(crate) use cells::{CellLines, advance};
pub(crate) use flow::{FlowLines, LEAST_TAB, Widths, is_han_latin, tab_stop};
pub(crate) use importance::{ClassCursor, SizeClasses};
pub(crate) use normalize::normalized;
pub(crate) use pager::{LineBreaker, PagePlan, Pager, PlacedLine, Spacing, Split, block_starts};
pub(crate) use prepare::{NewlineMark, Prepared};

use std::ops::Range;

/// One line of a block's display text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// Bytes of the display text that belong to the line, white space included.
    pub(crate) range: Range<usize>,
    /// Where the part that is drawn ends.
    pub(crate) draw_end: usize,
    /// Width of the drawn part: half-cells, or pixels in a proportional style.
    pub(crate) width: f32,
    /// Whether a paragraph begins here: the block's start, or after a line break.
    pub(crate) first: bool,
    /// Whether a line break or the block's end comes after it.
    pub(crate) last: bool,
    /// Which of the style's font sizes it has; 0 is the largest.
    pub(crate) class: u8,
}

impl Line {
    /// Cuts the line in two at an offset of the display text; the widths of the parts are still to
    /// be told.
    pub(crate) fn cut(self, at: usize) -> (Self, Self) {
        let first = Self {
            range: self.range.start..at,
            draw_end: self.draw_end.min(at),
            width: 0.0,
            first: self.first,
            last: false,
            class: self.class,
        };
        let rest = Self {
            range: at..self.range.end,
            draw_end: self.draw_end.max(at),
            width: 0.0,
            first: false,
            last: self.last,
            class: self.class,
        };
        (first, rest)
    }

    /// A line before this one that holds nothing.
    pub(crate) fn blank_before(&self) -> Self {
        Self {
            range: self.range.start..self.range.start,
            draw_end: self.range.start,
            width: 0.0,
            first: self.first,
            last: true,
            class: self.class,
        }
    }
}

/// The lines of one block.
pub(crate) type Lines<'a> = Box<dyn Iterator<Item = Line> + Send + 'a>;
