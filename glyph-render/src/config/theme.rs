//! Pairs of colours by name.

use super::Color;

/// Name, text, page.
const THEMES: [(&str, Color, Color); 7] = [
    ("light", Color::BLACK, Color::WHITE),
    ("dark", rgb(0xE6E6E6), rgb(0x121212)),
    ("sepia", rgb(0x3B2A1A), rgb(0xF4ECD8)),
    ("code", rgb(0x1F2328), rgb(0xF6F8FA)),
    ("code-dark", rgb(0xD4D4D4), rgb(0x1E1E1E)),
    ("blueprint", rgb(0xFFFFFF), rgb(0x123A6B)),
    ("low-contrast", rgb(0x606060), rgb(0xE8E8E8)),
];

const fn rgb(value: u32) -> Color {
    let [_, r, g, b] = value.to_be_bytes();
    Color { r, g, b }
}

/// The names of the themes.
pub(crate) fn names() -> String {
    THEMES.map(|(name, ..)| name).join(", ")
}

/// The colours of the text and the page.
pub(crate) fn theme(name: &str) -> Option<(Color, Color)> {
    let (_, text, page) = THEMES.iter().find(|(known, ..)| *known == name)?;
    Some((*text, *page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn themes_have_room_for_levels_and_codes() {
        for (name, text, page) in THEMES {
            assert!(text.grey().abs_diff(page.grey()) >= 64, "{name}");
        }
    }
}
