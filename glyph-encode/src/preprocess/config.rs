//! `preprocessor_config.json`, as transformers 4 and 5 write it.

use serde::Deserialize;
use serde_json::Value;

use super::pixels::{Normalize, PixelScale};
use super::{
    ClipConfig, ClipPreprocessor, PatchConfig, PatchFamily, PatchPreprocessor, PreprocessError,
    Resample, TileConfig, TilePreprocessor,
};

/// A preprocessor of one of the families.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ImagePreprocessor {
    /// Qwen2-VL, Qwen2.5-VL, GLM-4.1V.
    Patches(PatchPreprocessor),
    /// Idefics3, SmolVLM.
    Tiles(TilePreprocessor),
    /// CLIP.
    Clip(ClipPreprocessor),
}

impl ImagePreprocessor {
    /// The preprocessor for pictures that a `preprocessor_config.json` or `processor_config.json`
    /// describes, by its `image_processor_type`. Names of transformers 4 and 5 are known: with
    /// `Fast`, with `Pil`, and `CLIPFeatureExtractor`. What the file leaves out is as the
    /// processor of that name has it.
    ///
    /// A `video_preprocessor_config.json` gives a preprocessor for videos.
    ///
    /// # Errors
    ///
    /// If the text is not JSON, its type is none of the families, or a value cannot be used.
    pub fn from_json(text: &str) -> Result<Self, PreprocessError> {
        Self::from_keys(text, "image_processor")
    }

    /// As [`Self::from_json`], but for videos where a `processor_config.json` has both.
    ///
    /// # Errors
    ///
    /// As [`Self::from_json`].
    pub fn video_from_json(text: &str) -> Result<Self, PreprocessError> {
        Self::from_keys(text, "video_processor")
    }

    fn from_keys(text: &str, nested: &str) -> Result<Self, PreprocessError> {
        let mut json: Value = serde_json::from_str(text)?;
        let json = match json.get_mut(nested) {
            Some(processor) => processor.take(),
            None => json,
        };
        let file: File = serde_json::from_value(json)?;
        let name = file.type_name().unwrap_or_default();
        let stem = name.trim_end_matches("Fast").trim_end_matches("Pil");
        match stem {
            "Qwen2VLImageProcessor" | "Qwen2_5_VLImageProcessor" => {
                file.patches(PatchConfig::qwen2_vl())
            }
            "Qwen2VLVideoProcessor" => file.patches(PatchConfig::qwen2_vl_video()),
            "Glm4vImageProcessor" | "Glm46VImageProcessor" => file.patches(PatchConfig::glm4v()),
            "Glm4vVideoProcessor" | "Glm46VVideoProcessor" => {
                file.patches(PatchConfig::glm4v_video())
            }
            "Idefics3ImageProcessor" | "SmolVLMImageProcessor" => file.tiles(),
            "CLIPImageProcessor" | "CLIPFeatureExtractor" => file.clip(),
            _ => Err(PreprocessError::Config {
                key: "image_processor_type",
                expected: "an image processor of Qwen2VL, Glm4v, Glm46V, Idefics3, SmolVLM or CLIP",
                found: if name.is_empty() {
                    "none".to_owned()
                } else {
                    name.to_owned()
                },
            }),
        }
    }
}

/// A size that pictures are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetSize {
    /// The shorter side; the other one follows.
    ShortestEdge(u32),
    /// The longer side; the other one follows.
    LongestEdge(u32),
    /// Both sides.
    Exact {
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
    },
}

/// The keys that matter. `null` is as good as nothing.
#[derive(Deserialize)]
struct File {
    image_processor_type: Option<String>,
    feature_extractor_type: Option<String>,
    video_processor_type: Option<String>,
    do_resize: Option<bool>,
    size: Option<Value>,
    resample: Option<Value>,
    do_rescale: Option<bool>,
    rescale_factor: Option<f64>,
    do_normalize: Option<bool>,
    image_mean: Option<Channels>,
    image_std: Option<Channels>,
    // Patches
    min_pixels: Option<u64>,
    max_pixels: Option<u64>,
    patch_size: Option<u32>,
    temporal_patch_size: Option<u32>,
    merge_size: Option<u32>,
    cap_pixels_per_frame: Option<bool>,
    max_video_tokens: Option<u32>,
    // Tiles
    max_image_size: Option<Value>,
    do_image_splitting: Option<bool>,
    // CLIP
    do_center_crop: Option<bool>,
    crop_size: Option<Value>,
}

