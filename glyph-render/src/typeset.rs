//! The renderer: layout and raster joined.

mod budget;
mod cells;
mod compose;
mod flow;

/// The geometry of the built-in style.
pub(crate) mod grid {
    pub(crate) use super::cells::{COLUMNS, MARGIN, PAGE_HEIGHT, PAGE_WIDTH, ROWS, margins};
}

use std::sync::{Arc, OnceLock};

use crate::code::Strip;
use crate::config::{RenderConfig, Style};
use crate::document::{Document, PageImage};
use crate::error::RenderError;
use crate::page::{Page, geometry};
use crate::raster::Lexicon;
pub(crate) use cells::BUILTIN_PAGE;
use cells::CellTypesetter;
use flow::FlowTypesetter;

/// A stage that turns a document into pages.
pub trait Renderer: Send + Sync {
    /// Renders the whole document.
    ///
    /// # Errors
    /// When the document cannot be drawn, for example because a page image in
    /// it is damaged.
    fn render(&self, document: &Document) -> Result<Vec<Page>, RenderError>;

    /// Renders page by page. A renderer that can should hold one page at a time; by default all
    /// pages are rendered first.
    fn pages<'a>(&'a self, document: &'a Document) -> PageIter<'a> {
        match self.render(document) {
            Ok(pages) => Box::new(pages.into_iter().map(Ok)),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }
}

/// Pages as they are rendered.
pub type PageIter<'a> = Box<dyn Iterator<Item = Result<Page, RenderError>> + 'a>;

/// The renderer of this crate. The same document and configuration give the
/// same bytes on every machine and with any number of threads.
#[derive(Debug)]
pub struct Typesetter {
    config: RenderConfig,
    engine: Engine,
    /// For `draw_cells` in a style that is not made of cells.
    cells: OnceLock<CellTypesetter>,
}

#[derive(Debug)]
enum Engine {
    Cells(Box<CellTypesetter>),
    Flow(Box<FlowTypesetter>),
}

impl Typesetter {
    /// Loads the fonts that the configuration names and checks its values.
    ///
    /// # Errors
    /// When a font file is missing or damaged, or a value is out of range.
    pub fn new(config: RenderConfig) -> Result<Self, RenderError> {
        let engine = match &config.style {
            Style::Cells => Engine::Cells(Box::new(CellTypesetter::new(&config)?)),
            Style::Flow(style) => Engine::Flow(Box::new(FlowTypesetter::new(&config, style)?)),
        };
        Ok(Self {
            config,
            engine,
            cells: OnceLock::new(),
        })
    }

    /// The configuration.
    pub fn config(&self) -> &RenderConfig {
        &self.config
    }

    /// How pages are coded: what their strips have in common, and the lexicons that tell their
    /// cells.
    pub(crate) fn coding(&self) -> Option<(Strip, Vec<Arc<Lexicon>>)> {
        match &self.engine {
            Engine::Cells(engine) => engine.coding(),
            Engine::Flow(engine) => engine.coding(),
        }
    }

    /// Renders page by page, so that only one page is held at a time. A document
    /// without text or images has no pages.
    ///
    /// # Errors
    /// An item is an error where a page image of the document is damaged.
    pub fn pages<'a>(
        &'a self,
        document: &'a Document,
    ) -> impl Iterator<Item = Result<Page, RenderError>> + 'a {
        self.pages_from(document, 0)
    }

    /// [`Typesetter::pages`] without the first `skip`, which are laid out and not drawn: laying
    /// out takes a small part of the time. With [`Iterator::take`] a few pages from the middle of
    /// a long document cost little more than those pages.
    ///
    /// # Errors
    /// As [`Typesetter::pages`].
    pub fn pages_from<'a>(
        &'a self,
        document: &'a Document,
        skip: usize,
    ) -> impl Iterator<Item = Result<Page, RenderError>> + 'a {
        let (cells, flow) = match &self.engine {
            Engine::Cells(engine) => (Some(engine.pages_from(document, skip)), None),
            Engine::Flow(engine) => (None, Some(engine.pages_from(document, skip))),
        };
        cells
            .into_iter()
            .flatten()
            .chain(flow.into_iter().flatten())
    }

    /// Draws one line of text in the built-in style, its top left at `pixels[0]`,
    /// over a white background that is there already. `stride` is the row length
    /// of `pixels`; the text is clipped to it, to 96 half-cells, and to the rows
    /// that exist. In a proportional style the cells are those of
    /// [`RenderConfig::builtin`].
    pub fn draw_cells(&self, text: &str, pixels: &mut [u8], stride: usize) {
        let cells = match &self.engine {
            Engine::Cells(engine) => engine,
            Engine::Flow(_) => self.cells.get_or_init(CellTypesetter::builtin),
        };
        cells.draw_line(text, pixels, stride);
    }
}

impl Renderer for Typesetter {
    fn render(&self, document: &Document) -> Result<Vec<Page>, RenderError> {
        match &self.engine {
            Engine::Cells(engine) => engine.render(document),
            Engine::Flow(engine) => engine.render(document),
        }
    }

    fn pages<'a>(&'a self, document: &'a Document) -> PageIter<'a> {
        Box::new(self.pages(document))
    }
}

fn image_page(image: &PageImage, number: u32) -> Result<Page, RenderError> {
    let check = |name: String, expected: u64, found: u64| match expected == found {
        true => Ok(()),
        false => Err(RenderError::PixelCount {
            name,
            width: image.width,
            height: image.height,
            expected,
            found,
        }),
    };
    let size = u64::from(image.width) * u64::from(image.height);
    check(image.name.clone(), size, image.pixels.len() as u64)?;
    if let Some(color) = &image.color {
        let name = format!("{} (bytes of its colours)", image.name);
        check(name, 3 * size, color.len() as u64)?;
    }
    let chunks = image.metadata.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    let (_, layout) = geometry(chunks, image.width, image.height);
    Ok(Page {
        number,
        width: image.width,
        height: image.height,
        pixels: image.pixels.clone(),
        color: image.color.clone(),
        lines: Vec::new(),
        layout,
    })
}
