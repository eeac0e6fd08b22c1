//! The lines that every task takes as its input.

pub(crate) use glyph_render::BBox;
use serde::{Deserialize, Serialize};

/// One line of text read back from a page image.
///
/// Tasks expect lines in reading order. Blank rows are absent, so a jump in
/// [`line`](Self::line) on one page means a paragraph break (or, among crops,
/// text that was not read).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReadLine {
    /// The page, counted from 1.
    pub page: u32,
    /// The row on the page, counted from 1.
    pub line: u32,
    /// What was read.
    pub text: String,
    /// Mean probability of the characters read, 0 to 1.
    pub confidence: f32,
    /// Where the line lies on its page.
    pub bbox: BBox,
    /// Whether the line's last cell is inked, so that the next line continues
    /// its last word and is joined without a space.
    pub continues: bool,
}

impl ReadLine {
    /// Whether `next` is the row that directly follows this one on its page.
    pub(crate) fn is_row_before(&self, next: &Self) -> bool {
        self.page == next.page && next.line == self.line + 1
    }
}

/// Tells, for a whole slice, which neighbouring lines are adjacent in the
/// document, page turns included.
///
/// The number of rows of a page is not known here; a page turn counts as
/// adjacent when the text stops near the lowest row seen anywhere and goes on
/// within the first two rows of the next page.
pub(crate) struct Adjacency {
    lowest: u32,
}

impl Adjacency {
    pub(crate) fn new(lines: &[ReadLine]) -> Self {
        Self {
            lowest: lines.iter().map(|l| l.line).max().unwrap_or(0),
        }
    }

    pub(crate) fn holds(&self, before: &ReadLine, after: &ReadLine) -> bool {
        before.is_row_before(after)
            || (after.page == before.page + 1
                && after.line <= 2
                && u64::from(before.line) * 4 >= u64::from(self.lowest) * 3)
    }
}

/// The mean confidence of some lines, weighted by their length.
pub(crate) fn mean_confidence(lines: &[ReadLine]) -> f32 {
    let mut sum = 0.0;
    let mut weight = 0.0;
    for line in lines {
        let chars = line.text.len().max(1) as f32;
        sum += line.confidence * chars;
        weight += chars;
    }
    if weight > 0.0 { sum / weight } else { 0.0 }
}
