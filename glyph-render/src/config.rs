//! How pages look.

mod budget;
mod flow;
mod geometry;
mod json;
mod marks;
mod presets;
mod size;
mod theme;

use std::path::Path;

pub use budget::PageBudget;
pub use flow::{Alignment, Color, FlowStyle, NewlineMarkup};
pub(crate) use geometry::{Geometry, invalid};
pub use marks::{Banner, Grid, LineNumbers, Restart, Watermark};
pub use size::{FontSize, Importance, ScoreCallback, Scorer};

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
    /// What is done to the text before it is laid out.
    pub normalization: Normalization,
}

/// Unicode normalisation (UAX #15) of the text before it is laid out.
///
/// It loses distinctions: the text that is read back from pages is the
/// normalised one. [`PageLine::source`](crate::PageLine::source) still tells bytes
/// of the document's own text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Normalization {
    /// The text stays as it is.
    #[default]
    None,
    /// Canonical composition: `e` and a combining acute become `é`, which has a
    /// glyph.
    Nfc,
    /// Compatibility composition: full-width letters, ligatures and the like
    /// become the plain characters too.
    Nfkc,
}

/// The two ways of setting text.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Style {
    /// The built-in style: a fixed grid of cells, 700 x 994 px a page, 96
    /// half-cells of 7 x 14 px a row, 69 rows.
    Cells,
    /// Proportional text on pages of any size.
    Flow(Box<FlowStyle>),
}

impl RenderConfig {
    /// The built-in cell style, which the built-in reader is trained on.
    pub fn builtin() -> Self {
        Self {
            style: Style::Cells,
            fonts: Vec::new(),
            antialias: true,
            invertible: true,
            normalization: Normalization::None,
        }
    }

    /// A proportional style with the embedded fonts.
    pub fn with_flow(style: FlowStyle) -> Self {
        Self {
            style: Style::Flow(Box::new(style)),
            fonts: Vec::new(),
            antialias: true,
            invertible: true,
            normalization: Normalization::None,
        }
    }

    /// Reads a configuration with Glyph's own keys (`page-size`, `dpi`,
    /// `font-size` ...) and this crate's (`preset`, `theme`, `fonts`, `columns` ...);
    /// the README lists them all. Keys that are absent take the preset's value, and
    /// without a preset the defaults of Glyph's code ([`FlowStyle::default`]).
    /// Lengths are numbers of points, or have a unit: `"12px"`, `"5mm"`.
    ///
    /// # Errors
    /// When the text is not valid JSON, or a key is unknown, out of range or given twice.
    /// Nothing is ignored silently.
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
