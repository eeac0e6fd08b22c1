//! From a block's text to the text that is drawn, with the way back.

use std::borrow::Cow;
use std::ops::Range;

use crate::document::BlockKind;

/// What a newline of the source is drawn as, instead of breaking the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewlineMark {
    /// The text drawn in place of the newline.
    pub(crate) text: String,
}

/// A block's display text; offsets map back to bytes of the block's text.
#[derive(Debug)]
pub(crate) struct Prepared<'a> {
    pub(crate) text: Cow<'a, str>,
    /// The text that offsets map back to.
    original: &'a str,
    /// Display ranges that replace a source range; everything else is copied.
    replaced: Vec<(Range<usize>, Range<usize>)>,
    /// Whether the replacements are newline marks.
    marks: bool,
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(text: &'a str, kind: BlockKind, mark: Option<&NewlineMark>) -> Self {
        let mut prepared = Self {
            text: Cow::Borrowed(text),
            original: text,
            replaced: Vec::new(),
            marks: false,
        };
        let tabs = kind == BlockKind::TableRow && text.contains('\t');
        let newlines = mark.filter(|_| text.contains('\n'));
        if !tabs && newlines.is_none() {
            return prepared;
        }
        prepared.marks = newlines.is_some() && !tabs;
        let mut display = String::with_capacity(text.len() + text.len() / 8);
        let mut chars = text.char_indices().peekable();
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
            prepared.replaced.push((start..display.len(), at..end));
        }
        prepared.text = Cow::Owned(display);
        prepared
    }

    /// The source byte that display offset `at` stands for. Inside a replacement
    /// that is the replaced range's start, at its end the range's end.
    pub(crate) fn source_offset(&self, at: usize) -> usize {
        let after = self
            .replaced
            .partition_point(|(display, _)| display.start < at);
        match after.checked_sub(1).map(|i| &self.replaced[i]) {
            None => at,
            Some((display, source)) if at >= display.end => source.end + (at - display.end),
            Some((_, source)) => source.start,
        }
    }

    /// The source bytes that a display range stands for.
    pub(crate) fn source(&self, range: &Range<usize>) -> Range<usize> {
        self.source_offset(range.start)..self.source_offset(range.end)
    }

    /// The source text that a display range stands for.
    pub(crate) fn original(&self, range: &Range<usize>) -> &'a str {
        &self.original[self.source(range)]
    }

    /// The replacements in a display range, whole or in part: where each is drawn, and the
    /// source text it stands for.
    pub(crate) fn replacements(
        &self,
        range: &Range<usize>,
    ) -> impl Iterator<Item = (&Range<usize>, &'a str)> {
        let from = self
            .replaced
            .partition_point(|(display, _)| display.end <= range.start);
        let to = self
            .replaced
            .partition_point(|(display, _)| display.start < range.end);
        self.replaced[from..to.max(from)]
            .iter()
            .map(|(display, source)| (display, &self.original[source.clone()]))
    }

    /// Whether display offset `at` lies inside a newline mark.
    pub(crate) fn is_mark(&self, at: usize) -> bool {
        if !self.marks {
            return false;
        }
        let after = self
            .replaced
            .partition_point(|(display, _)| display.start <= at);
        after > 0 && self.replaced[after - 1].0.contains(&at)
    }
}
