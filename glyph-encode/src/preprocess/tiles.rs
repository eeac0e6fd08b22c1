//! Pictures as square tiles: Idefics3, SmolVLM.
//!
//! <https://github.com/huggingface/transformers/blob/main/src/transformers/models/idefics3/image_processing_idefics3.py>
//! and `models/smolvlm/image_processing_smolvlm.py`, which does the same.

use image::RgbImage;

use super::config::TargetSize;
use super::error::{check_sides, check_size};
use super::pixels::{Normalize, PixelScale, PixelTable};
use super::{PreprocessError, Resample, resize};

/// The longest side that a picture may have before it is cut.
const MAX_SIDE: u32 = 4096;

/// How a [`TilePreprocessor`] works; `preprocessor_config.json` in Rust.
#[derive(Debug, Clone, PartialEq)]
pub struct TileConfig {
    /// The size that pictures are given first; `None` leaves it. [`TargetSize::LongestEdge`] or
    /// [`TargetSize::Exact`].
    pub size: Option<TargetSize>,
    /// How they are resized.
    pub resample: Resample,
    /// Pixels that a tile is wide and high.
    pub tile_size: u32,
    /// Whether pictures are cut at all. If not, they are squeezed into one tile.
    pub do_image_splitting: bool,
    /// What numbers bytes become.
    pub scale: PixelScale,
}

impl TileConfig {
    /// The defaults of `Idefics3ImageProcessor`: tiles of 364 pixels, at most four along a side.
    pub fn idefics3() -> Self {
        Self {
            size: Some(TargetSize::LongestEdge(4 * 364)),
            resample: Resample::Lanczos,
            tile_size: 364,
            do_image_splitting: true,
            scale: PixelScale::new(Normalize::HALF),
        }
    }

    /// What the SmolVLM checkpoints have: tiles of 512 pixels, at most four along a side.
    pub fn smolvlm() -> Self {
        Self {
            size: Some(TargetSize::LongestEdge(4 * 512)),
            tile_size: 512,
            ..Self::idefics3()
        }
    }
}

/// How many tiles a picture becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileLayout {
    /// Tiles down; 0 if the picture is one tile only.
    pub rows: usize,
    /// Tiles across; 0 if the picture is one tile only.
    pub cols: usize,
}

impl TileLayout {
    /// Tiles in all, with that of the whole picture.
    pub fn tiles(self) -> usize {
        self.rows * self.cols + 1
    }

    /// Image tokens in all; the marks between tiles come on top.
    pub fn tokens(self, tokens_per_tile: usize) -> usize {
        self.tiles() * tokens_per_tile
    }
}

/// A picture as tiles.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageTiles {
    /// `[tile, channel, row, column]`: the tiles of the picture row after row, then the whole
    /// picture.
    pub pixel_values: Vec<f32>,
    /// `[tile, row, column]`: true for pixels of the picture, false for those of
    /// [padding](Self::pad_to).
    pub pixel_attention_mask: Vec<bool>,
    /// Pixels that a tile is wide and high.
    pub tile_size: usize,
    /// Tiles down; 0 if the picture is one tile only.
    pub rows: usize,
    /// Tiles across; 0 if the picture is one tile only.
    pub cols: usize,
}

impl ImageTiles {
    /// Tiles in all, padding included.
    pub fn tiles(&self) -> usize {
        self.pixel_attention_mask.len() / self.tile_size.pow(2)
    }

    /// Appends tiles of zeros until there are `tiles`, as in a batch beside a picture with more.
    pub fn pad_to(&mut self, tiles: usize) {
        let tiles = tiles.max(self.tiles());
        let pixels = self.tile_size.pow(2);
        self.pixel_values.resize(tiles * 3 * pixels, 0.0);
        self.pixel_attention_mask.resize(tiles * pixels, false);
    }
}

/// Cuts pictures into tiles.
#[derive(Debug, Clone, PartialEq)]
pub struct TilePreprocessor {
    config: TileConfig,
    table: PixelTable,
}

impl TilePreprocessor {
    /// A preprocessor that works as `config` says.
    ///
    /// # Errors
    ///
    /// If the size is given by the shortest edge, tiles have no pixels or far too many, or pixel
    /// values would not be finite.
    pub fn new(config: TileConfig) -> Result<Self, PreprocessError> {
        if let Some(found @ TargetSize::ShortestEdge(_)) = config.size {
            return Err(PreprocessError::Config {
                key: "size",
                expected: "a longest_edge, or height and width",
                found: format!("{found:?}"),
            });
        }
        if !(1..=MAX_SIDE).contains(&config.tile_size) {
            return Err(PreprocessError::Config {
                key: "max_image_size",
                expected: "a longest_edge from 1 to 4096",
                found: config.tile_size.to_string(),
            });
        }
        let table = PixelTable::new(config.scale)?;
        Ok(Self { config, table })
    }

