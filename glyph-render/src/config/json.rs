//! Glyph's JSON keys, and this crate's.

mod decor;
mod length;
mod unique;
mod value;

use std::path::Path;

use serde_json::Value;

use super::{Alignment, FlowStyle, Normalization, RenderConfig, Style, theme};
use crate::error::RenderError;
use crate::font::FontFile;
use length::{length, line_height};
use unique::Unique;
use value::{boolean, color, count, fonts, invalid, number, page_size, resolve, string};

/// Every key, those that others depend on first.
const KEYS: [&str; 46] = [
    "preset",
    "theme",
    "dpi",
    "font-size",
    "fonts",
    "font-path",
    "antialias",
    "invertible",
    "normalization",
    "max-tokens-per-page",
    "page-size",
    "margin-x",
    "margin-y",
    "line-height",
    "letter-spacing",
    "word-spacing",
    "han-latin-spacing",
    "font-color",
    "page-bg-color",
    "alignment",
    "horizontal-scale",
    "first-line-indent",
    "left-indent",
    "right-indent",
    "space-before",
    "space-after",
    "auto-crop-width",
    "auto-crop-last-page",
    "newline-markup",
    "para-bg-color",
    "para-border-color",
    "border-width",
    "border-padding",
    "columns",
    "column-gap",
    "tab-stops",
    "tab-width",
    "keep-headings",
    "header",
    "footer",
    "mark-size",
    "document-id",
    "line-numbers",
    "corner-marks",
    "grid",
    "watermark",
];

pub(super) fn parse(json: &str, folder: Option<&Path>) -> Result<RenderConfig, RenderError> {
    let syntax = |source| RenderError::ConfigSyntax { source };
    let Unique(raw) = serde_json::from_str(json).map_err(syntax)?;
    let Value::Object(raw) = raw else {
        let message = format!("expected an object of options, found {raw}");
        return Err(syntax(serde::de::Error::custom(message)));
    };
    let mut values: Vec<(usize, Value)> = Vec::with_capacity(raw.len());
    for (key, value) in raw {
        let spelled = key.replace('_', "-");
        let Some(rank) = KEYS.iter().position(|known| *known == spelled) else {
            return Err(RenderError::UnknownKey {
                key,
                known: KEYS.join(", "),
            });
        };
        if values.iter().any(|(known, _)| *known == rank) {
            let found = format!("{value} as \"{key}\" besides another value");
            return Err(super::invalid(
                &spelled,
                found,
                "one value, spelled one way",
            ));
        }
        values.push((rank, value));
    }
    values.sort_by_key(|(rank, _)| *rank);
    let mut config = RenderConfig::with_flow(FlowStyle::default());
    let mut keys = Vec::with_capacity(values.len());
    for (rank, value) in &values {
        let key = KEYS[*rank];
        keys.push(key);
        match key {
            "preset" => config = RenderConfig::preset(string(key, value)?)?,
            "fonts" => config.fonts.extend(fonts(key, value, folder)?),
            "font-path" => {
                let path = resolve(folder, string(key, value)?);
                config.fonts.insert(0, FontFile { path, index: 0 });
            }
            "antialias" => config.antialias = boolean(key, value)?,
            "invertible" => config.invertible = boolean(key, value)?,
            "normalization" => {
                config.normalization = match string(key, value)?.to_ascii_lowercase().as_str() {
                    "none" => Normalization::None,
                    "nfc" => Normalization::Nfc,
                    "nfkc" => Normalization::Nfkc,
                    _ => return Err(invalid(key, value, "none, nfc or nfkc")),
                };
            }
            _ => match &mut config.style {
                Style::Flow(style) => set(style, key, value)?,
                Style::Cells => {
                    return Err(RenderError::UnsupportedOption {
                        key: key.to_owned(),
                        found: value.to_string(),
                        supported: "the built-in style's fixed geometry (leave the key out)"
                            .to_owned(),
                    });
                }
            },
        }
    }
    if let Style::Flow(style) = &mut config.style {
        // Glyph's rule, where only the size is given.
        if keys.contains(&"font-size") && !keys.contains(&"line-height") {
            style.line_height = style.font_size.points() + 1.0;
        }
        style.geometry()?;
    }
    Ok(config)
}

