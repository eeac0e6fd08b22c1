//! Token bytes to text that may be shown: characters are whole and no stop string is begun.

/// Joins the bytes of tokens to text.
///
/// Text is held back while it may still become a stop string, and bytes while they may still
/// become a character. Bytes that can't be a character are dropped.
#[derive(Debug, Default)]
pub(crate) struct TextStream {
    stops: Vec<String>,
    bytes: Vec<u8>,
    held: String,
}

/// What a token brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Released {
    /// Text that can't be part of a stop string any more.
    pub(crate) text: String,
    /// The stop string that the text has reached.
    pub(crate) stop: Option<String>,
}

impl TextStream {
    pub(crate) fn new(stops: &[String]) -> Self {
        Self {
            stops: stops.iter().filter(|s| !s.is_empty()).cloned().collect(),
            ..Self::default()
        }
    }

    /// Adds a token's bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Released {
        self.bytes.extend_from_slice(bytes);
        self.take_characters();
        let found = self
            .stops
            .iter()
            .filter_map(|stop| Some((self.held.find(stop.as_str())?, stop)))
            // Where two stop strings begin at one place, the longer one.
            .min_by_key(|(at, stop)| (*at, usize::MAX - stop.len()));
        if let Some((at, stop)) = found {
            let stop = stop.clone();
            self.held.truncate(at);
            return Released {
                text: std::mem::take(&mut self.held),
                stop: Some(stop),
            };
        }
        let keep = self.held_length();
        let rest = self.held.split_off(self.held.len() - keep);
        Released {
            text: std::mem::replace(&mut self.held, rest),
            stop: None,
        }
    }

    /// The text held back, at the end of the output.
    pub(crate) fn finish(&mut self) -> String {
        self.bytes.clear();
        std::mem::take(&mut self.held)
    }

    /// Moves whole characters from the bytes to the text.
    fn take_characters(&mut self) {
        loop {
            match std::str::from_utf8(&self.bytes) {
                Ok(text) => {
                    self.held.push_str(text);
                    self.bytes.clear();
                    return;
                }
                Err(error) => {
                    let valid = error.valid_up_to();
                    if let Ok(text) = std::str::from_utf8(&self.bytes[..valid]) {
                        self.held.push_str(text);
                    }
                    // Without a length the last character is only cut short.
                    let bad = error.error_len();
                    self.bytes.drain(..valid + bad.unwrap_or(0));
                    if bad.is_none() {
                        return;
                    }
                }
            }
        }
    }

    /// Length of the longest end of the text that begins a stop string.
    fn held_length(&self) -> usize {
        let longest = self.stops.iter().map(|s| s.len() - 1).max().unwrap_or(0);
        let from = self.held.len().saturating_sub(longest);
        (from..self.held.len())
            .filter(|at| self.held.is_char_boundary(*at))
            .find(|at| self.stops.iter().any(|s| s.starts_with(&self.held[*at..])))
            .map_or(0, |at| self.held.len() - at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(stops: &[&str]) -> TextStream {
        TextStream::new(&stops.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn characters_come_whole() {
        let mut s = stream(&[]);
        let bytes = "灯塔🗼é".as_bytes();
        let mut text = String::new();
        for b in bytes {
            text += &s.push(&[*b]).text;
            assert!(!text.contains('\u{FFFD}'));
        }
        assert_eq!(text, "灯塔🗼é");
        // A character that never ends, and a byte that begins none.
        assert_eq!(s.push(&[0xE7, 0x81, b'a', 0xFF, b'b']).text, "ab");
        assert_eq!(s.push(&[0xF0, 0x9F]).text, "");
        assert_eq!(s.finish(), "");
    }

    #[test]
    fn a_stop_string_is_never_shown_in_part() {
        let mut s = stream(&["\nUser:", "###"]);
        assert_eq!(s.push(b"Hello\n").text, "Hello");
        assert_eq!(s.push(b"Us").text, "");
        // It was no stop string after all.
        assert_eq!(s.push(b"age #").text, "\nUsage ");
        assert_eq!(s.push(b"# x\nUse").text, "## x");
        let end = s.push(b"r: more");
        assert_eq!(
            (end.text.as_str(), end.stop.as_deref()),
            ("", Some("\nUser:"))
        );
    }

    #[test]
    fn the_first_and_longest_stop_wins() {
        let mut s = stream(&["b", "bc", "ab"]);
        let end = s.push(b"xabc");
        assert_eq!((end.text.as_str(), end.stop.as_deref()), ("x", Some("ab")));
        let mut s = stream(&["aab"]);
        assert_eq!(s.push(b"aa").text, "");
        assert_eq!(s.push(b"aa").text, "aa");
        assert_eq!(s.push(b"b").stop.as_deref(), Some("aab"));
    }

    #[test]
    fn what_was_held_comes_at_the_end() {
        let mut s = stream(&["</s>"]);
        assert_eq!(s.push(b"x <").text, "x ");
        assert_eq!(s.finish(), "<");
    }

    proptest! {
        /// However the bytes are cut into tokens, the text up to the first stop string comes out.
        #[test]
        fn cuts_do_not_matter(
            text in "[abé灯]{0,24}",
            stop in "[abé灯]{1,4}",
            cuts in prop::collection::vec(1usize..5, 0..64),
        ) {
            let mut s = stream(&[&stop]);
            let mut out = String::new();
            let mut stopped = false;
            let mut rest = text.as_bytes();
            for n in cuts.into_iter().chain([usize::MAX]) {
                let n = n.min(rest.len());
                let released = s.push(&rest[..n]);
                rest = &rest[n..];
                out += &released.text;
                stopped = released.stop.is_some();
                if stopped { break; }
                prop_assert!(!out.contains(stop.as_str()));
            }
            if !stopped { out += &s.finish(); }
            match text.find(stop.as_str()) {
                Some(at) => prop_assert_eq!((out.as_str(), stopped), (&text[..at], true)),
                None => prop_assert_eq!((out.as_str(), stopped), (text.as_str(), false)),
            }
        }
    }
}
