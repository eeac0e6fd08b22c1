//! Pages' texts beside their pixels: from pages, and to documents.

use super::{Damage, Inversion, InvertError, InvertedLine, Inverter, PageInversion, Strips};
use crate::document::{Block, Document};
use crate::page::{Page, PageText, TextBlock, kind_name};

impl Inverter {
    /// The text of a page, to be stored beside its pixels: see
    /// [`PngOptions`](crate::PngOptions).
    ///
    /// # Errors
    /// As [`Inverter::invert`], and when the page is damaged.
    pub fn page_text(&self, page: &Page) -> Result<PageText, InvertError> {
        let strips = Strips::find(page);
        let read = self.read(0, page, &strips, None)?;
        let (Some(strip), Some(content)) = (strips.strip.as_ref(), read.content) else {
            return Err(strips.error(0, page));
        };
        let whole = content.lines.iter().all(|line| line.ordinal.is_some());
        if !whole || content.lines.len() != strip.lines as usize {
            let number = strip.number;
            let damage = vec![Damage::TextAltered { number }];
            return Err(InvertError::Damaged { damage });
        }
        let mut blocks: Vec<TextBlock> = Vec::new();
        let goes_on = content
            .lines
            .first()
            .is_some_and(|line| line.starts.is_empty());
        let first = strip.block.1;
        for line in content.lines {
            let begun = (blocks.is_empty() && line.starts.is_empty()).then_some(first);
            for start in begun.iter().chain(&line.starts) {
                blocks.push(TextBlock {
                    kind: kind_name(start.kind),
                    source_page: start.source_page,
                    lines: Vec::new(),
                });
            }
            if let Some(block) = blocks.last_mut().filter(|_| !line.text.is_empty()) {
                block.lines.push(line.text);
            }
        }
        Ok(PageText {
            number: strip.number,
            is_last: strip.last,
            goes_on,
            blocks,
        })
    }
}

impl Inversion {
    /// The document of pages whose texts were stored beside their pixels. Nothing tells whether
    /// somebody altered them.
    pub fn from_texts(texts: &[PageText]) -> Self {
        let mut damage = Vec::new();
        let mut ordered: Vec<(usize, &PageText)> = Vec::new();
        for (position, text) in texts.iter().enumerate() {
            let number = text.number;
            if ordered.iter().any(|(_, other)| other.number == number) {
                damage.push(Damage::PageRepeated { number, position });
            } else {
                ordered.push((position, text));
            }
        }
        let positions: Vec<usize> = ordered.iter().map(|(position, _)| *position).collect();
        ordered.sort_by_key(|(_, text)| text.number);
        for ((position, text), place) in ordered.iter().zip(positions) {
            if *position != place {
                damage.push(Damage::PageMoved {
                    number: text.number,
                    position: *position,
                });
            }
        }
        let mut document = Document::default();
        let mut pages = Vec::new();
        let mut next = 1;
        for (position, text) in &ordered {
            damage.extend(Damage::missing(next..text.number));
            let goes_on = text.goes_on && next == text.number;
            next = text.number.saturating_add(1);
            for (i, block) in text.blocks().into_iter().enumerate() {
                match (document.blocks.last_mut(), block) {
                    (Some(Block::Text { text: before, .. }), Block::Text { text, .. })
                        if i == 0 && goes_on =>
                    {
                        before.push_str(&text);
                    }
                    (_, block) => document.blocks.push(block),
                }
            }
            let lines = text.blocks.iter().flat_map(|block| &block.lines);
            pages.push(PageInversion {
                position: *position,
                number: Some(text.number),
                lines: lines
                    .map(|text| InvertedLine {
                        text: text.clone(),
                        is_intact: true,
                        y: 0,
                    })
                    .collect(),
            });
        }
        if let Some((_, last)) = ordered.last().filter(|(_, text)| !text.is_last) {
            damage.push(Damage::Truncated {
                number: last.number,
            });
        }
        Self {
            document,
            pages,
            damage,
        }
    }
}
