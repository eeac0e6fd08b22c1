//! Short texts outside the lines.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, RwLock};

use super::PageMut;
use crate::code::Tone;
use crate::font::FontSet;
use crate::layout::half_cells;

/// A glyph's coverage and where it lies from the pen.
#[derive(Debug, Default)]
pub(super) struct Letter {
    left: i32,
    /// From the baseline up to the bitmap's top edge.
    rise: i32,
    width: usize,
    coverage: Vec<u8>,
}

/// Letters of one size, each rasterised once.
pub(super) struct Letters {
    fonts: Arc<FontSet>,
    px: f32,
    scale: f32,
    antialias: bool,
    drawn: RwLock<HashMap<char, Arc<Letter>>>,
    extents: RwLock<HashMap<char, Extent>>,
}

/// How far a letter reaches, which is known before it is rasterised.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    advance: f32,
    /// Columns from the pen that it may draw on.
    left: i32,
    right: i32,
}

impl Letters {
    pub(super) fn new(fonts: &Arc<FontSet>, px: f32, scale: f32, antialias: bool) -> Self {
        Self {
            fonts: Arc::clone(fonts),
            px,
            scale,
            antialias,
            drawn: RwLock::default(),
            extents: RwLock::default(),
        }
    }

    pub(super) fn fonts(&self) -> &Arc<FontSet> {
        &self.fonts
    }

    fn get(&self, c: char) -> Arc<Letter> {
        // A poisoned lock still guards a map of finished letters.
        let known = self.drawn.read().unwrap_or_else(|lock| lock.into_inner());
        if let Some(letter) = known.get(&c) {
            return Arc::clone(letter);
        }
        drop(known);
        let letter = Arc::new(self.raster(c));
        let mut drawn = self.drawn.write().unwrap_or_else(|lock| lock.into_inner());
        Arc::clone(drawn.entry(c).or_insert(letter))
    }

    fn extent(&self, c: char) -> Extent {
        let known = self.extents.read().unwrap_or_else(|lock| lock.into_inner());
        if let Some(extent) = known.get(&c) {
            return *extent;
        }
        drop(known);
        let extent = match self.fonts.find(c) {
            _ if half_cells(c) == 0 => Extent::default(),
            Some((outline, _)) => {
                let metrics = outline.metrics(self.px);
                let right = metrics.xmin + metrics.width as i32;
                // Letters are squeezed to whole pixels.
                Extent {
                    advance: metrics.advance_width * self.scale,
                    left: (metrics.xmin as f32 * self.scale).floor() as i32 - 1,
                    right: (right as f32 * self.scale).ceil() as i32 + 1,
                }
            }
            None => {
                let (width, _) = self.frame_size(c);
                Extent {
                    advance: width as f32 + 1.0,
                    left: 0,
                    right: width as i32,
                }
            }
        };
        let mut extents = self
            .extents
            .write()
            .unwrap_or_else(|lock| lock.into_inner());
        extents.insert(c, extent);
        extent
    }

    fn raster(&self, c: char) -> Letter {
        if half_cells(c) == 0 {
            return Letter::default();
        }
        let Some((outline, _)) = self.fonts.find(c) else {
            return self.frame(c);
        };
        let (metrics, bitmap) = outline.rasterize(self.px);
        let mut letter = Letter {
            left: metrics.xmin,
            rise: metrics.ymin + metrics.height as i32,
            width: metrics.width,
            coverage: bitmap,
        };
        letter.squeeze(self.scale);
        if !self.antialias {
            for value in &mut letter.coverage {
                *value = if *value >= 128 { 255 } else { 0 };
            }
        }
        letter
    }

    /// Width and height of the frame of a character without a glyph.
    fn frame_size(&self, c: char) -> (usize, usize) {
        let height = (self.px * 0.7).round().max(2.0) as usize;
        let width = ((self.px * self.scale * 0.5).round() as usize).max(2) * half_cells(c);
        (width, height)
    }

    /// An empty frame, for a character without a glyph.
    fn frame(&self, c: char) -> Letter {
        let (width, height) = self.frame_size(c);
        let blank = c.is_whitespace();
        let edge = |i: usize| {
            let (x, y) = (i % width, i / width);
            x == 0 || y == 0 || x + 1 == width || y + 1 == height
        };
        Letter {
            left: 0,
            rise: height as i32,
            width,
            coverage: (0..width * height)
                .map(|i| if edge(i) && !blank { 255 } else { 0 })
                .collect(),
        }
    }

    /// Width of a text in pixels.
    pub(super) fn width(&self, text: &str) -> f32 {
        text.chars().map(|c| self.extent(c).advance).sum()
    }

    /// Draws a text from `x` on; clipped to the page.
    pub(super) fn draw(
        &self,
        text: &str,
        x: f32,
        baseline: i32,
        tone: Tone,
        page: &mut PageMut<'_>,
    ) {
        let (width, height) = (page.width as i64, page.height() as i64);
        self.stamp(text, x, baseline, 0..width, |x, y, coverage| {
            if coverage > 0 && (0..width).contains(&x) && (0..height).contains(&y) {
                page.pixels[(y * width + x) as usize] = tone.grey(tone.ink(coverage));
            }
        });
    }

    /// Calls `dot` with every pixel of a text's letters that reach one of the columns.
    pub(super) fn stamp(
        &self,
        text: &str,
        mut x: f32,
        baseline: i32,
        columns: Range<i64>,
        mut dot: impl FnMut(i64, i64, u8),
    ) {
        for c in text.chars() {
            let extent = self.extent(c);
            let pen = x.round() as i64;
            x += extent.advance;
            // Letters as large as a page take as much memory, so that those beside it are left out.
            if pen + i64::from(extent.right) <= columns.start
                || pen + i64::from(extent.left) >= columns.end
            {
                continue;
            }
            let letter = self.get(c);
            let left = pen + i64::from(letter.left);
            let top = i64::from(baseline) - i64::from(letter.rise);
            if letter.width > 0 {
                for (row, coverage) in letter.coverage.chunks_exact(letter.width).enumerate() {
                    for (column, coverage) in coverage.iter().enumerate() {
                        dot(left + column as i64, top + row as i64, *coverage);
                    }
                }
            }
        }
    }
}

impl Letter {
    /// Scales across by averaging.
    fn squeeze(&mut self, scale: f32) {
        if scale == 1.0 || self.width == 0 {
            return;
        }
        let rows = self.coverage.len() / self.width;
        let (from, to) = (
            self.left as f32 * scale,
            (self.left + self.width as i32) as f32 * scale,
        );
        let left = from.floor() as i32;
        let width = (to.ceil() as i32 - left).max(1) as usize;
        let mut sums = vec![0f32; width * rows];
        for row in 0..rows {
            for column in 0..self.width {
                let value = f32::from(self.coverage[row * self.width + column]);
                let mut x = from + column as f32 * scale - left as f32;
                let end = x + scale;
                while x < end {
                    let next = (x.floor() + 1.0).min(end);
                    let cell = (x as usize).min(width - 1);
                    sums[row * width + cell] += value * (next - x);
                    x = next;
                }
            }
        }
        self.left = left;
        self.width = width;
        self.coverage = sums
            .iter()
            .map(|sum| sum.round().min(255.0) as u8)
            .collect();
    }
}
