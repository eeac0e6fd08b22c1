//! Lines for tests.

use super::lines::{BBox, ReadLine};

/// A small deterministic generator, so that tests need no crate for it.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % bound as u64) as usize
    }
}

pub(crate) fn line(page: u32, row: u32, text: &str) -> ReadLine {
    ReadLine {
        page,
        line: row,
        text: text.to_owned(),
        confidence: 0.95,
        bbox: BBox {
            x: 10,
            y: row * 20,
            width: 8 * text.chars().count() as u32,
            height: 18,
        },
        ..ReadLine::default()
    }
}

/// Consecutive rows of page 1; an empty text leaves a blank row.
pub(super) fn page(texts: &[&str]) -> Vec<ReadLine> {
    (1..)
        .zip(texts)
        .filter(|(_, text)| !text.is_empty())
        .map(|(row, text)| line(1, row, text))
        .collect()
}

const WORDS: &str = "the a of and to in that he was it his her with as had for on at by she which \
not but from they were this have be him one said all so there when an out up into who if more no \
time then some could them about only man over like what old now two other little after down before \
people good been see way great work house water long place light night morning road river mountain \
village letter window garden winter summer captain horse market soldier music silence stone bridge \
number special colour evening station doctor teacher engine shadow harbour forest island history \
machine question answer paper picture language system method result reason pattern signal value";

/// A made-up word; low numbers come up more often, as in a language.
fn invented(random: &mut Random) -> String {
    const SYLLABLES: &[&str] = &[
        "ka", "ro", "mi", "ten", "sul", "bra", "vi", "lon", "det", "pas", "ne", "gor", "fi", "hal",
        "wes", "cu", "tra", "el", "dom", "jin",
    ];
    let bound = 1 + random.below(8000);
    let mut number = random.below(bound);
    let mut word = String::new();
    for _ in 0..3 {
        word.push_str(SYLLABLES[number % SYLLABLES.len()]);
        number /= SYLLABLES.len();
    }
    word
}

/// Prose of about `characters` characters, wrapped by words at 96 columns, 48
/// rows to a page, with blank rows between paragraphs.
pub(super) fn prose(
    characters: usize,
    random: &mut Random,
    planted: &[(usize, String)],
) -> Vec<ReadLine> {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut paragraphs: Vec<String> = Vec::new();
    let mut total = 0;
    let mut planted = planted.iter().peekable();
    while total < characters {
        let mut paragraph = String::new();
        for _ in 0..4 + random.below(5) {
            while let Some((_, sentence)) =
                planted.next_if(|(at, _)| *at <= total + paragraph.len())
            {
                paragraph.push_str(sentence);
                paragraph.push(' ');
            }
            for index in 0..8 + random.below(14) {
                let word = if random.below(10) < 4 {
                    invented(random)
                } else {
                    words[random.below(words.len())].to_owned()
                };
                if index == 0 {
                    paragraph.push_str(&word[..1].to_uppercase());
                    paragraph.push_str(&word[1..]);
                } else {
                    paragraph.push(' ');
                    paragraph.push_str(&word);
                }
            }
            paragraph.push_str(". ");
        }
        total += paragraph.len();
        paragraphs.push(paragraph);
    }
    wrap(&paragraphs, 96, 48)
}

/// Wraps paragraphs by words into rows of pages.
pub(super) fn wrap(paragraphs: &[String], width: usize, rows: u32) -> Vec<ReadLine> {
    let mut lines: Vec<ReadLine> = Vec::new();
    let mut row = 0;
    let mut push = |text: &str| {
        row += 1;
        if !text.is_empty() {
            lines.push(line((row - 1) / rows + 1, (row - 1) % rows + 1, text));
        }
    };
    for paragraph in paragraphs {
        let mut current = String::new();
        for word in paragraph.split_whitespace() {
            if !current.is_empty() && current.len() + 1 + word.len() > width {
                push(&current);
                current.clear();
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(word);
        }
        push(&current);
        push("");
    }
    lines
}

/// A coarse copy: `percent` of the characters are wrong.
pub(super) fn noisy(lines: &[ReadLine], percent: usize, random: &mut Random) -> Vec<ReadLine> {
    let mut copy = lines.to_vec();
    for line in &mut copy {
        line.text = line
            .text
            .chars()
            .map(|c| {
                if random.below(100) >= percent {
                    return c;
                }
                let other = match c {
                    '0'..='9' => b"0123456789"[random.below(10)],
                    _ => b"abcdefghijklmnopqrstuvwxyz ."[random.below(28)],
                };
                char::from(other)
            })
            .collect();
        line.confidence = 0.8;
    }
    copy
}
