//! Line breaking for proportional text.

use std::ops::Range;

use unicode_linebreak::BreakOpportunity;
use unicode_segmentation::UnicodeSegmentation;

use super::Line;
use super::ascii::{End, Scan};
use super::breaks::{breaks, no_line_end, no_line_start};
use super::importance::ClassCursor;

/// What the line breaker must know of the font.
pub(crate) trait Widths: Send + Sync {
    /// The advance of a character in pixels, letter and word spacing included.
    fn advance(&self, c: char) -> f32;
    /// Space between two characters beyond their advances in pixels.
    fn between(&self, before: char, after: char) -> f32;
    /// The tab stop after `x` pixels from the line's start.
    fn tab_stop(&self, x: f32) -> f32;
    /// The advances of printable ASCII by byte, infinite for all other bytes; `None` where there
    /// may be space between two of them.
    fn ascii(&self) -> Option<&[f32; 256]>;
}

/// The narrowest tab, in pixels: it has a cell of its own, and the one after it must not be pushed
/// out of the line.
pub(crate) const LEAST_TAB: f32 = 1.0;

/// The multiple of `tab` after `x`, which is not nearer than [`LEAST_TAB`].
pub(crate) fn tab_stop(x: f32, tab: f32) -> f32 {
    // The thousandth lets a tab at a stop, give or take rounding, move on.
    let stop = ((x / tab + 0.001).floor() + 1.0) * tab;
    if stop - x < LEAST_TAB {
        stop + tab
    } else {
        stop
    }
}

/// A quarter em goes between these, where `han-latin-spacing` asks for it.
pub(crate) fn is_han_latin(before: char, after: char) -> bool {
    let han = |c: char| {
        matches!(u32::from(c),
            0x2e80..=0x2fdf | 0x3005..=0x3007 | 0x3040..=0x30fa | 0x30fc..=0x312f
            | 0x3190..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x3ffff)
    };
    let latin = |c: char| c.is_alphanumeric() && !matches!(u32::from(c), 0x1100..);
    (han(before) && latin(after)) || (latin(before) && han(after))
}

/// Where the pen is within a line.
#[derive(Debug, Clone, Copy, Default)]
struct Pen {
    x: f32,
    before: Option<char>,
}

/// The text up to a break.
struct Unit {
    range: Range<usize>,
    /// Where the white space at the end begins.
    content_end: usize,
    mandatory: bool,
}

/// Splits a text into lines of a width in pixels.
pub(crate) struct FlowLines<'a, W, I> {
    text: &'a str,
    /// By size class.
    widths: &'a [W],
    classes: ClassCursor,
    class: u8,
    /// From a text to where its lines may break.
    breaks: fn(&'a str) -> I,
    /// Those of the text from `origin` on; `None` where lines were told without them.
    opportunities: Option<I>,
    /// From here on, breaks do not depend on what comes before.
    origin: usize,
    scan: Scan,
    /// Widths of a paragraph's first line and of its others.
    room: (f32, f32),
    pending: Option<Unit>,
    unit_start: usize,
    start: usize,
    first: bool,
}

impl<'a, W: Widths> FlowLines<'a, W, ()> {
    pub(crate) fn new(
        text: &'a str,
        widths: &'a [W],
        mut classes: ClassCursor,
        room: (f32, f32),
    ) -> FlowLines<'a, W, impl Iterator<Item = (usize, BreakOpportunity)> + use<'a, W>> {
        let class = classes.next_line();
        FlowLines {
            text,
            widths,
            classes,
            class,
            breaks,
            opportunities: None,
            origin: 0,
            scan: Scan::default(),
            room,
            pending: None,
            unit_start: 0,
            start: 0,
            first: true,
        }
    }
}

