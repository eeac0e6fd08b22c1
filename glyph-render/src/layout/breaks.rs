//! Where lines may break: UAX #14, and outside Chinese quotation marks.

use unicode_linebreak::BreakOpportunity;

use crate::document::is_cjk;

/// The places where a line may or must break, in order.
///
/// UAX #14 as of Unicode 15 keeps quotation marks with both their neighbours, for
/// it cannot tell opening from closing ones; beside Chinese `“` always opens and
/// `”` always closes (later versions have that as rule LB19a).
pub(crate) fn breaks(text: &str) -> impl Iterator<Item = (usize, BreakOpportunity)> + '_ {
    Merged {
        text,
        breaks: unicode_linebreak::linebreaks(text),
        next: None,
        at: 0,
        last: 0,
    }
}

/// The breaks of UAX #14, and between two of them those beside quotation marks.
struct Merged<'a, I> {
    text: &'a str,
    breaks: I,
    /// The next break of UAX #14, where it was looked up.
    next: Option<(usize, BreakOpportunity)>,
    /// Quotation marks before this offset were looked at.
    at: usize,
    /// The break that was told last.
    last: usize,
}

impl<I> Merged<'_, I> {
    /// The next place before `end` where the text may break outside a quotation mark.
    fn quote(&mut self, end: usize) -> Option<usize> {
        // The first byte of every quotation mark.
        while let Some(first) =
            (self.text.as_bytes().get(self.at..end)?.iter()).position(|byte| *byte == 0xE2)
        {
            let at = self.at + first;
            let mut after = self.text[at..].chars();
            let quote = after.next()?;
            self.at = at + quote.len_utf8();
            let found = match quote {
                // `（“` and `：“` are cut only where UAX #14 says so.
                '\u{2018}' | '\u{201C}' => {
                    let before = self.text[..at].chars().next_back();
                    before
                        .is_some_and(|c| is_cjk(c) && !no_line_end(c))
                        .then_some(at)
                }
                '\u{2019}' | '\u{201D}' => after
                    .next()
                    .is_some_and(|c| is_cjk(c) && !no_line_start(c))
                    .then_some(self.at),
                _ => None,
            };
            if let Some(at) = found.filter(|at| *at > self.last && *at < end) {
                return Some(at);
            }
        }
        self.at = self.at.max(end);
        None
    }
}

impl<I: Iterator<Item = (usize, BreakOpportunity)>> Iterator for Merged<'_, I> {
    type Item = (usize, BreakOpportunity);

    fn next(&mut self) -> Option<Self::Item> {
        let next = match self.next.take() {
            Some(next) => next,
            None => self.breaks.next()?,
        };
        if let Some(at) = self.quote(next.0) {
            self.next = Some(next);
            self.last = at;
            return Some((at, BreakOpportunity::Allowed));
        }
        self.last = next.0;
        Some(next)
    }
}

/// Closing punctuation, which begins no line.
pub(crate) fn no_line_start(c: char) -> bool {
    matches!(
        c,
        '!' | ')'
            | ','
            | '.'
            | ':'
            | ';'
            | '?'
            | ']'
            | '}'
            | '%'
            | '\u{2019}'
            | '\u{201D}'
            | '…'
            | '‰'
            | '、'
            | '。'
            | '〉'
            | '》'
            | '」'
            | '』'
            | '】'
            | '〕'
            | '〗'
            | '々'
            | '〞'
            | '〟'
            | '！'
            | '）'
            | '，'
            | '．'
            | '：'
            | '；'
            | '？'
            | '］'
            | '｝'
            | '～'
            | '％'
            | '｡'
            | '｣'
            | '､'
    )
}

/// Opening punctuation, which ends no line.
pub(crate) fn no_line_end(c: char) -> bool {
    matches!(
        c,
        '(' | '['
            | '{'
            | '\u{2018}'
            | '\u{201C}'
            | '〈'
            | '《'
            | '「'
            | '『'
            | '【'
            | '〔'
            | '〖'
            | '〝'
            | '（'
            | '［'
            | '｛'
            | '＄'
            | '￥'
            | '｢'
    )
}
