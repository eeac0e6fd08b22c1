//! JSON values of one type.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::length::{length, paper, parse};
use crate::config::Color;
use crate::error::RenderError;
use crate::font::FontFile;

pub(super) fn invalid(key: &str, found: &Value, expected: &str) -> RenderError {
    RenderError::InvalidOption {
        key: key.to_owned(),
        found: found.to_string(),
        expected: expected.to_owned(),
    }
}

pub(super) fn number(key: &str, value: &Value) -> Result<f32, RenderError> {
    value
        .as_f64()
        .map(|n| n as f32)
        .ok_or_else(|| invalid(key, value, "a number"))
}

/// A whole number from 1.
pub(super) fn count(key: &str, value: &Value) -> Result<u32, RenderError> {
    value
        .as_u64()
        .and_then(|n| u32::try_from(n).ok())
        .filter(|&n| n > 0)
        .ok_or_else(|| invalid(key, value, "a positive whole number"))
}

pub(super) fn boolean(key: &str, value: &Value) -> Result<bool, RenderError> {
    value
        .as_bool()
        .ok_or_else(|| invalid(key, value, "true or false"))
}

pub(super) fn string<'v>(key: &str, value: &'v Value) -> Result<&'v str, RenderError> {
    value
        .as_str()
        .ok_or_else(|| invalid(key, value, "a string"))
}

/// An object with no keys but these.
pub(super) fn object<'v>(
    key: &str,
    value: &'v Value,
    known: &[&str],
) -> Result<&'v Map<String, Value>, RenderError> {
    let expected = || format!("an object with the keys {}", known.join(", "));
    let map = value
        .as_object()
        .ok_or_else(|| invalid(key, value, &expected()))?;
    match map.keys().find(|found| !known.contains(&found.as_str())) {
        None => Ok(map),
        Some(unknown) => Err(RenderError::UnknownKey {
            key: format!("{key}.{unknown}"),
            known: known.join(", "),
        }),
    }
}

pub(super) fn page_size(key: &str, value: &Value, dpi: f32) -> Result<(f32, f32), RenderError> {
    let parsed = match value {
        Value::String(text) => paper(text).or_else(|| {
            let (width, height) = text.split_once(',')?;
            Some((parse(width, dpi)?, parse(height, dpi)?))
        }),
        Value::Array(pair) => match pair.as_slice() {
            [width, height] => Some((length(key, width, dpi)?, length(key, height, dpi)?)),
            _ => None,
        },
        _ => None,
    };
    parsed.ok_or_else(|| {
        invalid(
            key,
            value,
            "\"width,height\" in points, such as \"595,842\", or a3, a4, a5, a6, b5, letter, \
             legal or tabloid, with -landscape after it or not",
        )
    })
}

pub(super) fn color(key: &str, value: &Value) -> Result<Color, RenderError> {
    parse_color(string(key, value)?)
        .ok_or_else(|| invalid(key, value, "a colour such as \"#1A2B3C\""))
}

pub(super) fn parse_color(text: &str) -> Option<Color> {
    let digits = text.trim().strip_prefix('#')?;
    if digits.len() != 6 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let [_, r, g, b] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
    Some(Color { r, g, b })
}

/// Relative paths are looked for beside the configuration, then where the
/// program runs: Glyph's own files are written either way.
pub(super) fn resolve(folder: Option<&Path>, path: &str) -> PathBuf {
    match folder.map(|folder| folder.join(path)) {
        Some(beside) if beside.exists() || !Path::new(path).exists() => beside,
        _ => PathBuf::from(path),
    }
}

pub(super) fn fonts(
    key: &str,
    value: &Value,
    folder: Option<&Path>,
) -> Result<Vec<FontFile>, RenderError> {
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