impl<W: Widths, I: Iterator<Item = (usize, BreakOpportunity)>> FlowLines<'_, W, I> {
    /// The text up to the next break.
    fn next_unit(&mut self) -> Option<Unit> {
        let (start, origin) = (self.unit_start, self.origin);
        let opportunities = match &mut self.opportunities {
            Some(opportunities) => opportunities,
            none => none.insert((self.breaks)(&self.text[origin..])),
        };
        let (end, kind) = opportunities.find(|(at, _)| origin + *at > start)?;
        self.unit_start = origin + end;
        let range = start..self.unit_start;
        Some(Unit {
            content_end: start + self.text[range.clone()].trim_end().len(),
            range,
            mandatory: kind == BreakOpportunity::Mandatory,
        })
    }

    /// The next line, where it is printable ASCII and the place of its break is plain to see: the
    /// same line as the loop over all breaks finds, many times faster.
    fn next_ascii(&mut self, room: f32) -> Option<Line> {
        let advances = self.widths[usize::from(self.class)].ascii()?;
        let (end, drawn) = self.scan.line(&self.text[self.start..], advances, room)?;
        let (at, last) = match end {
            End::Break(at) => (at, false),
            End::Paragraph(at) => (at, true),
        };
        let end = self.start + at;
        let drawn = (self.start + drawn.0, drawn.1);
        self.pending = None;
        self.opportunities = None;
        self.unit_start = end;
        // What follows an ASCII letter or digit, or a line break, can be told from there.
        self.origin = self.start + self.scan.origin;
        Some(self.finish(end, drawn, last))
    }

    /// Where the pen stands after `text`.
    fn walk(&self, text: &str, pen: Pen) -> Pen {
        text.chars().fold(pen, |pen, c| self.step(pen, c))
    }

    /// The same, or how much of `text` it takes to be beyond `room`: the pen never goes back, so
    /// that what follows need not be walked.
    fn walk_within(&self, text: &str, mut pen: Pen, room: f32) -> Result<Pen, usize> {
        for (at, c) in text.char_indices() {
            pen = self.step(pen, c);
            if pen.x > room {
                return Err(at + c.len_utf8());
            }
        }
        Ok(pen)
    }

    fn step(&self, pen: Pen, c: char) -> Pen {
        let widths = &self.widths[usize::from(self.class)];
        let x = if c == '\t' {
            widths.tab_stop(pen.x)
        } else {
            let gap = pen.before.map_or(0.0, |before| widths.between(before, c));
            pen.x + gap + widths.advance(c)
        };
        Pen { x, before: Some(c) }
    }

    /// Where `content`, which is longer than a line, is cut, and the pen there.
    fn cut(&self, content: &str, room: f32) -> (usize, Pen) {
        let mut pen = Pen::default();
        let mut cuts: Vec<(usize, Pen)> = Vec::new();
        for (at, cluster) in content.grapheme_indices(true) {
            let next = self.walk(cluster, pen);
            if next.x > room && at > 0 {
                // Two clusters back is enough for pairs such as a closing
                // bracket and a full stop.
                let kept = cuts.iter().rev().take(3).find(|(at, _)| {
                    let (before, after) = content.split_at(*at);
                    !after.starts_with(no_line_start) && !before.ends_with(no_line_end)
                });
                return *kept.or(cuts.last()).expect("the first cluster was passed");
            }
            if next.x > room {
                return self.cut_cluster(cluster, room);
            }
            pen = next;
            cuts.push((at + cluster.len(), pen));
        }
        (content.len(), pen)
    }

    /// The same for a grapheme cluster that is longer than a line.
    fn cut_cluster(&self, cluster: &str, room: f32) -> (usize, Pen) {
        let mut cut = (0, Pen::default());
        for c in cluster.chars() {
            let next = self.step(cut.1, c);
            if next.x > room && cut.0 > 0 {
                break;
            }
            cut = (cut.0 + c.len_utf8(), next);
        }
        cut
    }

    fn finish(&mut self, end: usize, drawn: (usize, f32), last: bool) -> Line {
        let range = self.start..end;
        let first = std::mem::replace(&mut self.first, last);
        let class = self.class;
        if last && end < self.text.len() {
            self.class = self.classes.next_line();
        }
        self.start = end;
        Line {
            draw_end: drawn.0.max(range.start),
            range,
            width: drawn.1,
            first,
            last,
            class,
        }
    }
}