/// One number for all channels, or one each.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Channels {
    All(f64),
    Each([f64; 3]),
}

impl Channels {
    fn each(self) -> [f64; 3] {
        match self {
            Self::All(number) => [number; 3],
            Self::Each(numbers) => numbers,
        }
    }
}

/// A `size` with names.
#[derive(Default, Deserialize)]
struct Edges {
    height: Option<u64>,
    width: Option<u64>,
    shortest_edge: Option<u64>,
    longest_edge: Option<u64>,
    min_pixels: Option<u64>,
    max_pixels: Option<u64>,
}

const SIZE: &str = "whole numbers named height and width, shortest_edge or longest_edge";

impl File {
    fn type_name(&self) -> Option<&str> {
        let names = [
            &self.image_processor_type,
            &self.video_processor_type,
            &self.feature_extractor_type,
        ];
        names.into_iter().find_map(Option::as_deref)
    }

    fn patches(&self, base: PatchConfig) -> Result<ImagePreprocessor, PreprocessError> {
        let (mut min_pixels, mut max_pixels) = (base.min_pixels, base.max_pixels);
        if let Some(size) = &self.size {
            let edges = edges("size", size)?;
            let found = (
                edges.shortest_edge.or(edges.min_pixels),
                edges.longest_edge.or(edges.max_pixels),
            );
            // Half a size is completed by the keys of transformers 4 below, or not at all.
            min_pixels = found.0.unwrap_or(0);
            max_pixels = found.1.unwrap_or(0);
        }
        if base.family == PatchFamily::Qwen2Vl {
            min_pixels = self.min_pixels.unwrap_or(min_pixels);
            max_pixels = self.max_pixels.unwrap_or(max_pixels);
        }
        let capped = self.cap_pixels_per_frame == Some(true);
        let config = PatchConfig {
            do_resize: self.do_resize.unwrap_or(base.do_resize),
            resample: self.resample(base.resample)?,
            min_pixels,
            max_pixels,
            patch_size: self.patch_size.unwrap_or(base.patch_size),
            temporal_patch_size: self.temporal_patch_size.unwrap_or(base.temporal_patch_size),
            merge_size: self.merge_size.unwrap_or(base.merge_size),
            scale: self.scale(Normalize::CLIP),
            max_video_tokens: capped.then(|| self.max_video_tokens.unwrap_or(128_000)),
            family: base.family,
        };
        PatchPreprocessor::new(config).map(ImagePreprocessor::Patches)
    }

    fn tiles(&self) -> Result<ImagePreprocessor, PreprocessError> {
        let base = TileConfig::idefics3();
        let tile_size = match &self.max_image_size {
            None => base.tile_size,
            Some(size) => {
                let key = "max_image_size";
                let longest = size.as_u64().map_or_else(
                    || edges(key, size).map(|edges| edges.longest_edge),
                    |edge| Ok(Some(edge)),
                )?;
                longest
                    .and_then(|edge| u32::try_from(edge).ok())
                    .ok_or_else(|| unfit(key, "a longest_edge", size))?
            }
        };
        let config = TileConfig {
            size: self.target(base.size, TargetSize::LongestEdge)?,
            resample: self.resample(base.resample)?,
            tile_size,
            do_image_splitting: self.do_image_splitting.unwrap_or(base.do_image_splitting),
            scale: self.scale(Normalize::HALF),
        };
        TilePreprocessor::new(config).map(ImagePreprocessor::Tiles)
    }

