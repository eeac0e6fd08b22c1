//! Addresses, numbers with check digits, phone numbers and codes.

use super::{ExtractionKind, Found, ascii};
use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

static URL: LazyLock<Regex> = LazyLock::new(|| {
    ascii(r#"(?i)(?:\b(?:https?|ftp)://|\bwww\.)[^\s<>"“”‘’，。；：、！？（）《》|]+"#)
});
static EMAIL: LazyLock<Regex> =
    LazyLock::new(|| ascii(r"\b[A-Za-z0-9][A-Za-z0-9._%+-]*@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}\b"));
static DOI: LazyLock<Regex> = LazyLock::new(|| ascii(r#"\b10\.\d{4,9}/[^\s<>"“”，。；：、）|]+"#));
static UUID: LazyLock<Regex> = LazyLock::new(|| {
    ascii(r"(?i)\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
});
static IBAN: LazyLock<Regex> =
    LazyLock::new(|| ascii(r"\b[A-Z]{2}\d{2}(?:\s?[A-Z0-9]{4}){2,7}(?:\s?[A-Z0-9]{1,3})?\b"));
static ISBN: LazyLock<Regex> =
    LazyLock::new(|| ascii(r"\b(?:97[89][- ]?)?\d{1,5}[- ]?\d{1,7}[- ]?\d{1,7}[- ]?[\dXx]\b"));
static PHONE: LazyLock<Regex> = LazyLock::new(|| {
    ascii(
        r"(?x)\+\d{1,3}[\s.\-]?(?:\(\d{1,4}\)[\s.\-]?)?\d{1,5}(?:[\s.\-/]?\d{2,5}){1,5}\b
        | (?:\b1[\ .\-])?\(\d{3}\)\s?\d{3}[\ .\-]\d{4}\b
        | \b(?:1[\ .\-])?\d{3}[.\-]\d{3}[.\-]\d{4}\b
        | \b\d{3}\ \d{3}\ \d{4}\b
        | \b1[3-9]\d{9}\b
        | \b1[3-9]\d[\ \-]\d{4}[\ \-]\d{4}\b
        | \b0\d{2,3}[\-\ ]\d{7,8}\b
        | \b(?:400|800)[\-\ ]?\d{3}[\-\ ]?\d{4}\b
        | \b0\d{2,4}(?:[\ /\-]\d{3,4}){2,3}\b",
    )
});
static HEX: LazyLock<Regex> = LazyLock::new(|| ascii(r"\b(?:0x)?[0-9a-fA-F]{8,}\b"));
static CODE: LazyLock<Regex> = LazyLock::new(|| {
    ascii(
        r"\b[A-Z]{1,8}[A-Z0-9]*(?:[-/_][A-Z0-9]+)*[-/_#]\d[A-Z0-9]*(?:[-/_][A-Z0-9]+)*\b|\b[A-Z]{2,6}\d{4,}[A-Z0-9]*\b",
    )
});

fn all(
    pattern: &Regex,
    text: &str,
    kind: &ExtractionKind,
    accept: impl Fn(&str) -> Option<(usize, Option<String>)>,
) -> Vec<Found> {
    pattern
        .find_iter(text)
        .filter_map(|found| {
            let (length, normalized) = accept(found.as_str())?;
            Some(Found {
                bytes: found.start()..found.start() + length,
                kind: kind.clone(),
                normalized,
            })
        })
        .collect()
}

/// Web and e-mail addresses, DOIs and UUIDs.
pub(super) fn addresses(text: &str) -> Vec<Found> {
    let trimmed = |found: &str| {
        let kept = trim_end(found);
        (kept.len() > 6).then_some((kept.len(), None))
    };
    let lower = |found: &str| Some((found.len(), Some(found.to_lowercase())));
    let mut found = all(&URL, text, &ExtractionKind::Url, trimmed);
    found.extend(all(&EMAIL, text, &ExtractionKind::Email, lower));
    found.extend(all(&DOI, text, &ExtractionKind::Doi, |own| {
        let kept = trim_end(own);
        Some((kept.len(), Some(kept.to_lowercase())))
    }));
    found.extend(all(&UUID, text, &ExtractionKind::Uuid, lower));
    // The four kinds may overlap: the address of a DOI is one value.
    let mut kept: Vec<Found> = Vec::new();
    for own in found {
        if !kept.iter().any(|k| super::overlap(&k.bytes, &own.bytes)) {
            kept.push(own);
        }
    }
    kept
}

/// Leaves off the marks of the sentence around an address.
fn trim_end(address: &str) -> &str {
    let mut kept = address;
    loop {
        let before = kept;
        kept = kept.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*']);
        for (open, close) in [('(', ')'), ('[', ']')] {
            if kept.ends_with(close) && kept.matches(close).count() > kept.matches(open).count() {
                kept = &kept[..kept.len() - 1];
            }
        }
        if kept == before {
            return kept;
        }
    }
}

/// Numbers that prove themselves: IBAN and ISBN.
pub(super) fn checked(text: &str) -> Vec<Found> {
    let mut found = all(&IBAN, text, &ExtractionKind::Iban, |own| {
        // Capitals after the number may have been taken for its last groups.
        let mut kept = own;
        loop {
            let plain: String = kept.chars().filter(|c| !c.is_whitespace()).collect();
            if plain.len() >= 15 && iban_holds(&plain) {
                return Some((kept.len(), Some(plain)));
            }
            kept = kept[..kept.rfind(char::is_whitespace)?].trim_end();
        }
    });
    found.extend(all(&ISBN, text, &ExtractionKind::Isbn, |own| {
        let plain: String = own.chars().filter(char::is_ascii_alphanumeric).collect();
        isbn_holds(&plain).then(|| (own.len(), Some(plain.to_uppercase())))
    }));
    // Ten digits fit one time in eleven by chance: those need their name.
    found.retain(|own| {
        let ten = own.normalized.as_ref().is_some_and(|n| n.len() == 10);
        let from = text[..own.bytes.start].char_indices().rev().nth(10);
        let before = &text[from.map_or(0, |(at, _)| at)..own.bytes.start];
        own.kind != ExtractionKind::Isbn || !ten || before.to_uppercase().contains("ISBN")
    });
    found
}

fn iban_holds(plain: &str) -> bool {
    let mut rest = 0_u32;
    for c in plain[4..].chars().chain(plain[..4].chars()) {
        let Some(value) = c.to_digit(36) else {
            return false;
        };
        rest = if value < 10 {
            rest * 10 + value
        } else {
            rest * 100 + value
        } % 97;
    }
    rest == 1
}

fn isbn_holds(plain: &str) -> bool {
    let value = |c: char| {
        if c.eq_ignore_ascii_case(&'x') {
            Some(10)
        } else {
            c.to_digit(10)
        }
    };
    let Some(digits) = plain.chars().map(value).collect::<Option<Vec<u32>>>() else {
        return false;
    };
    match digits.len() {
        10 => {
            digits
                .iter()
                .zip((1..=10).rev())
                .map(|(d, w)| d * w)
                .sum::<u32>()
                % 11
                == 0
        }
        13 => {
            plain.starts_with("97")
                && digits
                    .iter()
                    .zip([1, 3].iter().cycle())
                    .map(|(d, w)| d * w)
                    .sum::<u32>()
                    % 10
                    == 0
        }
        _ => false,
    }
}

/// Phone numbers.
pub(super) fn phones(text: &str) -> Vec<Found> {
    let mut found = all(&PHONE, text, &ExtractionKind::Phone, |own| {
        let digits: String = own.chars().filter(char::is_ascii_digit).collect();
        let plus = if own.starts_with('+') { "+" } else { "" };
        (7..=15)
            .contains(&digits.len())
            .then(|| (own.len(), Some(format!("{plus}{digits}"))))
    });
    found.retain(|own| stands_alone(text, &own.bytes));
    found
}

/// Not part of a longer number or code.
fn stands_alone(text: &str, bytes: &Range<usize>) -> bool {
    !text[..bytes.start].ends_with(|c: char| c == '-' || c == '.' || c.is_ascii_alphanumeric())
        && !text[bytes.end..].starts_with(|c: char| c == '-' || c.is_ascii_alphanumeric())
}

/// Hexadecimal strings and codes.
pub(super) fn codes(text: &str) -> Vec<Found> {
    let mut found = all(&CODE, text, &ExtractionKind::Code, |own| {
        (own.chars().filter(char::is_ascii_digit).count() >= 2).then_some((own.len(), None))
    });
    found.extend(all(&HEX, text, &ExtractionKind::Hex, |own| {
        let digits = own.trim_start_matches("0x");
        let mixed = digits.contains(|c: char| c.is_ascii_digit())
            && digits.contains(|c: char| c.is_ascii_alphabetic());
        (mixed || own.starts_with("0x")).then(|| (own.len(), Some(digits.to_lowercase())))
    }));
    found
}
