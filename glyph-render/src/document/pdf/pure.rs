//! PDF in pure Rust: text by pdf-extract, images by hayro.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;

use hayro::hayro_interpret::InterpreterSettings;
use hayro::hayro_syntax::Pdf;
use hayro::vello_cpu::color::palette::css::WHITE;
use hayro::{PixmapSettings, RenderCache, RenderSettings};
use pdf_extract::{PlainTextOutput, output_doc_page};

use super::{RASTER_DPI, damaged, encrypted};
use crate::document::DocumentError;
use crate::page::luminance;

pub(super) struct Backend {
    document: pdf_extract::Document,
    pages: u32,
    bytes: Vec<u8>,
    pdf: Option<Pdf>,
}

impl Backend {
    pub(super) fn open(path: &Path, bytes: Vec<u8>) -> Result<Self, DocumentError> {
        let document = quietly(|| pdf_extract::Document::load_mem(&bytes).map_err(|e| e.to_string()))
            .map_err(|detail| {
                if detail.to_lowercase().contains("password") { encrypted(path) } else { damaged(path, &detail) }
            })?;
        if document.is_encrypted() {
            return Err(encrypted(path));
        }
        let pages = quietly(|| Ok(document.get_pages().len() as u32)).map_err(|detail| damaged(path, &detail))?;
        Ok(Self { document, pages, bytes, pdf: None })
    }
}

impl super::Backend for Backend {
    fn pages(&self) -> u32 {
        self.pages
    }

    fn text(&mut self, page: u32) -> Result<String, String> {
        quietly(|| {
            let mut text = String::new();
            let mut output = PlainTextOutput::new(&mut text);
            output_doc_page(&self.document, &mut output, page).map_err(|e| e.to_string())?;
            Ok(text)
        })
    }

    fn raster(&mut self, page: u32, limit: u64) -> Result<(u32, u32, Vec<u8>), String> {
        if self.pdf.is_none() {
            let bytes = std::mem::take(&mut self.bytes);
            self.pdf = Some(quietly(|| Pdf::new(bytes).map_err(|e| format!("{e:?}")))?);
        }
        let pdf = self.pdf.as_ref().ok_or("the PDF cannot be parsed")?;
        quietly(|| {
            let pages = pdf.pages();
            let page = pages.get(page as usize - 1).ok_or("no such page")?;
            let (width, height) = page.render_dimensions();
            let scale = RASTER_DPI / 72.0;
            let pixels = (f64::from(width) * f64::from(height)) * f64::from(scale * scale);
            if pixels > limit as f64 || width.max(height) * scale > f32::from(u16::MAX) {
                return Err(format!("{pixels:.0} pixels at {RASTER_DPI} dpi, the limit is {limit}"));
            }
            let settings = PixmapSettings { x_scale: scale, y_scale: scale, bg_color: WHITE };
            let pixmap = hayro::render(
                page,
                &RenderCache::new(),
                &InterpreterSettings::default(),
                &RenderSettings::default(),
                &settings,
            );
            let grey = pixmap.data().iter().map(|p| luminance(p.r, p.g, p.b)).collect();
            Ok((u32::from(pixmap.width()), u32::from(pixmap.height()), grey))
        })
    }
}

/// Runs code that may panic on a malformed file; the panic becomes an error and prints nothing.
fn quietly<T>(f: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    thread_local! {
        static QUIET: Cell<bool> = const { Cell::new(false) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                previous(info);
            }
        }));
    });
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(f));
    QUIET.set(false);
    result.unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(message.unwrap_or("its content breaks the reader").to_owned())
    })
}
