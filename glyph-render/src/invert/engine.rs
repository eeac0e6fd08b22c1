//! What reads the cells of a style.

use std::sync::{Arc, Mutex, PoisonError};

use crate::code::Strip;
use crate::font::{FontSet, Latin};
use crate::raster::{CellGlyphs, CellStyle, Glyphs, Lexicon};

/// The lexicons that pages were read with, kept for the next pages.
#[derive(Debug, Default)]
pub(super) struct Engines {
    known: Mutex<Vec<(Key, Engine)>>,
}

/// What tells the shapes of a style from those of others.
#[derive(Debug, Clone, PartialEq)]
struct Key {
    fonts: u32,
    cells: bool,
    styles: Vec<CellStyle>,
}

/// One lexicon per size class.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    pub(super) classes: Vec<Arc<Lexicon>>,
    /// The shapes of newline marks.
    pub(super) marks: Arc<Vec<u64>>,
}

/// How many styles are kept.
const KEPT: usize = 16;

impl Engines {
    /// The lexicons for a page; `None` where its fonts are not there.
    pub(super) fn get(&self, strip: &Strip) -> Option<Engine> {
        let key = Key::of(strip);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, engine)) = known.iter().find(|(other, _)| *other == key) {
            return Some(engine.with_marks(strip));
        }
        let latin = match strip.cells {
            true => Latin::Mono,
            false => Latin::Sans,
        };
        let own = known.iter().find(|(other, _)| other.fonts == key.fonts);
        let fonts = match own {
            Some((_, engine)) => Arc::clone(engine.classes.first()?.fonts()),
            None => Arc::new(FontSet::embedded(latin)),
        };
        if fonts.id() != key.fonts {
            return None;
        }
        let classes = if key.cells {
            let glyphs = CellGlyphs {
                fonts,
                antialias: strip.antialias,
            };
            vec![Arc::new(Lexicon::new(glyphs))]
        } else {
            let styles = key.styles.iter().cloned();
            styles
                .map(|style| {
                    let fonts = Arc::clone(&fonts);
                    Arc::new(Lexicon::new(Glyphs { fonts, style }))
                })
                .collect()
        };
        let engine = Engine {
            classes,
            marks: Arc::default(),
        };
        if known.len() == KEPT {
            known.remove(1);
        }
        known.push((key, engine.clone()));
        Some(engine.with_marks(strip))
    }

    /// Adds lexicons that exist already.
    pub(super) fn insert(&self, strip: &Strip, classes: Vec<Arc<Lexicon>>) {
        let engine = Engine {
            classes,
            marks: Arc::default(),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.push((Key::of(strip), engine));
    }
}

impl Key {
    fn of(strip: &Strip) -> Self {
        Self {
            fonts: strip.fonts,
            cells: strip.cells,
            styles: strip.styles(),
        }
    }
}

impl Engine {
    /// The same for a page that draws newlines as text.
    fn with_marks(&self, strip: &Strip) -> Self {
        let Some((text, depth)) = &strip.mark else {
            return self.clone();
        };
        let mut marks: Vec<u64> = Vec::new();
        for (lexicon, mut style) in self.classes.iter().zip(strip.styles()) {
            style.tone.depth = *depth;
            let fonts = Arc::clone(lexicon.fonts());
            let glyphs = Glyphs { fonts, style };
            let cells = text.chars().filter_map(|c| glyphs.cell(c));
            marks.extend(cells.map(|cell| glyphs.shape_of(&cell)));
        }
        marks.sort_unstable();
        Self {
            marks: Arc::new(marks),
            ..self.clone()
        }
    }
}
