//! Configurations by name.

use super::{Alignment, Banner, Color, FlowStyle, FontSize, LineNumbers, RenderConfig, theme};
use crate::error::RenderError;

impl RenderConfig {
    /// The names that [`RenderConfig::preset`] knows.
    pub const PRESETS: [&'static str; 9] = [
        "builtin",
        "glyph-en",
        "glyph-zh",
        "dense",
        "two-column",
        "code",
        "code-dark",
        "dark",
        "print-300dpi",
    ];

    /// A configuration by name:
    ///
    /// | name | what it is |
    /// |---|---|
    /// | `builtin` | the cell style that the built-in reader reads |
    /// | `glyph-en` | the English style that Glyph ships, in DejaVu Sans for Verdana |
    /// | `glyph-zh` | the Chinese style that Glyph ships, in Droid Sans Fallback for Source Han Sans |
    /// | `dense` | smaller still: 7 pt with a leading of 7.5 pt |
    /// | `two-column` | an article: 8 pt in two columns, page numbers, headings kept |
    /// | `code` | dark on light grey, ragged right, line numbers, tabs of 4 spaces |
    /// | `code-dark` | the same, light on dark grey |
    /// | `dark` | `glyph-en`, light on dark |
    /// | `print-300dpi` | 12 pt on A4 at 300 dpi with page numbers, as a printed page would be scanned |
    ///
    /// # Errors
    /// When no preset has that name.
    pub fn preset(name: &str) -> Result<Self, RenderError> {
        let base = FlowStyle {
            margin_x: 10.0,
            margin_y: 10.0,
            ..FlowStyle::default()
        };
        let glyph = FlowStyle {
            para_border_color: Color::WHITE,
            alignment: Alignment::Left,
            auto_crop_width: true,
            auto_crop_last_page: true,
            ..base.clone()
        };
        let style = match name {
            "builtin" => return Ok(Self::builtin()),
            "glyph-en" | "glyph-zh" => glyph,
            "dark" => themed("dark", glyph),
            "dense" => FlowStyle {
                font_size: FontSize::Points(7.0),
                line_height: 7.5,
                margin_x: 7.0,
                margin_y: 7.0,
                alignment: Alignment::Left,
                auto_crop_last_page: true,
                ..base
            },
            "two-column" => FlowStyle {
                font_size: FontSize::Points(8.0),
                line_height: 9.0,
                margin_x: 18.0,
                margin_y: 14.0,
                columns: 2,
                column_gap: 12.0,
                space_after: 3.0,
                han_latin_spacing: true,
                footer: Banner::centered("{page}"),
                auto_crop_last_page: true,
                ..base
            },
            "code" | "code-dark" => themed(
                name,
                FlowStyle {
                    alignment: Alignment::Left,
                    line_numbers: Some(LineNumbers::per_page()),
                    auto_crop_last_page: true,
                    ..base
                },
            ),
            "print-300dpi" => FlowStyle {
                dpi: 300.0,
                font_size: FontSize::Points(12.0),
                line_height: 14.5,
                margin_x: 54.0,
                margin_y: 40.0,
                space_after: 6.0,
                footer: Banner::centered("{page}"),
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
}

fn themed(name: &str, mut style: FlowStyle) -> FlowStyle {
    let (text, page) = theme::theme(name).expect("presets name themes that exist");
    (style.font_color, style.page_bg_color) = (text, page);
    style.para_border_color = text;
    style
}
