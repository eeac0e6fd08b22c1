//! How pages look that one sees and downloads.

use axum::http::StatusCode;
use glyph_pipeline::render::{
    Banner, FontSize, LineNumbers, PageBudget, RenderConfig, Typesetter, Watermark,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::document::Measure;
use crate::error::ApiError;

/// The style that the built-in reader reads.
pub const BUILTIN: &str = "builtin";
/// Half-cells of a row that the built-in reader scans with one token, on the average.
const CELLS_PER_SCAN_TOKEN: u64 = 24;

/// Rendering parameters. What is absent is as the preset has it. The preset `builtin` is one fixed
/// style, which takes none of the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Style {
    /// Name of a preset.
    pub preset: String,
    /// Font size in points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub font_size: Option<f32>,
    /// Pixels an inch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dpi: Option<f32>,
    /// Vision tokens of 28 x 28 pixels that a page may cost at most; pages become shorter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens_per_page: Option<u32>,
    /// Grey edges; black and white only when false.
    pub antialias: bool,
    /// The title above each page.
    pub header: bool,
    /// The document's id below each page.
    pub footer: bool,
    /// The number below each page.
    pub page_numbers: bool,
    /// Numbers beside the lines.
    pub line_numbers: bool,
    /// Squares in the corners.
    pub corner_marks: bool,
    /// Faint text across each page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watermark: Option<String>,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            preset: BUILTIN.to_owned(),
            font_size: None,
            dpi: None,
            max_tokens_per_page: None,
            antialias: true,
            header: false,
            footer: false,
            page_numbers: false,
            line_numbers: false,
            corner_marks: false,
            watermark: None,
        }
    }
}

/// What a layout comes to before anything is drawn; all numbers of pages and tokens are about
/// right, not exact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Layout {
    /// Width of a page in pixels.
    pub page_width: u32,
    /// Height of a page in pixels.
    pub page_height: u32,
    /// Characters of prose on a full page.
    pub chars_per_page: u64,
    /// Vision tokens of a page for encoders with 28 pixels a token (GLM-4.1V, Qwen2-VL).
    pub tokens_per_page_28: u32,
    /// Vision tokens of a page for encoders with 16 pixels a token.
    pub tokens_per_page_16: u32,
    /// Vision tokens that the built-in reader scans a full page of its style with.
    pub tokens_per_page_builtin: u32,
    /// Pages.
    pub pages: u64,
    /// Tokens of the text.
    pub text_tokens: u64,
    /// Vision tokens of all pages: of 28 pixels, or the built-in reader's scan.
    pub vision_tokens: u64,
    /// Text tokens per vision token.
    pub ratio: f64,
}

impl Style {
    /// Reads a style that a client sent.
    ///
    /// # Errors
    /// If a value is out of range.
    pub fn config(&self) -> Result<RenderConfig, ApiError> {
        let mut config = RenderConfig::preset(&self.preset)
            .map_err(|error| ApiError::invalid("render.preset", error.to_string()))?;
        config.antialias = self.antialias;
        let Some(flow) = config.flow_mut() else {
            return Ok(config);
        };
        if let Some(size) = self.font_size {
            if !(3.0..=200.0).contains(&size) {
                let message = format!("render.font_size: expected 3 to 200 points, found {size}");
                return Err(ApiError::invalid("render.font_size", message));
            }
            flow.line_height *= size / flow.font_size.points();
            flow.font_size = FontSize::Points(size);
        }
        if let Some(dpi) = self.dpi {
            flow.dpi = dpi;
        }
        if let Some(most) = self.max_tokens_per_page {
            flow.max_tokens_per_page = Some(most);
        }
        if self.header {
            flow.header.left = "{title}".to_owned();
        }
        if self.footer || self.page_numbers {
            flow.footer = Banner {
                left: if self.footer { "{id}" } else { "" }.to_owned(),
                center: if self.page_numbers { "{page}" } else { "" }.to_owned(),
                right: String::new(),
            };
        }
        if self.line_numbers {
            flow.line_numbers = Some(LineNumbers::per_page());
        }
        if self.corner_marks {
            flow.corner_marks = true;
        }
        if let Some(text) = self
            .watermark
            .as_ref()
            .filter(|text| !text.trim().is_empty())
        {
            if text.chars().count() > 60 {
                let message = "render.watermark: expected at most 60 characters";
                return Err(ApiError::invalid("render.watermark", message));
            }
            flow.watermark = Some(Watermark::new(text.replace('{', "{{").replace('}', "}}")));
        }
        Ok(config)
    }

    /// What draws pages of this style.
    ///
    /// # Errors
    /// If a value is out of range.
    pub fn typesetter(&self) -> Result<Typesetter, ApiError> {
        Ok(Typesetter::new(self.config()?)?)
    }

    /// Whether the built-in reader reads pages of this style.
    pub fn is_builtin(&self) -> bool {
        self.preset == BUILTIN && self.antialias
    }

    /// A name for the style that tells it from all others; `builtin` for that one.
    ///
    /// # Errors
    /// Never, for a style that came as JSON.
    pub fn id(&self) -> Result<String, ApiError> {
        if self.is_builtin() {
            return Ok(BUILTIN.to_owned());
        }
        let json = serde_json::to_vec(self).map_err(ApiError::internal)?;
        Ok(blake3::hash(&json).to_hex()[..16].to_owned())
    }

