//! From a style's points to the pixels that its page is made of.

use super::FlowStyle;
use super::size::FontSize;
use crate::error::RenderError;
use crate::marks::check_template;

/// Side of a vision token in pixels, for `max_tokens_per_page`.
const TOKEN_SIDE: f32 = 28.0;
/// The largest page side in pixels.
const MAX_SIDE: f32 = 20_000.0;
/// The most pixels of a page.
const MAX_PIXELS: f32 = 100_000_000.0;
/// Height of a banner's line, and its distance from the text, in its font size.
const BANNER_LINE: f32 = 1.25;
const BANNER_GAP: f32 = 0.5;
/// Width of a line number's digit and of the space after the last, in em.
const DIGIT: f32 = 0.64;
const NUMBER_GAP: f32 = 0.75;
/// The smallest text that is drawn, in pixels.
const SMALLEST: f32 = 2.0;

/// Where things lie on a page, in pixels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Geometry {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Top of a column's first line.
    pub(crate) top: f32,
    /// Bottom of the area that lines may fill.
    pub(crate) bottom: f32,
    /// Left edges of the columns, right of their gutters.
    pub(crate) columns: Vec<f32>,
    pub(crate) column_width: f32,
    /// Width of the line numbers left of each column.
    gutter: f32,
    boxed: bool,
    /// Tops of the header's and the footer's line; the footer's counts from the
    /// page's bottom upwards, because the last page may be cropped.
    pub(crate) header_top: f32,
    pub(crate) footer_rise: f32,
    /// What is kept clear below the text area: the footer and the margin.
    pub(crate) below: f32,
    /// Font size of banners and line numbers.
    pub(crate) mark_px: f32,
    /// From a line's left edge to the right end of its number.
    pub(crate) number_gap: f32,
    /// What a block's frame and padding take above and below it.
    pub(crate) inset: f32,
    /// Thickness of a block's frame.
    pub(crate) border: u32,
    /// Heights of a line by size class.
    pub(crate) line_heights: Vec<f32>,
    /// Font sizes by size class.
    pub(crate) sizes: Vec<f32>,
    /// Side of a corner mark; 0 where there is none.
    pub(crate) corner: u32,
}

impl Geometry {
    /// Keeps the lines, the header and the footer off this many rows at the page's
    /// upper and lower edge.
    pub(crate) fn keep_edges(&mut self, rows: u32) {
        let rows = rows as f32;
        self.header_top = self.header_top.max(rows);
        self.top = self.top.max(rows);
        self.bottom = self.bottom.min(self.height as f32 - rows);
        self.below = self.below.max(rows);
    }

    /// Whether blocks have a frame or a background.
    pub(crate) fn is_boxed(&self) -> bool {
        self.boxed
    }

    /// The columns of pixels, from and to, that each column of text lies in.
    pub(crate) fn spans(&self) -> Vec<(u32, u32)> {
        let mut spans = Vec::with_capacity(self.columns.len());
        let mut from = 0;
        for (i, left) in self.columns.iter().enumerate() {
            let to = match self.columns.get(i + 1) {
                // The middle of the gap, which the next column's gutter is beyond.
                Some(next) => {
                    let gap = next - self.gutter - (left + self.column_width);
                    (left + self.column_width + gap / 2.0).round() as u32
                }
                None => self.width,
            };
            spans.push((from, to));
            from = to;
        }
        spans
    }
}

pub(crate) fn invalid(key: &str, found: impl ToString, expected: impl Into<String>) -> RenderError {
    RenderError::InvalidOption {
        key: key.to_owned(),
        found: found.to_string(),
        expected: expected.into(),
    }
}

fn within(key: &str, value: f32, low: f32, high: f32) -> Result<(), RenderError> {
    // NaN is in no range.
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(invalid(
        key,
        value,
        format!("a number from {low} to {high}"),
    ))
}

impl FlowStyle {
    /// The page's width and height in pixels.
    ///
    /// # Errors
    /// When a value of the style is out of range, or a page would not hold one
    /// line of text.
    pub fn page_pixels(&self) -> Result<(u32, u32), RenderError> {
        let geometry = self.geometry()?;
        Ok((geometry.width, geometry.height))
    }

