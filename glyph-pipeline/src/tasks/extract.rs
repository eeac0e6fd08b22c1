//! Dates, amounts, identifiers and named fields.

use super::lines::{BBox, ReadLine};
use super::sentences::{Block, on_one_line, runs};
use serde::Serialize;
use std::ops::Range;

mod candidates;
mod dates;
mod fields;
mod identifiers;
mod money;
#[cfg(test)]
mod tests;

pub use candidates::candidate_lines;

/// What kind of value was extracted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExtractionKind {
    /// A date; normalised to `2024-03-05` (or `2024-03`) when it is complete
    /// and unambiguous.
    Date,
    /// An amount of money; normalised to `USD 1234.50`.
    Money,
    /// An e-mail address; normalised to lower case.
    Email,
    /// A web address.
    Url,
    /// A UUID; normalised to lower case.
    Uuid,
    /// Eight or more hexadecimal digits, letters among them.
    Hex,
    /// A code such as `INV-2024-0042`.
    Code,
    /// An IBAN whose check digits are right; normalised without spaces.
    Iban,
    /// An ISBN whose check digit is right; normalised to its digits.
    Isbn,
    /// A DOI.
    Doi,
    /// A phone number; normalised to its digits, with `+` if it had one.
    Phone,
    /// The value of the named field.
    Field(String),
}

/// A value found on the pages.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Extraction {
    /// What kind of value it is.
    pub kind: ExtractionKind,
    /// The value as read, joined over line ends.
    pub value: String,
    /// The value in a uniform notation, where there is one.
    pub normalized: Option<String>,
    /// The page it begins on, counted from 1.
    pub page: u32,
    /// The row it begins on, counted from 1.
    pub line: u32,
    /// The lowest confidence among its lines.
    pub confidence: f32,
    /// The rectangle around its lines on the page that it begins on.
    pub bbox: BBox,
    /// The whole text of its lines.
    pub context: String,
}

/// A value within the text of a block.
#[derive(Debug, Clone, PartialEq)]
struct Found {
    bytes: Range<usize>,
    kind: ExtractionKind,
    normalized: Option<String>,
}

/// Extracts dates, amounts of money, addresses, identifiers and the values of
/// named fields, sorted by position.
///
/// A field's value is what follows its name after a colon, equals sign, tab,
/// bar, "is" or 是/为, in the next cell of a table row, or on the next line.
/// Values may wrap over two lines. Values do not overlap, except that a named
/// field with a long value leaves the shorter values in it to be found on
/// their own.
#[must_use]
pub fn extract<S: AsRef<str>>(lines: &[ReadLine], fields: &[S]) -> Vec<Extraction> {
    let names: Vec<&str> = fields
        .iter()
        .map(|field| field.as_ref().trim())
        .filter(|name| !name.is_empty())
        .collect();
    let patterns = fields::patterns(&names);
    let mut result = Vec::new();
    for block in runs(lines) {
        let mut kept = typed(&block.text);
        let named = fields::find(&block.text, &patterns);
        kept.retain(|value| {
            !named.iter().any(|field| {
                overlap(&field.bytes, &value.bytes)
                    && (value.bytes.len() * 2 >= field.bytes.len()
                        || !contains(&field.bytes, &value.bytes))
            })
        });
        kept.extend(named.into_iter().map(|mut field| {
            let value = &block.text[field.bytes.clone()];
            field.normalized = typed(value)
                .into_iter()
                .find(|own| own.bytes == (0..value.len()))
                .and_then(|own| own.normalized);
            field
        }));
        kept.sort_by_key(|value| (value.bytes.start, value.bytes.end));
        result.extend(kept.into_iter().map(|value| report(value, &block, lines)));
    }
    result
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

fn contains(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// Values that are known by their form; the more specific kinds come first and
/// keep the others off their text.
fn typed(text: &str) -> Vec<Found> {
    let mut kept: Vec<Found> = Vec::new();
    let finders = [
        identifiers::addresses,
        identifiers::checked,
        dates::find,
        money::find,
        identifiers::phones,
        identifiers::codes,
    ];
    for find in finders {
        for value in find(text) {
            if !kept.iter().any(|own| overlap(&own.bytes, &value.bytes)) {
                kept.push(value);
            }
        }
    }
    kept.sort_by_key(|value| value.bytes.start);
    kept
}

fn report(found: Found, block: &Block, lines: &[ReadLine]) -> Extraction {
    let own = &lines[block.lines_of(&found.bytes)];
    let first = &own[0];
    let context: Vec<&str> = own.iter().map(|line| line.text.trim()).collect();
    Extraction {
        value: on_one_line(&block.text[found.bytes]),
        kind: found.kind,
        normalized: found.normalized,
        page: first.page,
        line: first.line,
        confidence: own.iter().map(|l| l.confidence).fold(1.0, f32::min),
        bbox: own
            .iter()
            .filter(|line| line.page == first.page)
            .fold(first.bbox, |sum, line| sum.union(line.bbox)),
        context: on_one_line(&context.join("\n")),
    }
}

/// Compiles a fixed pattern in which `\b` and `\d` mean ASCII, so that a
/// number beside an ideograph has a boundary.
fn ascii(source: &str) -> regex::Regex {
    let source = source.replace(r"\b", r"(?-u:\b)").replace(r"\d", "[0-9]");
    super::text::pattern(&source)
}