    /// What pages of this style come to for a text.
    ///
    /// # Errors
    /// If a value is out of range, or one page is too large.
    pub fn layout(&self, measure: &Measure, text_tokens: u64) -> Result<Layout, ApiError> {
        let budget = self.typesetter()?.page_budget()?;
        let pages = measure.estimate(&budget);
        let images = measure.images.iter().map(|(width, height)| {
            let side = |px: u32| u64::from((px as f32 / 28.0).round().max(1.0) as u32);
            side(*width) * side(*height)
        });
        let text = match self.preset == BUILTIN {
            true => measure.cells().div_ceil(CELLS_PER_SCAN_TOKEN),
            false => pages.text_pages * u64::from(budget.tokens_28),
        };
        let vision_tokens = text + images.sum::<u64>();
        let ratio = match vision_tokens {
            0 => 0.0,
            tokens => text_tokens as f64 / tokens as f64,
        };
        Ok(Layout {
            page_width: budget.width,
            page_height: budget.height,
            chars_per_page: chars_per_page(&budget, measure.han),
            tokens_per_page_28: budget.tokens_28,
            tokens_per_page_16: budget.tokens_16,
            tokens_per_page_builtin: builtin_tokens(),
            pages: pages.pages,
            text_tokens,
            vision_tokens,
            ratio: (ratio * 100.0).round() / 100.0,
        })
    }
}

fn chars_per_page(budget: &PageBudget, han: f32) -> u64 {
    let (latin, wide) = (budget.latin_characters as f32, budget.han_characters as f32);
    let han = han.clamp(0.0, 1.0);
    (latin * (1.0 - han) + wide * han) as u64
}

/// Rows of a page in the built-in style times tokens a row.
fn builtin_tokens() -> u32 {
    let grid = glyph_pipeline::render::CellLayout::BUILTIN;
    grid.rows * grid.columns.div_ceil(CELLS_PER_SCAN_TOKEN as u32)
}

/// A preset as clients see it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Preset {
    /// What requests call it.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Its font size in points; none for the built-in style, which has cells of 14 pixels.
    pub font_size_pt: Option<f32>,
    /// Pixels an inch.
    pub dpi: Option<f32>,
    /// Whether the other rendering parameters change it.
    pub adjustable: bool,
    /// What it is for.
    pub description: String,
}

/// All presets.
///
/// # Errors
/// If one of them is not known to the renderer any more.
pub fn presets() -> Result<Vec<Preset>, ApiError> {
    let about = |name: &str| match name {
        BUILTIN => (
            "Built-in",
            "The fixed style that the built-in reader reads.",
        ),
        "glyph-en" => (
            "Glyph, English",
            "Small and dense, as Glyph's own model was trained on.",
        ),
        "glyph-zh" => ("Glyph, Chinese", "The same for Chinese."),
        "dense" => ("Dense", "Smaller still: the most text a page."),
        "two-column" => ("Two columns", "An article with page numbers."),
        "code" => ("Code", "Line numbers, ragged right."),
        "code-dark" => ("Code, dark", "The same, light on dark grey."),
        "dark" => ("Dark", "Light on dark."),
        "print-300dpi" => (
            "Print",
            "12 pt on A4 at 300 dpi, as a printed page would be scanned.",
        ),
        _ => ("", ""),
    };
    (RenderConfig::PRESETS.iter())
        .map(|name| {
            let config = RenderConfig::preset(name).map_err(|error| {
                ApiError::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    error.to_string(),
                )
            })?;
            let (title, description) = about(name);
            let flow = config.flow();
            Ok(Preset {
                name: (*name).to_owned(),
                title: if title.is_empty() { *name } else { title }.to_owned(),
                font_size_pt: flow.map(|flow| flow.font_size.points()),
                dpi: flow.map(|flow| flow.dpi),
                adjustable: flow.is_some(),
                description: description.to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_takes_every_parameter() {
        for preset in presets().unwrap() {
            let style = Style {
                preset: preset.name.clone(),
                font_size: Some(12.0),
                dpi: Some(96.0),
                max_tokens_per_page: Some(8192),
                header: true,
                footer: true,
                page_numbers: true,
                corner_marks: true,
                watermark: Some("{draft}".to_owned()),
                ..Style::default()
            };
            let layout = style.layout(&Measure::sample(), 1000);
            let layout = layout.unwrap_or_else(|error| panic!("{}: {error}", preset.name));
            assert!(layout.pages > 0 && layout.ratio > 0.0, "{}", preset.name);
            assert!(!preset.description.is_empty(), "{}", preset.name);
        }
    }

    #[test]
    fn styles_have_names_of_their_own() {
        let plain = Style::default();
        assert_eq!(plain.id().unwrap(), "builtin");
        let dense = Style {
            preset: "dense".to_owned(),
            ..Style::default()
        };
        let marked = Style {
            page_numbers: true,
            ..dense.clone()
        };
        assert_ne!(dense.id().unwrap(), marked.id().unwrap());
        assert_eq!(dense.id().unwrap().len(), 16);
        let bad = Style {
            font_size: Some(1e9),
            ..dense
        };
        assert_eq!(
            bad.config().unwrap_err().param.as_deref(),
            Some("render.font_size")
        );
    }
}
