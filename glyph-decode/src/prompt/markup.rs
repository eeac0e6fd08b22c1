//! Prompts whose special tokens are told from their names in messages.
//!
//! Before a template is rendered, a character that occurs nowhere in the chat is set into every
//! name of a special token that the messages contain. Names without it are then the template's.
//! The template sees the messages otherwise as they are, so it may trim, split and compare them.
//! `mark_control_tokens` of transformers (`utils/chat_template_utils.py`) does the like.

use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};

use minijinja::value::{Value, ValueKind};

use super::message::{map_entries, map_items};
use crate::{DecodeError, SpecialTokens, TokenId, Tokenizer};

/// Where the character is taken from: a plane of private use, whose characters have no meaning.
const MARKS: RangeInclusive<char> = '\u{F0000}'..='\u{FFFFD}';

/// A rendered chat that knows which special tokens the template wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    text: String,
    /// The text with a mark inside of each name that is no special token; `None` if there is none.
    marked: Option<(char, String)>,
}

impl Prompt {
    /// A prompt in which every name of a special token is one, such as one written by hand.
    pub fn from_markup(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            marked: None,
        }
    }

    fn from_marked(mark: char, marked: String) -> Self {
        match marked.contains(mark) {
            true => Self {
                text: marked.replace(mark, ""),
                marked: Some((mark, marked)),
            },
            false => Self::from_markup(marked),
        }
    }

    /// The prompt as the template wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The prompt with everything that `find` finds in its [markup](Self::markup) exchanged.
    pub(super) fn replace(
        &self,
        find: impl Fn(&str) -> Option<Range<usize>>,
        mut by: impl FnMut() -> String,
    ) -> Self {
        let mut rest = self.markup();
        let mut out = String::with_capacity(rest.len());
        while let Some(found) = find(rest) {
            out += &rest[..found.start];
            out += &by();
            rest = &rest[found.end..];
        }
        out += rest;
        match self.marked {
            Some((mark, _)) => Self::from_marked(mark, out),
            None => Self::from_markup(out),
        }
    }

    /// The text in which a name of a special token is that token.
    pub(super) fn markup(&self) -> &str {
        self.marked
            .as_ref()
            .map_or(&self.text, |(_, marked)| marked)
    }

    /// The prompt's tokens. Nothing is added before or after them.
    ///
    /// # Errors
    /// If the tokenizer cannot take the text.
    pub fn encode(&self, tokenizer: &Tokenizer) -> Result<Vec<TokenId>, DecodeError> {
        match &self.marked {
            None => tokenizer.encode(&self.text, SpecialTokens::Parse),
            Some((mark, marked)) => tokenizer.encode_marked(marked, *mark),
        }
    }
}

/// Sets marks into names of special tokens.
pub(super) struct Marker<'a> {
    tokenizer: &'a Tokenizer,
    mark: char,
}

impl<'a> Marker<'a> {
    /// A marker for the special tokens of `tokenizer` whose mark is not in `values`.
    pub(super) fn new(tokenizer: &'a Tokenizer, values: &[&Value]) -> Result<Self, DecodeError> {
        let mut taken = BTreeSet::new();
        for value in values {
            collect_marks(value, &mut taken);
        }
        let mark = MARKS.into_iter().find(|c| !taken.contains(c));
        let mark = mark.ok_or_else(|| DecodeError::Input {
            what: "messages",
            expected: "texts without some character of private use".to_owned(),
            found: format!("all {} of plane 15", taken.len()),
        })?;
        Ok(Self { tokenizer, mark })
    }

    /// The value with marks in its strings.
    pub(super) fn mark(&self, value: &Value) -> Value {
        match value.kind() {
            ValueKind::String => match value.as_str().and_then(|text| self.marked(text)) {
                Some(text) => text.into(),
                None => value.clone(),
            },
            ValueKind::Map => map_entries(value, |key, value| (self.mark(&key), self.mark(&value))),
            _ => map_items(value, |item| self.mark(item)),
        }
    }

    /// The text with marks; `None` where it needs none.
    fn marked(&self, text: &str) -> Option<String> {
        let mut starts = self.tokenizer.special_starts(text);
        // A template may put another text right behind this one, with blanks trimmed or not.
        for text in [text, text.trim_end()] {
            starts.extend(self.tokenizer.unfinished_special(text));
        }
        if starts.is_empty() {
            return None;
        }
        let mut out = String::with_capacity(text.len() + 8 * starts.len());
        for (at, c) in text.char_indices() {
            out.push(c);
            if starts.contains(&at) {
                out.push(self.mark);
            }
        }
        Some(out)
    }

    /// What a template made of marked values.
    pub(super) fn prompt(&self, marked: String) -> Prompt {
        Prompt::from_marked(self.mark, marked)
    }
}

fn collect_marks(value: &Value, into: &mut BTreeSet<char>) {
    match value.kind() {
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            into.extend(text.chars().filter(|c| MARKS.contains(c)));
        }
        ValueKind::Map | ValueKind::Seq | ValueKind::Iterable => {
            for item in value.try_iter().into_iter().flatten() {
                // The items of a map are its keys.
                if value.kind() == ValueKind::Map {
                    collect_marks(&value.get_item(&item).unwrap_or_default(), into);
                }
                collect_marks(&item, into);
            }
        }
        _ => {}
    }
}