    fn check_ranges(&self) -> Result<(), RenderError> {
        let far = 20_000.0;
        let ranges = [
            ("dpi", self.dpi, 1.0, 600.0),
            ("page-size", self.page_size.0, 1.0, far),
            ("page-size", self.page_size.1, 1.0, far),
            ("margin-x", self.margin_x, 0.0, far),
            ("margin-y", self.margin_y, 0.0, far),
            ("line-height", self.line_height, 0.5, 2_000.0),
            ("letter-spacing", self.letter_spacing, 0.0, 100.0),
            ("word-spacing", self.word_spacing, 0.0, 100.0),
            ("horizontal-scale", self.horizontal_scale, 0.25, 4.0),
            ("first-line-indent", self.first_line_indent, -far, far),
            ("left-indent", self.left_indent, 0.0, far),
            ("right-indent", self.right_indent, 0.0, far),
            ("space-before", self.space_before, 0.0, far),
            ("space-after", self.space_after, 0.0, far),
            ("border-width", self.border_width, 0.0, 100.0),
            ("border-padding", self.border_padding, 0.0, 1_000.0),
            ("columns", self.columns as f32, 1.0, 16.0),
            ("column-gap", self.column_gap, 0.0, far),
            ("tab-width", self.tab_width as f32, 1.0, 64.0),
        ];
        for (key, value, low, high) in ranges {
            within(key, value, low, high)?;
        }
        if let FontSize::ByImportance(importance) = &self.font_size {
            within("font-size share", importance.share, 0.0, 1.0)?;
            if importance.small > importance.large {
                return Err(invalid(
                    "font-size",
                    format!("{} pt for the rest", importance.small),
                    format!("at most the {} pt of important text", importance.large),
                ));
            }
        }
        for points in self.font_size.classes().into_iter().chain(self.mark_size) {
            within("font-size", points, 0.5, 1_000.0)?;
            if self.px(points) < SMALLEST {
                let found = format!(
                    "{points} pt, which is {:.2} px at {} dpi",
                    self.px(points),
                    self.dpi
                );
                return Err(invalid("font-size", found, "at least 2 px"));
            }
        }
        let mut before = 0.0;
        for &stop in &self.tab_stops {
            if !(stop > before && stop <= far) {
                return Err(invalid(
                    "tab-stops",
                    stop,
                    format!("more than the {before} before it, and at most {far}"),
                ));
            }
            before = stop;
        }
        if let Some(numbers) = &self.line_numbers
            && numbers.every == 0
        {
            return Err(invalid("line-numbers", 0, "every 1 line or more"));
        }
        for (key, banner) in [("header", &self.header), ("footer", &self.footer)] {
            for part in banner.parts() {
                check_template(key, part)?;
            }
        }
        self.check_masks()
    }

    fn check_masks(&self) -> Result<(), RenderError> {
        let levels = [
            ("grid", self.grid.as_ref().map(|grid| grid.levels)),
            ("watermark", self.watermark.as_ref().map(|mark| mark.levels)),
        ];
        for (key, levels) in levels {
            if let Some(levels) = levels
                && !matches!(levels, 1 | 3 | 7)
            {
                let found = format!("{levels} levels");
                return Err(invalid(key, found, "1, 3 or 7 levels"));
            }
        }
        if let Some(grid) = &self.grid {
            within("grid", grid.spacing, 1.0, 20_000.0)?;
            if self.px_across(grid.spacing) < 2.0 || self.px(grid.spacing) < 2.0 {
                return Err(invalid("grid", grid.spacing, "lines 2 px apart or more"));
            }
        }
        if let Some(mark) = &self.watermark {
            within("watermark angle", mark.angle, -360.0, 360.0)?;
            if let Some(points) = mark.font_size {
                within("watermark font-size", points, 1.0, 2_000.0)?;
            }
            check_template("watermark", &mark.text)?;
            if mark.text.contains("{page}") || mark.text.contains("{pages}") {
                return Err(invalid(
                    "watermark",
                    &mark.text,
                    "{title} and {id} as its only fields",
                ));
            }
        }
        let mask = u32::from(self.mask_levels());
        if mask > 0 && self.para_bg_color.is_some() {
            return Err(invalid(
                "para-bg-color",
                "a second background",
                "none together with a grid or watermark, which are levels above one background",
            ));
        }
        let page = self.page_bg_color.grey();
        if mask > 0
            && self.border_width > 0.0
            && (self.para_border_color.grey() <= page) != (self.font_color.grey() <= page)
        {
            return Err(invalid(
                "para-border-color",
                self.para_border_color.grey(),
                "on the text's side of the background together with a grid or watermark",
            ));
        }
        let contrast = self.font_color.grey().abs_diff(self.text_background());
        let steps = (u32::from(contrast) + 1) / 8;
        if mask > 0 && steps / (mask + 1) < 4 {
            return Err(invalid(
                "watermark or grid",
                format!("{mask} levels"),
                format!("at most what leaves text 4 of its {steps} grey levels"),
            ));
        }
        Ok(())
    }

