//! The proportional style's options, in Glyph's words.

use super::marks::{Banner, Grid, LineNumbers, Watermark};
use super::size::FontSize;
use crate::page::luminance;

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
    /// Font size: one for all text, or by importance.
    pub font_size: FontSize,
    /// From one line to the next, where the text has its largest size; smaller
    /// sizes take proportionally less.
    pub line_height: f32,
    /// Additional space after every character, 0 to 100; whole pixels are drawn.
    pub letter_spacing: f32,
    /// Additional space at every space character, 0 to 100.
    pub word_spacing: f32,
    /// A quarter em between Chinese characters or kana and Latin letters or
    /// digits that have no space between them.
    pub han_latin_spacing: bool,
    /// Colour of the text.
    pub font_color: Color,
    /// Colour of the page.
    pub page_bg_color: Color,
    /// Colour behind each block of text; that of the page where `None`. Its grey is
    /// rounded to a multiple of 8 from the page's.
    pub para_bg_color: Option<Color>,
    /// Colour of the frame around each block.
    pub para_border_color: Color,
    /// Thickness of the frame around each block; 0 draws none.
    pub border_width: f32,
    /// Space between a block's text and its frame or the end of its background.
    /// It takes room above and below the block, and reaches into the indents and
    /// the margins at its sides.
    pub border_padding: f32,
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
    /// Columns of text, 1 to 16, filled from left to right.
    pub columns: u32,
    /// Space between two columns.
    pub column_gap: f32,
    /// Places that tabs run to, from the line's start, in rising order.
    pub tab_stops: Vec<f32>,
    /// Beyond the last of `tab_stops` tabs run to multiples of this many spaces,
    /// 1 to 64.
    pub tab_width: u32,
    /// Keep a heading with the first line after it on one page and column.
    pub keep_headings: bool,
    /// A line of text above the text area of each page.
    pub header: Banner,
    /// A line of text below the text area of each page.
    pub footer: Banner,
    /// Font size of headers, footers and line numbers; four fifths of the
    /// text's smallest where `None`.
    pub mark_size: Option<f32>,
    /// What `{id}` stands for in headers, footers and the watermark; where
    /// `None`, eight hexadecimal digits that depend on the document's content.
    pub document_id: Option<String>,
    /// Numbers beside the lines.
    pub line_numbers: Option<LineNumbers>,
    /// Squares in the corners of each page, the one at the bottom right hollow,
    /// so that a photographed or scanned page can be straightened.
    pub corner_marks: bool,
    /// Faint lines over the page.
    pub grid: Option<Grid>,
    /// Faint text across the page.
    pub watermark: Option<Watermark>,
}

impl Default for FlowStyle {
    fn default() -> Self {
        Self {
            page_size: (595.0, 842.0),
            dpi: 72.0,
            margin_x: 20.0,
            margin_y: 20.0,
            font_size: FontSize::Points(9.0),
            line_height: 10.0,
            letter_spacing: 0.0,
            word_spacing: 0.0,
            han_latin_spacing: false,
            font_color: Color::BLACK,
            page_bg_color: Color::WHITE,
            para_bg_color: None,
            para_border_color: Color::BLACK,
            border_width: 0.0,
            border_padding: 0.0,
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
            columns: 1,
            column_gap: 18.0,
            tab_stops: Vec::new(),
            tab_width: 4,
            keep_headings: true,
            header: Banner::default(),
            footer: Banner::default(),
            mark_size: None,
            document_id: None,
            line_numbers: None,
            corner_marks: false,
            grid: None,
            watermark: None,
        }
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

    /// The grey value behind text: a whole number of steps of 8 from the page's, so
    /// that codes in the low bits read the same on both.
    pub(crate) fn text_background(&self) -> u8 {
        let page = self.page_bg_color.grey();
        let paragraph = self.para_bg_color.unwrap_or(self.page_bg_color).grey();
        let steps = (paragraph.abs_diff(page) / 4).div_ceil(2);
        match paragraph >= page {
            true => page + 8 * steps.min((255 - page) / 8),
            false => page - 8 * steps.min(page / 8),
        }
    }

    /// Whether anything is drawn besides text.
    pub(crate) fn has_marks(&self) -> bool {
        !self.header.is_empty()
            || !self.footer.is_empty()
            || self.line_numbers.is_some()
            || self.corner_marks
            || self.mask_levels() > 0
            || self.border_width > 0.0
            || self.para_bg_color.is_some()
    }

    /// How many grey levels grid and watermark may add to a pixel; see
    /// [`Watermark::levels`](crate::Watermark::levels).
    pub(crate) fn mask_levels(&self) -> u8 {
        let grid = self.grid.as_ref().map_or(0, |grid| grid.levels);
        let watermark = self.watermark.as_ref().map_or(0, |mark| mark.levels);
        grid.max(watermark)
    }
}
