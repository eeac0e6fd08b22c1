//! The set lines of a page.

use crate::document::DocumentError;
use crate::page::{is_colored, luminance};

/// One line of text as it stands on the page, in points.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Line {
    pub(super) text: String,
    /// The left and the right end.
    pub(super) x0: f32,
    pub(super) x1: f32,
    /// The baseline, downwards from the top of the page.
    pub(super) y: f32,
    /// The size of its first character.
    pub(super) size: f32,
    /// The advance of its characters where they all have the same.
    pub(super) mono: Option<f32>,
}

/// What a backend found on a page.
#[derive(Debug, Default)]
pub(super) struct PageText {
    pub(super) lines: Vec<Line>,
    pub(super) has_images: bool,
}

/// What reads a PDF.
pub(super) trait Backend {
    fn pages(&self) -> u32;
    fn title(&self) -> Option<String>;
    /// Whether a page, numbered from 1, keeps to the limits; called before it is read.
    fn check(&mut self, _page: u32) -> Result<(), DocumentError> {
        Ok(())
    }
    /// The same for what is needed only to draw it.
    fn check_drawing(&mut self, _page: u32) -> Result<(), DocumentError> {
        Ok(())
    }
    /// The text of a page, numbered from 1.
    fn text(&mut self, page: u32) -> Result<PageText, String>;
    /// A page drawn at `dpi`, or at less where it had more than `max_pixels` otherwise.
    fn draw(&mut self, page: u32, dpi: f32, max_pixels: u64) -> Result<Raster, String>;
}

/// A drawn page in grey, and its colours where it has any.
pub(super) struct Raster {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) pixels: Vec<u8>,
    pub(super) color: Option<Vec<u8>>,
}

impl Raster {
    /// From four bytes a pixel: red, green, blue and one that is left out.
    pub(super) fn from_rgbx(width: u32, height: u32, bytes: &[u8]) -> Self {
        let grey = |p: &[u8]| luminance(p[0], p[1], p[2]);
        let pixels = bytes.chunks_exact(4).map(grey).collect();
        let color: Vec<u8> = bytes
            .chunks_exact(4)
            .flat_map(|p| [p[0], p[1], p[2]])
            .collect();
        Self {
            width,
            height,
            pixels,
            color: Some(color).filter(|color| is_colored(color)),
        }
    }

    pub(super) fn is_blank(&self) -> bool {
        self.pixels.iter().all(|&pixel| pixel > 250)
    }
}

/// Pixels per point, such that a page of `width` x `height` points keeps to `max_pixels`.
pub(super) fn scale(width: f32, height: f32, dpi: f32, max_pixels: u64) -> Result<f32, String> {
    let area = f64::from(width) * f64::from(height);
    let longest = width.max(height);
    if !(area.is_finite() && width >= 1.0 && height >= 1.0) {
        return Err(format!("a page of {width} x {height} points"));
    }
    let most = (max_pixels as f64 / area).sqrt() as f32;
    // Both rasterisers count pixels of a side in 16 bits.
    Ok((dpi / 72.0).min(most).min(65_000.0 / longest))
}
