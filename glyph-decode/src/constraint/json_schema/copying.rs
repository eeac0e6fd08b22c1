//! A text that strings are copied from.

/// A text on one line, without the characters that JSON escapes.
#[derive(Debug)]
pub(super) struct Source {
    text: Vec<u8>,
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
        Self {
            text: plain.into_bytes(),
        }
    }

    /// Places at which `content` ends where it begins at the beginning of a word.
    pub(super) fn ends_of(&self, content: &[u8]) -> Vec<usize> {
        (0..self.text.len())
            .filter(|at| self.is_word_start(*at) && self.text[*at..].starts_with(content))
            .map(|at| at + content.len())
            .collect()
    }

    /// At most `length` bytes from a place on.
    pub(super) fn from(&self, at: usize, length: usize) -> &[u8] {
        &self.text[at..(at + length).min(self.text.len())]
    }

    fn is_word_start(&self, at: usize) -> bool {
        let here = self.text[at];
        let before = at.checked_sub(1).map(|i| self.text[i]);
        // Every character of Chinese is a word; the bytes inside a character are none.
        let starts = here.is_ascii_graphic() || here >= 0xC0;
        starts && !(before.is_some_and(is_letter) && is_letter(here))
    }

    /// Whether a word ends before a place.
    pub(super) fn is_word_end(&self, at: usize) -> bool {
        let before = at.checked_sub(1).map(|i| self.text[i]);
        let here = self.text.get(at).copied();
        // Not between the bytes of a character.
        let whole = here.is_none_or(|b| !(0x80..0xC0).contains(&b));
        whole
            && before.is_some_and(|b| b != b' ')
            && !(before.is_some_and(is_letter) && here.is_some_and(is_letter))
    }
}

/// Part of a word of letters and digits.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
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
}
