//! What the renderer reads: blocks of text, or pages that are images already.

mod chunks;
#[cfg(feature = "docx")]
mod docx;
mod error;
mod images;
mod join;
mod markdown;
mod options;
mod outline;
mod pdf;
mod sniff;
mod text;

pub use chunks::{Chunk, estimate_tokens};
pub use error::DocumentError;
pub(crate) use join::is_cjk;
pub use options::{Limits, OpenOptions, ProgressCallback};
pub use outline::{Section, TocEntry, table_of_contents};

use sniff::{Kind, Source};
use std::path::Path;

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
    /// One item of a list, its marker and indentation kept in the text.
    ListItem,
    /// One row of a table, its cells separated by tabs.
    TableRow,
    /// Text whose line breaks and spaces carry meaning.
    Preformatted,
}

/// A page image: 8-bit grey, row-major, 255 is white.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageImage {
    /// Where the image came from, for messages.
    pub name: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `width * height` grey values.
    pub pixels: Vec<u8>,
    /// The same pixels as red, green and blue bytes, where the picture has colours.
    pub color: Option<Vec<u8>>,
    /// The PNG text chunks whose keyword starts with `glyph:`, in file order.
    pub metadata: Vec<(String, String)>,
}

impl Document {
    /// Opens a file or a folder of page images with the default [`Limits`].
    ///
    /// TXT, Markdown, PDF, DOCX, PNG and JPEG files are told apart by their content; the
    /// extension only separates Markdown from plain text. A folder is read as one page image
    /// per PNG or JPEG file, in natural order (`page_2` before `page_10`).
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("notes.md");
    /// std::fs::write(&path, "# Notes\n\nTwo lines\nof one paragraph.\n")?;
    /// let document = glyph_render::Document::open(&path)?;
    /// assert_eq!(document.text(), "Notes\n\nTwo lines of one paragraph.");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Says in one line what is wrong with the path or its content and what to do about it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DocumentError> {
        Self::open_with(path, &OpenOptions::default())
    }

    /// Opens a file or a folder of page images as [`Document::open`] does, with options.
    ///
    /// # Errors
    /// As [`Document::open`]; also when the libpdfium named in the options cannot be loaded.
    pub fn open_with(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self, DocumentError> {
        let path = path.as_ref();
        let info = std::fs::metadata(path).map_err(|source| DocumentError::io(path, source))?;
        if info.is_dir() {
            return images::open_folder(path, options);
        }
        let source = Source::open(path, &options.limits)?;
        match sniff::kind(&source)? {
            Kind::Text => text::open(source, options).map(Self::from),
            Kind::Markdown => text::open(source, options).map(|text| markdown::parse(&text)),
            Kind::Pdf => pdf::open(source, options),
            #[cfg(feature = "docx")]
            Kind::Docx => docx::open(source, options),
            #[cfg(not(feature = "docx"))]
            Kind::Docx => Err(DocumentError::Unavailable {
                path: path.into(),
                what: "DOCX needs the feature `docx` of glyph-render, which is off in this build",
                hint: "build with it, or convert the file to text",
            }),
            Kind::Image => {
                let page = images::open_file(source, options)?;
                Ok(Self {
                    title: None,
                    blocks: vec![Block::Page(page)],
                })
            }
        }
    }

    /// One preformatted block that holds the whole text, line breaks kept.
    pub fn from_text(text: &str) -> Self {
        Self::from(text.to_owned())
    }

    /// The text of all text blocks, as it counts for tokens: a blank line between blocks, a
    /// line break between the items of a list and the rows of a table.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut last = None;
        for block in &self.blocks {
            let Block::Text { kind, text, .. } = block else {
                continue;
            };
            if let Some(last) = last {
                let tight = matches!(kind, BlockKind::ListItem | BlockKind::TableRow);
                out.push_str(if tight && last == *kind { "\n" } else { "\n\n" });
            }
            out.push_str(text);
            last = Some(*kind);
        }
        out
    }

    /// Whether the document consists of page images only.
    pub fn is_images(&self) -> bool {
        !self.blocks.is_empty() && self.blocks.iter().all(|b| matches!(b, Block::Page(_)))
    }
}

/// As [`Document::from_text`], without a copy.
impl From<String> for Document {
    fn from(text: String) -> Self {
        Self {
            title: None,
            blocks: vec![Block::text(BlockKind::Preformatted, text, None)],
        }
    }
}

impl Block {
    /// A text block.
    pub fn text(kind: BlockKind, text: impl Into<String>, source_page: Option<u32>) -> Self {
        Self::Text {
            kind,
            text: text.into(),
            source_page,
        }
    }
}
