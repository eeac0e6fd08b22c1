//! From characters to pixels, and back.

mod atlas;
mod glyphs;
mod hexbox;
mod lexicon;
mod shape;
mod sprites;

pub(crate) use atlas::{BASELINE, CELL_HEIGHT, CELL_WIDTH, CellAtlas, CellGlyphs};
pub(crate) use glyphs::{CellStyle, Glyphs};
pub(crate) use lexicon::{Lexicon, Sign};
pub(crate) use shape::shape;
pub(crate) use sprites::{Sprite, Sprites};
