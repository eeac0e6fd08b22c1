//! Lines of printable ASCII, by one walk over their bytes.

use unicode_linebreak::linebreaks;

/// What a line ends at, in bytes from its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum End {
    /// A place where it may break, because the word after it has no room.
    Break(usize),
    /// A line feed, or the text's end.
    Paragraph(usize),
}

/// The longest line that is told here, in bytes.
const LONGEST: usize = 1024;

/// Finds lines; holds what is used line after line.
#[derive(Debug)]
pub(super) struct Scan {
    /// Where the pen stands after each byte.
    pens: Box<[f32; LONGEST]>,
    /// Where in the last line breaks can be looked for from, without what comes before.
    pub(super) origin: usize,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            pens: Box::new([0.0; LONGEST]),
            origin: 0,
        }
    }
}

impl Scan {
    /// The line that begins with `text`, and the end and width of its drawn part; `None` where
    /// it is not told by its ASCII alone.
    ///
    /// `advances` are infinite for all bytes but printable ASCII. `room` is the line's width.
    pub(super) fn line(
        &mut self,
        text: &str,
        advances: &[f32; 256],
        room: f32,
    ) -> Option<(End, (usize, f32))> {
        let bytes = text.as_bytes();
        let mut pen = 0.0;
        let mut at = 0;
        // Spaces may hang over the line's end.
        loop {
            let rest = bytes.get(at..)?;
            let over = rest
                .iter()
                .zip(&mut self.pens[at..])
                .position(|(byte, after)| {
                    pen += advances[usize::from(*byte)];
                    *after = pen;
                    pen > room
                });
            match over {
                Some(count) if rest[count] == b' ' => at += count + 1,
                Some(count) => {
                    at += count;
                    break;
                }
                None if bytes.len() < LONGEST => {
                    at = bytes.len();
                    break;
                }
                None => return None,
            }
        }
        let (end, stop, origin) = match bytes.get(at) {
            None if at == 0 => return None,
            None => (End::Paragraph(at), at, at),
            Some(b'\n') => (End::Paragraph(at + 1), at, at + 1),
            Some(b'!'..=b'~') => {
                let (end, origin) = last_break(text, at)?;
                (End::Break(end), end, origin)
            }
            Some(_) => return None,
        };
        let spaces = bytes[..stop].iter().rev().take_while(|byte| **byte == b' ');
        let drawn = stop - spaces.count();
        self.origin = origin;
        let width = drawn.checked_sub(1).map_or(0.0, |last| self.pens[last]);
        Some((end, (drawn, width)))
    }
}

/// The last place where the printable ASCII `text[..=over]` may break, and a place before it from
/// which on breaks do not depend on what comes before; `None` where that is not plain.
fn last_break(text: &str, over: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let space = bytes[..over].iter().rposition(|byte| *byte == b' ')?;
    let before = *bytes.get(space.checked_sub(1)?)?;
    // Letters and digits keep together, and a line breaks at the space before them, whatever
    // letter, digit or mark of these stands before the space (LB 18, 23, 28; 14 to 17 are about
    // others).
    let word = bytes[space + 1..=over]
        .iter()
        .all(u8::is_ascii_alphanumeric);
    if word && (before.is_ascii_alphanumeric() || matches!(before, b',' | b'.' | b';' | b':')) {
        return Some((space + 1, space + 1));
    }
    // From a letter on, breaks after it are told.
    let origin = bytes[..space].iter().rposition(u8::is_ascii_alphabetic)?;
    let breaks = linebreaks(&text[origin..=over]).map(|(at, _)| origin + at);
    let last = breaks.take_while(|at| *at <= over).last()?;
    Some((last, origin))
}
