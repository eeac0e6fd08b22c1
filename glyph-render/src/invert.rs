//! From pages back to the document.

mod assemble;
mod cells;
mod engine;
mod error;
mod flow;
mod join;
mod report;
mod text;
mod verify;

use rayon::prelude::*;

pub use error::InvertError;
pub use report::{Damage, Inversion, InvertedLine, PageInversion};

use crate::code::{BlockStart, Edge, Found, Strip, find_strip};
use crate::config::RenderConfig;
use crate::error::RenderError;
use crate::page::Page;
use crate::typeset::Typesetter;
use engine::Engines;

/// Gives back the document that pages were rendered from: the text of every block byte for
/// byte, its kind and its source page. The pixels alone are read.
///
/// Pages may come in any order; what is wrong with them is reported in
/// [`Inversion::damage`], and every line that is intact comes back. For pages drawn with the
/// user's fonts, and for many calls, make an [`Inverter`].
///
/// ```
/// use glyph_render::{Document, RenderConfig, Renderer, Typesetter, invert};
///
/// let typesetter = Typesetter::new(RenderConfig::preset("glyph-en")?)?;
/// let text = "Exactly\tthis, \r\n  字形 and no more.";
/// let pages = typesetter.render(&Document::from_text(text))?;
/// assert_eq!(invert(&pages)?.into_document()?.text(), text);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When there are no pages, when none of them carries a code, or when they were drawn with
/// other fonts than the embedded ones.
pub fn invert(pages: &[Page]) -> Result<Inversion, InvertError> {
    Inverter::default().invert(pages)
}

/// Inverts pages, and keeps what it learned of the fonts.
#[derive(Debug, Default)]
pub struct Inverter {
    engines: Engines,
    /// How pages are drawn whose own strips cannot be read.
    template: Option<Strip>,
}

impl Inverter {
    /// An inverter for pages that were drawn with this configuration; its fonts are loaded. It
    /// inverts pages in other styles too, as long as they use the embedded fonts.
    ///
    /// # Errors
    /// As [`Typesetter::new`].
    pub fn new(config: &RenderConfig) -> Result<Self, RenderError> {
        Ok(Self::of(&Typesetter::new(config.clone())?))
    }

    /// An inverter that shares what a typesetter has drawn already.
    pub fn of(typesetter: &Typesetter) -> Self {
        let (strip, lexicon) = match typesetter.coding() {
            Some((strip, lexicon)) => (Some(strip), Some(lexicon)),
            None => (None, None),
        };
        let inverter = Self::default();
        if let (Some(strip), Some(lexicon)) = (&strip, lexicon) {
            inverter.engines.insert(strip, lexicon);
        }
        Self {
            template: strip,
            ..inverter
        }
    }

    /// As [`invert`].
    ///
    /// # Errors
    /// When there are no pages, when none of them carries a code, or when they were drawn with
    /// fonts that this inverter does not have.
    pub fn invert(&self, pages: &[Page]) -> Result<Inversion, InvertError> {
        if pages.is_empty() {
            return Err(InvertError::NoPages);
        }
        let strips: Vec<Strips> = pages.iter().map(Strips::find).collect();
        let template = strips.iter().find_map(Strips::template);
        let own = self.template.as_ref();
        let template = template.or(own.map(|strip| (strip, strip.rows_at(strip.width as usize))));
        let read = pages
            .par_iter()
            .zip(strips.par_iter())
            .enumerate()
            .map(|(position, (page, strips))| self.read(position, page, strips, template))
            .collect::<Result<Vec<_>, _>>()?;
        if read.iter().all(|page| page.content.is_none()) {
            return Err(strips[0].error(0, &pages[0]));
        }
        Ok(join::join(pages, read))
    }

    fn read(
        &self,
        position: usize,
        page: &Page,
        strips: &Strips,
        template: Option<(&Strip, usize)>,
    ) -> Result<PageRead, InvertError> {
        let mut read = PageRead {
            position,
            known: strips.strip.clone(),
            content: None,
        };
        let template = template.map(|(strip, rows)| {
            // Which characters the page holds is not known.
            let ranges = u8::MAX;
            let strip = Strip {
                ranges,
                ..strip.clone()
            };
            (strip, rows)
        });
        let (strip, rows) = match (&strips.strip, &template) {
            (Some(strip), _) => (strip, strips.rows),
            // A page that was damaged at both edges; its size tells it from a foreign one.
            (None, Some((template, rows)))
                if strips.damaged
                    && (page.width, page.height) == (template.width, template.height) =>
            {
                (template, *rows)
            }
            _ => return Ok(read),
        };
        let engine = self.engines.get(strip).ok_or(InvertError::Fonts {
            position,
            expected: strip.fonts,
        })?;
        let mut content = match strip.cells {
            true => cells::read(page, strip, rows, &engine),
            false => flow::read(page, strip, rows, &engine),
        };
        content.strip_damaged = strips.damaged;
        if let (None, Some(strip)) = (content.stray, &strips.strip)
            && let Some(expected) = strip.pixels
            && expected != pixel_checksum(&page.pixels, page.width as usize, rows)
        {
            content.altered = true;
        }
        read.content = Some(content);
        Ok(read)
    }
}

