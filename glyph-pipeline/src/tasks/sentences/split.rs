//! Where the sentences of running text end.

use super::super::text::{is_cjk, is_closer};
use std::ops::Range;

/// Abbreviations that a capital letter may follow within a sentence.
const TITLES: &[&str] = &[
    "dr", "mr", "mrs", "ms", "mx", "prof", "st", "gen", "col", "lt", "sgt", "capt", "cmdr", "rev",
    "hon", "gov", "sen", "rep", "pres", "mt", "ft", "messrs", "mme", "mlle", "e.g", "i.e", "eg",
    "ie", "cf", "vs", "viz", "approx", "ca", "resp", "ph.d", "m.d", "u.s", "u.k", "u.n", "d.c",
    "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "dept",
    "univ", "assn", "bros", "incl", "est", "al",
];

/// Abbreviations that belong to the number after them.
const BEFORE_NUMBERS: &[&str] = &[
    "no", "nos", "nr", "fig", "figs", "pp", "p", "vol", "vols", "art", "sec", "ch", "eq", "eqs",
    "tab", "ref", "refs", "ver", "ed", "par", "pt", "tel", "ext", "app", "chap",
];

/// Months of German, which follow an ordinal: "am 9. Juli".
const GERMAN_MONTHS: &[&str] = &[
    "Januar",
    "Jänner",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
];

/// Words before the days of German dates.
const BEFORE_GERMAN_DAYS: &[&str] = &[
    "am", "Am", "ab", "Ab", "bis", "Bis", "dem", "den", "der", "Der", "des", "seit", "Seit", "und",
    "vom", "Vom", "zum", "Zum",
];

/// The byte ranges of the sentences in `text`, without white space around.
pub(super) fn split(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut marks = text.char_indices().peekable();
    while let Some((at, mark)) = marks.next() {
        if !matches!(mark, '.' | '!' | '?' | '…' | '。' | '！' | '？' | '；') {
            continue;
        }
        let mut end = at + mark.len_utf8();
        let mut run = 1;
        while let Some(&(next, c)) = marks.peek() {
            if matches!(c, '.' | '!' | '?' | '…' | '。' | '！' | '？') {
                run += 1;
            } else if !is_closer(c) || opens_quote(c, &text[next + c.len_utf8()..]) {
                break;
            }
            end = next + c.len_utf8();
            marks.next();
        }
        if ends_here(text, start, at, mark, end, run) {
            push_trimmed(text, start..end, &mut found);
            start = end;
        }
    }
    push_trimmed(text, start..text.len(), &mut found);
    found
}

/// A straight quote directly before a letter opens rather than closes.
fn opens_quote(c: char, rest: &str) -> bool {
    matches!(c, '"' | '\'') && rest.starts_with(char::is_alphanumeric)
}

fn push_trimmed(text: &str, bytes: Range<usize>, found: &mut Vec<Range<usize>>) {
    let part = &text[bytes.clone()];
    let trimmed = part.trim();
    if !trimmed.is_empty() {
        let start = bytes.start + (part.len() - part.trim_start().len());
        found.push(start..start + trimmed.len());
    }
}

/// Decides on the mark at `at`, whose closing quotes reach up to `end`.
fn ends_here(text: &str, start: usize, at: usize, mark: char, end: usize, run: usize) -> bool {
    let rest = &text[end..];
    let Some(next) = rest.chars().next() else {
        return true;
    };
    if matches!(mark, '。' | '！' | '？' | '；') {
        return true;
    }
    if is_cjk(next) {
        // An English mark amid Chinese text; "3.中" is a number.
        return !(mark == '.' && text[..at].ends_with(|c: char| c.is_ascii_digit()));
    }
    if !next.is_whitespace() || in_bracket(text, start, at, end) {
        return false;
    }
    let follows = rest.trim_start().chars().next();
    let Some(follows) = follows else {
        return true;
    };
    if follows.is_lowercase() || matches!(follows, ',' | ';' | ':') {
        return false;
    }
    if mark != '.' || run > 1 {
        return true;
    }
    let before = &text[start..at];
    let word_start = before
        .char_indices()
        .rev()
        .find(|(_, c)| !(c.is_alphanumeric() || *c == '.'))
        .map_or(0, |(i, c)| i + c.len_utf8());
    let word = &before[word_start..];
    if word.is_empty() {
        return true;
    }
    // "J. Smith", "U. S." but not a sentence's closing "I." or "plan B."
    let mut letters = word.chars();
    if let (Some(letter), None) = (letters.next(), letters.next())
        && letter.is_uppercase()
        && letter != 'I'
    {
        let earlier = before[..word_start].trim_end();
        return earlier.ends_with(|c: char| c.is_lowercase())
            && !earlier
                .rsplit(' ')
                .next()
                .is_some_and(|w| w.starts_with(char::is_uppercase))
            && sentence_word(rest);
    }
    // A list number at the sentence's head, or a day.
    if word.len() <= 2 && word.chars().all(|c| c.is_ascii_digit()) {
        let next = rest
            .split(|c: char| !c.is_alphabetic())
            .find(|w| !w.is_empty());
        let earlier = before[..word_start].split_whitespace().next_back();
        let german = earlier.is_some_and(|w| BEFORE_GERMAN_DAYS.contains(&w));
        if word_start == 0 || german && next.is_some_and(|w| GERMAN_MONTHS.contains(&w)) {
            return false;
        }
    }
    let lower = word.to_lowercase();
    if BEFORE_NUMBERS.contains(&lower.as_str()) {
        return !follows.is_ascii_digit() && !code_follows(rest);
    }
    if ["a.m", "p.m", "etc", "inc", "ltd", "co", "corp", "jr", "sr"].contains(&lower.as_str()) {
        return follows.is_uppercase() || !follows.is_alphanumeric();
    }
    !TITLES.contains(&lower.as_str())
}

/// Most bytes of a bracket that may hold the ends of sentences.
const BRACKET: usize = 200;

/// Whether the mark at `at` stands within brackets that open in this sentence and close soon. A
/// bracket that closes nowhere near is taken for a misreading.
fn in_bracket(text: &str, start: usize, at: usize, end: usize) -> bool {
    let from = text.ceil_char_boundary(start.max(at.saturating_sub(BRACKET)));
    let mut open = 0_usize;
    for c in text[from..end].chars() {
        match c {
            '(' | '（' | '[' => open += 1,
            ')' | '）' | ']' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    if open == 0 {
        return false;
    }
    let to = text.floor_char_boundary(text.len().min(end + BRACKET));
    for c in text[end..to].chars() {
        match c {
            '(' | '（' | '[' => open += 1,
            ')' | '）' | ']' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return true;
        }
    }
    false
}

/// Whether the text goes on with a code: a word that holds a digit.
fn code_follows(rest: &str) -> bool {
    rest.split_whitespace()
        .next()
        .is_some_and(|word| word.contains(|c: char| c.is_ascii_digit()))
}

/// Whether the text goes on with a word that usually begins a sentence.
fn sentence_word(rest: &str) -> bool {
    let word = rest
        .trim_start()
        .split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default();
    [
        "The", "A", "An", "It", "He", "She", "They", "We", "I", "This", "That", "These", "Those",
        "In", "On", "At", "But", "And", "Then", "There", "When", "If", "For", "As", "His", "Her",
    ]
    .contains(&word)
}
