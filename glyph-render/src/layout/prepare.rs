//! From a block's text to the text that is drawn, with the way back.

use std::borrow::Cow;
use std::ops::Range;

use super::normalize::normalize;
use crate::config::Normalization;
use crate::document::BlockKind;

/// What a newline of the source is drawn as, instead of breaking the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewlineMark {
    /// The text drawn in place of the newline.
    pub(crate) text: String,
}

/// Ranges of a text that replace ranges of the text it was made from; everything
/// else was copied.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Replacements(Vec<(Range<usize>, Range<usize>)>);

impl Replacements {
    pub(crate) fn push(&mut self, new: Range<usize>, old: Range<usize>) {
        self.0.push((new, old));
    }

    /// The old offset that new offset `at` stands for. Inside a replacement that
    /// is the replaced range's start, at its end the range's end.
    pub(crate) fn old(&self, at: usize) -> usize {
        let after = self.0.partition_point(|(new, _)| new.start < at);
        match after.checked_sub(1).map(|i| &self.0[i]) {
            None => at,
            Some((new, old)) if at >= new.end => old.end + (at - new.end),
            Some((_, old)) => old.start,
        }
    }

    /// The old range that a new range stands for.
    pub(crate) fn old_range(&self, range: &Range<usize>) -> Range<usize> {
        self.old(range.start)..self.old(range.end)
    }

    /// Those that a new range holds, whole or in part.
    fn within(&self, range: &Range<usize>) -> &[(Range<usize>, Range<usize>)] {
        let from = self.0.partition_point(|(new, _)| new.end <= range.start);
        let to = self.0.partition_point(|(new, _)| new.start < range.end);
        &self.0[from..to.max(from)]
    }

    /// Whether new offset `at` lies inside a replacement.
    fn contains(&self, at: usize) -> bool {
        let after = self.0.partition_point(|(new, _)| new.start <= at);
        after > 0 && self.0[after - 1].0.contains(&at)
    }
}

/// A block's display text; offsets map back to bytes of the block's text.
#[derive(Debug)]
pub(crate) struct Prepared<'a> {
    pub(crate) text: Cow<'a, str>,
    /// From the display text to the normalised one.
    replaced: Replacements,
    /// The block's text.
    source: &'a str,
    /// The normalised text, where it differs from the block's.
    normalized: Option<(String, Replacements)>,
    /// Whether the replacements are newline marks.
    marks: bool,
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(
        text: &'a str,
        kind: BlockKind,
        mark: Option<&NewlineMark>,
        normalization: Normalization,
    ) -> Self {
        let normalized = normalize(text, normalization);
        let base = match &normalized {
            Some((text, _)) => Cow::Owned(text.clone()),
            None => Cow::Borrowed(text),
        };
        let mut prepared = Self {
            text: Cow::Borrowed(""),
            replaced: Replacements::default(),
            source: text,
            normalized,
            marks: false,
        };
        let tabs = kind == BlockKind::TableRow && base.contains('\t');
        let newlines = mark.filter(|_| base.contains('\n'));
        if !tabs && newlines.is_none() {
            prepared.text = base;
            return prepared;
        }
        prepared.marks = newlines.is_some() && !tabs;
        let mut display = String::with_capacity(base.len() + base.len() / 8);
        let mut chars = base.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let mut end = at + c.len_utf8();
            let replacement = match (c, newlines) {
                ('\t', _) if tabs => " | ",
                ('\n', Some(mark)) => &mark.text,
                ('\r', Some(mark)) if matches!(chars.peek(), Some((_, '\n'))) => {
                    chars.next();
                    end += 1;
                    &mark.text
                }
                _ => {
                    display.push(c);
                    continue;
                }
            };
            let start = display.len();
            display.push_str(replacement);
            prepared.replaced.push(start..display.len(), at..end);
        }
        prepared.text = Cow::Owned(display);
        prepared
    }

    /// The bytes of the block's text that a display range stands for.
    pub(crate) fn source(&self, range: &Range<usize>) -> Range<usize> {
        let range = self.replaced.old_range(range);
        match &self.normalized {
            None => range,
            Some((_, map)) => map.old_range(&range),
        }
    }

    /// The text that pages are turned back into: the block's, normalised.
    fn base(&self) -> &str {
        match &self.normalized {
            Some((text, _)) => text,
            None => self.source,
        }
    }

    /// The part of it that a display range stands for.
    pub(crate) fn original(&self, range: &Range<usize>) -> &str {
        &self.base()[self.replaced.old_range(range)]
    }

    /// The replacements in a display range, whole or in part: where each is drawn, and the
    /// text it stands for.
    pub(crate) fn replacements(
        &self,
        range: &Range<usize>,
    ) -> impl Iterator<Item = (&Range<usize>, &str)> {
        let base = self.base();
        (self.replaced.within(range).iter()).map(move |(new, old)| (new, &base[old.clone()]))
    }

    /// Whether display offset `at` lies inside a newline mark.
    pub(crate) fn is_mark(&self, at: usize) -> bool {
        self.marks && self.replaced.contains(at)
    }
}