/// Checksum of a page's pixels between its strips.
pub(crate) fn pixel_checksum(pixels: &[u8], width: usize, rows: usize) -> u32 {
    let end = (pixels.len() / width.max(1)).saturating_sub(rows) * width;
    crc32fast::hash(pixels.get(rows * width..end).unwrap_or_default())
}

/// The strips of one page.
struct Strips {
    strip: Option<Strip>,
    /// Rows that each takes.
    rows: usize,
    /// Whether one of them is missing or cannot be read.
    damaged: bool,
    version: Option<u8>,
}

impl Strips {
    fn find(page: &Page) -> Self {
        let width = page.width as usize;
        let mut strips = Self {
            strip: None,
            rows: 0,
            damaged: false,
            version: None,
        };
        // A page that claims more pixels than it has cannot be read.
        if page.pixels.len() != width * page.height as usize {
            return strips;
        }
        let mut found = 0;
        for edge in [Edge::Top, Edge::Bottom] {
            match find_strip(&page.pixels, width, edge) {
                Found::Strip { strip, rows, clean } => {
                    found += 1;
                    strips.rows = rows;
                    let first = strips.strip.get_or_insert_with(|| (*strip).clone());
                    strips.damaged |= !clean || *first != *strip;
                }
                Found::Damaged => strips.damaged = true,
                Found::Version(version) => strips.version = Some(version),
                Found::Nothing => {}
            }
        }
        strips.damaged |= found == 1;
        strips
    }

    /// What the page says of others like it.
    fn template(&self) -> Option<(&Strip, usize)> {
        self.strip.as_ref().map(|strip| (strip, self.rows))
    }

    fn error(&self, position: usize, page: &Page) -> InvertError {
        if let Some(found) = self.version {
            return InvertError::Version { position, found };
        }
        InvertError::NoCode {
            position,
            width: page.width,
            height: page.height,
            damaged: self.damaged,
        }
    }
}

/// One page as read.
struct PageRead {
    position: usize,
    /// What the page says of itself, where that can be read.
    known: Option<Strip>,
    /// Its lines; `None` where the page carries no code.
    content: Option<Content>,
}

/// The text of one page.
#[derive(Debug, Default)]
struct Content {
    lines: Vec<Line>,
    strip_damaged: bool,
    /// Size that the page had when it was drawn, where it is another one now.
    resized: Option<(u32, u32)>,
    /// Where pixels that should be blank are not: the first, and how many.
    stray: Option<((u32, u32), u32)>,
    /// Whether pixels besides the text were altered.
    altered: bool,
}

/// One line as read.
#[derive(Debug)]
struct Line {
    /// Number on the page from 0, where the line is intact.
    ordinal: Option<u32>,
    top: u32,
    starts: Vec<BlockStart>,
    text: String,
}

impl Content {
    /// Counts pixels that should be blank: `distances` are those of a row's part that starts
    /// at (`x`, `y`).
    fn expect_blank(&mut self, distances: &[u8], mask: u8, x: usize, y: usize) {
        let any = distances
            .iter()
            .fold(0, |any, distance| any | distance & mask);
        if any == 0 {
            return;
        }
        let strays = distances.iter().filter(|distance| **distance & mask != 0);
        let count = strays.count() as u32;
        let first = distances.iter().position(|distance| distance & mask != 0);
        let at = ((x + first.unwrap_or(0)) as u32, y as u32);
        let stray = self.stray.get_or_insert((at, 0));
        stray.1 += count;
        stray.0 = stray.0.min_by_row(at);
    }

    /// Gives a line that was read its number: the one expected, or where lines before it are
    /// missing the one that it fits.
    fn push(&mut self, line: Read, strip: &Strip) {
        let last = self.lines.iter().rev().find_map(|line| line.ordinal);
        let since = self
            .lines
            .iter()
            .rev()
            .take_while(|line| line.ordinal.is_none());
        let expected = last.map_or(0, |last| last + 1) + since.count() as u32;
        let ordinal = line.code.as_ref().filter(|_| line.whole).and_then(|code| {
            let others = last.map_or(0, |last| last + 1)..strip.lines.min(20_000);
            std::iter::once(expected)
                .chain(others)
                .find(|ordinal| code.matches(*ordinal, &line.text))
        });
        self.lines.push(Line {
            ordinal,
            top: line.top,
            starts: line.code.map(|code| code.starts).unwrap_or_default(),
            text: line.text,
        });
    }
}

trait MinByRow {
    fn min_by_row(self, other: Self) -> Self;
}

impl MinByRow for (u32, u32) {
    /// The one that comes first from top to bottom.
    fn min_by_row(self, other: Self) -> Self {
        if (other.1, other.0) < (self.1, self.0) {
            other
        } else {
            self
        }
    }
}

/// A line before its checksum is looked at.
struct Read {
    top: u32,
    code: Option<crate::code::LineCode>,
    text: String,
    /// Whether every cell was read and everything else in the line's box is as it should be.
    whole: bool,
}
