//! What a page holds.

use super::cells::{BUILTIN_GRID, BUILTIN_PAGE};
use super::{Engine, Typesetter};
use crate::config::{FontSize, PageBudget};
use crate::error::RenderError;

/// English prose, for its mean width.
const LATIN: &str = "It is a truth universally acknowledged, that a single man in \
    possession of a good fortune, must be in want of a wife. However little known the feelings \
    or views of such a man may be on his first entering a neighbourhood, this truth is so well \
    fixed in the minds of the surrounding families, that he is considered as the rightful \
    property of some one or other of their daughters. ";
/// Chinese prose.
const HAN: &str =
    "孔乙己是站着喝酒而穿长衫的唯一的人。他身材很高大，青白脸色，皱纹间时常夹些伤痕。";

/// Characters that a line leaves free at its end, because it breaks at words.
const LATIN_RAGGED: f32 = 3.0;
/// The same for Chinese, which breaks almost anywhere.
const HAN_RAGGED: f32 = 0.4;

impl Typesetter {
    /// What a full page costs and, about, how much text it holds.
    ///
    /// The characters are an estimate for prose that fills its lines, within a
    /// tenth; short paragraphs and headings leave more blank. Text set by
    /// importance is counted at its sizes' shares.
    ///
    /// # Errors
    /// When a value of the style is out of range.
    pub fn page_budget(&self) -> Result<PageBudget, RenderError> {
        let config = self.config();
        let (tokens_28, tokens_16) = (config.tokens_per_page(28)?, config.tokens_per_page(16)?);
        let engine = match &self.engine {
            Engine::Flow(engine) => engine,
            Engine::Cells(_) => {
                let (columns, rows) = BUILTIN_GRID;
                let [latin, han] = [(1.0, LATIN_RAGGED), (2.0, HAN_RAGGED)]
                    .map(|(cells, ragged)| rows as f32 * (columns as f32 / cells - ragged));
                return Ok(PageBudget {
                    width: BUILTIN_PAGE.0,
                    height: BUILTIN_PAGE.1,
                    lines: rows,
                    tokens_28,
                    tokens_16,
                    latin_characters: latin as u32,
                    han_characters: han as u32,
                });
            }
        };
        let geometry = engine.geometry();
        let share = match &engine.style().font_size {
            FontSize::ByImportance(importance) => importance.share,
            FontSize::Points(_) => 1.0,
        };
        let class = |i: usize| {
            let height = geometry.bottom - geometry.top + 0.01;
            let lines = (height / geometry.line_heights[i]).floor() * geometry.columns.len() as f32;
            let [latin, han] = [(LATIN, LATIN_RAGGED), (HAN, HAN_RAGGED)]
                .map(|(text, ragged)| lines * (engine.fits(i, text) - ragged).max(1.0));
            [lines, latin, han]
        };
        let (large, small) = (class(0), class(geometry.sizes.len() - 1));
        // A character takes its share of a page.
        let [lines, latin, han] =
            [0, 1, 2].map(|i| 1.0 / (share / large[i] + (1.0 - share) / small[i]));
        Ok(PageBudget {
            width: geometry.width,
            height: geometry.height,
            lines: lines as u32,
            tokens_28,
            tokens_16,
            latin_characters: latin as u32,
            han_characters: han as u32,
        })
    }
}
