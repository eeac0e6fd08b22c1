//! Text and pages by libpdfium, loaded at run time.

use super::lines::{Backend, Line, PageText, Raster, scale};
use crate::document::error::{Cause, flat, one_line};
use crate::document::sniff::Source;
use crate::document::{DocumentError, OpenOptions};
use pdfium_render::prelude::*;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The one libpdfium of the process.
static LIBRARY: OnceLock<Pdfium> = OnceLock::new();
static LOADING: Mutex<()> = Mutex::new(());

/// The libpdfium of the options, the environment or the system.
pub(super) fn library(options: &OpenOptions) -> Result<Option<&'static Pdfium>, DocumentError> {
    let _guard = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = &options.pdfium
        && (LIBRARY.get().is_none() || !path.exists())
    {
        let bindings = bind(path).map_err(|source| DocumentError::Pdfium {
            path: path.clone(),
            source: one_line(source),
        })?;
        return Ok(Some(LIBRARY.get_or_init(|| Pdfium::new(bindings))));
    }
    if let Some(library) = LIBRARY.get() {
        return Ok(Some(library));
    }
    let named = std::env::var_os("PDFIUM_DYNAMIC_LIB_PATH").filter(|path| !path.is_empty());
    let found = named.and_then(|path| bind(&PathBuf::from(path)).ok());
    let found = found.or_else(|| Pdfium::bind_to_system_library().ok());
    Ok(found.map(|bindings| LIBRARY.get_or_init(|| Pdfium::new(bindings))))
}

fn bind(path: &Path) -> Result<Box<dyn PdfiumLibraryBindings>, Cause> {
    std::fs::metadata(path)?;
    let file = if path.is_dir() {
        Pdfium::pdfium_platform_library_name_at_path(path)
    } else {
        path.to_path_buf()
    };
    Ok(Pdfium::bind_to_library(file)?)
}

/// An open document.
pub(super) struct Opened {
    document: PdfDocument<'static>,
}

pub(super) fn open(library: &'static Pdfium, source: Source) -> Result<Opened, DocumentError> {
    let path = source.path.clone();
    let file = source.into_file()?;
    match library.load_pdf_from_reader(file, None) {
        Ok(document) => Ok(Opened { document }),
        Err(PdfiumError::PdfiumLibraryInternalError(
            PdfiumInternalError::PasswordError | PdfiumInternalError::SecurityError,
        )) => Err(DocumentError::Encrypted {
            path,
            what: "the PDF",
            hint: ", e.g. with `qpdf --decrypt --password=... IN OUT`",
        }),
        Err(error) => Err(DocumentError::Damaged {
            path,
            format: "PDF",
            detail: flat(&match &error {
                PdfiumError::PdfiumLibraryInternalError(PdfiumInternalError::FormatError) => {
                    "libpdfium finds no PDF structure in it".into()
                }
                error => error.to_string(),
            }),
            hint: "download it again, or repair it with `qpdf IN OUT`",
            source: Some(Box::new(error)),
        }),
    }
}

impl Opened {
    fn page(&self, page: u32) -> Result<PdfPage<'static>, String> {
        let index = PdfPageIndex::try_from(page - 1).map_err(|error| error.to_string())?;
        let page = self.document.pages().get(index);
        page.map_err(|error| error.to_string())
    }
}

impl Backend for Opened {
    fn pages(&self) -> u32 {
        u32::try_from(self.document.pages().len()).unwrap_or(0)
    }

    fn title(&self) -> Option<String> {
        let title = self
            .document
            .metadata()
            .get(PdfDocumentMetadataTagType::Title);
        title.map(|title| title.value().to_owned())
    }

    fn text(&mut self, page: u32) -> Result<PageText, String> {
        let page = self.page(page)?;
        let text = page.text().map_err(|error| error.to_string())?;
        let top = page.height().value;
        let mut lines = Vec::new();
        let mut line = Set::default();
        let chars = text.chars();
        for char in chars.iter() {
            match char.unicode_value() {
                0x0a | 0x0d => lines.extend(std::mem::take(&mut line).line(top)),
                // What libpdfium makes of a hyphen that divides a word at the end of a line.
                0x02 | 0xfffe => {
                    line.text.push(0xad);
                    lines.extend(std::mem::take(&mut line).line(top));
                }
                0 => {}
                code => line.push(code, char),
            }
        }
        lines.extend(line.line(top));
        let count = lines.iter().map(|line| line.text.len()).sum::<usize>();
        // Only asked of a page that may be scanned: it makes libpdfium list all objects.
        let has_images = count < 64
            && page.objects().iter().any(|object| {
                use PdfPageObjectType::{Image, XObjectForm};
                matches!(object.object_type(), Image | XObjectForm)
            });
        Ok(PageText { lines, has_images })
    }

    fn draw(&mut self, page: u32, dpi: f32, max_pixels: u64) -> Result<Raster, String> {
        let page = self.page(page)?;
        let (width, height) = (page.width().value, page.height().value);
        let scale = scale(width, height, dpi, max_pixels)?;
        let side = |points: f32| ((points * scale) as i32).max(1);
        let config = PdfRenderConfig::new().set_fixed_size(side(width), side(height));
        let bitmap = page.render_with_config(&config);
        let bitmap = bitmap.map_err(|error| error.to_string())?;
        let (width, height) = (bitmap.width() as u32, bitmap.height() as u32);
        Ok(Raster::from_rgbx(width, height, &bitmap.as_rgba_bytes()))
    }
}

/// A line in the making.
#[derive(Default)]
struct Set<'a> {
    /// UTF-16, as libpdfium hands out characters beyond the BMP in two parts.
    text: Vec<u16>,
    first: Option<PdfPageTextChar<'a>>,
    last: Option<PdfPageTextChar<'a>>,
}

impl<'a> Set<'a> {
    fn push(&mut self, code: u32, char: PdfPageTextChar<'a>) {
        let space = matches!(code, 0x20 | 0xa0 | 0x3000);
        if self.text.is_empty() && space {
            return;
        }
        match u16::try_from(code) {
            Ok(unit) => self.text.push(unit),
            Err(_) => {
                let wide = char::from_u32(code).unwrap_or('\u{fffd}');
                self.text.extend_from_slice(wide.encode_utf16(&mut [0; 2]));
            }
        }
        if !space {
            if self.first.is_none() {
                self.first = Some(char);
            } else {
                self.last = Some(char);
            }
        }
    }

    /// The line with its place on the page, or `None` where it is blank.
    fn line(self, top: f32) -> Option<Line> {
        let first = self.first?;
        let text = String::from_utf16_lossy(&self.text);
        let text: String = text
            .trim_end()
            .chars()
            .filter(|c| !c.is_control())
            .collect();
        let (x, y) = first.origin().unwrap_or((PdfPoints::ZERO, PdfPoints::ZERO));
        let size = first.scaled_font_size().value.abs();
        let end = self.last.as_ref().unwrap_or(&first);
        let x0 = x.value;
        let x1 = end
            .loose_bounds()
            .map_or(x0, |bounds| bounds.right().value)
            .max(x0);
        let count = text.chars().count();
        let mono = count >= 4 && first.font_is_fixed_pitch() && end.font_is_fixed_pitch();
        let mono = mono && !text.contains(crate::document::join::is_cjk);
        Some(Line {
            mono: mono.then(|| (x1 - x0) / count as f32),
            text,
            x0,
            x1,
            y: top - y.value,
            size,
        })
    }
}
