//! What a page costs and holds.

use super::{RenderConfig, Style};
use crate::error::RenderError;
use crate::typeset::BUILTIN_PAGE;

/// What one full page costs and how much it holds: see
/// [`Typesetter::page_budget`](crate::Typesetter::page_budget).
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct PageBudget {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Lines, all columns together.
    pub lines: u32,
    /// Vision tokens of an encoder with 28 px a token (GLM-4.1V, Qwen2-VL).
    pub tokens_28: u32,
    /// Vision tokens of an encoder with 16 px a token.
    pub tokens_16: u32,
    /// Characters of English prose, spaces included.
    pub latin_characters: u32,
    /// Characters of Chinese prose.
    pub han_characters: u32,
}

impl RenderConfig {
    /// Vision tokens that a full page costs an encoder of `patch` x `patch` px a
    /// token, where sides are brought to the nearest multiple of `patch`, as
    /// GLM-4.1V and Qwen2-VL do with 28. Auto-cropped pages cost less.
    ///
    /// # Errors
    /// When `patch` is 0, or a value of the style is out of range.
    pub fn tokens_per_page(&self, patch: u32) -> Result<u32, RenderError> {
        if patch == 0 {
            return Err(RenderError::InvalidOption {
                key: "patch".to_owned(),
                found: "0".to_owned(),
                expected: "a patch of 1 px or more".to_owned(),
            });
        }
        let (width, height) = match &self.style {
            Style::Cells => BUILTIN_PAGE,
            Style::Flow(style) => style.page_pixels()?,
        };
        let side = |px: u32| ((px as f32 / patch as f32).round_ties_even() as u32).max(1);
        Ok(side(width) * side(height))
    }
}