    /// Checks every value and computes where things lie.
    pub(crate) fn geometry(&self) -> Result<Geometry, RenderError> {
        self.check_ranges()?;
        let sizes: Vec<f32> = (self.font_size.classes().iter())
            .map(|&points| self.px(points))
            .collect();
        let line = self.px(self.line_height);
        let line_heights = sizes.iter().map(|size| line * size / sizes[0]).collect();
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
        let mark_px = match self.mark_size {
            Some(points) => self.px(points),
            None => (sizes[sizes.len() - 1] * 0.8).max(SMALLEST),
        };
        let banner = mark_px * (BANNER_LINE + BANNER_GAP);
        let margin_y = self.px(self.margin_y);
        let boxed = self.border_width > 0.0 || self.para_bg_color.is_some();
        let border = match self.border_width {
            0.0 => 0,
            points => self.px(points).round().max(1.0) as u32,
        };
        let inset = if boxed {
            (self.px(self.border_padding) + border as f32).ceil()
        } else {
            0.0
        };
        let above = margin_y + if self.header.is_empty() { 0.0 } else { banner };
        let below = margin_y + if self.footer.is_empty() { 0.0 } else { banner };
        let (top, bottom) = (above + inset, height - below - inset);
        if bottom - top < line {
            let found = format!(
                "{height} px less margins, header and footer, {:.1} px",
                bottom - top
            );
            return Err(invalid(
                "page height",
                found,
                format!("at least one line, {line:.1} px"),
            ));
        }
        let (columns, column_width, gutter) = self.columns(width, mark_px, sizes[0], inset)?;
        let corner = self.corner(inset)?;
        Ok(Geometry {
            width: width as u32,
            height: height as u32,
            top,
            bottom,
            columns,
            column_width,
            gutter,
            boxed,
            header_top: margin_y,
            footer_rise: margin_y + mark_px * BANNER_LINE,
            below: below + inset,
            mark_px,
            number_gap: mark_px * NUMBER_GAP * self.horizontal_scale + inset,
            inset,
            border,
            line_heights,
            sizes,
            corner,
        })
    }

    /// Left edges and the width of the columns, and the width of their gutters in pixels.
    fn columns(
        &self,
        width: f32,
        mark_px: f32,
        size: f32,
        inset: f32,
    ) -> Result<(Vec<f32>, f32, f32), RenderError> {
        let gutter = self.line_numbers.map_or(0.0, |numbers| {
            let em = mark_px * self.horizontal_scale;
            (numbers.digits() as f32 * DIGIT + NUMBER_GAP) * em + inset
        });
        let count = self.columns as f32;
        let gaps = (count - 1.0) * self.px_across(self.column_gap);
        let text = width - 2.0 * self.px_across(self.margin_x) - gaps;
        let column_width = text / count - gutter;
        let left = (self.left_indent).max(self.left_indent + self.first_line_indent);
        let room = column_width - self.px_across(left + self.right_indent);
        let em = size * self.horizontal_scale;
        if room < em {
            let found = format!("{width} px less margins, gaps and indents, {room:.1} px a column");
            return Err(invalid(
                "page width",
                found,
                format!("at least one em, {em:.1} px"),
            ));
        }
        if self.margin_x + self.left_indent + self.first_line_indent < 0.0 {
            return Err(invalid(
                "first-line-indent",
                self.first_line_indent,
                "a line that starts on the page",
            ));
        }
        let pitch = column_width + gutter + self.px_across(self.column_gap);
        let first = self.px_across(self.margin_x) + gutter;
        let columns = (0..self.columns)
            .map(|i| first + pitch * i as f32)
            .collect();
        Ok((columns, column_width, gutter))
    }

    /// Side of the corner marks: half of the smaller margin.
    fn corner(&self, inset: f32) -> Result<u32, RenderError> {
        if !self.corner_marks {
            return Ok(0);
        }
        let margin = self.px_across(self.margin_x).min(self.px(self.margin_y)) - inset;
        let side = (margin / 2.0).floor().min(self.px(24.0));
        if side < 3.0 {
            return Err(invalid(
                "corner-marks",
                format!("margins of {margin:.1} px"),
                "margins of 6 px or more",
            ));
        }
        Ok(side as u32)
    }
}

impl super::LineNumbers {
    /// Digits that the gutter has room for.
    pub(crate) fn digits(self) -> u32 {
        match self.restart {
            super::Restart::Page => 3,
            super::Restart::Document => 5,
        }
    }
}
