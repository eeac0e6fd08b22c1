//! Line breaking on a grid of half-cells.

use std::ops::Range;

use unicode_linebreak::BreakOpportunity;
use unicode_width::UnicodeWidthChar;

use super::Line;

/// Tabs run to the next multiple of this many half-cells.
pub(crate) const TAB: usize = 4;

/// How many half-cells a character takes in the built-in style: 0 for control,
/// combining and other zero-width characters, 2 for East Asian wide and
/// full-width ones, 1 for all others. A tab counts 0 here, because its width
/// depends on where it stands.
pub fn half_cells(c: char) -> usize {
    if (' '..='~').contains(&c) {
        1
    } else {
        c.width().unwrap_or(0).min(2)
    }
}

/// The column after drawing `c` at `column`.
pub(crate) fn advance(column: usize, c: char) -> usize {
    if c == '\t' {
        (column / TAB + 1) * TAB
    } else {
        column + half_cells(c)
    }
}

/// A piece of text that is kept on one line where it fits on one.
#[derive(Debug, Clone)]
struct Unit {
    range: Range<usize>,
    /// Where the white space at the end begins.
    content_end: usize,
    /// Half-cells of the content.
    width: usize,
    after: After,
}

/// What follows a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// A line break, or the text's end.
    Newline,
    /// White space.
    Space,
    /// Another wide character at once.
    Wide,
}

/// Splits a text into lines of a number of half-cells.
///
/// The last half-cell of a line is drawn on only where the next line goes on
/// without white space between them, so that a reader can join the lines:
/// a line that ends in white space or a line break stays one half-cell short, and
/// a word that is split fills the line. Only the last line of a text is exempt.
pub(crate) struct CellLines<'a, I> {
    text: &'a str,
    columns: usize,
    opportunities: I,
    unit_start: usize,
    /// The break found beyond a tab that ended the unit before it, and where the content before
    /// that break ends.
    held: Option<(usize, After, usize)>,
    pending: Option<Unit>,
    start: usize,
    /// Whether the line at `start` begins a paragraph.
    first: bool,
}

impl<'a> CellLines<'a, ()> {
    pub(crate) fn new(
        text: &'a str,
        columns: usize,
    ) -> CellLines<'a, impl Iterator<Item = (usize, BreakOpportunity)> + use<'a>> {
        CellLines {
            text,
            columns,
            opportunities: unicode_linebreak::linebreaks(text),
            unit_start: 0,
            held: None,
            pending: None,
            start: 0,
            first: true,
        }
    }
}

impl<I: Iterator<Item = (usize, BreakOpportunity)>> CellLines<'_, I> {
    fn next_unit(&mut self) -> Option<Unit> {
        let start = self.unit_start;
        if start >= self.text.len() {
            return None;
        }
        let (end, after, content_end) = self.held.take().unwrap_or_else(|| {
            let (end, after) = self.next_break(start);
            let content = self.text[start..end].trim_end();
            (end, after, start + content.len())
        });
        // A tab's width depends on its column, so a unit holds tabs at its end only.
        if let Some(tab) = self.text[start..content_end].find('\t') {
            self.held = Some((end, after, content_end));
            self.unit_start = start + tab + 1;
            return Some(self.measure(start..self.unit_start, After::Space));
        }
        self.unit_start = end;
        Some(self.measure(start..end, after))
    }

    fn next_break(&mut self, start: usize) -> (usize, After) {
        // The last character that is seen, of those up to `looked`.
        let (mut before, mut looked) = (None, start);
        loop {
            let Some((at, kind)) = self.opportunities.next() else {
                return (self.text.len(), After::Newline);
            };
            if at <= start {
                continue;
            }
            if kind == BreakOpportunity::Mandatory {
                return (at, After::Newline);
            }
            let mut new = self.text[looked..at].chars().rev();
            let seen = new.find(|&c| c.is_whitespace() || half_cells(c) > 0);
            before = seen.or(before);
            looked = at;
            if before.is_some_and(char::is_whitespace) {
                return (at, After::Space);
            }
            let next = self.text[at..].chars().next();
            if before.is_some_and(|c| half_cells(c) == 2)
                && next.is_some_and(|c| half_cells(c) == 2)
            {
                return (at, After::Wide);
            }
        }
    }

    fn measure(&self, range: Range<usize>, after: After) -> Unit {
        let text = &self.text[range.clone()];
        let content = text.trim_end();
        let width = content.chars().map(half_cells).sum();
        Unit {
            content_end: range.start + content.len(),
            range,
            width,
            after,
        }
    }

    /// Where a unit that is too long must be cut when it begins at `column`.
    fn cut(&self, unit: &Unit, mut column: usize) -> (usize, usize) {
        for (at, c) in self.text[unit.range.start..unit.content_end].char_indices() {
            let width = half_cells(c);
            if column + width > self.columns {
                return (unit.range.start + at, column);
            }
            column += width;
        }
        (unit.content_end, column)
    }

    fn finish(&mut self, end: usize, drawn: (usize, usize), last: bool) -> Line {
        let range = self.start..end;
        let first = std::mem::replace(&mut self.first, last);
        self.start = end;
        Line {
            draw_end: drawn.0.max(range.start),
            range,
            width: drawn.1 as f32,
            first,
            last,
            class: 0,
        }
    }
}

