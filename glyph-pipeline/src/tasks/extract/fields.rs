//! Named fields.

use super::super::terms::{allowed_edits, within_edits};
use super::super::text::{half_cells, is_han, pattern};
use super::{ExtractionKind, Found};
use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

/// A line at least this wide (half-cells) may go on below.
const FULL: usize = 80;

/// A field's name, ready to be looked for.
pub(super) struct Field {
    name: String,
    spelled: Vec<char>,
    pattern: Regex,
}

/// Prepares field names.
pub(super) fn patterns(names: &[&str]) -> Vec<Field> {
    names
        .iter()
        .map(|name| {
            let words: Vec<String> = name.split_whitespace().map(regex::escape).collect();
            let word = |c: char| c.is_alphanumeric() && !is_han(c);
            let before = if name.starts_with(word) { r"\b" } else { "" };
            let after = if name.ends_with(word) {
                r"(?:\b|_)"
            } else {
                ""
            };
            Field {
                name: (*name).to_owned(),
                spelled: fold(name),
                pattern: pattern(&format!("(?i){before}{}{after}", words.join(r"[\s_-]+"))),
            }
        })
        .collect()
}

/// Lower-case letters and digits, by which a misread label is compared.
fn fold(text: &str) -> Vec<char> {
    text.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// What stands between a name and its value on one line.
static SEPARATOR: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:[ ]*(?:\([^)\n]{0,24}\)|（[^）\n]{0,24}）|(?i:no\.?|number|#))?[ \t*]*(?:[:：=|]+|\t+|\.{3,}|…+|[ ]{3,})[ \t*:|]*|[ ](?i:is|was|are|were|reads|equals)(?:[ :]+|$)(?:(?i:the|as)[ ])?|[ ]*(?:是|为|等于)[ ：:]*)",
    )
});

/// A second label on the same line ends the value before it.
static NEXT_CELL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"[ ]*\||\t|[ ]{2,}\S|[;；，][ ]*[^\s:：;；，]{1,24}[:：]|[;；]"));
static LABEL: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[^:：\n]{1,32}[:：]|\||\t"));
static RULE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[\s|:+=-]*--[\s|:+=-]*$"));

/// Finds the fields' values in a block; the same text is given to one field
/// only.
pub(super) fn find(text: &str, fields: &[Field]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut order: Vec<&Field> = fields.iter().collect();
    // "Invoice number" before "number".
    order.sort_by_key(|field| std::cmp::Reverse(field.spelled.len()));
    for field in order {
        for label in labels(text, field) {
            let taken =
                |bytes: &Range<usize>| found.iter().any(|own| super::overlap(&own.bytes, bytes));
            let Some(bytes) = value_after(text, &label, field).filter(|b| !taken(b)) else {
                continue;
            };
            found.push(Found {
                bytes,
                kind: ExtractionKind::Field(field.name.clone()),
                normalized: None,
            });
        }
    }
    found
}

/// Where the field's name stands, or a misreading of it before a separator.
fn labels(text: &str, field: &Field) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = field.pattern.find_iter(text).map(|m| m.range()).collect();
    let limit = allowed_edits(field.spelled.len());
    if limit > 0 {
        let mut start = 0;
        for line in text.split('\n') {
            if let Some(cut) = line.find([':', '：', '\t', '|', '=']) {
                let label = &line[..cut];
                let range = start..start + label.trim_end().len();
                let known = found.iter().any(|own| super::overlap(own, &range));
                if !known && within_edits(&field.spelled, &fold(label), limit) {
                    found.push(range);
                }
            }
            start += line.len() + 1;
        }
    }
    found
}

fn value_after(text: &str, label: &Range<usize>, field: &Field) -> Option<Range<usize>> {
    let line_start = text[..label.start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[label.end..]
        .find('\n')
        .map_or(text.len(), |at| label.end + at);
    if let Some(cell) = cell_below(text, line_start..line_end, label.start) {
        return Some(cell);
    }
    let rest = &text[label.end..line_end];
    let alone = fold(&text[line_start..line_end]).len() <= field.spelled.len() + 1;
    let Some(separator) = SEPARATOR.find(rest) else {
        // The name alone on its line: the value is on the next one.
        return (alone && rest.trim().is_empty())
            .then(|| below(text, line_end))
            .flatten();
    };
    let start = label.end + separator.end();
    let said = separator.as_str().contains(|c: char| c.is_alphabetic())
        && !separator.as_str().contains([':', '：', '=', '|', '\t']);
    if text[start..line_end].trim().is_empty() {
        let value = below(text, line_end)?;
        let end = if said {
            value.start + sentence_end(&text[value.clone()])
        } else {
            value.end
        };
        return trimmed(text, value.start..end);
    }
    let mut end = line_end;
    if let Some(cut) = NEXT_CELL.find(&text[start..line_end]) {
        end = start + cut.start();
    } else if half_cells(&text[line_start..line_end]) >= FULL
        && !text[start..line_end].ends_with(['.', '。', ';', '；'])
        && let Some(more) = below(text, line_end)
        && !LABEL.is_match(&text[more.clone()])
        && line_end < more.end
    {
        end = more.end;
    }
    if said || end > line_end {
        end = start + sentence_end(&text[start..end]);
    }
    trimmed(text, start..end)
}

/// The whole next line.
fn below(text: &str, line_end: usize) -> Option<Range<usize>> {
    let start = line_end + 1;
    let rest = text.get(start..)?;
    let end = start + rest.find('\n').unwrap_or(rest.len());
    let line = &text[start..end];
    // The next label is not this field's value.
    let labelled = line.trim_end().ends_with([':', '：']);
    (!labelled).then(|| trimmed(text, start..end)).flatten()
}

/// The cell under a table's header cell, when a rule follows the header.
fn cell_below(text: &str, line: Range<usize>, at: usize) -> Option<Range<usize>> {
    let column = text[line.start..at].matches('|').count();
    text[line.clone()].contains('|').then_some(())?;
    let mut start = line.end + 1;
    let mut rows = text.get(start..)?.split('\n');
    let rule = rows.next().filter(|row| RULE.is_match(row))?;
    start += rule.len() + 1;
    let row = rows.next()?;
    let mut from = start;
    for (number, cell) in row.split('|').enumerate() {
        if number == column {
            return trimmed(text, from..from + cell.len());
        }
        from += cell.len() + 1;
    }
    None
}

fn sentence_end(value: &str) -> usize {
    let mut marks = value.char_indices().peekable();
    while let Some((at, c)) = marks.next() {
        let ends = match c {
            '。' | '；' => true,
            '.' | ';' | '!' | '?' => marks.peek().is_none_or(|(_, next)| next.is_whitespace()),
            _ => false,
        };
        if ends {
            return at;
        }
    }
    value.len()
}

fn trimmed(text: &str, bytes: Range<usize>) -> Option<Range<usize>> {
    let part = &text[bytes.clone()];
    let framing = |c: char| c.is_whitespace() || "|*,;，；。".contains(c);
    let start = bytes.start + (part.len() - part.trim_start_matches(framing).len());
    let value = part.trim_matches(framing);
    // A closing point belongs to the sentence, not to the value.
    let value = value.strip_suffix('.').unwrap_or(value);
    (!value.is_empty()).then(|| start..start + value.len())
}
