//! Which parts of pages matter to a question: the scan in front of a page writer.

use std::path::Path;

use burn::tensor::{DType, Device, Tensor, TensorData};
use glyph_decode::DecodeError;
use glyph_encode::checkpoint::CheckpointError;
use glyph_encode::preprocess::{ClipPreprocessor, ImagePreprocessor, page_to_rgb};
use glyph_encode::towers::{ClipModel, clip::normalize};
use glyph_encode::{EncodeError, RegionScore};
use glyph_render::{BBox, Page};
use image::imageops;
use tokenizers::Tokenizer;

use crate::PipelineError;

/// Scores regions of pages for a question.
///
/// Without one, the built-in model reads the pages coarsely and ranks their rows. A scorer of
/// another kind goes to [`PipelineBuilder::scorer`](crate::PipelineBuilder::scorer);
/// [`ClipScorer`] ships.
pub trait RegionScorer: Send + Sync {
    /// Scores the regions of some pages, one after the other down each page. Regions of a page do
    /// not overlap; what scores zero or less is never shown.
    ///
    /// # Errors
    /// If a page or the question cannot be encoded.
    fn score(&self, question: &str, pages: &[Page]) -> Result<Vec<RegionScore>, PipelineError>;
}

/// Scores bands of a page by how near CLIP places them to the question.
///
/// CLIP sees a band as squares of a few hundred pixels made small, so it knows what a passage is
/// about, or what a figure shows, rather than its words.
#[derive(Debug)]
pub struct ClipScorer {
    model: ClipModel,
    tokenizer: Tokenizer,
    preprocessor: ClipPreprocessor,
    device: Device,
    bands: u32,
}

impl ClipScorer {
    /// Loads a folder with `config.json`, safetensors, `preprocessor_config.json` and
    /// `tokenizer.json`. Weights become `dtype`; `None` keeps the type of the files.
    ///
    /// # Errors
    /// If a file is missing or does not fit.
    pub fn open(
        folder: impl AsRef<Path>,
        dtype: Option<DType>,
        device: &Device,
    ) -> Result<Self, PipelineError> {
        let folder = folder.as_ref();
        let path = folder.join("preprocessor_config.json");
        let text = std::fs::read_to_string(&path)
            .map_err(|source| DecodeError::Checkpoint(CheckpointError::Io { path, source }))?;
        let preprocessor = match ImagePreprocessor::from_json(&text).map_err(EncodeError::from)? {
            ImagePreprocessor::Clip(preprocessor) => preprocessor,
            _ => {
                return Err(EncodeError::Input {
                    what: "preprocessor_config.json",
                    expected: "the preprocessor of CLIP".to_owned(),
                    found: "another".to_owned(),
                }
                .into());
            }
        };
        let path = folder.join("tokenizer.json");
        let tokenizer = Tokenizer::from_file(&path)
            .map_err(|e| DecodeError::Tokenizer(format!("{}: {e}", path.display())))?;
        let model = ClipModel::open(folder, dtype, device).map_err(DecodeError::from)?;
        Ok(Self {
            model,
            tokenizer,
            preprocessor,
            device: device.clone(),
            bands: 8,
        })
    }

    /// Cuts a page into so many bands; 8 by default.
    #[must_use]
    pub fn bands(mut self, bands: u32) -> Self {
        self.bands = bands.max(1);
        self
    }

    /// The question in CLIP's space, `[1, projection_dim]`, of length 1. What CLIP has no
    /// positions for is cut off; the end token stays.
    fn question(&self, question: &str) -> Result<Tensor<2>, PipelineError> {
        let encoding = self
            .tokenizer
            .encode(question, true)
            .map_err(|e| DecodeError::Tokenizer(e.to_string()))?;
        let mut ids = encoding.get_ids().to_vec();
        let longest = self.model.text.max_tokens();
        if let (true, Some(&end)) = (ids.len() > longest, ids.last()) {
            ids.truncate(longest - 1);
            ids.push(end);
        }
        Ok(normalize(self.model.text.text_embeds(&[ids])?))
    }

    /// The squares that a band is seen as, `[squares, 3, side, side]`.
    fn squares(&self, page: &Page, band: BBox) -> Result<Tensor<4>, PipelineError> {
        let picture = page_to_rgb(page)?;
        let count = band.width.div_ceil(band.height).max(1);
        let mut tensors = Vec::new();
        for i in 0..count {
            let left = i * band.width / count;
            let right = (i + 1) * band.width / count;
            let part = imageops::crop_imm(&picture, left, band.y, right - left, band.height);
            let planar = self
                .preprocessor
                .preprocess(&part.to_image())
                .map_err(EncodeError::from)?;
            let shape = [1, 3, planar.height, planar.width];
            let data = TensorData::new(planar.pixel_values, shape);
            tensors.push(Tensor::from_data(data, &self.device));
        }
        Ok(Tensor::cat(tensors, 0))
    }
}

impl RegionScorer for ClipScorer {
    fn score(&self, question: &str, pages: &[Page]) -> Result<Vec<RegionScore>, PipelineError> {
        let question = self.question(question)?;
        let mut out = Vec::new();
        for page in pages {
            for (row, band) in (1..).zip(bands(page, self.bands)) {
                let squares = self.squares(page, band)?;
                let embeds = self.model.vision.image_embeds(squares)?;
                // The best of its squares speaks for a band.
                let cosine = normalize(embeds).matmul(question.clone().transpose()).max();
                out.push(RegionScore {
                    page: page.number,
                    row,
                    bbox: band,
                    // From 0 to 1, and never quite 0, so that order is all that counts.
                    score: (1.0 + cosine.into_scalar::<f32>()).max(1e-6) / 2.0,
                });
            }
        }
        Ok(out)
    }
}

/// A page cut into bands of whole tokens.
fn bands(page: &Page, count: u32) -> Vec<BBox> {
    let height = page.height.div_ceil(count).max(1).next_multiple_of(28);
    (0..page.height)
        .step_by(height as usize)
        .map(|y| BBox {
            x: 0,
            y,
            width: page.width,
            height: height.min(page.height - y),
        })
        .collect()
}
