//! Line breaking for proportional text.

use std::ops::Range;

use unicode_linebreak::BreakOpportunity;

use super::Line;

/// What the line breaker must know of the font.
pub(crate) trait Widths: Send + Sync {
    /// The advance of a character in pixels.
    fn advance(&self, c: char) -> f32;
    /// The distance of tab stops in pixels.
    fn tab(&self) -> f32;
}

/// The tab stop after `x`.
pub(crate) fn tab_stop(x: f32, tab: f32) -> f32 {
    // The thousandth lets a tab at a stop, give or take rounding, move on.
    ((x / tab + 0.001).floor() + 1.0) * tab
}

/// Splits a text into lines of a width in pixels.
pub(crate) struct FlowLines<'a, W, I> {
    text: &'a str,
    widths: &'a W,
    opportunities: I,
    /// Widths of a paragraph's first line and of its others.
    room: (f32, f32),
    pending: Option<(Range<usize>, bool)>,
    unit_start: usize,
    start: usize,
    first: bool,
}

impl<'a, W: Widths> FlowLines<'a, W, ()> {
    pub(crate) fn new(
        text: &'a str,
        widths: &'a W,
        room: (f32, f32),
    ) -> FlowLines<'a, W, impl Iterator<Item = (usize, BreakOpportunity)> + use<'a, W>> {
        FlowLines {
            text,
            widths,
            opportunities: unicode_linebreak::linebreaks(text),
            room,
            pending: None,
            unit_start: 0,
            start: 0,
            first: true,
        }
    }
}

impl<W: Widths, I: Iterator<Item = (usize, BreakOpportunity)>> FlowLines<'_, W, I> {
    /// The text up to the next break, and whether the break is mandatory.
    fn next_unit(&mut self) -> Option<(Range<usize>, bool)> {
        let start = self.unit_start;
        let (end, kind) = self.opportunities.find(|(at, _)| *at > start)?;
        self.unit_start = end;
        Some((start..end, kind == BreakOpportunity::Mandatory))
    }

    /// Where the pen stands after `text` when it starts at `x`.
    fn walk(&self, text: &str, x: f32) -> f32 {
        text.chars().fold(x, |x, c| self.step(x, c))
    }

    fn step(&self, x: f32, c: char) -> f32 {
        if c == '\t' {
            tab_stop(x, self.widths.tab())
        } else {
            x + self.widths.advance(c)
        }
    }

    fn finish(&mut self, end: usize, drawn: (usize, f32), last: bool) -> Line {
        let range = self.start..end;
        let first = std::mem::replace(&mut self.first, last);
        self.start = end;
        Line {
            draw_end: drawn.0.max(range.start),
            range,
            width: drawn.1,
            first,
            last,
        }
    }
}

impl<W: Widths, I: Iterator<Item = (usize, BreakOpportunity)>> Iterator for FlowLines<'_, W, I> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        // A thousandth of a pixel forgives the rounding of sums.
        let room = if self.first { self.room.0 } else { self.room.1 } + 0.001;
        let mut x = 0.0;
        let mut drawn = (self.start, 0.0);
        loop {
            let Some((unit, mandatory)) = self.pending.take().or_else(|| self.next_unit()) else {
                let end = self.text.len();
                return (self.start < end).then(|| self.finish(end, drawn, true));
            };
            let content_end = unit.start + self.text[unit.clone()].trim_end().len();
            let content = &self.text[unit.start..content_end];
            let after = self.walk(content, x);
            if !content.is_empty() && after > room {
                if unit.start > self.start {
                    let end = unit.start;
                    self.pending = Some((unit, mandatory));
                    return Some(self.finish(end, drawn, false));
                }
                // Longer than a line: cut before the character that does not fit.
                let mut cut = (unit.start, 0.0);
                for c in content.chars() {
                    let next = self.step(cut.1, c);
                    if next > room && cut.0 > unit.start {
                        break;
                    }
                    cut = (cut.0 + c.len_utf8(), next);
                }
                if cut.0 < content_end {
                    self.pending = Some((cut.0..unit.end, mandatory));
                    return Some(self.finish(cut.0, cut, false));
                }
            }
            if !content.is_empty() {
                drawn = (content_end, after);
            }
            x = self.walk(&self.text[content_end..unit.end], after);
            if mandatory {
                return Some(self.finish(unit.end, drawn, true));
            }
        }
    }
}
