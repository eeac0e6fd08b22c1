//! From a line to what its code must say.

use crate::code::{BlockStart, CellRow, Ops, Strip, Tail};
use crate::document::{Block, Document};
use crate::layout::{Line, PagePlan, PlacedLine, Prepared, Split};
use crate::raster::Sign;

/// Buffers that are used line after line.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) ops: Ops,
    /// The encoded line.
    pub(super) code: Vec<u8>,
    /// One code per column.
    pub(super) columns: Vec<u8>,
    pub(super) cells: CellRow,
}

/// Collects where a line's text is not what its cells show.
pub(super) fn collect(
    text: &Prepared<'_>,
    line: &Line,
    ops: &mut Ops,
    mut sign: impl FnMut(char) -> Sign,
) -> Tail {
    ops.clear();
    let mut replaced = text.replacements(&line.range).peekable();
    if replaced.peek().is_none() {
        for c in text.text[line.range.start..line.draw_end].chars() {
            plain(c, sign(c), ops);
        }
        return finish(text, line, ops);
    }
    let last = text.replacements(&line.range).last();
    let tail = match last {
        Some((display, _)) if display.end >= line.range.end => Tail::Nothing,
        Some((display, _)) => Tail::of(&text.text[line.draw_end.max(display.end)..line.range.end]),
        None => Tail::Nothing,
    };
    let end = line.range.end - tail.text().len();
    let mut cells = 0;
    for (at, c) in text.text[line.range.start..end].char_indices() {
        let at = line.range.start + at;
        let drawn = at < line.draw_end;
        match replaced.peek() {
            Some((display, original)) if display.start <= at => {
                if drawn && sign(c) != Sign::Hidden {
                    cells += 1;
                }
                if at + c.len_utf8() == display.end {
                    ops.replace(cells, original);
                    cells = 0;
                    replaced.next();
                }
            }
            _ if drawn => plain(c, sign(c), ops),
            _ => ops.insert(c),
        }
    }
    // The part of a replacement that goes on in the next line stands for nothing here.
    if cells > 0 {
        ops.replace(cells, "");
    }
    tail
}

/// Adds what comes after the drawn part of a line without replacements.
pub(super) fn finish(text: &Prepared<'_>, line: &Line, ops: &mut Ops) -> Tail {
    let undrawn = &text.text[line.draw_end..line.range.end];
    let tail = Tail::of(undrawn);
    let inserted = undrawn.len() - tail.text().len();
    undrawn[..inserted].chars().for_each(|c| ops.insert(c));
    tail
}

#[inline]
fn plain(c: char, sign: Sign, ops: &mut Ops) {
    match sign {
        Sign::Shape { .. } => ops.skip(1),
        Sign::Explicit => ops.explicit(c),
        Sign::Hidden => ops.insert(c),
    }
}

/// Lines of more characters are tried in parts before they are tried as a whole.
const LONG: usize = 4096;

/// How much of a line has room for its code, by a test of lines.
pub(super) fn split(
    text: &Prepared<'_>,
    line: &Line,
    starts: &[BlockStart],
    fits: impl Fn(&Line, &[BlockStart]) -> bool,
) -> Option<Split> {
    let start = line.range.start;
    let part = |at: usize| line.clone().cut(at).0;
    // What does not fit need not be looked at to its end, which may be a megabyte away.
    let chars = text.text[line.range.clone()].char_indices();
    let mut chars = chars.map(|(at, c)| start + at + c.len_utf8());
    let mut ends: Vec<usize> = chars.by_ref().take(LONG).collect();
    let over = loop {
        let known = ends.len();
        let Some(&last) = ends.last().filter(|last| **last < line.range.end) else {
            break false;
        };
        if !fits(&part(last), starts) {
            break true;
        }
        ends.extend(chars.by_ref().take(known));
    };
    if !over && fits(line, starts) {
        return None;
    }
    let blank = line.blank_before();
    if !fits(&blank, starts) {
        let most = (1..starts.len())
            .rev()
            .find(|n| fits(&blank, &starts[..*n]));
        return Some(Split::Starts(most.unwrap_or(1).min(starts.len())));
    }
    let mut most = ends.partition_point(|at| fits(&part(*at), starts));
    if most == 0 && starts.is_empty() {
        // The narrowest page has room for any one character.
        most = 1;
    }
    let Some(at) = most.checked_sub(1).map(|i| ends[i]) else {
        return Some(Split::Starts(starts.len()));
    };
    Some(Split::At(at))
}

