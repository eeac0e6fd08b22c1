//! The pixels of a page that is being drawn.

use crate::marks::PageMut;
use crate::raster::Sprite;

pub(super) struct Canvas {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) pixels: Vec<u8>,
    /// Where cells are cut off at the right: the page's edge, or that of a column
    /// beside which something else is drawn.
    pub(super) limit: usize,
}

impl Canvas {
    pub(super) fn new((width, height): (usize, usize), background: u8) -> Self {
        Self {
            width,
            height,
            pixels: vec![background; width * height],
            limit: width,
        }
    }

    /// The page, for marks.
    pub(super) fn page(&mut self) -> PageMut<'_> {
        PageMut {
            pixels: &mut self.pixels,
            width: self.width,
        }
    }

    /// Copies a cell to its place; clipped to the page. What lies right of the cell's ink
    /// becomes blank, so a line is drawn from left to right.
    #[inline]
    pub(super) fn put(&mut self, sprite: &Sprite, x: usize, top: usize, height: usize) {
        let from = top * self.width + x;
        if x + sprite.stride > self.limit {
            self.put_clipped(sprite, x, top);
            return;
        }
        let Some(pixels) = self.pixels.get_mut(from..) else {
            return;
        };
        match sprite.stride {
            8 => copy::<8>(&sprite.pixels, pixels, self.width, height),
            16 => copy::<16>(&sprite.pixels, pixels, self.width, height),
            stride => {
                let rows = pixels.chunks_mut(self.width);
                for (row, source) in rows.zip(sprite.pixels.chunks_exact(stride)) {
                    row[..stride].copy_from_slice(source);
                }
            }
        }
    }

    fn put_clipped(&mut self, sprite: &Sprite, x: usize, top: usize) {
        let width = sprite.stride.min(self.limit.saturating_sub(x));
        let rows = self.pixels.chunks_exact_mut(self.width).skip(top);
        for (row, source) in rows.zip(sprite.pixels.chunks_exact(sprite.stride)) {
            row[x.min(self.width)..][..width].copy_from_slice(&source[..width]);
        }
    }

    /// Keeps the top left of at most this size.
    pub(super) fn crop(&mut self, width: usize, height: usize) {
        let (width, height) = (width.clamp(1, self.width), height.clamp(1, self.height));
        self.pixels.truncate(height * self.width);
        if width < self.width {
            for y in 0..height {
                let start = y * self.width;
                self.pixels.copy_within(start..start + width, y * width);
            }
            self.pixels.truncate(width * height);
        }
        (self.width, self.height) = (width, height);
    }
}

/// Copies rows of `N` pixels; a fixed length compiles to few stores.
#[inline]
fn copy<const N: usize>(source: &[u8], pixels: &mut [u8], stride: usize, height: usize) {
    let rows = source.as_chunks::<N>().0.iter().take(height);
    let mut at = 0;
    for row in rows {
        let Some(target) = pixels[at..].first_chunk_mut::<N>() else {
            return;
        };
        *target = *row;
        at += stride;
        if at >= pixels.len() {
            return;
        }
    }
}
