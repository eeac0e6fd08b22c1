//! The lines that every task takes as its input.

use std::ops::Range;

use glyph_decode::LineReading;
pub(crate) use glyph_render::BBox;
use serde::{Deserialize, Serialize};

/// One line of text read back from a page image.
///
/// Tasks expect lines in reading order. Blank rows are absent, so a jump in
/// [`line`](Self::line) on one page means a paragraph break (or, among crops,
/// text that was not read).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// Probability of each character of `text`; empty where none is known.
    #[serde(default, skip_serializing)]
    pub confidences: Vec<f32>,
    /// Characters that may be wrong: below the pipeline's
    /// [threshold](crate::PipelineBuilder::reread_below), in a fine reading or
    /// after they were read again finely.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncertain: Vec<UncertainText>,
}

/// Neighbouring characters of a line that may be wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UncertainText {
    /// Where they stand in the line's text, in bytes.
    pub range: Range<usize>,
    /// Probability of the least certain of them.
    pub confidence: f32,
    /// Where they lie on the page.
    pub bbox: BBox,
}

impl ReadLine {
    /// A line as read; characters less probable than `below` are uncertain.
    pub(crate) fn new(line: LineReading, below: f32) -> Self {
        let mut uncertain: Vec<UncertainText> = Vec::new();
        let characters = line.text.char_indices().zip(&line.confidences);
        for (((at, c), &p), columns) in characters.zip(&line.columns) {
            if c == ' ' || p >= below {
                continue;
            }
            let end = at + c.len_utf8();
            let bbox = BBox {
                x: columns.start,
                width: columns.end - columns.start,
                ..line.bbox
            };
            match uncertain.last_mut() {
                Some(last) if last.range.end == at => {
                    last.range.end = end;
                    last.confidence = last.confidence.min(p);
                    last.bbox = last.bbox.union(bbox);
                }
                _ => uncertain.push(UncertainText {
                    range: at..end,
                    confidence: p,
                    bbox,
                }),
            }
        }
        Self {
            page: line.page,
            line: line.row,
            confidence: line.confidence(),
            text: line.text,
            bbox: line.bbox,
            continues: line.continues,
            confidences: line.confidences,
            uncertain,
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_that_may_be_wrong_are_one_run() {
        let line = ReadLine::new(
            LineReading {
                page: 2,
                row: 3,
                bbox: BBox {
                    x: 14,
                    y: 42,
                    width: 42,
                    height: 14,
                },
                text: "a文b c".to_owned(),
                confidences: vec![0.99, 0.5, 0.7, 0.0, 0.2],
                columns: vec![14..21, 21..35, 35..42, 42..49, 49..56],
                continues: false,
            },
            0.9,
        );
        let runs: Vec<_> = line
            .uncertain
            .iter()
            .map(|u| {
                (
                    &line.text[u.range.clone()],
                    u.confidence,
                    u.bbox.x,
                    u.bbox.width,
                )
            })
            .collect();
        assert_eq!(runs, [("文b", 0.5, 21, 21), ("c", 0.2, 49, 7)]);
        let json = serde_json::to_value(&line).expect("plain data");
        assert_eq!(json["uncertain"][0]["range"]["start"], 1);
    }
}
