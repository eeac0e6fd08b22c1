//! Text to tokens and back.

mod decoder;
mod gguf;
mod json;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

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

/// A BPE tokenizer from a GGUF file or a `tokenizer.json`, over bytes or pieces of SentencePiece.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// For what follows a special token, where that is another one.
    further: Option<Box<tokenizers::Tokenizer>>,
    /// Bytes that each token stands for; nothing for special and unused ones.
    bytes: Vec<Box<[u8]>>,
    /// Names of special tokens.
    special: BTreeMap<TokenId, String>,
    /// Finds names of special tokens in a text.
    finder: AhoCorasick,
    /// The tokens of the finder's patterns.
    finder_ids: Vec<TokenId>,
    /// Blanks that go with the finder's patterns; nothing where none do.
    strips: Vec<Strip>,
    /// Spaces that encoding puts before a text.
    opening_spaces: usize,
    /// Ends of a text or a turn.
    end_tokens: Vec<TokenId>,
    add_bos: bool,
}

/// Whether a special token takes the blanks around it with it.
#[derive(Debug, Clone, Copy, Default)]
struct Strip {
    before: bool,
    after: bool,
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
            further: None,
            bytes,
            strips: Vec::new(),
            opening_spaces: 0,
            finder_ids: special.keys().copied().collect(),
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
        match special {
            SpecialTokens::Parse => {
                self.encode_markup(text, &mut ids, Cow::Borrowed)?;
            }
            SpecialTokens::AsText => self.encode_text(text, true, &mut ids)?,
        }
        Ok(ids)
    }

    /// [`encode`](Self::encode) with special tokens parsed, except where `mark` is in their names.
    /// The marks are left out.
    pub(crate) fn encode_marked(
        &self,
        text: &str,
        mark: char,
    ) -> Result<Vec<TokenId>, DecodeError> {
        let mut ids = Vec::new();
        self.encode_markup(text, &mut ids, |text| match text.contains(mark) {
            true => Cow::Owned(text.replace(mark, "")),
            false => Cow::Borrowed(text),
        })?;
        Ok(ids)
    }

    fn encode_markup<'t>(
        &self,
        text: &'t str,
        ids: &mut Vec<TokenId>,
        plain: impl Fn(&'t str) -> Cow<'t, str>,
    ) -> Result<(), DecodeError> {
        let mut rest = text;
        let mut from = 0;
        for found in self.finder.find_iter(text) {
            let strip = self.strips.get(found.pattern().as_usize());
            let strip = strip.copied().unwrap_or_default();
            let mut before = &rest[..found.start().saturating_sub(from)];
            if strip.before {
                before = before.trim_end();
            }
            self.encode_text(&plain(before), from == 0, ids)?;
            ids.push(self.finder_ids[found.pattern().as_usize()]);
            rest = &text[found.end()..];
            if strip.after {
                rest = rest.trim_start();
            }
            from = text.len() - rest.len();
        }
        self.encode_text(&plain(rest), from == 0, ids)
    }

    /// Adds the tokens of a text without special ones; `opens` if nothing stands before it.
    fn encode_text(
        &self,
        text: &str,
        opens: bool,
        ids: &mut Vec<TokenId>,
    ) -> Result<(), DecodeError> {
        if !text.is_empty() {
            let inner = match &self.further {
                Some(further) if !opens => further,
                _ => &self.inner,
            };
            let encoding = inner
                .encode_fast(text, false)
                .map_err(|e| DecodeError::Tokenizer(e.to_string()))?;
            ids.extend_from_slice(encoding.get_ids());
        }
        Ok(())
    }

    /// Turns tokens into text, without special tokens; bytes that are no text become `U+FFFD`.
    ///
    /// The space that SentencePiece puts before a text is left out. The bytes of a first token
    /// have it: what a model writes goes on after its prompt.
    pub fn decode(&self, ids: &[TokenId]) -> String {
        let bytes: Vec<u8> = ids
            .iter()
            .flat_map(|&id| self.token_bytes(id).into_owned())
            .collect();
        let spaces = bytes.iter().take(self.opening_spaces);
        let spaces = spaces.take_while(|b| **b == b' ').count();
        String::from_utf8_lossy(&bytes[spaces..]).into_owned()
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

    /// Where names of special tokens begin in a text, also those inside of others.
    pub(crate) fn special_starts(&self, text: &str) -> BTreeSet<usize> {
        let mut starts = BTreeSet::new();
        let mut from = 0;
        while let Some(found) = self.finder.find(&text[from..]) {
            let at = from + found.start();
            starts.insert(at);
            from = at + text[at..].chars().next().map_or(1, char::len_utf8);
        }
        starts
    }

    /// Where an end of a text begins that is the beginning of a special token's name.
    pub(crate) fn unfinished_special(&self, text: &str) -> Option<usize> {
        let longest = self.special.values().map(String::len).max().unwrap_or(0);
        let from = text.len().saturating_sub(longest);
        (from..text.len())
            .filter(|&at| text.is_char_boundary(at))
            .find(|&at| {
                let end = &text[at..];
                self.special
                    .values()
                    .any(|name| name.len() > end.len() && name.starts_with(end))
            })
    }

    /// Special tokens that end a text or a turn by their name.
    pub fn end_tokens(&self) -> &[TokenId] {
        &self.end_tokens
    }

    /// Whether the model was trained with a token that opens every text:
    /// [`bos_token_id`](crate::ModelConfig::bos_token_id).
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
