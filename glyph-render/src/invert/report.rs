//! What an inversion gives.

use super::InvertError;
use crate::document::Document;

/// A document that was read from its pages.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Inversion {
    /// The document, without its title. In damaged lines, characters that cannot be read are
    /// `U+FFFD`.
    pub document: Document,
    /// The pages in the order of the document.
    pub pages: Vec<PageInversion>,
    /// All that is wrong; empty where the document is exact.
    pub damage: Vec<Damage>,
}

/// What one page gave.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageInversion {
    /// Index of the page in the input.
    pub position: usize,
    /// 1-based number of the page in its document; `None` where it cannot be read.
    pub number: Option<u32>,
    /// The page's lines from top to bottom; none where the page carries no code.
    pub lines: Vec<InvertedLine>,
}

/// One line of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvertedLine {
    /// The line's text with the white space and line break after it.
    pub text: String,
    /// Whether the text is exact.
    pub is_intact: bool,
    /// Top of the line's box in pixels.
    pub y: u32,
}

/// Something that is wrong with pages. Page numbers and line numbers count from 1, positions
/// are indexes into the input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// A page is not there. Of a gap, the first 1000 pages are named.
    #[error("page {number} is missing")]
    PageMissing {
        /// Its number.
        number: u32,
    },
    /// The document's last page is not there.
    #[error("the pages after page {number} are missing")]
    Truncated {
        /// The last page found.
        number: u32,
    },
    /// A page is not where it belongs; it was put there.
    #[error("page {number} stood at place {} of the input", position + 1)]
    PageMoved {
        /// Its number.
        number: u32,
        /// Where it was.
        position: usize,
    },
    /// A page is there more than once; the copy was left out.
    #[error("page {number} is there again at place {} of the input", position + 1)]
    PageRepeated {
        /// Its number.
        number: u32,
        /// Where the copy is.
        position: usize,
    },
    /// A page belongs to another document than the first one; it was left out.
    #[error("page {number} at place {} of the input belongs to another document", position + 1)]
    OtherDocument {
        /// Its number in that document.
        number: u32,
        /// Where it is.
        position: usize,
    },
    /// Two pages have the right numbers but the second does not go on where the first ends.
    #[error("page {number} does not follow on the page before it")]
    Unconnected {
        /// The second page.
        number: u32,
    },
    /// A page has another size than it was drawn with.
    #[error(
        "page {number} is {}x{} px and was drawn as {}x{} px",
        found.0, found.1, expected.0, expected.1
    )]
    Resized {
        /// The page.
        number: u32,
        /// Width and height when it was drawn.
        expected: (u32, u32),
        /// Width and height found.
        found: (u32, u32),
    },
    /// One of the strips along a page's edges, or both, cannot be read.
    #[error("{} has a damaged strip of codes along its edges", page_name(*number, *position))]
    StripDamaged {
        /// The page's number, where the other strip says it.
        number: Option<u32>,
        /// Where the page is.
        position: usize,
    },
    /// A line cannot be read exactly.
    #[error("page {number}, line {line} is damaged")]
    LineDamaged {
        /// The page.
        number: u32,
        /// The line on it.
        line: u32,
    },
    /// A line is not there.
    #[error("page {number}, line {line} is missing")]
    LineMissing {
        /// The page.
        number: u32,
        /// The line on it.
        line: u32,
    },
    /// Pixels outside the text were altered.
    #[error("page {number} has {count} altered pixels outside its text, the first at {x}, {y}")]
    PixelsAltered {
        /// The page.
        number: u32,
        /// Column of the first.
        x: u32,
        /// Row of the first.
        y: u32,
        /// How many.
        count: u32,
    },
    /// What is drawn on a page besides its text was altered.
    #[error("page {number} was altered outside its text")]
    MarksAltered {
        /// The page.
        number: u32,
    },
    /// All lines of a page are intact and yet its text is not the one that was drawn.
    #[error("the text of page {number} is not the one that was drawn")]
    TextAltered {
        /// The page.
        number: u32,
    },
}

/// The most missing pages that are named in a row.
const MOST_MISSING: usize = 1000;

impl Damage {
    /// The pages of a gap: a page may say any number, so that only the first of them are named.
    pub(super) fn missing(gap: std::ops::Range<u32>) -> impl Iterator<Item = Self> {
        gap.take(MOST_MISSING)
            .map(|number| Self::PageMissing { number })
    }
}

fn page_name(number: Option<u32>, position: usize) -> String {
    match number {
        Some(number) => format!("page {number}"),
        None => format!("the page at place {} of the input", position + 1),
    }
}

impl Inversion {
    /// The document, where it is exact.
    ///
    /// # Errors
    /// When anything is damaged.
    pub fn into_document(self) -> Result<Document, InvertError> {
        if self.damage.is_empty() {
            Ok(self.document)
        } else {
            Err(InvertError::Damaged {
                damage: self.damage,
            })
        }
    }

    /// Whether the document is exact.
    pub fn is_exact(&self) -> bool {
        self.damage.is_empty()
    }
}
