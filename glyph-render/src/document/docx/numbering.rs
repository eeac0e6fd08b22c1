//! List markers: bullets, and numbers as Word counts them.

use super::xml::{self, attribute};
use quick_xml::Reader;
use quick_xml::events::Event;
use std::collections::HashMap;

/// The lists of a document and how far each has been counted.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    /// The abstract list of each `numId`.
    lists: HashMap<String, String>,
    levels: HashMap<(String, u8), Level>,
    /// What each level of each abstract list has counted to.
    counts: HashMap<(String, u8), u32>,
}

/// The most characters of a marker's pattern, Word's own limit.
const LONGEST: usize = 255;

#[derive(Debug, Clone)]
struct Level {
    format: String,
    /// Such as `%1.%2)`.
    text: String,
    start: u32,
}

impl Default for Level {
    fn default() -> Self {
        Self {
            format: "decimal".into(),
            text: String::new(),
            start: 1,
        }
    }
}

impl Numbering {
    pub(super) fn parse(text: &str) -> Result<Self, xml::Error> {
        let mut numbering = Self::default();
        let (mut abstract_id, mut num_id) = (None::<String>, None::<String>);
        let mut level = 0;
        let mut reader = Reader::from_str(text);
        loop {
            let event = reader.read_event()?;
            let element = match &event {
                Event::Eof => return Ok(numbering),
                Event::End(end) => {
                    match end.local_name().as_ref() {
                        "abstractNum" => abstract_id = None,
                        "num" => num_id = None,
                        _ => {}
                    }
                    continue;
                }
                Event::Start(element) | Event::Empty(element) => element,
                _ => continue,
            };
            let value = || attribute(element, "val").unwrap_or_default();
            match (element.local_name().as_ref(), &abstract_id, &num_id) {
                ("abstractNum", ..) => abstract_id = attribute(element, "abstractNumId"),
                ("num", ..) => num_id = attribute(element, "numId"),
                ("abstractNumId", _, Some(num)) => {
                    numbering.lists.insert(num.clone(), value());
                }
                ("lvl", Some(_), _) => {
                    let found = attribute(element, "ilvl").and_then(|l| l.parse().ok());
                    level = found.unwrap_or(0);
                }
                (name @ ("numFmt" | "lvlText" | "start"), Some(id), _) => {
                    let level = numbering.levels.entry((id.clone(), level)).or_default();
                    match name {
                        "numFmt" => level.format = value(),
                        "lvlText" => level.text = value().chars().take(LONGEST).collect(),
                        _ => level.start = value().parse().unwrap_or(1),
                    }
                }
                _ => {}
            }
        }
    }

    /// The marker of the next paragraph of a list, indented by its level.
    pub(super) fn next_marker(&mut self, list: &str, level: u8) -> String {
        let level = level.min(8);
        let indent = usize::from(level) * 2;
        let marker = self.marker(list, level).unwrap_or_else(|| "•".into());
        format!(
            "{:indent$}{marker}{}",
            "",
            if marker.is_empty() { "" } else { " " }
        )
    }

    fn marker(&mut self, list: &str, level: u8) -> Option<String> {
        let id = self.lists.get(list)?.clone();
        let shape = self.levels.get(&(id.clone(), level))?.clone();
        if shape.format == "bullet" {
            return None;
        }
        let count = self.counts.entry((id.clone(), level));
        let count = count
            .and_modify(|n| *n = n.saturating_add(1))
            .or_insert(shape.start);
        if *count == u32::MAX {
            return None;
        }
        for deeper in level + 1..9 {
            self.counts.remove(&(id.clone(), deeper));
        }
        if shape.format == "none" {
            return Some(String::new());
        }
        let mut marker = shape.text;
        for upper in 0..=level {
            let key = (id.clone(), upper);
            let of_level = self.levels.get(&key).cloned().unwrap_or_default();
            let n = self.counts.get(&key).copied().unwrap_or(of_level.start);
            let place = format!("%{}", upper + 1);
            marker = marker.replace(&place, &number(n, &of_level.format));
        }
        Some(marker)
    }
}

/// A number in one of Word's formats; the rarer ones are written in digits.
fn number(n: u32, format: &str) -> String {
    match format {
        "lowerLetter" => letters(n),
        "upperLetter" => letters(n).to_uppercase(),
        "lowerRoman" => roman(n).to_lowercase(),
        "upperRoman" => roman(n),
        "decimalZero" => format!("{n:02}"),
        "chineseCounting"
        | "chineseCountingThousand"
        | "ideographTraditional"
        | "taiwaneseCounting"
        | "taiwaneseCountingThousand"
        | "japaneseCounting" => chinese(n),
        _ => n.to_string(),
    }
}

/// `a` to `z`, then `aa`, `bb`, as Word goes on.
fn letters(n: u32) -> String {
    let Some(index) = n.checked_sub(1) else {
        return n.to_string();
    };
    let letter = char::from(b'a' + (index % 26) as u8);
    letter.to_string().repeat((index / 26 + 1).min(16) as usize)
}

fn roman(mut n: u32) -> String {
    if n == 0 || n >= 4000 {
        return n.to_string();
    }
    const PARTS: [(u32, &str); 13] = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let mut out = String::new();
    for (value, sign) in PARTS {
        while n >= value {
            out.push_str(sign);
            n -= value;
        }
    }
    out
}

/// 1 to 99 in Chinese numerals.
fn chinese(n: u32) -> String {
    const DIGITS: [&str; 10] = ["", "一", "二", "三", "四", "五", "六", "七", "八", "九"];
    match n {
        1..=9 => DIGITS[n as usize].into(),
        10..=19 => format!("十{}", DIGITS[n as usize - 10]),
        20..=99 => format!("{}十{}", DIGITS[n as usize / 10], DIGITS[n as usize % 10]),
        _ => n.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn number_formats() {
        assert_eq!(number(28, "lowerLetter"), "bb");
        assert_eq!(number(1994, "upperRoman"), "MCMXCIV");
        assert_eq!(number(21, "chineseCounting"), "二十一");
        assert_eq!(number(7, "decimal"), "7");
    }
}
