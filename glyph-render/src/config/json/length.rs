//! Lengths with units.

use serde_json::Value;

use super::value::{invalid, number};
use crate::error::RenderError;

const EXPECTED: &str =
    "a number of points, or a number with a unit: \"9pt\", \"12px\", \"5mm\", \"0.5in\"";

/// Points from a number of points, or from text with a unit.
pub(super) fn length(key: &str, value: &Value, dpi: f32) -> Result<f32, RenderError> {
    match value {
        Value::String(text) => parse(text, dpi).ok_or_else(|| invalid(key, value, EXPECTED)),
        _ => number(key, value).map_err(|_| invalid(key, value, EXPECTED)),
    }
}

pub(super) fn parse(text: &str, dpi: f32) -> Option<f32> {
    let text = text.trim();
    let units = [
        ("pt", 1.0),
        ("px", 72.0 / dpi),
        ("mm", 72.0 / 25.4),
        ("cm", 72.0 / 2.54),
        ("in", 72.0),
        ("", 1.0),
    ];
    let (unit, points) = units.into_iter().find(|(unit, _)| text.ends_with(unit))?;
    let digits = text[..text.len() - unit.len()].trim_end();
    // Rust would also read "inf" and "nan".
    if digits.ends_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    Some(digits.parse::<f32>().ok()? * points)
}

/// A line height: as a length, or as "1.2em" or "120%" of the font size.
pub(super) fn line_height(
    key: &str,
    value: &Value,
    dpi: f32,
    font_size: f32,
) -> Result<f32, RenderError> {
    if let Value::String(text) = value {
        let text = text.trim();
        let factor = match (text.strip_suffix("em"), text.strip_suffix('%')) {
            (Some(em), _) => em.trim_end().parse().ok(),
            (_, Some(percent)) => percent.trim_end().parse::<f32>().ok().map(|p| p / 100.0),
            _ => None,
        };
        if let Some(factor) = factor.filter(|factor: &f32| factor.is_finite()) {
            return Ok(factor * font_size);
        }
    }
    length(key, value, dpi).map_err(|_| {
        let expected = "a length such as 10 or \"12px\", or \"1.2em\" or \"120%\" of the font size";
        invalid(key, value, expected)
    })
}

/// Width and height in points by the name of a paper, such as `a4` or
/// `letter-landscape`.
pub(super) fn paper(name: &str) -> Option<(f32, f32)> {
    let name = name.trim().to_ascii_lowercase();
    let (name, landscape) = match name.strip_suffix("-landscape") {
        Some(name) => (name, true),
        None => (name.as_str(), false),
    };
    let (width, height) = match name {
        "a3" => (842.0, 1191.0),
        "a4" => (595.0, 842.0),
        "a5" => (420.0, 595.0),
        "a6" => (298.0, 420.0),
        "b5" => (499.0, 709.0),
        "letter" => (612.0, 792.0),
        "legal" => (612.0, 1008.0),
        "tabloid" => (792.0, 1224.0),
        _ => return None,
    };
    Some(if landscape {
        (height, width)
    } else {
        (width, height)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_points() {
        let cases = [
            ("12", 12.0),
            ("12pt", 12.0),
            ("12 px", 9.0),
            ("25.4mm", 72.0),
            ("2.54cm", 72.0),
            ("0.5in", 36.0),
        ];
        for (text, points) in cases {
            let found = parse(text, 96.0).expect(text);
            assert!((found - points).abs() < 1e-3, "{text}: {found}");
        }
        for wrong in ["", "px", "12em", "inf", "nanpt", "1 2pt", "twelve"] {
            assert_eq!(parse(wrong, 96.0), None, "{wrong}");
        }
    }

    #[test]
    fn papers_have_names() {
        assert_eq!(paper("A4"), Some((595.0, 842.0)));
        assert_eq!(paper("letter-landscape"), Some((792.0, 612.0)));
        assert_eq!(paper("a9"), None);
    }
}
