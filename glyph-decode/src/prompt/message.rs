//! Turns of a chat: texts, images and videos.

use std::borrow::Cow;

use minijinja::value::{Value, ValueKind};
use serde::{Deserialize, Serialize, Serializer};

/// One turn of a chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant` or what else the template knows.
    pub role: String,
    /// What is said and shown.
    pub content: Content,
}

impl Message {
    /// A turn of any role.
    pub fn new(role: impl Into<String>, content: impl Into<Content>) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
        }
    }

    /// What the model should be.
    pub fn system(content: impl Into<Content>) -> Self {
        Self::new("system", content)
    }

    /// What the user says.
    pub fn user(content: impl Into<Content>) -> Self {
        Self::new("user", content)
    }

    /// What the model said.
    pub fn assistant(content: impl Into<Content>) -> Self {
        Self::new("assistant", content)
    }
}

/// What a turn consists of: a text, or texts, images and videos one after the other.
///
/// Templates get a string where there are only texts, since those of text-only models know nothing
/// else, and a list of parts otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// A text.
    Text(String),
    /// Texts, images and videos.
    Parts(Vec<Part>),
}

/// A part of a turn. An image or video stands only for its place: what it shows is given to
/// [`Prompt::expand_images`](crate::Prompt::expand_images), in the same order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Part {
    /// Something said.
    Text {
        /// What is said.
        text: String,
    },
    /// An image.
    #[serde(alias = "image_url")]
    Image,
    /// A video.
    Video,
}

impl Part {
    /// Something said.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }
}

impl Content {
    /// The texts, one after the other, if there is nothing else.
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(text.into()),
            Self::Parts(parts) => parts
                .iter()
                .map(|part| match part {
                    Part::Text { text } => Some(text.as_str()),
                    _ => None,
                })
                .collect::<Option<String>>()
                .map(Cow::Owned),
        }
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.as_text(), self) {
            (Some(text), _) => serializer.serialize_str(&text),
            (None, Self::Text(text)) => serializer.serialize_str(text),
            (None, Self::Parts(parts)) => parts.serialize(serializer),
        }
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Content {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Cow<'_, str>> for Content {
    fn from(text: Cow<'_, str>) -> Self {
        Self::Text(text.into_owned())
    }
}

impl From<Vec<Part>> for Content {
    fn from(parts: Vec<Part>) -> Self {
        Self::Parts(parts)
    }
}

impl<const N: usize> From<[Part; N]> for Content {
    fn from(parts: [Part; N]) -> Self {
        Self::Parts(parts.into())
    }
}

/// A text as a list of one part.
pub(super) fn one_part(text: Value) -> Value {
    Value::from_iter([Value::from_pairs([
        ("type", Value::from("text")),
        ("text", text),
    ])])
}

/// The messages with every content that is a string as a list of one part.
pub(super) fn with_parts(messages: &Value) -> Value {
    let content = Value::from("content");
    map_items(messages, |message| {
        map_entries(message, |key, value| {
            match key == content && value.kind() == ValueKind::String {
                true => (key, one_part(value)),
                false => (key, value),
            }
        })
    })
}

/// The list with each item exchanged; a value of another kind as it is.
pub(super) fn map_items(list: &Value, change: impl FnMut(&Value) -> Value) -> Value {
    if !matches!(list.kind(), ValueKind::Seq | ValueKind::Iterable) {
        return list.clone();
    }
    let items: Vec<Value> = list.try_iter().into_iter().flatten().collect();
    items.iter().map(change).collect()
}

/// The map with each entry exchanged, in the same order; a value of another kind as it is.
pub(super) fn map_entries(
    map: &Value,
    mut change: impl FnMut(Value, Value) -> (Value, Value),
) -> Value {
    if map.kind() != ValueKind::Map {
        return map.clone();
    }
    let keys = map.try_iter().into_iter().flatten();
    Value::from_pairs(keys.map(|key| {
        let value = map.get_item(&key).unwrap_or_default();
        change(key, value)
    }))
}
