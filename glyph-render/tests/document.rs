//! Opens documents of every kind, good and bad.

#[cfg(feature = "docx")]
#[path = "document/docx.rs"]
mod docx;
#[path = "document/images.rs"]
mod images;
#[cfg(feature = "pdf")]
#[path = "document/pdf.rs"]
mod pdf;
#[path = "document/text.rs"]
mod text;

use glyph_render::{Block, BlockKind, Document, DocumentError};
use std::path::PathBuf;
use tempfile::TempDir;

/// A file in a folder that lives as long as the test.
struct Fixture {
    folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { folder }
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file in the folder");
        path
    }
}

/// Opens a file of this name and content.
fn open(name: &str, bytes: impl AsRef<[u8]>) -> Result<Document, DocumentError> {
    let fixture = Fixture::new();
    Document::open(fixture.file(name, bytes))
}

/// The message of the error, checked to be one line without debug output.
fn message(result: Result<Document, DocumentError>) -> String {
    let error = result.expect_err("an error");
    let message = error.to_string();
    assert!(!message.contains('\n'), "{message}");
    assert!(
        !message.contains("Some(") && !message.contains(" { "),
        "{message}"
    );
    assert!(message.len() < 500, "{message}");
    message
}

/// The kinds and texts of a document's blocks.
fn parts(document: &Document) -> Vec<(BlockKind, &str)> {
    let blocks = document.blocks.iter();
    blocks
        .map(|block| match block {
            Block::Text { kind, text, .. } => (*kind, text.as_str()),
            other => panic!("expected text, found {other:?}"),
        })
        .collect()
}
