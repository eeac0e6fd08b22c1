//! Documents: what is known of them, how they are opened, kept and found again.

pub mod content;
pub mod measure;
pub mod open;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::ApiError;
pub use measure::Measure;

/// What is known of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DocumentInfo {
    /// Hash of its content.
    pub id: String,
    /// Name of the file.
    pub name: String,
    /// `text`, `markdown`, `pdf`, `docx` or `images`.
    pub kind: String,
    /// Bytes that were uploaded.
    pub bytes: u64,
    /// Characters of its text.
    pub chars: u64,
    /// Tokens of its text (o200k_base).
    pub text_tokens: u64,
    /// About how many pages it has in the built-in style.
    pub pages_estimate: u64,
    /// Its headings.
    pub sections: Vec<SectionInfo>,
    /// When it was uploaded first.
    #[schema(value_type = String, format = DateTime)]
    pub created: chrono::DateTime<chrono::Utc>,
}

/// A heading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SectionInfo {
    /// The heading.
    pub title: String,
    /// Its level, 1 being the highest.
    pub level: u8,
}

/// As it is stored: with what layouts are estimated from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredInfo {
    /// What clients see.
    #[serde(flatten)]
    pub info: DocumentInfo,
    /// Lengths of lines and sizes of images.
    pub measure: Measure,
}

/// Where documents are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// Uploads: in lists, until they are deleted or `--keep-days` have passed.
    Documents,
    /// What comes with a chat: in no list, for [`CHAT_KEPT`] after the last request with it.
    Chats,
}

/// How long what came with a chat is kept: a conversation sends it again with each question, and
/// then it is not opened again.
pub const CHAT_KEPT: std::time::Duration = std::time::Duration::from_secs(3600);

impl Shelf {
    /// Its folder in the store.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::Chats => "chats",
        }
    }

    /// Name of what is known of a document.
    pub fn meta(self, id: &str) -> String {
        format!("{}/{id}/meta.json", self.folder())
    }

    /// Name of a document as it was opened.
    pub fn content(self, id: &str) -> String {
        format!("{}/{id}/content", self.folder())
    }
}

/// Whether a text is the id of a document: 64 hexadecimal digits.
///
/// # Errors
/// Not found, since no document can have another id.
pub fn check_id(id: &str) -> Result<(), ApiError> {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    if id.len() == 64 && id.chars().all(hex) {
        Ok(())
    } else {
        Err(ApiError::not_found("document", &shown(id)))
    }
}

/// Whether a file's name says that it is Markdown, which its content does not.
pub fn is_markdown(path: &std::path::Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    ["md", "markdown", "mdown", "mkd"]
        .iter()
        .any(|known| extension == *known)
}

/// At most 80 characters of what a client sent, for a message.
pub fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}
