//! What the renderer reads: blocks of text, or pages that are images already.

/// A document: blocks of text and page images, in reading order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    /// The title, where the source names one.
    pub title: Option<String>,
    /// The content in reading order.
    pub blocks: Vec<Block>,
}

/// One piece of a [`Document`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Block {
    /// A run of text of one kind.
    Text {
        /// What role the text plays.
        kind: BlockKind,
        /// The text.
        text: String,
        /// The 1-based page of the source it came from, where known.
        source_page: Option<u32>,
    },
    /// A page that is an image already.
    Page(PageImage),
}

/// The role of a text block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockKind {
    /// A heading, 1 being the highest level.
    Heading(u8),
    /// Running text.
    Paragraph,
    /// One item of a list.
    ListItem,
    /// One row of a table, its cells separated by tabs.
    TableRow,
    /// Text whose line breaks and spaces carry meaning.
    Preformatted,
}

/// A page image: 8-bit grey, row-major, 255 is white.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageImage {
    /// Where the image came from, for messages.
    pub name: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `width * height` grey values.
    pub pixels: Vec<u8>,
}

impl Document {
    /// One preformatted block that holds the whole text, line breaks kept.
    pub fn from_text(text: &str) -> Self {
        Self {
            title: None,
            blocks: vec![Block::Text {
                kind: BlockKind::Preformatted,
                text: text.to_owned(),
                source_page: None,
            }],
        }
    }
}
