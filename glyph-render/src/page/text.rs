//! A page's text beside its pixels, for files that may be resized or recompressed.

use std::io::Cursor;

use serde::{Deserialize, Serialize};

use crate::document::{Block, BlockKind};

/// Keyword of the PNG chunk.
pub(crate) const TEXT: &str = "glyph:text";
/// The most bytes of a chunk's text that are read: a page holds far less.
const MAX_BYTES: usize = 64 << 20;

/// The text of one page, as a PNG can carry it in a text chunk.
///
/// The chunk is for files whose pixels cannot be inverted any more, such as ones that were
/// resized by a tool that keeps chunks. Nothing that reads pages as images looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PageText {
    /// 1-based number of the page.
    pub number: u32,
    /// Whether it is the document's last page of text.
    pub is_last: bool,
    /// Whether the first block began on an earlier page.
    pub goes_on: bool,
    /// The blocks, and parts of blocks, on the page.
    pub blocks: Vec<TextBlock>,
}

/// One block of a [`PageText`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TextBlock {
    /// `heading-1` and so on, `paragraph`, `list-item`, `table-row` or `preformatted`.
    pub kind: String,
    /// The 1-based page of the source, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_page: Option<u32>,
    /// The lines as they stand on the page, each with the white space and line break after it.
    pub lines: Vec<String>,
}

/// How a page is written as PNG.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct PngOptions<'a> {
    /// Text to store beside the pixels, compressed; none by default.
    pub text: Option<&'a PageText>,
}

impl<'a> PngOptions<'a> {
    /// Stores the page's text beside its pixels.
    #[must_use]
    pub fn with_text(mut self, text: &'a PageText) -> Self {
        self.text = Some(text);
        self
    }
}

impl PageText {
    /// The text stored in a PNG file; `None` where there is none, or it cannot be read.
    pub fn from_png(bytes: &[u8]) -> Option<Self> {
        let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().ok()?;
        // Other tools may have moved the chunk behind the pixels.
        if find(reader.info()).is_none() {
            reader.finish().ok()?;
        }
        serde_json::from_str(&find(reader.info())?).ok()
    }

    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and integers are valid JSON")
    }

    /// The blocks as those of a document.
    pub fn blocks(&self) -> Vec<Block> {
        let blocks = self.blocks.iter();
        blocks
            .map(|block| {
                let kind = kind_of(&block.kind);
                Block::text(kind, block.lines.concat(), block.source_page)
            })
            .collect()
    }
}

fn find(info: &png::Info<'_>) -> Option<String> {
    let chunk = info.utf8_text.iter().find(|chunk| chunk.keyword == TEXT)?;
    let mut chunk = chunk.clone();
    chunk.decompress_text_with_limit(MAX_BYTES).ok()?;
    chunk.get_text().ok()
}

pub(crate) fn kind_name(kind: BlockKind) -> String {
    match kind {
        BlockKind::Heading(level) => format!("heading-{level}"),
        BlockKind::Paragraph => "paragraph".to_owned(),
        BlockKind::ListItem => "list-item".to_owned(),
        BlockKind::TableRow => "table-row".to_owned(),
        BlockKind::Preformatted => "preformatted".to_owned(),
    }
}

fn kind_of(name: &str) -> BlockKind {
    let level = name.strip_prefix("heading-").and_then(|n| n.parse().ok());
    match (name, level) {
        (_, Some(level)) => BlockKind::Heading(level),
        ("list-item", _) => BlockKind::ListItem,
        ("table-row", _) => BlockKind::TableRow,
        ("preformatted", _) => BlockKind::Preformatted,
        _ => BlockKind::Paragraph,
    }
}
