//! What the tokens of a `tokenizer.json` stand for: byte by byte, or as SentencePiece writes them.

use serde::Deserialize;
use serde_json::Value;

use super::bytes_of;

/// How a token becomes text, after the `decoder` of the file.
#[derive(Debug, PartialEq)]
pub(super) enum Decoder {
    /// Each byte is written as a character.
    Bytes,
    /// A character stands for a space, and bytes may have tokens of their own.
    Pieces(Vec<Step>),
}

/// A step of a decoder, on the text of one token.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Replace {
        from: String,
        to: String,
    },
    /// `<0x0A>` is that byte.
    ByteFallback,
    /// So many spaces that open the text were not there before it was encoded.
    Strip(usize),
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Described {
    Sequence {
        decoders: Vec<Described>,
    },
    ByteLevel {},
    Metaspace {
        replacement: char,
        prepend_scheme: String,
    },
    Replace {
        pattern: Pattern,
        content: String,
    },
    ByteFallback {},
    Fuse {},
    Strip {
        content: char,
        start: usize,
        stop: usize,
    },
}

#[derive(Deserialize)]
enum Pattern {
    String(String),
}

impl Decoder {
    /// Reads the `decoder` of a file, or the pre-tokenizer where there is no decoder.
    pub(super) fn parse(description: &Value) -> Result<Self, String> {
        let read = Described::deserialize(description)
            .ok()
            .and_then(|d| Self::of(vec![d]));
        read.ok_or_else(|| {
            let mut found = description.to_string();
            if found.chars().count() > 200 {
                found = found.chars().take(200).collect::<String>() + "…";
            }
            format!(
                "decoder: expected that of byte-level BPE or of SentencePiece with its spaces as \
                 characters, found {found}"
            )
        })
    }

    fn of(described: Vec<Described>) -> Option<Self> {
        let mut steps = Vec::new();
        let mut rest = described;
        rest.reverse();
        while let Some(next) = rest.pop() {
            match next {
                Described::Sequence { decoders } => rest.extend(decoders.into_iter().rev()),
                Described::ByteLevel {} => return Some(Self::Bytes),
                Described::Metaspace {
                    replacement,
                    prepend_scheme,
                } => {
                    steps.push(Step::Replace {
                        from: replacement.to_string(),
                        to: " ".to_owned(),
                    });
                    steps.push(Step::Strip(usize::from(prepend_scheme != "never")));
                }
                Described::Replace {
                    pattern: Pattern::String(from),
                    content: to,
                } => steps.push(Step::Replace { from, to }),
                Described::ByteFallback {} => steps.push(Step::ByteFallback),
                Described::Fuse {} => {}
                Described::Strip {
                    content: ' ',
                    start,
                    stop: 0,
                } => steps.push(Step::Strip(start)),
                Described::Strip { .. } => return None,
            }
        }
        let is_space = |s: &Step| matches!(s, Step::Replace { to, .. } if to == " ");
        steps.iter().any(is_space).then_some(Self::Pieces(steps))
    }

    /// The bytes of a token, wherever in the text it stands.
    pub(super) fn bytes(&self, token: &str) -> Vec<u8> {
        let steps = match self {
            Self::Bytes => return bytes_of(token),
            Self::Pieces(steps) => steps,
        };
        let mut text = token.to_owned();
        for step in steps {
            match step {
                Step::Replace { from, to } => text = text.replace(from, to),
                Step::ByteFallback => {
                    if let Some(byte) = byte_of(&text) {
                        return vec![byte];
                    }
                }
                Step::Strip(_) => {}
            }
        }
        text.into_bytes()
    }

    /// Spaces at the beginning of a text that encoding puts there.
    pub(super) fn opening_spaces(&self) -> usize {
        match self {
            Self::Bytes => 0,
            Self::Pieces(steps) => steps
                .iter()
                .map(|step| match step {
                    Step::Strip(n) => *n,
                    _ => 0,
                })
                .sum(),
        }
    }
}

/// The byte of a token such as `<0x0A>`.
fn byte_of(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    match digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => u8::from_str_radix(digits, 16).ok(),
        false => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn llama() -> Value {
        json!({"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ]})
    }

    #[test]
    fn pieces_and_bytes() {
        let decoder = Decoder::parse(&llama()).unwrap();
        for (token, bytes) in [
            ("▁the", &b" the"[..]),
            ("▁▁", b"  "),
            ("<0x0A>", b"\n"),
            ("<0xE7>", b"\xE7"),
            ("<0xe7>", b"\xE7"),
            ("<0x0>", b"<0x0>"),
            ("<0x+1>", b"<0x+1>"),
            ("é", "é".as_bytes()),
        ] {
            assert_eq!(decoder.bytes(token), bytes, "{token}");
        }
        assert_eq!(decoder.opening_spaces(), 1);
        let metaspace = |scheme: &str| {
            let scheme = json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false});
            Decoder::parse(&scheme).unwrap()
        };
        assert_eq!(metaspace("always").bytes("▁a▁b"), b" a b");
        assert_eq!(metaspace("first").opening_spaces(), 1);
        assert_eq!(metaspace("never").opening_spaces(), 0);
        // Without byte fallback such a token is what it says.
        assert_eq!(metaspace("never").bytes("<0x0A>"), b"<0x0A>");
        let byte_level = json!({"type": "ByteLevel", "add_prefix_space": true});
        assert_eq!(Decoder::parse(&byte_level).unwrap(), Decoder::Bytes);
    }

    #[test]
    fn what_is_not_known_is_named() {
        for unknown in [
            json!({"type": "WordPiece", "prefix": "##", "cleanup": true}),
            json!({"type": "BPEDecoder", "suffix": "</w>"}),
            json!({"type": "Fuse"}),
            json!({"type": "Strip", "content": "x", "start": 1, "stop": 0}),
            json!({"type": "Replace", "pattern": {"Regex": "_"}, "content": " "}),
            Value::Null,
        ] {
            let error = Decoder::parse(&unknown).unwrap_err();
            let kind = unknown["type"].as_str().unwrap_or("null");
            assert!(
                error.contains("SentencePiece") && error.contains(kind),
                "{error}"
            );
        }
    }
}