impl<W: Widths, I: Iterator<Item = (usize, BreakOpportunity)>> Iterator for FlowLines<'_, W, I> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        // A thousandth of a pixel forgives the rounding of sums.
        let room = if self.first { self.room.0 } else { self.room.1 } + 0.001;
        if let Some(line) = self.next_ascii(room) {
            return Some(line);
        }
        let mut pen = Pen::default();
        let mut drawn = (self.start, 0.0);
        loop {
            let Some(unit) = self.pending.take().or_else(|| self.next_unit()) else {
                let end = self.text.len();
                return (self.start < end).then(|| self.finish(end, drawn, true));
            };
            let Unit {
                range, content_end, ..
            } = &unit;
            let (start, content_end) = (range.start, *content_end);
            let content = &self.text[start..content_end];
            let after = match self.walk_within(content, pen, room) {
                Ok(after) => after,
                Err(_) if start > self.start => {
                    self.pending = Some(unit);
                    return Some(self.finish(start, drawn, false));
                }
                Err(over) => {
                    // Where clusters end before the character that is over does not depend on
                    // what follows it.
                    let (length, cut_pen) = self.cut(&content[..over], room);
                    let cut = start + length;
                    if cut < content_end {
                        self.pending = Some(Unit {
                            range: cut..unit.range.end,
                            ..unit
                        });
                        return Some(self.finish(cut, (cut, cut_pen.x), false));
                    }
                    self.walk(content, pen)
                }
            };
            if !content.is_empty() {
                drawn = (content_end, after.x);
            }
            pen = self.walk(&self.text[content_end..unit.range.end], after);
            if unit.mandatory {
                return Some(self.finish(unit.range.end, drawn, true));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::*;
    use crate::layout::half_cells;

    /// Seven pixels a half-cell; a quarter of a cell between Han and Latin.
    #[derive(Default)]
    struct Mono {
        /// Advances by byte, for the walk over ASCII.
        ascii: Option<Box<[f32; 256]>>,
        /// How often an advance was asked for.
        asked: AtomicUsize,
    }

    impl Mono {
        fn quick() -> Self {
            let advance = |byte: usize| match byte {
                0x20..=0x7E => 7.0,
                _ => f32::INFINITY,
            };
            Self {
                ascii: Some(Box::new(std::array::from_fn(advance))),
                asked: AtomicUsize::new(0),
            }
        }
    }

    impl Widths for Mono {
        fn advance(&self, c: char) -> f32 {
            self.asked.fetch_add(1, Ordering::Relaxed);
            7.0 * half_cells(c) as f32
        }

        fn ascii(&self) -> Option<&[f32; 256]> {
            self.ascii.as_deref()
        }

        fn between(&self, before: char, after: char) -> f32 {
            if is_han_latin(before, after) {
                3.5
            } else {
                0.0
            }
        }

        fn tab_stop(&self, x: f32) -> f32 {
            tab_stop(x, 28.0)
        }
    }

    fn lines(text: &str, half_cells: usize) -> Vec<&str> {
        let room = 7.0 * half_cells as f32;
        FlowLines::new(
            text,
            &[Mono::default()],
            ClassCursor::default(),
            (room, room),
        )
        .map(|line| &text[line.range])
        .collect()
    }

    #[test]
    fn chinese_punctuation_stays_with_its_character() {
        let text = "他说：“今天（星期一）很冷，出门要穿衣。”她问：《红楼梦》呢？没有……";
        for width in 6..40 {
            let lines = lines(text, width);
            assert_eq!(lines.concat(), text);
            for line in &lines {
                assert!(!line.starts_with(no_line_start), "{width}: {lines:?}");
                assert!(!line.ends_with(no_line_end), "{width}: {lines:?}");
            }
        }
        // Quotation marks are no obstacle on their outer side.
        assert_eq!(lines("中文中“中文”中文", 6), ["中文中", "“中文”", "中文"]);
    }

    #[test]
    fn clusters_are_not_cut() {
        let family = "👩\u{200D}👩\u{200D}👧";
        assert_eq!(lines(&family.repeat(4), 7), [family; 4]);
        let accents = "e\u{301}\u{327}".repeat(9);
        assert!(lines(&accents, 4).iter().all(|line| line.starts_with('e')));
    }

    #[test]
    fn long_words_are_walked_a_few_times() {
        for word in ["x", "\u{1100}", "x\u{301}", "👩\u{200D}"] {
            let mono = [Mono::default()];
            let text = format!("{}{}", word.repeat(50_000), " ".repeat(1000));
            let lines = FlowLines::new(&text, &mono, ClassCursor::default(), (560.0, 560.0));
            let lengths: usize = lines.map(|line| line.range.len()).sum();
            assert_eq!(lengths, text.len());
            let asked = mono[0].asked.load(Ordering::Relaxed);
            assert!(asked < 10 * text.chars().count(), "{word:?}: {asked}");
        }
    }

    #[test]
    fn han_and_latin_are_spaced() {
        // 8 half-cells and two quarter cells do not fit in 8, but in 9.
        assert_eq!(lines("中文ab中", 8).len(), 2);
        assert_eq!(lines("中文ab中", 9).len(), 1);
        assert!(is_han_latin('中', '1') && is_han_latin('é', 'か'));
        assert!(!is_han_latin('，', 'a') && !is_han_latin('a', ' ') && !is_han_latin('한', '中'));
    }

    proptest! {
        #[test]
        fn lines_are_the_text(text in "\\PC{0,60}|[a中，。“”（）\\n\\t ]{0,60}", width in 1usize..30) {
            let lines = lines(&text, width);
            prop_assert_eq!(lines.concat(), text.as_str());
            prop_assert!(lines.iter().all(|line| !line.is_empty()));
        }

        /// The walk over ASCII tells the same lines as the loop over all breaks.
        #[test]
        fn ascii_lines_are_those_of_all_breaks(
            text in "([a-zA-Z0-9]{1,9}[ -~]?[ \n]|[ -~]{0,4}|[a-z]{1,9} |[é中“”\u{301}\u{200D}\u{A0}\t\r\u{5D0}]){0,40}",
            width in 1usize..40,
            first in 1usize..40,
        ) {
            let room = (7.0 * first as f32, 7.0 * width as f32);
            let lines = |widths: &[Mono]| -> Vec<Line> {
                FlowLines::new(&text, widths, ClassCursor::default(), room).collect()
            };
            prop_assert_eq!(lines(&[Mono::quick()]), lines(&[Mono::default()]));
        }
    }
}
