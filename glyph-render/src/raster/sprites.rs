//! Glyphs of a proportional style, each rasterised once.

use std::sync::{Arc, OnceLock};

use super::hexbox::hex_box;
use crate::font::FontSet;
use crate::layout::half_cells;

const PAGE: usize = 64;
/// Glyphs are drawn this much larger before they are squeezed.
const OVERSAMPLING: usize = 4;

/// A glyph's coverage and where it lies from the pen.
pub(crate) struct Sprite {
    pub(crate) advance: f32,
    /// From the pen to the bitmap's left edge.
    pub(crate) left: i32,
    /// From the baseline up to the bitmap's top edge.
    pub(crate) rise: i32,
    pub(crate) width: usize,
    pub(crate) coverage: Box<[u8]>,
}

type SpritePage = Box<[OnceLock<Sprite>; PAGE]>;

/// Sprites by character, filled as characters appear.
pub(crate) struct Sprites {
    fonts: Arc<FontSet>,
    px: f32,
    horizontal_scale: f32,
    antialias: bool,
    pages: Box<[OnceLock<SpritePage>]>,
}

impl Sprites {
    pub(crate) fn new(
        fonts: Arc<FontSet>,
        px: f32,
        horizontal_scale: f32,
        antialias: bool,
    ) -> Self {
        let pages = (0..=char::MAX as usize / PAGE)
            .map(|_| OnceLock::new())
            .collect();
        Self {
            fonts,
            px,
            horizontal_scale,
            antialias,
            pages,
        }
    }

    pub(crate) fn get(&self, c: char) -> &Sprite {
        let code = c as usize;
        let page =
            self.pages[code / PAGE].get_or_init(|| Box::new([const { OnceLock::new() }; PAGE]));
        page[code % PAGE].get_or_init(|| self.draw(c))
    }

    /// Ascent and (positive) descent of the first font in pixels.
    pub(crate) fn vertical(&self) -> (f32, f32) {
        let metrics = self.fonts.find('x').and_then(|(font, ..)| {
            let metrics = font.horizontal_line_metrics(self.px)?;
            Some((metrics.ascent, -metrics.descent))
        });
        metrics.unwrap_or((self.px * 0.93, self.px * 0.24))
    }

    fn draw(&self, c: char) -> Sprite {
        let mut sprite = Sprite {
            advance: 0.0,
            left: 0,
            rise: 0,
            width: 0,
            coverage: Box::default(),
        };
        // Line breaks, combining marks and other characters of no width.
        if half_cells(c) == 0 {
            return sprite;
        }
        let Some((font, index, _)) = self.fonts.find(c) else {
            if c.is_whitespace() {
                sprite.advance = self.px * self.horizontal_scale * half_cells(c) as f32 / 2.0;
            } else {
                self.draw_box(c, &mut sprite);
            }
            return sprite;
        };
        let metrics = font.metrics_indexed(index, self.px);
        sprite.advance = metrics.advance_width * self.horizontal_scale;
        if c.is_whitespace() {
            return sprite;
        }
        if self.horizontal_scale == 1.0 {
            let (metrics, bitmap) = font.rasterize_indexed(index, self.px);
            sprite.left = metrics.xmin;
            sprite.rise = metrics.ymin + metrics.height as i32;
            sprite.width = metrics.width;
            sprite.coverage = bitmap.into_boxed_slice();
        } else {
            let (metrics, bitmap) = font.rasterize_indexed(index, self.px * OVERSAMPLING as f32);
            squeeze(&metrics, &bitmap, self.horizontal_scale, &mut sprite);
        }
        if !self.antialias {
            for value in &mut sprite.coverage {
                *value = if *value >= 128 { 255 } else { 0 };
            }
        }
        sprite
    }

    fn draw_box(&self, c: char, sprite: &mut Sprite) {
        let height = (self.px.round() as usize).max(2);
        let width = if height >= 14 {
            height
        } else {
            (height * 7 / 10).max(2)
        };
        sprite.width = width;
        sprite.left = 0;
        sprite.rise = (height * 4 / 5) as i32;
        sprite.advance = width as f32 + 1.0;
        sprite.coverage = hex_box(c, width, height).into_boxed_slice();
    }
}

/// Averages an oversampled bitmap down, by another factor across than down.
fn squeeze(metrics: &fontdue::Metrics, bitmap: &[u8], scale: f32, sprite: &mut Sprite) {
    let down = OVERSAMPLING as i32;
    let across = OVERSAMPLING as f32 / scale;
    let (left, right) = (
        metrics.xmin as f32,
        metrics.xmin as f32 + metrics.width as f32,
    );
    let (bottom, top) = (metrics.ymin, metrics.ymin + metrics.height as i32);
    sprite.left = (left / across).floor() as i32;
    let end = (right / across).ceil() as i32;
    sprite.width = (end - sprite.left).max(0) as usize;
    sprite.rise = top.div_euclid(down) + i32::from(top.rem_euclid(down) != 0);
    let height = (sprite.rise - bottom.div_euclid(down)).max(0) as usize;
    let mut sums = vec![0f32; sprite.width * height];
    for row in 0..metrics.height {
        // Rows are counted down from the top; `rise` is counted up.
        let y = ((sprite.rise * down - top) as usize + row) / OVERSAMPLING;
        for column in 0..metrics.width {
            let value = f32::from(bitmap[row * metrics.width + column]);
            let (x0, x1) = (
                (left + column as f32) / across,
                (left + column as f32 + 1.0) / across,
            );
            let mut x = x0;
            while x < x1 {
                let next = (x.floor() + 1.0).min(x1);
                let cell = (x.floor() as i32 - sprite.left).clamp(0, sprite.width as i32 - 1);
                sums[y * sprite.width + cell as usize] += value * (next - x);
                x = next;
            }
        }
    }
    sprite.coverage = sums
        .iter()
        .map(|sum| (sum / OVERSAMPLING as f32).round().min(255.0) as u8)
        .collect();
}
