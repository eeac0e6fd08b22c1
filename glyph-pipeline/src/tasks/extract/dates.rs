//! Dates.

use super::{ExtractionKind, Found, ascii};
use regex::{Captures, Regex};
use std::sync::LazyLock;

const MONTH: &str = "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)";

type Read = fn(&Captures<'_>) -> Option<Option<String>>;

/// Patterns with what they mean; `None` for no date after all.
static FORMS: LazyLock<Vec<(Regex, Read)>> = LazyLock::new(|| {
    let english = |source: &str| ascii(&source.replace("MONTH", MONTH));
    vec![
        (
            ascii(
                r"\b(\d{4})([-/.])(\d{1,2})([-/.])(\d{1,2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?\b",
            ),
            |c| {
                (c[2] == c[4])
                    .then(|| full(&c[1], number(&c[3]), number(&c[5])))
                    .flatten()
                    .map(Some)
            },
        ),
        (
            ascii(
                r"(\d{4}|[〇零一二三四五六七八九]{4})\s?年\s?(\d{1,2}|[一二三四五六七八九十]{1,2})\s?月(?:\s?(\d{1,2}|[一二三四五六七八九十]{1,3})\s?[日号])?",
            ),
            |c| {
                let year: String = c[1]
                    .chars()
                    .map(|d| digit(d).map_or(d, |n| char::from(b'0' + n as u8)))
                    .collect();
                let month = number(&c[2]);
                match c.get(3) {
                    Some(day) => full(&year, month, number(day.as_str())).map(Some),
                    None => (1..=12)
                        .contains(&month)
                        .then(|| Some(format!("{year}-{month:02}"))),
                }
            },
        ),
        (
            ascii(
                r"(\d{1,2}|[一二三四五六七八九十]{1,2})\s?月\s?(\d{1,2}|[一二三四五六七八九十]{1,3})\s?[日号]",
            ),
            |c| valid(2024, number(&c[1]), number(&c[2])).then_some(None),
        ),
        (
            english(r"(?i)\b(MONTH)\b\.?\s(\d{1,2})(?:st|nd|rd|th)?,?\s(\d{4})\b"),
            |c| full(&c[3], month(&c[1]), number(&c[2])).map(Some),
        ),
        (
            english(r"(?i)\b(\d{1,2})(?:st|nd|rd|th)?\s(?:of\s)?(MONTH)\b\.?,?\s(\d{4})\b"),
            |c| full(&c[3], month(&c[2]), number(&c[1])).map(Some),
        ),
        (english(r"(?i)\b(\d{1,2})-(MONTH)-(\d{4})\b"), |c| {
            full(&c[3], month(&c[2]), number(&c[1])).map(Some)
        }),
        // Without a year or without a day; "may 5" is no date, "May 5" is one.
        (
            english(r"(?i)\b(MONTH)\b\.?,?\s((?:1[5-9]|20)\d{2})\b"),
            |c| capital(&c[1]).then(|| Some(format!("{}-{:02}", &c[2], month(&c[1])))),
        ),
        (
            english(r"(?i)\b(MONTH)\b\.?\s(\d{1,2})(?:st|nd|rd|th)?\b"),
            |c| (capital(&c[1]) && valid(2024, month(&c[1]), number(&c[2]))).then_some(None),
        ),
        (
            english(r"(?i)\b(\d{1,2})(?:st|nd|rd|th)?\s(?:of\s)?(MONTH)\b"),
            |c| (capital(&c[2]) && valid(2024, month(&c[2]), number(&c[1]))).then_some(None),
        ),
        (
            ascii(r"\b(\d{1,2})([/.-])(\d{1,2})([/.-])(\d{4}|\d{2})\b"),
            numeric,
        ),
    ]
});

/// Finds dates, the complete forms first.
pub(super) fn find(text: &str) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for (form, read) in FORMS.iter() {
        for captures in form.captures_iter(text) {
            let whole = captures.get_match();
            let bytes = whole.start()..whole.end();
            if found.iter().any(|own| super::overlap(&own.bytes, &bytes))
                || amid_number(text, &bytes)
            {
                continue;
            }
            if let Some(normalized) = read(&captures) {
                found.push(Found {
                    bytes,
                    kind: ExtractionKind::Date,
                    normalized,
                });
            }
        }
    }
    found
}

/// "1.2.3.4" and "12-34-56-78" hold no date.
fn amid_number(text: &str, bytes: &std::ops::Range<usize>) -> bool {
    let mut after = text[bytes.end..].chars();
    let mut before = text[..bytes.start].chars().rev();
    let joins = |a: Option<char>, b: Option<char>| {
        matches!(a, Some('.' | '-' | '/')) && b.is_some_and(|c| c.is_ascii_digit())
    };
    joins(after.next(), after.next()) || joins(before.next(), before.next())
}

/// 03/04/2024: the order of day and month is only known when one exceeds 12,
/// or when points separate them.
fn numeric(c: &Captures<'_>) -> Option<Option<String>> {
    if c[2] != c[4] || c[5].len() == 2 && &c[2] != "/" {
        return None;
    }
    let (a, b) = (number(&c[1]), number(&c[3]));
    let year = if c[5].len() == 4 {
        c[5].to_owned()
    } else {
        format!("20{}", &c[5])
    };
    let day_first = full(&year, b, a);
    let month_first = full(&year, a, b);
    match (day_first, month_first) {
        (None, None) => None,
        (Some(date), None) | (None, Some(date)) => Some(Some(date)),
        (Some(date), Some(_)) if &c[2] == "." || a == b => Some(Some(date)),
        _ => Some(None),
    }
}

fn capital(word: &str) -> bool {
    word.starts_with(|c: char| c.is_uppercase())
}

fn month(name: &str) -> u32 {
    let names = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let lower = name.to_ascii_lowercase();
    names
        .iter()
        .zip(1..)
        .find(|(own, _)| lower.starts_with(**own))
        .map_or(0, |(_, number)| number)
}

fn digit(c: char) -> Option<u32> {
    "〇一二三四五六七八九"
        .chars()
        .position(|d| d == c)
        .map(|n| n as u32)
        .or((c == '零').then_some(0))
}

/// An Arabic number, or a Chinese one up to 99.
fn number(text: &str) -> u32 {
    if let Ok(value) = text.parse() {
        return value;
    }
    let mut value = 0;
    let mut ones = 0;
    for c in text.chars() {
        if c == '十' {
            value += ones.max(1) * 10;
            ones = 0;
        } else {
            ones = digit(c).unwrap_or(0);
        }
    }
    value + ones
}

fn valid(year: u32, month: u32, day: u32) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + u32::from(leap),
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn full(year: &str, month: u32, day: u32) -> Option<String> {
    let number = year.parse().ok()?;
    (number >= 1000 && valid(number, month, day)).then(|| format!("{year}-{month:02}-{day:02}"))
}
