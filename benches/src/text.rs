//! Texts of any length that are the same on every run.

use std::fmt::Write;

/// The language of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// ASCII prose.
    English,
    /// Chinese prose of frequent characters, with punctuation and a little Latin.
    Chinese,
}

impl Language {
    /// The language's name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "english",
            Self::Chinese => "chinese",
        }
    }
}

const ENGLISH: &str = include_str!("../../docs/samples/lighthouse.txt");
const CHINESE: &str = include_str!("../../docs/samples/tea_garden.txt");
/// 3,755 ideographs, ordered by their reading.
const GB2312_LEVEL_1: &str = include_str!("gb2312_level1.txt");

/// A text of at least `characters` characters: sentences of words that are drawn from the
/// project's samples, frequent ones more often, and in Chinese also from GB2312's first level.
pub fn text(language: Language, characters: usize) -> String {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut out = String::with_capacity(characters * 3);
    let mut written = 0;
    let words = match language {
        Language::English => english(),
        Language::Chinese => chinese(),
    };
    let mut sentences = 0;
    while written < characters {
        let before = out.len();
        sentence(&mut out, language, &words, &mut random);
        sentences += 1;
        if sentences % 6 == 0 {
            out.push_str("\n\n");
        } else if language == Language::English {
            out.push(' ');
        }
        written += out[before..].chars().count();
    }
    out
}

fn sentence(out: &mut String, language: Language, words: &[String], random: &mut Random) {
    let length = 6 + random.below(18);
    for i in 0..length {
        // Squaring favours the words at the front.
        let at = random.below(words.len()) * random.below(words.len()) / words.len();
        let word = &words[at];
        match (language, i) {
            (Language::English, 0) => {
                let mut letters = word.chars();
                out.extend(letters.next().into_iter().flat_map(char::to_uppercase));
                out.push_str(letters.as_str());
            }
            (Language::English, _) => {
                if i % 9 == 8 {
                    out.push(',');
                }
                let _ = write!(out, " {word}");
            }
            (Language::Chinese, _) => {
                if i % 9 == 8 {
                    out.push('，');
                }
                out.push_str(word);
            }
        }
    }
    out.push(if language == Language::English {
        '.'
    } else {
        '。'
    });
}

fn english() -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in ENGLISH.split(|c: char| !c.is_ascii_alphanumeric()) {
        let word = word.to_ascii_lowercase();
        if !word.is_empty() && !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

/// Words of one or two characters: the sample's, then those of GB2312's first level.
fn chinese() -> Vec<String> {
    let sample: Vec<char> = CHINESE.chars().filter(|&c| c >= '\u{4E00}').collect();
    let mut words: Vec<String> = sample.chunks(2).map(|pair| pair.iter().collect()).collect();
    words.extend(GB2312_LEVEL_1.trim().chars().map(String::from));
    words
}

/// A 64-bit xorshift generator (Marsaglia, 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_their_length_and_are_the_same_each_time() {
        for language in [Language::English, Language::Chinese] {
            let text = super::text(language, 10_000);
            let characters = text.chars().count();
            assert!((10_000..10_200).contains(&characters), "{characters}");
            assert_eq!(text, super::text(language, 10_000));
        }
        assert!(super::text(Language::English, 1000).is_ascii());
    }
}
