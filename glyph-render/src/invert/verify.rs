//! Checks that pages hold what they were rendered from.

use super::{InvertError, Inverter};
use crate::document::{Block, Document};
use crate::layout::normalized;
use crate::page::Page;
use crate::typeset::Typesetter;

impl Typesetter {
    /// Inverts pages and compares them with the document that they were rendered from, whose
    /// text counts as normalised where the configuration says so.
    ///
    /// ```
    /// # use glyph_render::{Document, RenderConfig, Renderer, Typesetter};
    /// let typesetter = Typesetter::new(RenderConfig::builtin())?;
    /// let document = Document::from_text("Nothing is lost.");
    /// let pages = typesetter.render(&document)?;
    /// typesetter.verify(&document, &pages)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Inverter::invert`], and when the pages are damaged or hold another text.
    pub fn verify(&self, document: &Document, pages: &[Page]) -> Result<(), InvertError> {
        let has_text =
            |block: &&Block| matches!(block, Block::Text { text, .. } if !text.is_empty());
        // Page images carry no code, and a document without text has no pages but those.
        if document.blocks.iter().find(has_text).is_none() {
            return Ok(());
        }
        let found = Inverter::of(self).invert(pages)?.into_document()?;
        self.compare(document, &found)
    }

    /// Compares a document that was read from pages with the one that they were rendered from.
    ///
    /// # Errors
    /// When they differ.
    pub fn compare(&self, document: &Document, found: &Document) -> Result<(), InvertError> {
        let form = self.config().normalization;
        let same = |expected: &Block, found: &Block| match (expected, found) {
            (
                Block::Text {
                    kind,
                    text,
                    source_page,
                },
                Block::Text {
                    kind: found_kind,
                    text: found_text,
                    source_page: found_page,
                },
            ) => {
                (kind, source_page) == (found_kind, found_page)
                    && normalized(text, form) == found_text.as_str()
            }
            (Block::Page(expected), Block::Page(found)) => expected.pixels == found.pixels,
            _ => false,
        };
        let pairs = document.blocks.iter().zip(&found.blocks);
        let equal = pairs.take_while(|(expected, found)| same(expected, found));
        let block = equal.count();
        if block == document.blocks.len() && block == found.blocks.len() {
            Ok(())
        } else {
            Err(InvertError::Differs { block })
        }
    }
}
