//! Pages drawn by hayro.

use super::lines::{Raster, scale};
use super::quiet;
use hayro::hayro_interpret::InterpreterSettings;
use hayro::hayro_syntax::Pdf;
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings};

pub(super) fn load(bytes: Vec<u8>) -> Result<Pdf, String> {
    quiet::catch(|| Pdf::new(bytes))?.map_err(|error| format!("{error:?}"))
}

/// Draws a page, numbered from 1.
pub(super) fn draw(pdf: &Pdf, page: u32, dpi: f32, max_pixels: u64) -> Result<Raster, String> {
    quiet::catch(|| {
        let page = pdf.pages().get(page as usize - 1).ok_or("no such page")?;
        let (width, height) = page.render_dimensions();
        let scale = scale(width, height, dpi, max_pixels)?;
        // Whole pixels, so that an image that fills the page keeps its own; the pixmap's size is
        // rounded down from these.
        let whole = |length: f32| ((length * scale).round().max(1.0) + 1e-3) / length;
        let settings = PixmapSettings {
            x_scale: whole(width),
            y_scale: whole(height),
            bg_color: WHITE,
        };
        let pixmap = hayro::render(
            page,
            &RenderCache::new(),
            &InterpreterSettings::default(),
            &RenderSettings::default(),
            &settings,
        );
        let (width, height) = (pixmap.width().into(), pixmap.height().into());
        Ok(Raster::from_rgbx(width, height, pixmap.data_as_u8_slice()))
    })?
}
