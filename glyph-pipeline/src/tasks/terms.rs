//! Tokens, stems, stop words, and the terms of a question.

use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};

use super::text::{is_han, is_word_char};

mod fuzzy;
mod language;
mod query;
mod related;
mod request;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use fuzzy::{allowed_edits, within_edits};
pub(crate) use language::{Asks, foreign};
pub(crate) use query::{Kind, PARTICLES, Query};
pub(crate) use related::{han_synonyms, is_generic, related};
pub(crate) use request::asked;
pub(crate) use stream::{Hit, Stream, hits};

/// A token of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A run of letters and digits, as written.
    Word(&'a str),
    /// One ideograph.
    Han(char),
}

/// Calls `each` with every token and its byte offset.
pub(crate) fn tokenize<'a>(text: &'a str, mut each: impl FnMut(Token<'a>, usize)) {
    let mut start = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if is_word_char(c) {
            start.get_or_insert(at);
            continue;
        }
        if let Some(from) = start {
            // "1,234.5" and "don't" are one token each.
            let next = chars.peek().map(|&(_, n)| n);
            let after_digit = text[from..at].ends_with(|p: char| p.is_ascii_digit());
            let inside = match c {
                '.' | ',' => after_digit && next.is_some_and(|n| n.is_ascii_digit()),
                '\'' | '’' => !after_digit && next.is_some_and(char::is_alphabetic),
                _ => false,
            };
            if inside {
                continue;
            }
            each(Token::Word(&text[from..at]), from);
            start = None;
        }
        if is_han(c) {
            each(Token::Han(c), at);
        }
    }
    if let Some(from) = start {
        each(Token::Word(&text[from..]), from);
    }
}

/// The form in which words are compared: lower case, no possessive, no
/// thousands separators.
pub(crate) fn fold(word: &str) -> String {
    let mut lower = word.to_lowercase();
    if lower.starts_with(|c: char| c.is_ascii_digit()) {
        lower.retain(|c| c != ',');
    } else if let Some(rest) = without_elision(&lower) {
        lower = rest.to_owned();
    } else if let Some(cut) = lower.find(['\'', '’']) {
        if lower[cut..].chars().nth(1) == Some('s') {
            lower.truncate(cut);
        } else {
            lower.retain(|c| c != '\'' && c != '’');
        }
    }
    lower
}

/// The word after an elided article or pronoun of French or Italian: "adhésion" in "l'adhésion".
fn without_elision(word: &str) -> Option<&str> {
    let (elided, rest) = word.split_once(['\'', '’'])?;
    const ELIDED: [&str; 16] = [
        "l", "d", "qu", "n", "s", "j", "c", "m", "t", "dell", "all", "nell", "sull", "dall", "un",
        "quest",
    ];
    // Possessives stay: "d's".
    (ELIDED.contains(&elided) && rest.chars().nth(1).is_some()).then_some(rest)
}

static RUSSIAN: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::Russian));

/// Strips English plural, -ing and -ed endings from a folded word; the base of an irregular form.
///
/// Of Cyrillic words those of Russian (Snowball), which are near those of its neighbours.
pub(crate) fn stem(word: &str) -> &str {
    if word.starts_with(|c: char| ('\u{400}'..='\u{4ff}').contains(&c)) {
        // It only cuts, and writes е for ё, which is as long.
        let length = RUSSIAN.stem(word).len();
        return word.get(..length).unwrap_or(word);
    }
    if !word.is_ascii() || word.len() < 4 || word.bytes().any(|b| b.is_ascii_digit()) {
        // "led", "ran" and "won" are short.
        return related::base(word).unwrap_or(word);
    }
    let mut root = related::base(word).unwrap_or(word);
    if let Some(cut) = root.strip_suffix("ies").filter(|r| r.len() > 2) {
        // "cities" and "city" meet at "cit".
        return cut;
    } else if root.ends_with("sses") {
        root = &root[..root.len() - 2];
    } else if root.ends_with('s')
        && !root.ends_with("ss")
        && !root.ends_with("us")
        && !root.ends_with("is")
    {
        root = &root[..root.len() - 1];
    }
    for ending in ["ing", "ed"] {
        if let Some(cut) = root.strip_suffix(ending)
            && cut.len() >= 3
            && cut.bytes().any(|b| b"aeiouy".contains(&b))
        {
            root = cut;
            let bytes = cut.as_bytes();
            let last = bytes[bytes.len() - 1];
            if bytes.len() > 3 && last == bytes[bytes.len() - 2] && !b"lsz".contains(&last) {
                root = &cut[..cut.len() - 1];
            }
            break;
        }
    }
    if root.len() > 3 {
        root = root
            .strip_suffix('e')
            .or_else(|| root.strip_suffix('y'))
            .or_else(|| root.strip_suffix('i'))
            .unwrap_or(root);
    }
    root
}

const STOP_WORDS: &str = " a an the and or but nor if then than so as of in on at to for from by \
with without about into onto over under between among through during before after above below up \
down out off is are was were be been being am do does did done has have had having will would \
shall should can could may might must it its he him his she her hers they them their theirs we us \
our ours you your yours i me my mine this that these those there here not no any some all each \
every both such own same other what which who whom whose when where why how much many tell give \
please find show according text document page pages say says said mention mentioned exactly also \
just only very too more most ";

/// Whether a folded word says nothing about the subject of a question.
pub(crate) fn is_stop_word(word: &str) -> bool {
    // Framed by spaces, so that only whole words are found.
    word.len() <= 10
        && STOP_WORDS.match_indices(word).any(|(at, _)| {
            STOP_WORDS[..at].ends_with(' ') && STOP_WORDS[at + word.len()..].starts_with(' ')
        })
}