impl<I: Iterator<Item = (usize, BreakOpportunity)>> Iterator for CellLines<'_, I> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let mut column = 0;
        let mut drawn = (self.start, 0);
        loop {
            let Some(unit) = self.pending.take().or_else(|| self.next_unit()) else {
                let end = self.text.len();
                return (self.start < end).then(|| self.finish(end, drawn, true));
            };
            let last = unit.range.end == self.text.len() && unit.content_end == unit.range.end;
            let limit = if unit.after == After::Wide || last {
                self.columns
            } else {
                self.columns - 1
            };
            if unit.width > 0 && column + unit.width > limit {
                let at_start = unit.range.start == self.start;
                if (unit.width <= limit || column + 2 > self.columns) && !at_start {
                    let end = unit.range.start;
                    self.pending = Some(unit);
                    return Some(self.finish(end, drawn, false));
                }
                let (at, mut width) = self.cut(&unit, column);
                // Measured anew, each line of a word that fills thousands would count the rest.
                let start = unit.range.start;
                let taken: usize = self.text[start..at].chars().map(half_cells).sum();
                let rest = Unit {
                    range: at..unit.range.end,
                    width: unit.width - taken,
                    ..unit.clone()
                };
                // A unit may hold spaces, such as one before a closing bracket.
                let drawn = self.text[unit.range.start..at].trim_end().len() + unit.range.start;
                width -= self.text[drawn..at].chars().map(half_cells).sum::<usize>();
                let done = rest.range.is_empty();
                self.pending = (!done).then_some(rest);
                return Some(self.finish(at, (drawn, width), done));
            }
            if unit.width > 0 {
                column += unit.width;
                drawn = (unit.content_end, column);
            }
            for c in self.text[unit.content_end..unit.range.end].chars() {
                column = advance(column, c);
            }
            if unit.after == After::Newline {
                return Some(self.finish(unit.range.end, drawn, true));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half a million of them took minutes where every break looked back over all before it, and
    /// every line of a long word measured the rest.
    #[test]
    fn long_words_are_walked_once() {
        let started = std::time::Instant::now();
        for text in [
            "\u{3164}".repeat(500_000),
            "a".repeat(4_000_000),
            format!("{}{}", "\t)".repeat(300_000), " ".repeat(300_000)),
        ] {
            let mut end = 0;
            for line in CellLines::new(&text, 96) {
                assert_eq!(line.range.start, end);
                end = line.range.end;
            }
            assert_eq!(end, text.len());
        }
        let took = started.elapsed();
        assert!(took.as_secs() < 20, "{took:?}");
    }
}