/// What a page says of its place in the document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) number: u32,
    pub(super) last: bool,
    pub(super) document: u32,
    pub(super) before: u32,
    pub(super) after: u32,
}

impl Place {
    /// The strip of a page here with these lines; the rest is as in `style`.
    pub(super) fn strip(
        self,
        style: &Strip,
        document: &Document,
        lines: &[PlacedLine<'_>],
        ranges: u8,
    ) -> Strip {
        Strip {
            last: self.last,
            number: self.number,
            document: self.document,
            before: self.before,
            after: self.after,
            lines: lines.len() as u32,
            block: first_block(document, lines),
            ranges,
            ..style.clone()
        }
    }
}

/// Chains pages by checksums of their text.
#[derive(Debug, Default)]
pub(super) struct Chain {
    number: u32,
    document: Option<u32>,
    crc: u32,
}

impl Chain {
    /// The place of the next page; `following` is the page after it.
    pub(super) fn place(
        &mut self,
        document: &Document,
        plan: &PagePlan<'_>,
        following: Option<&PagePlan<'_>>,
    ) -> Place {
        self.number += 1;
        let before = self.crc;
        let mut last = false;
        if let PagePlan::Text(lines) = plan {
            let mut crc = crc32fast::Hasher::new_with_initial(before);
            for placed in lines {
                crc.update(placed.text.original(&placed.line.range).as_bytes());
            }
            self.crc = crc.finalize();
            self.document.get_or_insert(self.crc);
            // Pages that are images say nothing, so the last page of text is the last to speak.
            last = match following {
                None => true,
                Some(PagePlan::Text(_)) => false,
                Some(PagePlan::Image(_)) => !text_after(document, lines),
            };
        }
        Place {
            number: self.number,
            last,
            document: self.document.unwrap_or(0),
            before,
            after: self.crc,
        }
    }
}

fn text_after(document: &Document, lines: &[PlacedLine<'_>]) -> bool {
    let next = lines.last().map_or(0, |line| line.block + 1);
    let mut blocks = document.blocks[next..].iter();
    blocks.any(|block| matches!(block, Block::Text { .. }))
}

/// The block that a page's first line belongs to.
fn first_block(document: &Document, lines: &[PlacedLine<'_>]) -> (u32, BlockStart) {
    let index = lines.first().map_or(0, |line| line.block);
    let starts = crate::layout::block_starts(document, &(index..index + 1));
    let start = starts.first().copied().unwrap_or(BlockStart {
        kind: crate::document::BlockKind::Paragraph,
        source_page: None,
        empty: true,
    });
    (index as u32, start)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::config::Normalization;
    use crate::document::BlockKind;

    #[test]
    fn long_lines_are_split_without_a_look_at_all_of_them() {
        let source = "a".repeat(200_000);
        let text = Prepared::new(&source, BlockKind::Paragraph, None, Normalization::None);
        let mut line = Line {
            range: 0..source.len(),
            draw_end: source.len(),
            width: 0.0,
            first: true,
            last: true,
            class: 0,
        };
        let tried = Cell::new(0);
        let room = Cell::new(100);
        let fits = |line: &Line, _: &[BlockStart]| {
            tried.set(tried.get() + line.range.len());
            line.range.len() <= room.get()
        };
        let mut parts = 0;
        while let Some(found) = split(&text, &line, &[], fits) {
            assert_eq!(found, Split::At(line.range.start + 100));
            let at = line.range.start + 100;
            line = line.cut(at).1;
            parts += 1;
        }
        assert_eq!(parts, 1999);
        assert!(tried.get() < parts * 10 * LONG, "{}", tried.get());
        // The same place as by halves of the whole.
        line.range.start = 0;
        room.set(70_000);
        assert_eq!(split(&text, &line, &[], fits), Some(Split::At(70_000)));
        room.set(200_000);
        assert_eq!(split(&text, &line, &[], fits), None);
    }
}
