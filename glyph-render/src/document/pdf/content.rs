//! What a content stream costs to read, told by a scan for its operators.

use std::collections::HashMap;

/// What was counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// Bytes of the stream.
    pub(super) bytes: u64,
    /// Operators and operands.
    pub(super) tokens: u64,
    /// The most graphics states that are saved at a time.
    pub(super) saved: u64,
    /// How often each external object is drawn, by its name.
    pub(super) draws: HashMap<Vec<u8>, u64>,
}

fn is_delimiter(byte: u8) -> bool {
    is_space(byte) || b"()<>[]{}/%".contains(&byte)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | b'\t' | b'\n' | 0xC | b'\r' | b' ')
}

impl Scan {
    pub(super) fn of(content: &[u8]) -> Self {
        let mut scan = Self {
            bytes: content.len() as u64,
            ..Self::default()
        };
        let mut saved = 0u64;
        // Within an inline image, and whether one can still end.
        let (mut image, mut ends) = (false, true);
        let mut name: &[u8] = b"";
        let mut rest = content;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            if is_space(byte) {
                continue;
            }
            scan.tokens += 1;
            match byte {
                b'%' => rest = skip_past(after, |byte| matches!(byte, b'\n' | b'\r')),
                b'(' => rest = skip_string(after),
                b'<' if !after.starts_with(b"<") => rest = skip_past(after, |byte| byte == b'>'),
                b'/' => (name, rest) = token(after),
                _ if is_delimiter(byte) => {}
                _ => {
                    let (_, end) = token(after);
                    let operator =
                        &content[content.len() - after.len() - 1..content.len() - end.len()];
                    rest = end;
                    match operator {
                        b"q" => {
                            saved += 1;
                            scan.saved = scan.saved.max(saved);
                        }
                        b"Q" => saved = saved.saturating_sub(1),
                        b"Do" => *scan.draws.entry(unescaped(name)).or_default() += 1,
                        b"BI" => image = true,
                        b"ID" if std::mem::take(&mut image) && ends => match skip_image(end) {
                            Some(after) => rest = after,
                            None => ends = false,
                        },
                        _ => {}
                    }
                }
            }
        }
        scan
    }
}

/// A regular token, and what follows it.
fn token(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| is_delimiter(*byte));
    text.split_at(end.unwrap_or(text.len()))
}

fn skip_past(text: &[u8], end: impl Fn(u8) -> bool) -> &[u8] {
    let at = text.iter().position(|byte| end(*byte));
    &text[at.map_or(text.len(), |at| at + 1)..]
}

/// What follows a string in parentheses, which may hold others.
fn skip_string(text: &[u8]) -> &[u8] {
    let mut open = 1;
    let mut bytes = text.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'(' => open += 1,
            b')' => {
                open -= 1;
                if open == 0 {
                    return &text[at + 1..];
                }
            }
            _ => {}
        }
    }
    b""
}

/// What follows the data of an inline image.
fn skip_image(text: &[u8]) -> Option<&[u8]> {
    let mut windows = text.windows(3);
    let end = windows.position(|window| is_space(window[0]) && window[1..] == *b"EI")?;
    Some(&text[end + 3..])
}

/// A name as a dictionary has it.
fn unescaped(name: &[u8]) -> Vec<u8> {
    super::unpack::unescaped(name).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_counted_outside_strings_and_images() {
        let content = b"q q Q (q q \\) q (q) q) Tj <71> % q q\n/F#6d Do/Fm Do /Im  Do\n\
            BI /W 1 ID q q q q q \nEI q q [ (q) 1 ] TJ Q Q Q Q q";
        let scan = Scan::of(content);
        assert_eq!(scan.saved, 3);
        let draws = [(b"Fm".to_vec(), 2), (b"Im".to_vec(), 1)];
        assert_eq!(scan.draws, HashMap::from(draws));
        assert_eq!(Scan::of(b"1 0 0 1 5.5 7 cm").tokens, 7);
        assert_eq!(Scan::of(b"(never closed").tokens, 1);
    }
}
