//! Grid and watermark: a mask that is added to finished pages and can be taken off.
//!
//! The text of a page with a mask of `m` levels is drawn in steps of `m + 1` levels
//! of 8 grey values, so that a pixel's distance from the background is
//! `8 * ((m + 1) * text + mask) + code`. As `m + 1` is a power of two, the mask is a
//! field of bits, and whoever knows `m` takes it off without knowing what it shows.

use std::sync::Arc;

use super::PageMut;
use super::letters::Letters;
use crate::code::Tone;
use crate::config::{FlowStyle, Geometry, Watermark};
use crate::font::FontSet;

/// Levels times 8, one for each pixel of a page.
pub(super) struct Mask {
    width: usize,
    values: Vec<u8>,
}

impl Mask {
    /// The mask of a style, whose watermark says `text`; `None` where it has none.
    pub(super) fn new(
        style: &FlowStyle,
        geometry: &Geometry,
        text: Option<&str>,
        fonts: &Arc<FontSet>,
        antialias: bool,
    ) -> Option<Self> {
        let (width, height) = (geometry.width as usize, geometry.height as usize);
        let mut mask = match (&style.grid, &style.watermark) {
            (None, None) => return None,
            _ => Self {
                width,
                values: vec![0; width * height],
            },
        };
        if let Some(grid) = &style.grid {
            let (across, down) = (style.px_across(grid.spacing), style.px(grid.spacing));
            let places = |pitch: f32, end: usize| {
                (1..)
                    .map(move |i| (i as f32 * pitch).round() as usize)
                    .take_while(move |&at| at < end)
            };
            for y in places(down, height) {
                mask.values[y * width..][..width].fill(8 * grid.levels);
            }
            for x in places(across, width) {
                for row in mask.values.chunks_exact_mut(width) {
                    row[x] = 8 * grid.levels;
                }
            }
        }
        if let (Some(watermark), Some(text)) = (&style.watermark, text) {
            let px = watermark.font_size.map(|points| style.px(points));
            mask.write(watermark, text, px, fonts, antialias);
        }
        Some(mask)
    }

    /// Adds the mask, but for so many rows at the upper and lower edge; pages that were
    /// cropped keep its top left.
    pub(super) fn add(&self, page: &mut PageMut<'_>, rows: usize, tone: Tone) {
        let height = page.height();
        let lines = page.pixels.chunks_exact_mut(page.width);
        let lines = lines.zip(self.values.chunks_exact(self.width));
        let inner = height.saturating_sub(2 * rows);
        for (line, values) in lines.skip(rows).take(inner) {
            let values = &values[..line.len()];
            tone.add(line, values);
        }
    }

    /// Writes a text across the middle.
    fn write(
        &mut self,
        watermark: &Watermark,
        text: &str,
        px: Option<f32>,
        fonts: &Arc<FontSet>,
        antialias: bool,
    ) {
        let height = self.values.len() / self.width;
        let (sin, cos) = f64::from(watermark.angle).to_radians().sin_cos();
        // Fixed point from here on: the last bit of a sine is not the same everywhere.
        let [sin, cos] = [sin, cos].map(|value| (value * 65_536.0).round() as i64);
        let px = px.unwrap_or_else(|| fit(text, fonts, (self.width, height), (sin, cos)));
        let letters = Letters::new(fonts, px, 1.0, true);
        let (text_width, text_height) = (letters.width(text).ceil() as i64, (px * 1.5) as i64);
        if text_width <= 0 || text_height <= 0 {
            return;
        }
        // The capitals' middle lies on the page's middle. Halves of pixels, 16 bits.
        let half = |n: i64| n * 32_768;
        let (middle_x, middle_y) = (text_width, (f64::from(px) * 1.5).round() as i64);
        // A text may be far longer than what can reach the page.
        let (w, h) = (self.width as i64, height as i64);
        let reached = |middle: i64, length: i64, (across, down): (i64, i64)| {
            let reach = (w * across.abs() + h * down.abs()) / (2 << 16) + 2;
            (middle / 2 - reach).max(0)..(middle / 2 + reach + 1).min(length)
        };
        let columns = reached(middle_x, text_width, (cos, sin));
        let rows = reached(middle_y, text_height, (sin, cos));
        let index = |x: i64, y: i64| {
            let inside = columns.contains(&x) && rows.contains(&y);
            let plate_width = columns.end - columns.start;
            inside.then(|| ((y - rows.start) * plate_width + x - columns.start) as usize)
        };
        let mut plate = vec![0u8; columns.clone().count() * rows.clone().count()];
        letters.stamp(
            text,
            0.0,
            (px * 1.1) as i32,
            columns.clone(),
            |x, y, coverage| {
                if let Some(at) = index(x, y) {
                    plate[at] = plate[at].max(coverage);
                }
            },
        );
        let at = |x: i64, y: i64| index(x, y).map_or(0, |at| i64::from(plate[at]));
        let levels = i64::from(watermark.levels);
        for y in 0..height as i64 {
            let dy = 2 * y + 1 - height as i64;
            for x in 0..self.width as i64 {
                let dx = 2 * x + 1 - self.width as i64;
                // Turned back around the middle, y pointing down.
                let u = half(middle_x) + (dx * cos - dy * sin) / 2 - 32_768;
                let v = half(middle_y) + (dx * sin + dy * cos) / 2 - 32_768;
                let (left, top) = (u >> 16, v >> 16);
                if left < -1 || top < -1 || left >= text_width || top >= text_height {
                    continue;
                }
                let (fu, fv) = ((u & 0xFFFF) >> 8, (v & 0xFFFF) >> 8);
                let upper = at(left, top) * (256 - fu) + at(left + 1, top) * fu;
                let lower = at(left, top + 1) * (256 - fu) + at(left + 1, top + 1) * fu;
                let coverage = (upper * (256 - fv) + lower * fv) >> 16;
                let level = match antialias {
                    true => (coverage * levels + 127) / 255,
                    false => (coverage >> 7) * levels,
                };
                let value = &mut self.values[y as usize * self.width + x as usize];
                *value = (*value).max(8 * level as u8);
            }
        }
    }
}

/// The font size at which a turned text fills four fifths of a page, and no more
/// than a sixth of its height.
fn fit(
    text: &str,
    fonts: &Arc<FontSet>,
    (width, height): (usize, usize),
    (sin, cos): (i64, i64),
) -> f32 {
    const TRIAL: f32 = 32.0;
    let text_width = Letters::new(fonts, TRIAL, 1.0, true).width(text).max(1.0);
    let (sin, cos) = (
        sin.unsigned_abs() as f32 / 65_536.0,
        cos.unsigned_abs() as f32 / 65_536.0,
    );
    let (across, down) = (
        text_width * cos + TRIAL * sin,
        text_width * sin + TRIAL * cos,
    );
    let scale = (0.8 * width as f32 / across).min(0.8 * height as f32 / down);
    (TRIAL * scale).min(height as f32 / 6.0).max(4.0)
}

/// Takes the mask off pixels.
pub(crate) fn remove_mask(pixels: &mut [u8], tone: Tone) {
    for pixel in pixels {
        let distance = tone.distance(*pixel);
        *pixel = tone.grey(distance & !tone.mask_bits());
    }
}
