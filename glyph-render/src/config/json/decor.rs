//! Keys whose values are objects: banners, line numbers, grid, watermark, font
//! size by importance, newline marks.

use serde_json::Value;

use super::length::length;
use super::value::{count, invalid, number, object, parse_color, string};
use crate::config::{
    Banner, Color, FontSize, Grid, Importance, LineNumbers, NewlineMarkup, Restart, Scorer,
    Watermark,
};
use crate::error::RenderError;

/// A middle part, or an object with three parts.
pub(super) fn banner(key: &str, value: &Value) -> Result<Banner, RenderError> {
    let mut banner = Banner::default();
    if let Value::String(text) = value {
        banner.center.clone_from(text);
    } else {
        for (part, value) in object(key, value, &["left", "center", "right"])? {
            let text = string(key, value)?.to_owned();
            match part.as_str() {
                "left" => banner.left = text,
                "right" => banner.right = text,
                _ => banner.center = text,
            }
        }
    }
    Ok(banner)
}

/// `true`, "page", "document", or an object.
pub(super) fn line_numbers(key: &str, value: &Value) -> Result<Option<LineNumbers>, RenderError> {
    let restart = |value: &Value| match value.as_str() {
        Some("page") => Ok(Restart::Page),
        Some("document") => Ok(Restart::Document),
        _ => Err(invalid(
            key,
            value,
            "true, false, \"page\", \"document\" or {\"every\": 5, \"restart\": \"page\"}",
        )),
    };
    let mut numbers = LineNumbers::per_page();
    match value {
        Value::Bool(false) => return Ok(None),
        Value::Bool(true) => {}
        Value::Object(_) => {
            for (part, value) in object(key, value, &["every", "restart"])? {
                match part.as_str() {
                    "every" => numbers.every = count(key, value)?,
                    _ => numbers.restart = restart(value)?,
                }
            }
        }
        other => numbers.restart = restart(other)?,
    }
    Ok(Some(numbers))
}

fn levels(key: &str, value: &Value) -> Result<u8, RenderError> {
    match value.as_u64() {
        Some(levels @ (1 | 3 | 7)) => Ok(levels as u8),
        _ => Err(invalid(key, value, "1, 3 or 7")),
    }
}

/// A distance, or an object.
pub(super) fn grid(key: &str, value: &Value, dpi: f32) -> Result<Option<Grid>, RenderError> {
    let mut grid = Grid::new(36.0);
    match value {
        Value::Bool(false) => return Ok(None),
        Value::Bool(true) => {}
        Value::Object(_) => {
            for (part, value) in object(key, value, &["spacing", "levels"])? {
                match part.as_str() {
                    "spacing" => grid.spacing = length(key, value, dpi)?,
                    _ => grid.levels = levels(key, value)?,
                }
            }
        }
        other => grid.spacing = length(key, other, dpi)?,
    }
    Ok(Some(grid))
}

/// A text, or an object.
pub(super) fn watermark(key: &str, value: &Value, dpi: f32) -> Result<Watermark, RenderError> {
    let mut watermark = Watermark::new("");
    if let Value::String(text) = value {
        watermark.text.clone_from(text);
    } else {
        for (part, value) in object(key, value, &["text", "levels", "angle", "font-size"])? {
            match part.as_str() {
                "text" => string(key, value)?.clone_into(&mut watermark.text),
                "levels" => watermark.levels = levels(key, value)?,
                "angle" => watermark.angle = number(key, value)?,
                _ => watermark.font_size = Some(length(key, value, dpi)?),
            }
        }
    }
    if watermark.text.trim().is_empty() {
        return Err(invalid(key, value, "some text"));
    }
    Ok(watermark)
}

/// A length, or `{"large": 12, "small": 8, "share": 0.2, "query": "..."}`.
pub(super) fn font_size(key: &str, value: &Value, dpi: f32) -> Result<FontSize, RenderError> {
    if !value.is_object() {
        return length(key, value, dpi).map(FontSize::Points);
    }
    let map = object(key, value, &["large", "small", "share", "query"])?;
    let size = |part: &str| {
        let size = map.get(part).ok_or_else(|| {
            invalid(
                key,
                value,
                "{\"large\": 12, \"small\": 8}, \"share\" and \"query\" if wanted",
            )
        })?;
        length(key, size, dpi)
    };
    let mut importance = Importance::new(size("large")?, size("small")?);
    if let Some(share) = map.get("share") {
        importance.share = number(key, share)?;
    }
    if let Some(query) = map.get("query") {
        importance.scorer = Scorer::Query(string(key, query)?.to_owned());
    }
    Ok(FontSize::ByImportance(importance))
}

/// `<br/>`, plain text, or text within one `<font color="...">` tag.
pub(super) fn newline_markup(key: &str, value: &Value) -> Result<NewlineMarkup, RenderError> {
    let markup = string(key, value)?;
    if matches!(markup.trim(), "<br/>" | "<br />" | "<br>") {
        return Ok(NewlineMarkup::Break);
    }
    let supported = "\"<br/>\" or \"<font color=\\\"#FF0000\\\"> \\\\n </font>\"";
    let unsupported = || RenderError::UnsupportedOption {
        key: key.to_owned(),
        found: value.to_string(),
        supported: supported.to_owned(),
    };
    let parts = match markup.trim().strip_prefix("<font color=") {
        None => Some((markup, Color::BLACK)),
        Some(rest) => rest.split_once('>').and_then(|(quoted, rest)| {
            let color = parse_color(quoted.trim_matches(['"', '\'']))?;
            Some((rest.strip_suffix("</font>")?, color))
        }),
    };
    let (text, color) = parts.ok_or_else(unsupported)?;
    // A real newline inside the tag is shown as the two characters, as Glyph does.
    let text = text.replace('\n', "\\n");
    if text.trim().is_empty() || text.contains(['<', '>']) {
        return Err(unsupported());
    }
    Ok(NewlineMarkup::Mark { text, color })
}

/// The distances of tab stops.
pub(super) fn tab_stops(key: &str, value: &Value, dpi: f32) -> Result<Vec<f32>, RenderError> {
    let list = value
        .as_array()
        .ok_or_else(|| invalid(key, value, "a list of lengths such as [36, 72]"))?;
    list.iter().map(|stop| length(key, stop, dpi)).collect()
}
