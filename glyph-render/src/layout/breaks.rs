//! Where lines may break: UAX #14, and outside Chinese quotation marks.

use std::iter::Peekable;

use unicode_linebreak::BreakOpportunity;

use crate::document::is_cjk;

/// The places where a line may or must break, in order.
///
/// UAX #14 as of Unicode 15 keeps quotation marks with both their neighbours, for
/// it cannot tell opening from closing ones; beside Chinese `“` always opens and
/// `”` always closes (later versions have that as rule LB19a).
pub(crate) fn breaks(text: &str) -> impl Iterator<Item = (usize, BreakOpportunity)> + '_ {
    let quotes = text
        .match_indices(['\u{2018}', '\u{2019}', '\u{201C}', '\u{201D}'])
        .filter_map(|(at, quote)| {
            let opens = matches!(quote, "\u{2018}" | "\u{201C}");
            let end = at + quote.len();
            let beside = |c: char| is_cjk(c);
            if opens {
                // `（“` and `：“` are cut only where UAX #14 says so.
                let before = text[..at].chars().next_back()?;
                (beside(before) && !no_line_end(before)).then_some(at)
            } else {
                let after = text[end..].chars().next()?;
                (beside(after) && !no_line_start(after)).then_some(end)
            }
        });
    Merged {
        breaks: unicode_linebreak::linebreaks(text).peekable(),
        more: quotes.peekable(),
    }
}

struct Merged<I: Iterator, J: Iterator> {
    breaks: Peekable<I>,
    more: Peekable<J>,
}

impl<I, J> Iterator for Merged<I, J>
where
    I: Iterator<Item = (usize, BreakOpportunity)>,
    J: Iterator<Item = usize>,
{
    type Item = (usize, BreakOpportunity);

    fn next(&mut self) -> Option<Self::Item> {
        let Some(&more) = self.more.peek() else {
            return self.breaks.next();
        };
        match self.breaks.peek() {
            Some((at, _)) if *at < more => self.breaks.next(),
            Some((at, _)) if *at == more => {
                self.more.next();
                self.breaks.next()
            }
            _ => {
                self.more.next();
                Some((more, BreakOpportunity::Allowed))
            }
        }
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
