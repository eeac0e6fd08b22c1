//! How pages look.

use crate::font::FontFile;

/// How pages look.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RenderConfig {
    /// The style.
    pub style: Style,
    /// Fonts tried before the embedded ones.
    pub fonts: Vec<FontFile>,
    /// Grey edges; black and white only when false.
    pub antialias: bool,
}

/// The two ways of setting text.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Style {
    /// The built-in style: a fixed grid of cells, 700 x 994 px a page, 96
    /// half-cells of 7 x 14 px a row, 69 rows.
    Cells,
}

impl RenderConfig {
    /// The built-in cell style, which the built-in reader is trained on.
    pub fn builtin() -> Self {
        Self {
            style: Style::Cells,
            fonts: Vec::new(),
            antialias: true,
        }
    }
}

impl Default for RenderConfig {
    fn default() -> Self {
        Self::builtin()
    }
}