    /// How it works.
    pub fn config(&self) -> &TileConfig {
        &self.config
    }

    /// How many tiles a picture becomes.
    ///
    /// # Errors
    ///
    /// If the picture has no pixels or would be huge.
    pub fn layout(&self, height: u32, width: u32) -> Result<TileLayout, PreprocessError> {
        let (height, width) = self.resized(height, width)?;
        let tile = self.config.tile_size;
        let one = TileLayout { rows: 0, cols: 0 };
        if !self.config.do_image_splitting {
            return Ok(one);
        }
        let (height, width) = self.whole_tiles(height, width)?;
        if height <= tile && width <= tile {
            return Ok(one);
        }
        Ok(TileLayout {
            rows: (height / tile) as usize,
            cols: (width / tile) as usize,
        })
    }

    /// A picture as tiles.
    ///
    /// # Errors
    ///
    /// As [`Self::layout`].
    pub fn preprocess(&self, image: &RgbImage) -> Result<ImageTiles, PreprocessError> {
        let TileLayout { rows, cols } = self.layout(image.height(), image.width())?;
        let (tile, resample) = (self.config.tile_size, self.config.resample);
        let (height, width) = self.resized(image.height(), image.width())?;
        let mut image = resize(image, width, height, resample);
        let square = (tile, tile);
        let mut pixel_values = Vec::with_capacity((rows * cols + 1) * 3 * (tile as usize).pow(2));
        if self.config.do_image_splitting {
            let (height, width) = self.whole_tiles(height, width)?;
            image = resize(&image, width, height, resample);
            for row in 0..rows {
                for col in 0..cols {
                    let corner = (col as i64 * i64::from(tile), row as i64 * i64::from(tile));
                    self.table
                        .append_planes(&image, corner, square, &mut pixel_values);
                }
            }
        }
        let whole = resize(&image, tile, tile, resample);
        self.table
            .append_planes(&whole, (0, 0), square, &mut pixel_values);
        Ok(ImageTiles {
            pixel_attention_mask: vec![true; pixel_values.len() / 3],
            pixel_values,
            tile_size: tile as usize,
            rows,
            cols,
        })
    }

    /// Height and width that a picture is given first: `get_resize_output_image_size`.
    fn resized(&self, height: u32, width: u32) -> Result<(u32, u32), PreprocessError> {
        check_sides(height, width)?;
        let longest = match self.config.size {
            None => return Ok((height, width)),
            Some(TargetSize::Exact {
                height: to,
                width: across,
            }) => {
                return check_size((height, width), (to.into(), across.into()));
            }
            Some(TargetSize::LongestEdge(longest) | TargetSize::ShortestEdge(longest)) => longest,
        };
        let (longest, limit) = (u64::from(longest), u64::from(MAX_SIDE));
        let aspect = f64::from(width) / f64::from(height);
        // Cut towards zero, then up to an even number.
        let even = |side: f64| (side as u64).next_multiple_of(2).max(1);
        let (high, wide) = if width >= height {
            (even(longest as f64 / aspect), longest)
        } else {
            (longest, even(longest as f64 * aspect))
        };
        let aspect = wide as f64 / high as f64;
        let (high, wide) = if wide >= high && wide > limit {
            ((limit as f64 / aspect) as u64, limit)
        } else if high > wide && high > limit {
            (limit, (limit as f64 * aspect) as u64)
        } else {
            (high, wide)
        };
        check_size((height, width), (high.max(1), wide.max(1)))
    }

    /// Height and width in whole tiles: `resize_for_vision_encoder`.
    fn whole_tiles(&self, height: u32, width: u32) -> Result<(u32, u32), PreprocessError> {
        let tile = u64::from(self.config.tile_size);
        let aspect = f64::from(width) / f64::from(height);
        let to = if width >= height {
            let wide = u64::from(width).next_multiple_of(tile);
            (((wide as f64 / aspect) as u64).next_multiple_of(tile), wide)
        } else {
            let high = u64::from(height).next_multiple_of(tile);
            (high, ((high as f64 * aspect) as u64).next_multiple_of(tile))
        };
        check_size((height, width), to)
    }
}
