//! PDF by libpdfium, loaded at run time.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use pdfium_render::prelude::{PdfDocument, PdfRenderConfig, Pdfium, PdfiumError, PdfiumInternalError};

use super::{RASTER_DPI, damaged, encrypted};
use crate::document::DocumentError;
use crate::page::luminance;

static PDFIUM: OnceLock<Pdfium> = OnceLock::new();

/// The process's libpdfium, or none where none is found and none was asked for.
pub(super) fn bind(asked: Option<&Path>) -> Result<Option<&'static Pdfium>, DocumentError> {
    if let Some(pdfium) = PDFIUM.get() {
        return Ok(Some(pdfium));
    }
    let variable = std::env::var_os("PDFIUM_DYNAMIC_LIB_PATH").map(PathBuf::from);
    let place = asked.map(Path::to_path_buf).or(variable);
    let bindings = match &place {
        Some(place) => {
            let file = if place.is_dir() { Pdfium::pdfium_platform_library_name_at_path(place) } else { place.clone() };
            Pdfium::bind_to_library(&file)
                .map_err(|e| DocumentError::Pdfium { path: place.clone(), source: format!("{e:?}").into() })?
        }
        None => match Pdfium::bind_to_system_library() {
            Ok(bindings) => bindings,
            Err(_) => return Ok(PDFIUM.get()),
        },
    };
    Ok(Some(PDFIUM.get_or_init(|| Pdfium::new(bindings))))
}

pub(super) struct Backend {
    document: PdfDocument<'static>,
}

impl Backend {
    pub(super) fn open(pdfium: &'static Pdfium, path: &Path, bytes: Vec<u8>) -> Result<Self, DocumentError> {
        match pdfium.load_pdf_from_byte_vec(bytes, None) {
            Ok(document) => Ok(Self { document }),
            Err(PdfiumError::PdfiumLibraryInternalError(PdfiumInternalError::PasswordError)) => Err(encrypted(path)),
            Err(error) => Err(damaged(path, &format!("{error:?}"))),
        }
    }
}

impl super::Backend for Backend {
    fn pages(&self) -> u32 {
        u32::try_from(self.document.pages().len()).unwrap_or(0)
    }

    fn text(&mut self, page: u32) -> Result<String, String> {
        let index = i32::try_from(page - 1).map_err(|e| e.to_string())?;
        let page = self.document.pages().get(index).map_err(|e| format!("{e:?}"))?;
        Ok(page.text().map_err(|e| format!("{e:?}"))?.all())
    }

    fn raster(&mut self, page: u32, limit: u64) -> Result<(u32, u32, Vec<u8>), String> {
        let index = i32::try_from(page - 1).map_err(|e| e.to_string())?;
        let page = self.document.pages().get(index).map_err(|e| format!("{e:?}"))?;
        let scale = RASTER_DPI / 72.0;
        let pixels = f64::from(page.width().value * scale) * f64::from(page.height().value * scale);
        if pixels > limit as f64 {
            return Err(format!("{pixels:.0} pixels at {RASTER_DPI} dpi, the limit is {limit}"));
        }
        let config = PdfRenderConfig::new().scale_page_by_factor(scale);
        let bitmap = page.render_with_config(&config).map_err(|e| format!("{e:?}"))?;
        let grey = bitmap.as_rgba_bytes().chunks_exact(4).map(|p| luminance(p[0], p[1], p[2])).collect();
        Ok((bitmap.width() as u32, bitmap.height() as u32, grey))
    }
}
