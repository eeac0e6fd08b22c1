//! What kind of character, and what kind of line.

use regex::Regex;
use std::sync::LazyLock;

/// Compiles a pattern that is fixed in the source.
pub(crate) fn pattern(source: &str) -> Regex {
    Regex::new(source).expect("the pattern is a constant that the tests compile")
}

/// A Chinese ideograph or a Japanese syllable: a character that is a token.
pub(crate) fn is_han(c: char) -> bool {
    matches!(u32::from(c), 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF
        | 0x3005..=0x3007 | 0x3041..=0x30FF | 0x2_0000..=0x3_23AF)
}

/// A character of East Asian text, punctuation included: no space goes
/// between two of them.
pub(crate) fn is_cjk(c: char) -> bool {
    is_han(c) || matches!(u32::from(c), 0x3000..=0x303F | 0xFF00..=0xFFEF)
}

/// A letter or digit that belongs to a space-separated word.
pub(crate) fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() && !is_han(c)
}

/// Width in half-cells: one for Latin, two for East Asian characters.
pub(crate) fn half_cells(text: &str) -> usize {
    text.chars().map(|c| if is_cjk(c) { 2 } else { 1 }).sum()
}

/// Whether the text is mostly Chinese (more than a third of its letters).
pub(crate) fn is_mostly_han(text: &str) -> bool {
    let (mut han, mut all) = (0_usize, 0_usize);
    for c in text.chars().filter(|c| c.is_alphanumeric()) {
        all += 1;
        han += usize::from(is_han(c));
    }
    han * 3 > all
}

/// Marks that close a quotation or bracket after a sentence's last mark.
pub(crate) fn is_closer(c: char) -> bool {
    matches!(
        c,
        '"' | '\'' | '”' | '’' | ')' | ']' | '」' | '』' | '）' | '】' | '》' | '»'
    )
}

static HEADING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)^(?:
        \#{1,6}\s
        | (?i:chapter|section|part|appendix|book|act|scene)\s+(?:\d+|[IVXLC]+)\b
        | \d{1,2}(?:\.\d{1,2})*\.?\s+\p{Lu}
        | \d{1,2}(?:\.\d{1,2})*[.、\s]\s*\p{Han}
        | [一二三四五六七八九十]{1,3}、
        | 第[\d一二三四五六七八九十百千零〇]{1,6}[章节回部篇卷讲]
    )",
    )
});

/// A line that looks like a heading whatever surrounds it: numbered, marked
/// up, or in capitals, short and without a closing mark.
pub(crate) fn is_heading(text: &str) -> bool {
    let text = text.trim();
    let Some(last) = text.chars().next_back() else {
        return false;
    };
    if half_cells(text) > 64 || ".!?;,。！？；，、…".contains(last) {
        return false;
    }
    let mut words = text.split_whitespace();
    if words.clone().count() > 10 {
        return false;
    }
    if let Some(found) = HEADING.find(text) {
        // "3 May" inside prose is no heading; "3.1 Methods" and "3. Methods" are.
        let numbered = found.as_str().starts_with(|c: char| c.is_ascii_digit());
        return !numbered || found.as_str().contains(['.', '、']);
    }
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    letters >= 5
        && !text.chars().any(|c| c.is_lowercase() || is_han(c))
        && !text.chars().any(|c| c.is_ascii_digit())
        && words.any(|w| w.chars().filter(|c| c.is_alphabetic()).count() >= 4)
}

/// A short line of capitalised words, such as an unnumbered heading.
pub(crate) fn is_title_case(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let long = words.iter().filter(|w| w.chars().count() > 3);
    !words.is_empty()
        && words.len() <= 10
        && !text.ends_with(['.', '!', '?', ';', ','])
        && long
            .clone()
            .all(|w| w.starts_with(|c: char| c.is_uppercase()))
        && long.count() > 0
}

static PAGE_NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^\s*(?:[-–—]?\s*\d{1,5}\s*[-–—]?|p(?:age|\.)\s*\d+(?:\s*(?:of|/)\s*\d+)?|第\s*\d+\s*页(?:\s*[/，,]?\s*共\s*\d+\s*页)?|\d+\s*/\s*\d+)\s*$",
    )
});

/// A line that holds nothing but a page number.
pub(crate) fn is_page_number(text: &str) -> bool {
    PAGE_NUMBER.is_match(text)
}

static CONTENTS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:\.[ .]*){4,}\s*\S{0,6}\s*$|(?:…\s*){2,}\s*\d{0,5}\s*$|·{4,}"));

/// A row of a table of contents: a title, leaders and a page number.
pub(crate) fn is_contents_row(text: &str) -> bool {
    CONTENTS.is_match(text)
}

static ITEM: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\s*(?:[-*•◦▪·–—]\s+|\(?\d{1,2}[.)]\s+|\(?[a-zA-Z][.)]\s+|（[\d一二三四五六七八九十]+）|\d{1,2}、)",
    )
});

/// A line that begins a list item.
pub(crate) fn is_list_item(text: &str) -> bool {
    ITEM.is_match(text)
}

/// Text that looks like source code rather than prose.
pub(crate) fn is_code(text: &str) -> bool {
    let trimmed = text.trim();
    let chars = trimmed.chars().filter(|c| !c.is_whitespace()).count();
    if chars == 0 {
        return false;
    }
    let odd = trimmed
        .chars()
        .filter(|c| "{}[]<>=;&|\\$#@`~^*_+/".contains(*c))
        .count();
    odd * 100 > chars * 8 && odd >= 3
        || trimmed.ends_with(['{', '}', ';'])
            && trimmed.contains(['(', '=', '{', '}'])
            && !trimmed.contains(['。', '；'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_headings_from_prose() {
        for heading in [
            "# Results",
            "Chapter 12",
            "CHAPTER IV. The Storm",
            "3.1 Methods",
            "3. Methods",
            "THE WAY HOME",
            "第三章 风暴",
            "一、概述",
        ] {
            assert!(is_heading(heading), "{heading}");
        }
        for prose in [
            "3 May was cold",
            "He went home.",
            "NASA",
            "in Section 3 we see",
            "他回家了。",
            "",
        ] {
            assert!(!is_heading(prose), "{prose}");
        }
    }

    #[test]
    fn tells_furniture_and_code() {
        assert!(
            is_page_number("- 12 -") && is_page_number("第 3 页") && is_page_number("Page 3 of 9")
        );
        assert!(!is_page_number("12 men"));
        assert!(is_contents_row("Introduction ........ 12"));
        assert!(is_contents_row("1. Storms . . . . . . . 3"));
        assert!(!is_contents_row("He paused... and left."));
        assert!(is_code("let x = foo(&y)?; // {z}"));
        assert!(is_code("return foo(bar);"));
        assert!(!is_code("The price (in dollars) rose; nobody knew why."));
        assert!(is_list_item("- one") && is_list_item("2) two") && !is_list_item("two"));
    }
}
