//! The proportional style's options, in Glyph's words.

use crate::error::RenderError;
use crate::page::luminance;

/// Side of a vision token in pixels, for `max_tokens_per_page`.
const TOKEN_SIDE: f32 = 28.0;
/// The largest page side in pixels.
const MAX_SIDE: f32 = 20_000.0;
/// The most pixels of a page.
const MAX_PIXELS: f32 = 100_000_000.0;

/// How lines sit between the indents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Alignment {
    /// Ragged right.
    Left,
    /// Centred.
    Center,
    /// Ragged left.
    Right,
    /// Flush on both sides; a paragraph's last line is ragged right.
    #[default]
    Justify,
}

/// An RGB colour; pages hold its grey value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color {
    /// Red.
    pub r: u8,
    /// Green.
    pub g: u8,
    /// Blue.
    pub b: u8,
}

impl Color {
    /// `#000000`.
    pub const BLACK: Self = Self { r: 0, g: 0, b: 0 };
    /// `#FFFFFF`.
    pub const WHITE: Self = Self {
        r: 255,
        g: 255,
        b: 255,
    };

    /// Its luminance (ITU-R BT.601).
    pub fn grey(self) -> u8 {
        luminance(self.r, self.g, self.b)
    }
}

/// What a newline of the text becomes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NewlineMarkup {
    /// A new line, Glyph's `<br/>`.
    #[default]
    Break,
    /// A visible mark; the lines are joined, which saves space. Glyph's
    /// `<font color="#FF0000"> \n </font>`.
    Mark {
        /// What is drawn.
        text: String,
        /// Its colour.
        color: Color,
    },
}

/// Proportional text on pages of any size. Lengths are in points (1/72 inch).
///
/// The default is that of Glyph's code: A4 at 72 dpi, 9 pt, justified.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FlowStyle {
    /// Page width and height.
    pub page_size: (f32, f32),
    /// Pixels per inch, 1 to 600.
    pub dpi: f32,
    /// Left and right margin.
    pub margin_x: f32,
    /// Top and bottom margin.
    pub margin_y: f32,
    /// Font size.
    pub font_size: f32,
    /// From one line to the next.
    pub line_height: f32,
    /// Colour of the text.
    pub font_color: Color,
    /// Colour of the page.
    pub page_bg_color: Color,
    /// How lines sit between the indents.
    pub alignment: Alignment,
    /// Squeezes the page and all on it to this share of the width, 0.25 to 4.
    pub horizontal_scale: f32,
    /// Additional indent of a paragraph's first line; may be negative.
    pub first_line_indent: f32,
    /// Space between the left margin and the text.
    pub left_indent: f32,
    /// Space between the text and the right margin.
    pub right_indent: f32,
    /// Space above a block. Between two blocks the larger space counts.
    pub space_before: f32,
    /// Space below a block.
    pub space_after: f32,
    /// Cut off what is right of the widest line and its margin.
    pub auto_crop_width: bool,
    /// Cut off what is below the last line and its margin on the last page.
    pub auto_crop_last_page: bool,
    /// What a newline of the text becomes.
    pub newline_markup: NewlineMarkup,
    /// Make pages no taller than this many vision tokens of 28 x 28 px allow.
    pub max_tokens_per_page: Option<u32>,
}

impl Default for FlowStyle {
    fn default() -> Self {
        Self {
            page_size: (595.0, 842.0),
            dpi: 72.0,
            margin_x: 20.0,
            margin_y: 20.0,
            font_size: 9.0,
            line_height: 10.0,
            font_color: Color::BLACK,
            page_bg_color: Color::WHITE,
            alignment: Alignment::Justify,
            horizontal_scale: 1.0,
            first_line_indent: 0.0,
            left_indent: 0.0,
            right_indent: 0.0,
            space_before: 0.0,
            space_after: 0.0,
            auto_crop_width: false,
            auto_crop_last_page: false,
            newline_markup: NewlineMarkup::Break,
            max_tokens_per_page: None,
        }
    }
}

