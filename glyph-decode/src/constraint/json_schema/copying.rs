//! A text that strings are copied from.

/// A text on one line, without the characters that JSON escapes.
#[derive(Debug)]
pub(super) struct Source {
    text: String,
}

impl Source {
    pub(super) fn new(text: &str) -> Self {
        let mut plain = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '"' | '\\' => {}
                c if c.is_whitespace() || c.is_control() => {
                    if !plain.ends_with(' ') {
                        plain.push(' ');
                    }
                }
                c => plain.push(c),
            }
        }
        Self { text: plain }
    }

    /// Places at which `content` ends where it begins at the beginning of a word.
    pub(super) fn ends_of(&self, content: &[u8]) -> Vec<usize> {
        let bytes = self.text.as_bytes();
        (0..bytes.len())
            .filter(|at| bytes[*at..].starts_with(content) && self.is_word_start(*at))
            .map(|at| at + content.len())
            .collect()
    }

    /// At most `length` bytes from a place on.
    pub(super) fn from(&self, at: usize, length: usize) -> &[u8] {
        let bytes = self.text.as_bytes();
        &bytes[at..(at + length).min(bytes.len())]
    }

    fn is_word_start(&self, at: usize) -> bool {
        let (_, after) = self.around(at);
        after.is_some_and(|c| c != ' ') && !self.is_in_word(at)
    }

    /// Whether a word ends before a place.
    pub(super) fn is_word_end(&self, at: usize) -> bool {
        let (before, _) = self.around(at);
        before.is_some_and(|c| c != ' ') && !self.is_in_word(at)
    }

    fn is_in_word(&self, at: usize) -> bool {
        let (before, after) = self.around(at);
        before.is_some_and(is_letter) && after.is_some_and(is_letter)
    }

    /// The characters before and after a place; neither, if it lies inside of one.
    fn around(&self, at: usize) -> (Option<char>, Option<char>) {
        match self.text.split_at_checked(at) {
            Some((before, after)) => (before.chars().next_back(), after.chars().next()),
            None => (None, None),
        }
    }
}

/// Part of a word of letters and digits. Where words are not parted by blanks every character is
/// a word, and so in Korean, whose nouns carry their particles.
fn is_letter(c: char) -> bool {
    match c {
        // Thai, Lao; Burmese; Hangul; Khmer.
        '\u{E00}'..='\u{EFF}' | '\u{1000}'..='\u{109F}' | '\u{1100}'..='\u{11FF}' => false,
        '\u{1780}'..='\u{17FF}' => false,
        // Kana, bopomofo, Han and Hangul, with the marks among them.
        '\u{2E80}'..='\u{A4CF}' | '\u{A960}'..='\u{A97F}' | '\u{AC00}'..='\u{D7FF}' => false,
        '\u{F900}'..='\u{FAFF}' | '\u{FF66}'..='\u{FFDC}' | '\u{1AFF0}'..='\u{1B16F}' => false,
        '\u{20000}'..='\u{3FFFF}' => false,
        // Accents, points and viramas that stand after the letter that they belong to.
        '\u{300}'..='\u{36F}' | '\u{591}'..='\u{5BD}' | '\u{64B}'..='\u{65F}' => true,
        '\u{93C}' | '\u{94D}' | '\u{9BC}' | '\u{9CD}' | '\u{A4D}' | '\u{ACD}' | '\u{B4D}' => true,
        '\u{BCD}' | '\u{C4D}' | '\u{CCD}' | '\u{D4D}' | '\u{200C}' | '\u{200D}' => true,
        c => c.is_alphanumeric(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_begin_and_end_with_words() {
        let source = Source::new("Isobel  Tarrant\nsaid \"ten\" 灯塔, isobel@x.org");
        assert_eq!(source.ends_of(b"Isobel Tarr").len(), 1);
        assert!(source.ends_of(b"sobel").is_empty());
        let end = |content: &str| {
            source
                .ends_of(content.as_bytes())
                .first()
                .map(|e| source.is_word_end(*e))
        };
        assert_eq!(end("Isobel"), Some(true));
        assert_eq!(end("Isobel "), Some(false));
        assert_eq!(end("Isobel Tarr"), Some(false));
        assert_eq!(end("Isobel Tarrant said ten"), Some(true));
        assert_eq!(end("塔"), Some(true));
        assert_eq!(source.ends_of("灯塔".as_bytes()[..2].as_ref()).len(), 1);
        assert!(!source.is_word_end(source.ends_of(&"灯".as_bytes()[..2])[0]));
        assert_eq!(end("isobel@x.org"), Some(true));
    }

    #[test]
    fn words_of_all_alphabets_are_whole() {
        let source = Source::new("Herr Müller, Невский проспект, cafe\u{301} नमस्ते, 東京タワーへ");
        let ends = |content: &str| source.ends_of(content.as_bytes());
        let is_copy = |content: &str| ends(content).iter().any(|end| source.is_word_end(*end));
        for word in [
            "Müller",
            "Herr Müller",
            "Невский",
            "Невский проспект",
            "cafe\u{301}",
            "नमस्ते",
            "東京",
            "京タワー",
        ] {
            assert!(is_copy(word), "{word}");
        }
        for part in [
            "M",
            "Mü",
            "üller",
            "ller",
            "Нев",
            "вский",
            "cafe",
            "\u{301}",
            "नमस्",
        ] {
            assert!(!is_copy(part), "{part}");
        }
        // Half of a letter ends no word.
        let half = source.ends_of(&"Mü".as_bytes()[..2])[0];
        assert!(!source.is_word_end(half));
    }
}
