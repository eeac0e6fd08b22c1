//! How pages look.

mod flow;
mod json;

use std::path::Path;

pub use flow::{Alignment, Color, FlowStyle, NewlineMarkup};

use crate::error::RenderError;
use crate::font::FontFile;

/// How pages look.
///
/// ```
/// use glyph_render::RenderConfig;
///
/// let config = RenderConfig::from_json(r#"{"dpi": 96, "font-size": 8, "alignment": "LEFT"}"#)?;
/// assert_eq!(config.flow().map(|style| style.dpi), Some(96.0));
/// assert!(RenderConfig::from_json(r#"{"font-sise": 8}"#).is_err());
/// # Ok::<(), glyph_render::RenderError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RenderConfig {
    /// The style.
    pub style: Style,
    /// Fonts tried before the embedded ones.
    pub fonts: Vec<FontFile>,
    /// Grey edges; black and white only when false.
    pub antialias: bool,
    /// Pages carry codes in the low bits of their pixels, by which [`invert`](crate::invert)
    /// gives back their text exactly. On by default; ink and background must differ by 24 grey
    /// levels at least.
    pub invertible: bool,
}

/// The two ways of setting text.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Style {
    /// The built-in style: a fixed grid of cells, 700 x 994 px a page, 96
    /// half-cells of 7 x 14 px a row, 69 rows.
    Cells,
    /// Proportional text on pages of any size.
    Flow(FlowStyle),
}

impl RenderConfig {
    /// The names that [`RenderConfig::preset`] knows.
    pub const PRESETS: [&'static str; 4] = ["builtin", "glyph-en", "dense", "print-300dpi"];

    /// The built-in cell style, which the built-in reader is trained on.
    pub fn builtin() -> Self {
        Self {
            style: Style::Cells,
            fonts: Vec::new(),
            antialias: true,
            invertible: true,
        }
    }

    /// A proportional style with the embedded fonts.
    pub fn with_flow(style: FlowStyle) -> Self {
        Self {
            style: Style::Flow(style),
            fonts: Vec::new(),
            antialias: true,
            invertible: true,
        }
    }

    /// A configuration by name: `builtin`; `glyph-en`, the English style that
    /// Glyph ships, in DejaVu Sans for Verdana; `dense`, smaller still;
    /// `print-300dpi`, as a printed page would be scanned.
    ///
    /// # Errors
    /// When no preset has that name.
    pub fn preset(name: &str) -> Result<Self, RenderError> {
        let base = FlowStyle {
            margin_x: 10.0,
            margin_y: 10.0,
            ..FlowStyle::default()
        };
        let style = match name {
            "builtin" => return Ok(Self::builtin()),
            "glyph-en" => FlowStyle {
                alignment: Alignment::Left,
                auto_crop_width: true,
                auto_crop_last_page: true,
                ..base
            },
            "dense" => FlowStyle {
                font_size: 7.0,
                line_height: 7.5,
                margin_x: 7.0,
                margin_y: 7.0,
                alignment: Alignment::Left,
                auto_crop_last_page: true,
                ..base
            },
            "print-300dpi" => FlowStyle {
                dpi: 300.0,
                font_size: 10.0,
                line_height: 12.0,
                margin_x: 54.0,
                margin_y: 54.0,
                space_after: 6.0,
                ..base
            },
            other => {
                return Err(RenderError::InvalidOption {
                    key: "preset".to_owned(),
                    found: format!("\"{other}\""),
                    expected: format!("one of {}", Self::PRESETS.join(", ")),
                });
            }
        };
        Ok(Self::with_flow(style))
    }

    /// Reads a configuration with Glyph's own keys (`page-size`, `dpi`,
    /// `font-size` ...) and this crate's (`preset`, `fonts`, `antialias`,
    /// `invertible`, `max-tokens-per-page`). Keys that are absent take the preset's value, and
    /// without a preset the defaults of Glyph's code ([`FlowStyle::default`]).
    ///
    /// # Errors
    /// When the text is not valid JSON, or a key is unknown, not implemented,
    /// or out of range. Nothing is ignored silently.
    pub fn from_json(json: &str) -> Result<Self, RenderError> {
        json::parse(json, None)
    }

    /// Reads a JSON file; font paths in it are relative to the file's folder.
    ///
    /// # Errors
    /// When the file cannot be read; otherwise as [`RenderConfig::from_json`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, RenderError> {
        let path = path.as_ref();
        let json = std::fs::read_to_string(path).map_err(|source| RenderError::Io {
            path: path.to_owned(),
            source,
        })?;
        json::parse(&json, path.parent())
    }

    /// The proportional style, where the configuration has one.
    pub fn flow(&self) -> Option<&FlowStyle> {
        match &self.style {
            Style::Flow(style) => Some(style),
            Style::Cells => None,
        }
    }

    /// The proportional style for changing it.
    pub fn flow_mut(&mut self) -> Option<&mut FlowStyle> {
        match &mut self.style {
            Style::Flow(style) => Some(style),
            Style::Cells => None,
        }
    }
}

impl Default for RenderConfig {
    fn default() -> Self {
        Self::builtin()
    }
}
