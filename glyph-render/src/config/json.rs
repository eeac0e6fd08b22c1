//! Glyph's JSON keys.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{Alignment, Color, FlowStyle, NewlineMarkup, RenderConfig, Style};
use crate::error::RenderError;
use crate::font::FontFile;

const KEYS: [&str; 28] = [
    "preset",
    "fonts",
    "font-path",
    "antialias",
    "invertible",
    "max-tokens-per-page",
    "page-size",
    "dpi",
    "margin-x",
    "margin-y",
    "font-size",
    "line-height",
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
];

fn invalid(key: &str, found: &Value, expected: &str) -> RenderError {
    RenderError::InvalidOption {
        key: key.to_owned(),
        found: found.to_string(),
        expected: expected.to_owned(),
    }
}

fn unsupported(key: &str, found: &Value, supported: &str) -> RenderError {
    RenderError::UnsupportedOption {
        key: key.to_owned(),
        found: found.to_string(),
        supported: supported.to_owned(),
    }
}

pub(super) fn parse(json: &str, folder: Option<&Path>) -> Result<RenderConfig, RenderError> {
    let raw: Map<String, Value> =
        serde_json::from_str(json).map_err(|source| RenderError::ConfigSyntax { source })?;
    let mut values = Vec::with_capacity(raw.len());
    for (key, value) in raw {
        let Some(known) = KEYS.iter().find(|known| **known == key.replace('_', "-")) else {
            return Err(RenderError::UnknownKey {
                key,
                known: KEYS.join(", "),
            });
        };
        values.push((*known, value));
    }
    let preset = values.iter().find(|(key, _)| *key == "preset");
    let mut config = match preset {
        Some((key, value)) => RenderConfig::preset(string(key, value)?)?,
        None => RenderConfig::with_flow(FlowStyle::default()),
    };
    let has_line_height = values.iter().any(|(key, _)| *key == "line-height");
    for (key, value) in &values {
        match *key {
            "preset" => {}
            "fonts" => config.fonts.extend(fonts(key, value, folder)?),
            "font-path" => {
                let path = resolve(folder, string(key, value)?);
                config.fonts.insert(0, FontFile { path, index: 0 });
            }
            "antialias" => config.antialias = boolean(key, value)?,
            "invertible" => config.invertible = boolean(key, value)?,
            _ => match &mut config.style {
                Style::Flow(style) => set(style, key, value)?,
                Style::Cells => {
                    let supported = "the built-in style's fixed geometry (leave the key out)";
                    return Err(unsupported(key, value, supported));
                }
            },
        }
    }
    if let Style::Flow(style) = &mut config.style {
        // Glyph's rule, where only the size is given.
        if !has_line_height && values.iter().any(|(key, _)| *key == "font-size") {
            style.line_height = style.font_size + 1.0;
        }
        let background = values.iter().find(|(key, _)| *key == "para-bg-color");
        if let Some((key, value)) = background
            && color(key, value)? != style.page_bg_color
        {
            return Err(unsupported(key, value, "the page-bg-color"));
        }
        style.page_pixels()?;
    }
    Ok(config)
}

fn set(style: &mut FlowStyle, key: &str, value: &Value) -> Result<(), RenderError> {
    match key {
        "page-size" => style.page_size = page_size(key, value)?,
        "dpi" => style.dpi = number(key, value)?,
        "margin-x" => style.margin_x = number(key, value)?,
        "margin-y" => style.margin_y = number(key, value)?,
        "font-size" => style.font_size = number(key, value)?,
        "line-height" => style.line_height = number(key, value)?,
        "font-color" => style.font_color = color(key, value)?,
        "page-bg-color" => style.page_bg_color = color(key, value)?,
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
        "first-line-indent" => style.first_line_indent = number(key, value)?,
        "left-indent" => style.left_indent = number(key, value)?,
        "right-indent" => style.right_indent = number(key, value)?,
        "space-before" => style.space_before = number(key, value)?,
        "space-after" => style.space_after = number(key, value)?,
        "auto-crop-width" => style.auto_crop_width = boolean(key, value)?,
        "auto-crop-last-page" => style.auto_crop_last_page = boolean(key, value)?,
        "newline-markup" => style.newline_markup = newline_markup(key, value)?,
        "max-tokens-per-page" => {
            let limit = value
                .as_u64()
                .and_then(|n| u32::try_from(n).ok())
                .filter(|&n| n > 0);
            let limit = limit.ok_or_else(|| invalid(key, value, "a positive whole number"))?;
            style.max_tokens_per_page = Some(limit);
        }
        // Boxes around paragraphs are not drawn, so they must ask for nothing.
        "border-width" | "border-padding" if number(key, value)? != 0.0 => {
            return Err(unsupported(key, value, "0"));
        }
        "para-border-color" | "para-bg-color" => {
            color(key, value)?;
        }
        _ => {}
    }
    Ok(())
}

