//! From the cells of a row's tokens to its text.

use std::ops::Range;

use glyph_encode::{BBox, TokenPosition};
use serde::Serialize;

use crate::Cell;

/// A row of text as read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LineReading {
    /// Page number, from 1.
    pub page: u32,
    /// Row of text on the page, from 1.
    pub row: u32,
    /// The row from its first to its last ink, in pixels of the page.
    pub bbox: BBox,
    /// The words, without blanks at the end; `\u{fffd}` stands for ink that is not legible.
    pub text: String,
    /// Probability of each character of `text`.
    pub confidences: Vec<f32>,
    /// Pixels of the page from the left edge of each character of `text` to its right edge.
    pub columns: Vec<Range<u32>>,
    /// Whether the row's last half-width cell is inked: the built-in page style fills it only where
    /// a word goes on in the next row.
    pub continues: bool,
}

impl LineReading {
    /// Mean probability of the characters that are not blank.
    pub fn confidence(&self) -> f32 {
        let inked = self
            .text
            .chars()
            .zip(&self.confidences)
            .filter(|(c, _)| *c != ' ');
        let (sum, n) = inked.fold((0.0, 0), |(s, n), (_, p)| (s + p, n + 1));
        if n == 0 { 0.0 } else { sum / n as f32 }
    }
}

/// Cells in a row of the built-in style.
const CELLS_PER_ROW: usize = 96;

/// Takes the tokens of one row from left to right; what no token covers is blank.
pub(super) struct LineBuilder {
    first: TokenPosition,
    cells: Vec<(Cell, f32)>,
    /// Left and right edge of each cell on the page, in pixels.
    edges: Vec<(f32, f32)>,
}

impl LineBuilder {
    pub(super) fn new(first: TokenPosition) -> Self {
        Self {
            first,
            cells: Vec::new(),
            edges: Vec::new(),
        }
    }

    /// Whether a token of so many cells goes on with this row.
    pub(super) fn takes(&self, position: &TokenPosition, cells: usize) -> bool {
        (position.page, position.row) == (self.first.page, self.first.row)
            && position.column as usize * cells >= self.cells.len()
    }

    pub(super) fn push(&mut self, position: &TokenPosition, cells: &[(Cell, f32)]) {
        // Boxes without ink have no token: they are blanks.
        let at = position.column as usize * cells.len();
        let (left, width) = (position.bbox.x as f32, position.bbox.width as f32);
        let each = width / cells.len() as f32;
        let blanks = at.saturating_sub(self.cells.len());
        if blanks > 0 {
            // Before the first token there is nothing to tell their width but the token itself.
            let from = match self.edges.last() {
                Some((_, right)) => *right,
                None => left - blanks as f32 * each,
            };
            let gap = (left - from) / blanks as f32;
            let edge = |i: usize| (from + i as f32 * gap).max(0.0);
            self.edges
                .extend((0..blanks).map(|i| (edge(i), edge(i + 1))));
        }
        self.cells.resize(at, (Cell::Blank, 1.0));
        self.cells.extend_from_slice(cells);
        let edge = |i: usize| left + i as f32 * each;
        self.edges
            .extend((0..cells.len()).map(|i| (edge(i), edge(i + 1))));
    }

    pub(super) fn finish(self) -> Option<LineReading> {
        let inked = |c: &(Cell, f32)| c.0 != Cell::Blank;
        let first = self.cells.iter().position(inked)?;
        let end = self.cells.iter().rposition(inked)? + 1;
        let first_box = self.first.bbox;
        let mut text = String::new();
        let (mut confidences, mut columns) = (Vec::new(), Vec::new());
        let mut i = 0;
        while i < end {
            let ((cell, p), from) = (self.cells[i], i);
            i += 1;
            let (c, confidence) = match cell {
                Cell::Blank => (' ', p),
                Cell::Char(c) => match self.cells.get(i) {
                    // A full-width character and its second half are one character.
                    Some(&(Cell::SecondHalf, q)) => {
                        i += 1;
                        (c, p.min(q))
                    }
                    _ => (c, p),
                },
                // What is not legible has no certainty to claim, however sure the model is of that.
                Cell::SecondHalf | Cell::Unknown => (char::REPLACEMENT_CHARACTER, 0.0),
            };
            text.push(c);
            confidences.push(confidence);
            columns.push(self.edges[from].0 as u32..self.edges[i - 1].1.ceil() as u32);
        }
        let (x0, x1) = (self.edges[first].0, self.edges[end - 1].1);
        Some(LineReading {
            page: self.first.page,
            row: self.first.row,
            bbox: BBox {
                x: x0 as u32,
                y: first_box.y,
                width: (x1 - x0).ceil() as u32,
                height: first_box.height,
            },
            text,
            confidences,
            columns,
            continues: end == CELLS_PER_ROW,
        })
    }
}

#[cfg(test)]
mod tests {
    use glyph_encode::Detail;

    use super::*;

    fn token(column: u32, detail: Detail) -> TokenPosition {
        let width = if detail == Detail::Local { 56 } else { 224 };
        TokenPosition {
            page: 1,
            row: 1,
            column,
            detail,
            merge_size: width / 14,
            foreign: false,
            bbox: BBox {
                x: 14 + column * width,
                y: 14,
                width,
                height: 14,
            },
        }
    }

    #[test]
    fn a_row_may_hold_coarse_and_fine_tokens() {
        let blank = |n| vec![(Cell::Blank, 1.0); n];
        let with = |n, at: usize, cell, p| {
            let mut cells = blank(n);
            cells[at] = (cell, p);
            cells
        };
        let mut builder = LineBuilder::new(token(0, Detail::Global));
        builder.push(
            &token(0, Detail::Global),
            &with(32, 31, Cell::Char('文'), 0.9),
        );
        // The second half lies in a fine token; two blank boxes later, another.
        let fine = token(4, Detail::Local);
        assert!(builder.takes(&fine, 8));
        builder.push(&fine, &with(8, 0, Cell::SecondHalf, 0.5));
        builder.push(&token(7, Detail::Local), &with(8, 7, Cell::Char('x'), 0.8));
        builder.push(
            &token(2, Detail::Global),
            &with(32, 0, Cell::Char('y'), 0.7),
        );
        assert!(
            !builder.takes(&token(0, Detail::Local), 8),
            "it starts anew"
        );
        let line = builder.finish().expect("there is ink");
        assert_eq!(line.text.trim_start(), format!("文{}xy", " ".repeat(30)));
        assert_eq!(line.text.chars().count(), line.columns.len());
        let at = |i: usize| (line.confidences[i], line.columns[i].clone());
        assert_eq!(at(31), (0.5, 14 + 31 * 7..14 + 33 * 7));
        let n = line.columns.len();
        assert_eq!(at(n - 1), (0.7, 14 + 64 * 7..14 + 65 * 7));
    }
}
