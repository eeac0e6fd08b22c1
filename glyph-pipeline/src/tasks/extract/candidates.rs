//! Which lines of a coarse read may hold values.

use super::super::lines::ReadLine;
use super::super::rank::rank_keywords;

/// Tells which lines of a coarse read should be read finely before
/// [`extract`](super::extract): those with digits, `@`, web addresses, currency
/// signs or (fuzzily) a field's name, and one neighbour on each side.
#[must_use]
pub fn candidate_lines<S: AsRef<str>>(lines: &[ReadLine], fields: &[S]) -> Vec<bool> {
    let named = rank_keywords(fields, lines);
    let own: Vec<bool> = lines
        .iter()
        .zip(named)
        .map(|(line, score)| score > 0.0 || may_hold_value(&line.text))
        .collect();
    (0..own.len())
        .map(|index| {
            let near = |other: usize| {
                let apart = (lines[index].page, lines[other].page);
                own[other] && apart.0.abs_diff(apart.1) <= 1
            };
            own[index]
                || index.checked_sub(1).is_some_and(near)
                || index + 1 < own.len() && near(index + 1)
        })
        .collect()
}

fn may_hold_value(text: &str) -> bool {
    let numeral = |c: char| "〇零一二三四五六七八九十".contains(c);
    text.contains(|c: char| c.is_numeric() && !numeral(c) || "@$€£¥￥₹".contains(c))
        || text.contains("://")
        || text.contains("www.")
        || text
            .char_indices()
            .any(|(at, c)| matches!(c, '年' | '月' | '元') && text[..at].ends_with(numeral))
}