fn number(key: &str, value: &Value) -> Result<f32, RenderError> {
    value
        .as_f64()
        .map(|n| n as f32)
        .ok_or_else(|| invalid(key, value, "a number"))
}

fn boolean(key: &str, value: &Value) -> Result<bool, RenderError> {
    value
        .as_bool()
        .ok_or_else(|| invalid(key, value, "true or false"))
}

fn string<'v>(key: &str, value: &'v Value) -> Result<&'v str, RenderError> {
    value
        .as_str()
        .ok_or_else(|| invalid(key, value, "a string"))
}

fn page_size(key: &str, value: &Value) -> Result<(f32, f32), RenderError> {
    let parsed = match value {
        Value::String(text) => text
            .split_once(',')
            .and_then(|(w, h)| Some((w.trim().parse().ok()?, h.trim().parse().ok()?))),
        Value::Array(pair) => match pair.as_slice() {
            [w, h] => w
                .as_f64()
                .zip(h.as_f64())
                .map(|(w, h)| (w as f32, h as f32)),
            _ => None,
        },
        _ => None,
    };
    parsed.ok_or_else(|| {
        invalid(
            key,
            value,
            "\"width,height\" in points, such as \"595,842\"",
        )
    })
}

fn color(key: &str, value: &Value) -> Result<Color, RenderError> {
    parse_color(string(key, value)?)
        .ok_or_else(|| invalid(key, value, "a colour such as \"#1A2B3C\""))
}

fn parse_color(text: &str) -> Option<Color> {
    let digits = text.trim().strip_prefix('#')?;
    if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let [_, r, g, b] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
    Some(Color { r, g, b })
}

/// `<br/>`, plain text, or text within one `<font color="...">` tag.
fn newline_markup(key: &str, value: &Value) -> Result<NewlineMarkup, RenderError> {
    let markup = string(key, value)?;
    if matches!(markup.trim(), "<br/>" | "<br />" | "<br>") {
        return Ok(NewlineMarkup::Break);
    }
    let supported = "\"<br/>\" or \"<font color=\\\"#FF0000\\\"> \\\\n </font>\"";
    let parts = match markup.trim().strip_prefix("<font color=") {
        None => Some((markup, Color::BLACK)),
        Some(rest) => rest.split_once('>').and_then(|(quoted, rest)| {
            let color = parse_color(quoted.trim_matches(['"', '\'']))?;
            Some((rest.strip_suffix("</font>")?, color))
        }),
    };
    let (text, color) = parts.ok_or_else(|| unsupported(key, value, supported))?;
    // A real newline inside the tag is shown as the two characters, as Glyph does.
    let text = text.replace('\n', "\\n");
    if text.trim().is_empty() || text.contains(['<', '>']) {
        return Err(unsupported(key, value, supported));
    }
    Ok(NewlineMarkup::Mark { text, color })
}

/// Relative paths are looked for beside the configuration, then where the
/// program runs: Glyph's own files are written either way.
fn resolve(folder: Option<&Path>, path: &str) -> PathBuf {
    match folder.map(|folder| folder.join(path)) {
        Some(beside) if beside.exists() || !Path::new(path).exists() => beside,
        _ => PathBuf::from(path),
    }
}

fn fonts(key: &str, value: &Value, folder: Option<&Path>) -> Result<Vec<FontFile>, RenderError> {
    let expected = "a list of {\"path\": \"file\", \"index\": 0}";
    let wrong = || invalid(key, value, expected);
    let list = value.as_array().ok_or_else(wrong)?;
    let font = |entry: &Value| {
        let map = entry.as_object()?;
        if map.keys().any(|key| key != "path" && key != "index") {
            return None;
        }
        let index = match map.get("index") {
            None => 0,
            Some(index) => u32::try_from(index.as_u64()?).ok()?,
        };
        Some(FontFile {
            path: resolve(folder, map.get("path")?.as_str()?),
            index,
        })
    };
    list.iter()
        .map(|entry| font(entry).ok_or_else(wrong))
        .collect()
}
