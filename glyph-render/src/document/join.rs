//! Joins the lines of a paragraph.

/// Whether a line may break beside `c` without a space having been there: Han, kana,
/// bopomofo and their punctuation and full-width forms, but not Hangul.
pub(crate) fn is_cjk(c: char) -> bool {
    matches!(u32::from(c),
        0x2e80..=0x312f | 0x3190..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff
        | 0xfe30..=0xfe4f | 0xff00..=0xffef | 0x20000..=0x3ffff)
}

/// Appends the next line of a paragraph: with a space, or without one beside CJK.
pub(crate) fn push_line(paragraph: &mut String, line: &str) {
    let line = line.trim();
    let (Some(last), Some(first)) = (paragraph.chars().next_back(), line.chars().next()) else {
        paragraph.push_str(line);
        return;
    };
    if !(is_cjk(last) || is_cjk(first) || last.is_whitespace()) {
        paragraph.push(' ');
    }
    paragraph.push_str(line);
}

/// Appends the next line of a paragraph that was set in lines: as [`push_line`], with a
/// hyphen at the end of the line undone where a word was divided.
#[cfg(any(feature = "pdf", feature = "pdfium"))]
pub(crate) fn push_set_line(paragraph: &mut String, line: &str) {
    let line = line.trim();
    let mut end = paragraph.chars().rev();
    let (last, before) = (end.next(), end.next());
    let first = line.chars().next();
    match (before, last, first) {
        (_, Some('\u{ad}' | '\u{2}'), _) => {
            paragraph.pop();
            paragraph.push_str(line);
        }
        (Some(a), Some('-' | '\u{2010}'), Some(b)) if a.is_alphabetic() && b.is_lowercase() => {
            paragraph.pop();
            paragraph.push_str(line);
        }
        // A compound such as "Long-\nContext" or "2020-\n2021" keeps its hyphen.
        (Some(a), Some('-' | '\u{2010}'), Some(b))
            if a.is_alphanumeric() && b.is_alphanumeric() =>
        {
            paragraph.push_str(line);
        }
        _ => push_line(paragraph, line),
    }
}
