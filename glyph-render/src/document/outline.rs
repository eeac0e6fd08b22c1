//! Sections, and where they are on the pages.

use std::ops::Range;

use super::{Block, BlockKind, Document};
use crate::page::Page;

/// A heading and what follows it up to the next heading.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Section {
    /// The headings it stands under, the highest first and its own last; empty
    /// before the document's first heading.
    pub headings: Vec<String>,
    /// The level of its own heading, 1 being the highest; 0 where it has none.
    pub level: u8,
    /// Its blocks, as a range of [`Document::blocks`]; the heading is the first.
    pub blocks: Range<usize>,
    /// Bytes of its text, the heading's included.
    pub bytes: usize,
}

/// A line of a table of contents.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TocEntry {
    /// The heading's level, 1 being the highest.
    pub level: u8,
    /// The heading.
    pub title: String,
    /// Index into [`Document::blocks`].
    pub block: usize,
    /// Number of the page that it begins on.
    pub page: u32,
    /// Index into that page's [`lines`](Page::lines).
    pub line: usize,
}

impl Document {
    /// Cuts the document at its headings. Every block is in exactly one section.
    ///
    /// Markdown, DOCX and PDF have headings; a text file is one section.
    ///
    /// ```
    /// use glyph_render::{Block, BlockKind, Document};
    ///
    /// let mut document = Document::default();
    /// for (kind, text) in [
    ///     (BlockKind::Heading(1), "Methods"),
    ///     (BlockKind::Heading(2), "Data"),
    ///     (BlockKind::Paragraph, "We read books."),
    /// ] {
    ///     document.blocks.push(Block::text(kind, text, None));
    /// }
    /// let sections = document.sections();
    /// assert_eq!(sections[1].headings, ["Methods", "Data"]);
    /// assert_eq!(sections[1].blocks, 1..3);
    /// ```
    pub fn sections(&self) -> Vec<Section> {
        let mut sections: Vec<Section> = Vec::new();
        let mut path: Vec<(u8, &str)> = Vec::new();
        for (i, block) in self.blocks.iter().enumerate() {
            let heading = match block {
                Block::Text {
                    kind: BlockKind::Heading(level),
                    text,
                    ..
                } => Some((*level, text.as_str())),
                _ => None,
            };
            if let Some((level, text)) = heading {
                path.retain(|(above, _)| *above < level);
                path.push((level, text));
            }
            if heading.is_some() || sections.is_empty() {
                sections.push(Section {
                    headings: path.iter().map(|(_, text)| (*text).to_owned()).collect(),
                    level: heading.map_or(0, |(level, _)| level),
                    blocks: i..i,
                    bytes: 0,
                });
            }
            let section = sections.last_mut().expect("the first block opens one");
            section.blocks.end = i + 1;
            if let Block::Text { text, .. } = block {
                section.bytes += text.len();
            }
        }
        sections
    }
}

/// The headings of a document and where they are on its pages, in reading order.
///
/// `pages` are rendered from `document`; headings that are on none of them are
/// left out.
pub fn table_of_contents(document: &Document, pages: &[Page]) -> Vec<TocEntry> {
    let mut entries: Vec<TocEntry> = Vec::new();
    for page in pages {
        for (i, line) in page.lines.iter().enumerate() {
            let Some(Block::Text {
                kind: BlockKind::Heading(level),
                text,
                ..
            }) = document.blocks.get(line.source_block)
            else {
                continue;
            };
            if line.source.start == 0 {
                entries.push(TocEntry {
                    level: *level,
                    title: text.clone(),
                    block: line.source_block,
                    page: page.number,
                    line: i,
                });
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_know_their_path() {
        let text = "intro\n\n# A\n\none\n\n## B\n\ntwo\n\nthree\n\n# C\n\n### D\n\nfour";
        let document = crate::document::markdown::parse(text);
        let sections = document.sections();
        let found: Vec<(u8, String, Range<usize>)> = (sections.iter())
            .map(|s| (s.level, s.headings.join("/"), s.blocks.clone()))
            .collect();
        let expected = [
            (0, "", 0..1),
            (1, "A", 1..3),
            (2, "A/B", 3..6),
            (1, "C", 6..7),
            (3, "C/D", 7..9),
        ];
        let expected = expected.map(|(level, path, blocks)| (level, path.to_owned(), blocks));
        assert_eq!(found, expected);
        assert_eq!(sections[2].bytes, "Btwothree".len());
        assert!(Document::default().sections().is_empty());
    }
}
