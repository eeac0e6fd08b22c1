//! From characters to pixels.

mod atlas;
mod hexbox;
mod sprites;

pub(crate) use atlas::{CELL_HEIGHT, CELL_WIDTH, CellAtlas};
pub(crate) use sprites::{Sprite, Sprites};