fn set(style: &mut FlowStyle, key: &str, value: &Value) -> Result<(), RenderError> {
    let dpi = style.dpi;
    match key {
        "theme" => {
            let (text, page) = theme::theme(string(key, value)?)
                .ok_or_else(|| invalid(key, value, &format!("one of {}", theme::names())))?;
            (style.font_color, style.page_bg_color) = (text, page);
            (style.para_bg_color, style.para_border_color) = (None, text);
        }
        "page-size" => style.page_size = page_size(key, value, dpi)?,
        "dpi" => {
            style.dpi = number(key, value)?;
            // Lengths in pixels need a sane one.
            if !(1.0..=600.0).contains(&style.dpi) {
                return Err(invalid(key, value, "a number from 1 to 600"));
            }
        }
        "margin-x" => style.margin_x = length(key, value, dpi)?,
        "margin-y" => style.margin_y = length(key, value, dpi)?,
        "font-size" => style.font_size = decor::font_size(key, value, dpi)?,
        "line-height" => {
            style.line_height = line_height(key, value, dpi, style.font_size.points())?;
        }
        "letter-spacing" => style.letter_spacing = length(key, value, dpi)?,
        "word-spacing" => style.word_spacing = length(key, value, dpi)?,
        "han-latin-spacing" => style.han_latin_spacing = boolean(key, value)?,
        "font-color" => style.font_color = color(key, value)?,
        "page-bg-color" => style.page_bg_color = color(key, value)?,
        "para-bg-color" => {
            let color = color(key, value)?;
            // The page's colour is known only at the end, so the order is in KEYS.
            style.para_bg_color = (color != style.page_bg_color).then_some(color);
        }
        "para-border-color" => style.para_border_color = color(key, value)?,
        "border-width" => style.border_width = length(key, value, dpi)?,
        "border-padding" => style.border_padding = length(key, value, dpi)?,
        "alignment" => {
            style.alignment = match string(key, value)?.to_ascii_uppercase().as_str() {
                "LEFT" => Alignment::Left,
                "CENTER" => Alignment::Center,
                "RIGHT" => Alignment::Right,
                "JUSTIFY" => Alignment::Justify,
                _ => return Err(invalid(key, value, "LEFT, CENTER, RIGHT or JUSTIFY")),
            };
        }
        "horizontal-scale" => style.horizontal_scale = number(key, value)?,
        "first-line-indent" => style.first_line_indent = length(key, value, dpi)?,
        "left-indent" => style.left_indent = length(key, value, dpi)?,
        "right-indent" => style.right_indent = length(key, value, dpi)?,
        "space-before" => style.space_before = length(key, value, dpi)?,
        "space-after" => style.space_after = length(key, value, dpi)?,
        "auto-crop-width" => style.auto_crop_width = boolean(key, value)?,
        "auto-crop-last-page" => style.auto_crop_last_page = boolean(key, value)?,
        "newline-markup" => style.newline_markup = decor::newline_markup(key, value)?,
        "max-tokens-per-page" => style.max_tokens_per_page = Some(count(key, value)?),
        "columns" => style.columns = count(key, value)?,
        "column-gap" => style.column_gap = length(key, value, dpi)?,
        "tab-stops" => style.tab_stops = decor::tab_stops(key, value, dpi)?,
        "tab-width" => style.tab_width = count(key, value)?,
        "keep-headings" => style.keep_headings = boolean(key, value)?,
        "header" => style.header = decor::banner(key, value)?,
        "footer" => style.footer = decor::banner(key, value)?,
        "mark-size" => style.mark_size = Some(length(key, value, dpi)?),
        "document-id" => style.document_id = Some(string(key, value)?.to_owned()),
        "line-numbers" => style.line_numbers = decor::line_numbers(key, value)?,
        "corner-marks" => style.corner_marks = boolean(key, value)?,
        "grid" => style.grid = decor::grid(key, value, dpi)?,
        "watermark" => style.watermark = Some(decor::watermark(key, value, dpi)?),
        _ => unreachable!("every key of KEYS is matched here or in `parse`"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key that `set` forgets would panic at a user's.
    #[test]
    fn every_key_is_matched() {
        for key in KEYS.into_iter().skip(1) {
            let json = format!("{{\"{key}\": {{\"no\": 1}}}}");
            assert!(parse(&json, None).is_err(), "{key}");
        }
    }
}
