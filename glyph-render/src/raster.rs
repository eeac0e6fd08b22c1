//! From characters to pixels.

mod atlas;
mod hexbox;

pub(crate) use atlas::{CELL_HEIGHT, CELL_WIDTH, CellAtlas};
