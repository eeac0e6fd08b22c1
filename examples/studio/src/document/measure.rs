//! How much text a document has, so that layouts can be estimated at once.

use std::collections::BTreeMap;

use glyph_pipeline::render::{Block, BlockKind, Document, PageBudget, half_cells};
use serde::{Deserialize, Serialize};

/// Lengths of lines and sizes of images.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Lengths of the text's lines in half-cells, which are Latin letters or halves of Han
    /// characters, and how many lines have it.
    pub lines: Vec<(u32, u32)>,
    /// Share of the half-cells that belongs to Han characters and their like.
    pub han: f32,
    /// Widths and heights of page images in pixels.
    pub images: Vec<(u32, u32)>,
}

/// What a layout is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Pages, images included.
    pub pages: u64,
    /// Of those, pages of text.
    pub text_pages: u64,
}

/// The longest line that counts as prose of its own; a longer one is cut for the histogram.
const LONGEST: u32 = 20_000;

impl Measure {
    /// Measures a document.
    pub fn of(document: &Document) -> Self {
        let mut lines: BTreeMap<u32, u32> = BTreeMap::new();
        let (mut cells, mut wide) = (0u64, 0u64);
        let mut images = Vec::new();
        for block in &document.blocks {
            match block {
                Block::Text { kind, text, .. } => {
                    for line in text.lines() {
                        let length = line.chars().map(half_cells).sum::<usize>() as u64;
                        cells += length;
                        wide += 2 * length.saturating_sub(line.chars().count() as u64);
                        let mut rest = length;
                        while rest > u64::from(LONGEST) {
                            *lines.entry(LONGEST).or_default() += 1;
                            rest -= u64::from(LONGEST);
                        }
                        *lines.entry(rest as u32).or_default() += 1;
                    }
                    if !matches!(kind, BlockKind::ListItem | BlockKind::TableRow) {
                        *lines.entry(0).or_default() += 1;
                    }
                }
                Block::Page(image) => images.push((image.width, image.height)),
                _ => {}
            }
        }
        Self {
            lines: lines.into_iter().collect(),
            han: wide as f32 / cells.max(1) as f32,
            images,
        }
    }

    /// A page of prose, for an estimate without a document.
    pub fn sample() -> Self {
        Self {
            lines: vec![(600, 12), (0, 11)],
            han: 0.0,
            images: Vec::new(),
        }
    }

    /// Half-cells of the text.
    pub fn cells(&self) -> u64 {
        let cells = |(length, count): &(u32, u32)| u64::from(*length) * u64::from(*count);
        self.lines.iter().map(cells).sum()
    }

    /// How many pages the text takes on pages like `budget`.
    pub fn estimate(&self, budget: &PageBudget) -> Estimate {
        let lines = f64::from(budget.lines.max(1));
        let latin = f64::from(budget.latin_characters) / lines;
        let han = 2.0 * f64::from(budget.han_characters) / lines;
        let share = f64::from(self.han.clamp(0.0, 1.0));
        let row = (latin * (1.0 - share) + han * share).max(1.0);
        let rows: f64 = (self.lines.iter())
            .map(|(length, count)| (f64::from(*length) / row).ceil().max(1.0) * f64::from(*count))
            .sum();
        let text_pages = match self.lines.is_empty() {
            true => 0,
            false => (rows / lines).ceil().max(1.0) as u64,
        };
        Estimate {
            pages: text_pages + self.images.len() as u64,
            text_pages,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glyph_pipeline::render::{RenderConfig, Renderer, Typesetter};

    #[test]
    fn estimates_are_near_the_pages_that_are_drawn() {
        let english = include_str!("../../../../docs/samples/lighthouse.txt").repeat(12);
        let chinese = include_str!("../../../../docs/samples/tea_garden.txt").repeat(30);
        for text in [english, chinese] {
            let document = Document::from_text(&text);
            let measure = Measure::of(&document);
            for preset in ["builtin", "glyph-en", "two-column"] {
                let typesetter = Typesetter::new(RenderConfig::preset(preset).unwrap()).unwrap();
                let drawn = typesetter.render(&document).unwrap().len() as f64;
                let budget = typesetter.page_budget().unwrap();
                let about = measure.estimate(&budget).pages as f64;
                assert!(
                    (about - drawn).abs() <= 1.0 + 0.15 * drawn,
                    "{preset}: {about} {drawn}"
                );
            }
        }
    }
}
