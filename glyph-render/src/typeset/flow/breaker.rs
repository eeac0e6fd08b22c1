//! Lines of a width in pixels whose codes have room.

use super::super::compose::{collect, split};
use super::ascii::is_ascii;
use super::face::Face;
use crate::code::{BlockStart, Ops, ROW_BITS, digits_for, encode_line};
use crate::layout::{ClassCursor, FlowLines, Line, LineBreaker, Lines, Prepared, Split, Widths};
use crate::raster::Sign;

pub(super) struct FlowBreaker {
    /// By size class.
    pub(super) faces: Vec<Face>,
    /// Widths of a paragraph's first line and of its others.
    pub(super) room: (f32, f32),
    /// Columns that a line's code can lie in; none where lines carry none.
    span: Option<usize>,
}

impl FlowBreaker {
    pub(super) fn new(faces: Vec<Face>, room: (f32, f32), span: Option<usize>) -> Self {
        Self { faces, room, span }
    }

    #[inline]
    pub(super) fn face(&self, line: &Line) -> &Face {
        &self.faces[usize::from(line.class)]
    }

    /// How many columns a line's cells and code take.
    fn columns(&self, text: &Prepared<'_>, line: &Line, starts: &[BlockStart]) -> usize {
        let face = self.face(line);
        let mut ops = Ops::default();
        let mut cells = 0;
        let tail = collect(text, line, &mut ops, |c| {
            let sign = face.sign(c);
            cells += usize::from(sign != Sign::Hidden);
            sign
        });
        let mut code = Vec::new();
        let class = u32::from(line.class);
        encode_line((class, tail, 0), starts, None, &mut ops, "", &mut code);
        digits_for(code.len(), ROW_BITS) + cells + 1
    }

    /// Whether a line surely has room: most lines are told by this alone.
    fn surely_fits(&self, text: &Prepared<'_>, line: &Line, span: usize) -> bool {
        // The flags, the checksum, one block with its source page, and the end's mark.
        let columns = digits_for(12, ROW_BITS) + 1;
        let drawn = &text.text.as_bytes()[line.range.start..line.draw_end];
        let tail = &text.text.as_bytes()[line.draw_end..line.range.end];
        drawn.len() + columns <= span
            && matches!(tail, b"" | b" " | b"\n" | b"\r\n")
            && is_ascii(drawn)
            && text.replacements(&line.range).next().is_none()
            && self.face(line).ascii().is_some()
    }
}

fn walk(face: &Face, text: &str) -> f32 {
    let mut before = None;
    text.chars().fold(0.0, |x, c| {
        let gap = before.map_or(0.0, |before| face.between(before, c));
        before = Some(c);
        match c {
            '\t' => face.tab_stop(x),
            c => x + gap + face.advance(c),
        }
    })
}

impl LineBreaker for FlowBreaker {
    fn lines<'t>(&'t self, text: &'t str, classes: ClassCursor) -> Lines<'t> {
        Box::new(FlowLines::new(text, &self.faces, classes, self.room))
    }

    fn is_coded(&self) -> bool {
        self.span.is_some()
    }

    fn width(&self, text: &Prepared<'_>, line: &Line) -> f32 {
        walk(self.face(line), &text.text[line.range.start..line.draw_end])
    }

    fn split(&self, text: &Prepared<'_>, line: &Line, starts: &[BlockStart]) -> Option<Split> {
        let span = self.span?;
        if starts.len() < 2 && self.surely_fits(text, line, span) {
            return None;
        }
        let fits = |line: &Line, starts: &[BlockStart]| self.columns(text, line, starts) <= span;
        split(text, line, starts, fits)
    }
}