fn invalid(key: &str, found: impl ToString, expected: impl Into<String>) -> RenderError {
    RenderError::InvalidOption {
        key: key.to_owned(),
        found: found.to_string(),
        expected: expected.into(),
    }
}

impl FlowStyle {
    /// Points to pixels.
    pub(crate) fn px(&self, points: f32) -> f32 {
        points * self.dpi / 72.0
    }

    /// Points to pixels across the page.
    pub(crate) fn px_across(&self, points: f32) -> f32 {
        self.px(points) * self.horizontal_scale
    }

    /// The page's width and height in pixels.
    ///
    /// # Errors
    /// When a value of the style is out of range, or a page would not hold one
    /// line of text.
    pub fn page_pixels(&self) -> Result<(u32, u32), RenderError> {
        let ranges = [
            ("dpi", self.dpi, 1.0, 600.0),
            ("page-size", self.page_size.0, 1.0, 20_000.0),
            ("page-size", self.page_size.1, 1.0, 20_000.0),
            ("margin-x", self.margin_x, 0.0, 20_000.0),
            ("margin-y", self.margin_y, 0.0, 20_000.0),
            ("font-size", self.font_size, 0.5, 1_000.0),
            ("line-height", self.line_height, 0.5, 2_000.0),
            ("horizontal-scale", self.horizontal_scale, 0.25, 4.0),
            (
                "first-line-indent",
                self.first_line_indent,
                -20_000.0,
                20_000.0,
            ),
            ("left-indent", self.left_indent, 0.0, 20_000.0),
            ("right-indent", self.right_indent, 0.0, 20_000.0),
            ("space-before", self.space_before, 0.0, 20_000.0),
            ("space-after", self.space_after, 0.0, 20_000.0),
        ];
        for (key, value, low, high) in ranges {
            // Written so that NaN fails too.
            if !(low..=high).contains(&value) {
                return Err(invalid(
                    key,
                    value,
                    format!("a number from {low} to {high}"),
                ));
            }
        }
        let size = self.px(self.font_size);
        if size < 2.0 {
            let found = format!(
                "{} pt, which is {size:.2} px at {} dpi",
                self.font_size, self.dpi
            );
            return Err(invalid("font-size", found, "at least 2 px"));
        }
        let (width, mut height) = (
            self.px_across(self.page_size.0).round(),
            self.px(self.page_size.1).round(),
        );
        if width > MAX_SIDE || height > MAX_SIDE || width * height > MAX_PIXELS {
            let found = format!("{width}x{height} px");
            return Err(invalid(
                "page-size",
                found,
                "at most 20000 px a side and 100 million px",
            ));
        }
        if let Some(limit) = self.max_tokens_per_page {
            let across = (width / TOKEN_SIDE).round().max(1.0);
            let down = (limit as f32 / across).floor();
            if across * (height / TOKEN_SIDE).round() > limit as f32 {
                height = height.min(down * TOKEN_SIDE);
            }
        }
        let room = height - 2.0 * self.px(self.margin_y);
        let line = self.px(self.line_height);
        if room < line {
            let found = format!("{height} px less the margins, {room:.1} px");
            return Err(invalid(
                "page height",
                found,
                format!("at least one line, {line:.1} px"),
            ));
        }
        let left = self
            .left_indent
            .max(self.left_indent + self.first_line_indent);
        let used = 2.0 * self.margin_x + left + self.right_indent;
        let size = size * self.horizontal_scale;
        let room = width - self.px_across(used);
        if room < size {
            let found = format!("{width} px less margins and indents, {room:.1} px");
            return Err(invalid(
                "page width",
                found,
                format!("at least one em, {size:.1} px"),
            ));
        }
        if self.margin_x + self.left_indent + self.first_line_indent < 0.0 {
            return Err(invalid(
                "first-line-indent",
                self.first_line_indent,
                "a line that starts on the page",
            ));
        }
        Ok((width as u32, height as u32))
    }
}