    fn clip(&self) -> Result<ImagePreprocessor, PreprocessError> {
        let base = ClipConfig::default();
        let crop = match (self.do_center_crop, &self.crop_size) {
            (Some(false), _) => None,
            (_, None) => base.crop,
            (_, Some(size)) => {
                let square = |side| TargetSize::Exact {
                    height: side,
                    width: side,
                };
                match target("crop_size", size, square)? {
                    TargetSize::Exact { height, width } => Some((height, width)),
                    _ => return Err(unfit("crop_size", "height and width", size)),
                }
            }
        };
        let config = ClipConfig {
            size: self.target(base.size, TargetSize::ShortestEdge)?,
            resample: self.resample(base.resample)?,
            crop,
            scale: self.scale(Normalize::CLIP),
        };
        ClipPreprocessor::new(config).map(ImagePreprocessor::Clip)
    }

    fn scale(&self, normalize: Normalize) -> PixelScale {
        let mean = self.image_mean.map_or(normalize.mean, Channels::each);
        let std = self.image_std.map_or(normalize.std, Channels::each);
        let factor = self.rescale_factor.unwrap_or(1.0 / 255.0);
        PixelScale {
            rescale: self.do_rescale.unwrap_or(true).then_some(factor),
            normalize: self
                .do_normalize
                .unwrap_or(true)
                .then_some(Normalize { mean, std }),
        }
    }

    /// Pillow's numbers.
    fn resample(&self, base: Resample) -> Result<Resample, PreprocessError> {
        match &self.resample {
            None => Ok(base),
            Some(number) => match number.as_u64() {
                Some(1) => Ok(Resample::Lanczos),
                Some(2) => Ok(Resample::Bilinear),
                Some(3) => Ok(Resample::Bicubic),
                _ => Err(unfit(
                    "resample",
                    "1 (Lanczos), 2 (bilinear) or 3 (bicubic)",
                    number,
                )),
            },
        }
    }

    /// The size that pictures are given, if they are resized; `alone` says what one number means.
    fn target(
        &self,
        base: Option<TargetSize>,
        alone: fn(u32) -> TargetSize,
    ) -> Result<Option<TargetSize>, PreprocessError> {
        match (self.do_resize, &self.size) {
            (Some(false), _) => Ok(None),
            (_, None) => Ok(base),
            (_, Some(size)) => target("size", size, alone).map(Some),
        }
    }
}

fn target(
    key: &'static str,
    size: &Value,
    alone: impl Fn(u32) -> TargetSize,
) -> Result<TargetSize, PreprocessError> {
    let side = |side: u64| u32::try_from(side).map_err(|_| unfit(key, SIZE, size));
    if let Some(edge) = size.as_u64() {
        return Ok(alone(side(edge)?));
    }
    match edges(key, size)? {
        Edges {
            height: Some(height),
            width: Some(width),
            ..
        } => Ok(TargetSize::Exact {
            height: side(height)?,
            width: side(width)?,
        }),
        Edges {
            shortest_edge: Some(edge),
            longest_edge: None,
            ..
        } => Ok(TargetSize::ShortestEdge(side(edge)?)),
        Edges {
            shortest_edge: None,
            longest_edge: Some(edge),
            ..
        } => Ok(TargetSize::LongestEdge(side(edge)?)),
        _ => Err(unfit(key, SIZE, size)),
    }
}

fn edges(key: &'static str, size: &Value) -> Result<Edges, PreprocessError> {
    if let Some([height, width]) = size.as_array().map(Vec::as_slice)
        && let (Some(height), Some(width)) = (height.as_u64(), width.as_u64())
    {
        return Ok(Edges {
            height: Some(height),
            width: Some(width),
            ..Edges::default()
        });
    }
    if !size.is_object() {
        return Err(unfit(key, SIZE, size));
    }
    Edges::deserialize(size).map_err(|_| unfit(key, SIZE, size))
}

fn unfit(key: &'static str, expected: &'static str, found: &Value) -> PreprocessError {
    PreprocessError::Config {
        key,
        expected,
        found: found.to_string(),
    }
}
