//! Text to tokens and back.

mod gguf;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::{DecodeError, TokenId};

/// What to do with the names of special tokens, such as `<|im_end|>`, in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecialTokens {
    /// They become the special tokens: right for a rendered chat template.
    Parse,
    /// They are text like any other: right for what a user or a document says.
    AsText,
}

/// A byte-level BPE tokenizer, from a GGUF file or a `tokenizer.json`.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// Bytes that each token stands for; nothing for special and unused ones.
    bytes: Vec<Box<[u8]>>,
    /// Names of special tokens.
    special: BTreeMap<TokenId, String>,
    /// Finds names of special tokens in a text; patterns in the order of `special`.
    finder: AhoCorasick,
    /// Ends of a text or a turn.
    end_tokens: Vec<TokenId>,
    add_bos: bool,
}

/// Names under which tokens end an answer, whatever the file says is the one end token
/// (`llama-vocab.cpp` of llama.cpp).
const END_NAMES: [&str; 7] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eom_id|>",
];

impl Tokenizer {
    /// Reads a `tokenizer.json` of Hugging Face's tokenizers, byte-level ones only.
    ///
    /// # Errors
    /// If the file cannot be read or is of another kind.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, DecodeError> {
        let path = path.as_ref();
        let mut inner = tokenizers::Tokenizer::from_file(path)
            .map_err(|e| DecodeError::Tokenizer(format!("{}: {e}", path.display())))?;
        inner.set_encode_special_tokens(true);
        let added = inner.get_added_tokens_decoder();
        let special: BTreeMap<_, _> = added
            .iter()
            .filter(|(_, token)| token.special)
            .map(|(&id, token)| (id, token.content.clone()))
            .collect();
        let size = inner
            .get_vocab(true)
            .into_values()
            .max()
            .map_or(0, |id| id as usize + 1);
        let token = |id: TokenId| {
            if let Some(token) = added.get(&id) {
                return Some(token.content.clone().into_bytes());
            }
            inner.id_to_token(id).map(|t| bytes_of(&t))
        };
        let bytes = (0..size as TokenId)
            .map(|id| match special.contains_key(&id) {
                true => Box::default(),
                false => token(id).unwrap_or_default().into_boxed_slice(),
            })
            .collect();
        Self::new(inner, bytes, special, false)
    }

    fn new(
        inner: tokenizers::Tokenizer,
        bytes: Vec<Box<[u8]>>,
        special: BTreeMap<TokenId, String>,
        add_bos: bool,
    ) -> Result<Self, DecodeError> {
        let finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(special.values())
            .map_err(|e| DecodeError::Tokenizer(e.to_string()))?;
        let end_tokens = special
            .iter()
            .filter(|(_, name)| END_NAMES.contains(&&name[..]))
            .map(|(&id, _)| id)
            .collect();
        Ok(Self {
            inner,
            bytes,
            special,
            finder,
            end_tokens,
            add_bos,
        })
    }

    /// Turns a text into tokens. Nothing is added before or after them.
    ///
    /// # Errors
    /// If the tokenizer cannot take the text.
    pub fn encode(&self, text: &str, special: SpecialTokens) -> Result<Vec<TokenId>, DecodeError> {
        let mut ids = Vec::new();
        let mut from = 0;
        if special == SpecialTokens::Parse {
            for found in self.finder.find_iter(text) {
                self.encode_text(&text[from..found.start()], &mut ids)?;
                ids.extend(self.special.keys().nth(found.pattern().as_usize()));
                from = found.end();
            }
        }
        self.encode_text(&text[from..], &mut ids)?;
        Ok(ids)
    }

    fn encode_text(&self, text: &str, ids: &mut Vec<TokenId>) -> Result<(), DecodeError> {
        if !text.is_empty() {
            let encoding = self
                .inner
                .encode_fast(text, false)
                .map_err(|e| DecodeError::Tokenizer(e.to_string()))?;
            ids.extend_from_slice(encoding.get_ids());
        }
        Ok(())
    }

    /// Turns tokens into text, without special tokens; bytes that are no text become `U+FFFD`.
    pub fn decode(&self, ids: &[TokenId]) -> String {
        let bytes: Vec<u8> = ids
            .iter()
            .flat_map(|&id| self.token_bytes(id).into_owned())
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Number of token ids, unused ones included.
    pub fn vocab_size(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that a token adds to the text: nothing if it is special or unused. A character may be
    /// split over several tokens.
    pub fn token_bytes(&self, token: TokenId) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.bytes.get(token as usize).map_or(&[], |b| b))
    }

    /// Name of a special token, such as `<|im_end|>`; `None` for those that stand for text.
    pub fn special_token(&self, token: TokenId) -> Option<&str> {
        self.special.get(&token).map(String::as_str)
    }

    /// The special token of a name.
    pub fn special_token_id(&self, name: &str) -> Option<TokenId> {
        self.special
            .iter()
            .find(|(_, n)| *n == name)
            .map(|(&id, _)| id)
    }

    /// Special tokens that end a text or a turn by their name.
    pub fn end_tokens(&self) -> &[TokenId] {
        &self.end_tokens
    }

    /// Whether the model was trained with a token that opens every text.
    pub fn adds_bos(&self) -> bool {
        self.add_bos
    }
}

/// Bytes of a token of a byte-level vocabulary, where each byte is written as a character
/// (`bytes_to_unicode` of GPT-2). A character that stands for no byte is itself.
fn bytes_of(token: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(token.len());
    for c in token.chars() {
        match c {
            '!'..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{ff}' => bytes.push(c as u8),
            '\u{100}'..='\u{120}' => bytes.push((c as u32 - 0x100) as u8),
            '\u{121}'..='\u{142}' => bytes.push((c as u32 - 0x121 + 0x7f) as u8),
            '\u{143}' => bytes.push(0xad),
            _ => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_character() {
        let alphabet = tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet();
        assert_eq!(alphabet.len(), 256);
        let mut bytes: Vec<u8> = alphabet
            .iter()
            .flat_map(|c| bytes_of(&c.to_string()))
            .collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
        assert_eq!(
            bytes_of("Ġcafé"),
            " caf\u{e9}".chars().map(|c| c as u8).collect::<Vec<_>>()
        );
        assert_eq!(bytes_of("Ċ"), b"\n");
    }
}
