//! Pictures resized and cropped: CLIP.
//!
//! <https://github.com/huggingface/transformers/blob/main/src/transformers/models/clip/image_processing_clip.py>

use image::RgbImage;

use super::config::TargetSize;
use super::error::{check_sides, check_size};
use super::pixels::{Normalize, PixelScale, PixelTable};
use super::{PreprocessError, Resample, resize};

/// How a [`ClipPreprocessor`] works; `preprocessor_config.json` in Rust.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipConfig {
    /// The size that pictures are given; `None` leaves it. [`TargetSize::ShortestEdge`] or
    /// [`TargetSize::Exact`].
    pub size: Option<TargetSize>,
    /// How they are resized.
    pub resample: Resample,
    /// Height and width that are then cut out of the middle; `None` cuts nothing. Smaller
    /// pictures get black edges.
    pub crop: Option<(u32, u32)>,
    /// What numbers bytes become.
    pub scale: PixelScale,
}

impl Default for ClipConfig {
    fn default() -> Self {
        Self {
            size: Some(TargetSize::ShortestEdge(224)),
            resample: Resample::Bicubic,
            crop: Some((224, 224)),
            scale: PixelScale::new(Normalize::CLIP),
        }
    }
}

/// A picture as numbers, channel after channel.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanarImage {
    /// `[channel, row, column]`.
    pub pixel_values: Vec<f32>,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// Resizes, crops and normalises pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipPreprocessor {
    config: ClipConfig,
    table: PixelTable,
}

impl ClipPreprocessor {
    /// A preprocessor that works as `config` says.
    ///
    /// # Errors
    ///
    /// If the size is given by the longest edge, the crop is empty or huge, or pixel values would
    /// not be finite.
    pub fn new(config: ClipConfig) -> Result<Self, PreprocessError> {
        if let Some(found @ TargetSize::LongestEdge(_)) = config.size {
            return Err(PreprocessError::Config {
                key: "size",
                expected: "a shortest_edge, or height and width",
                found: format!("{found:?}"),
            });
        }
        if let Some((height, width)) = config.crop {
            check_size((height, width), (height.into(), width.into()))?;
        }
        let table = PixelTable::new(config.scale)?;
        Ok(Self { config, table })
    }

    /// How it works.
    pub fn config(&self) -> &ClipConfig {
        &self.config
    }

    /// A picture as numbers.
    ///
    /// # Errors
    ///
    /// If the picture has no pixels or would be huge.
    pub fn preprocess(&self, image: &RgbImage) -> Result<PlanarImage, PreprocessError> {
        let (height, width) = self.resized(image.height(), image.width())?;
        let image = resize(image, width, height, self.config.resample);
        let (rows, columns) = self.config.crop.unwrap_or((height, width));
        let mut pixel_values = Vec::new();
        let corner = (edge(width, columns), edge(height, rows));
        self.table
            .append_planes(&image, corner, (columns, rows), &mut pixel_values);
        Ok(PlanarImage {
            pixel_values,
            height: rows as usize,
            width: columns as usize,
        })
    }

    /// Height and width before the crop.
    fn resized(&self, height: u32, width: u32) -> Result<(u32, u32), PreprocessError> {
        check_sides(height, width)?;
        let from = (height, width);
        let to = match self.config.size {
            Some(TargetSize::ShortestEdge(short)) => {
                // Python divides integers as doubles and cuts towards zero.
                let product = f64::from(short) * f64::from(height.max(width));
                let long = (product / f64::from(height.min(width))) as u64;
                if width <= height {
                    (long, u64::from(short))
                } else {
                    (u64::from(short), long)
                }
            }
            Some(TargetSize::Exact { height, width }) => (height.into(), width.into()),
            Some(TargetSize::LongestEdge(_)) | None => (height.into(), width.into()),
        };
        check_size(from, to)
    }
}

/// Where a crop of `wanted` pixels starts on a side of `found` pixels; before it, if negative.
fn edge(found: u32, wanted: u32) -> i64 {
    let (found, wanted) = (i64::from(found), i64::from(wanted));
    if wanted > found {
        -((wanted - found) / 2)
    } else {
        (found - wanted) / 2
    }
}
