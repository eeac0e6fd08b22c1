//! Pictures and videos as rows of patches: Qwen2-VL, Qwen2.5-VL, GLM-4.1V.
//!
//! <https://github.com/huggingface/transformers/blob/main/src/transformers/models/qwen2_vl/image_processing_qwen2_vl.py>,
//! `models/glm4v/image_processing_glm4v.py` and the video processors beside them.

use image::RgbImage;

use super::error::check_sides;
use super::pixels::{Normalize, PixelScale, PixelTable};
use super::{PreprocessError, Resample, resize, smart_resize_glm4v, smart_resize_qwen2_vl};

const CHANNELS: usize = 3;

/// Which rule gives pictures their size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PatchFamily {
    /// [`smart_resize_qwen2_vl`]: the limits are those of one frame.
    Qwen2Vl,
    /// [`smart_resize_glm4v`]: the limits are those of all frames.
    Glm4v,
}

/// How a [`PatchPreprocessor`] works; `preprocessor_config.json` in Rust.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchConfig {
    /// The rule for sizes.
    pub family: PatchFamily,
    /// Whether pictures are resized at all. If not, their sides have to be multiples of
    /// `patch_size * merge_size`.
    pub do_resize: bool,
    /// How they are resized.
    pub resample: Resample,
    /// The fewest pixels; smaller pictures grow.
    pub min_pixels: u64,
    /// The most pixels; larger pictures shrink.
    pub max_pixels: u64,
    /// Pixels that a patch is wide and high.
    pub patch_size: u32,
    /// Frames that a patch is deep.
    pub temporal_patch_size: u32,
    /// Patches across and down that the model merges to one token.
    pub merge_size: u32,
    /// What numbers bytes become.
    pub scale: PixelScale,
    /// Qwen2-VL only: the tokens among whose pixels the frames of a video have to share, where
    /// frames are bound by that too (`cap_pixels_per_frame`, `max_video_tokens`).
    pub max_video_tokens: Option<u32>,
}

impl PatchConfig {
    /// The defaults of `Qwen2VLImageProcessor`.
    pub fn qwen2_vl() -> Self {
        Self {
            family: PatchFamily::Qwen2Vl,
            do_resize: true,
            resample: Resample::Bicubic,
            min_pixels: 56 * 56,
            max_pixels: 28 * 28 * 1280,
            patch_size: 14,
            temporal_patch_size: 2,
            merge_size: 2,
            scale: PixelScale::new(Normalize::CLIP),
            max_video_tokens: None,
        }
    }

    /// The defaults of `Qwen2VLVideoProcessor`.
    pub fn qwen2_vl_video() -> Self {
        Self {
            min_pixels: 128 * 28 * 28,
            max_pixels: 28 * 28 * 768,
            ..Self::qwen2_vl()
        }
    }

    /// The defaults of `Glm4vImageProcessor`.
    pub fn glm4v() -> Self {
        Self {
            family: PatchFamily::Glm4v,
            min_pixels: 112 * 112,
            max_pixels: 28 * 28 * 15_000,
            ..Self::qwen2_vl()
        }
    }

    /// The defaults of `Glm4vVideoProcessor`.
    pub fn glm4v_video() -> Self {
        Self {
            max_pixels: 28 * 28 * 2 * 30_000,
            ..Self::glm4v()
        }
    }
}

/// A picture or a video as the vision tower takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct ImagePatches {
    /// `[patches, channel, frame, row, column]`: patches in blocks of `merge_size` squared, the
    /// blocks row after row.
    pub pixel_values: Vec<f32>,
    /// Numbers of one patch.
    pub patch_len: usize,
    /// Patches along time, down and across.
    pub grid_thw: [usize; 3],
}

/// Cuts pictures and videos into patches.
#[derive(Debug, Clone, PartialEq)]
pub struct PatchPreprocessor {
    config: PatchConfig,
    table: PixelTable,
}

impl PatchPreprocessor {
    /// A preprocessor that works as `config` says.
    ///
    /// # Errors
    ///
    /// If a size is 0 or far too large, or pixel values would not be finite.
    pub fn new(config: PatchConfig) -> Result<Self, PreprocessError> {
        let sizes = [
            (
                "patch_size",
                config.patch_size,
                1024,
                "a number from 1 to 1024",
            ),
            ("merge_size", config.merge_size, 64, "a number from 1 to 64"),
            (
                "temporal_patch_size",
                config.temporal_patch_size,
                16,
                "a number from 1 to 16",
            ),
        ];
        for (key, size, limit, expected) in sizes {
            if !(1..=limit).contains(&size) {
                return Err(PreprocessError::Config {
                    key,
                    expected,
                    found: size.to_string(),
                });
            }
        }
        if config.min_pixels == 0 || config.max_pixels == 0 {
            return Err(PreprocessError::Config {
                key: "size",
                expected: "a shortest_edge and a longest_edge above 0",
                found: format!("{} and {}", config.min_pixels, config.max_pixels),
            });
        }
        let table = PixelTable::new(config.scale)?;
        Ok(Self { config, table })
    }

    /// How it works.
    pub fn config(&self) -> &PatchConfig {
        &self.config
    }

    /// Patches of a picture along time, down and across.
    ///
    /// # Errors
    ///
    /// If the picture has no pixels, is too long for its width, would be huge, or is not to be
    /// resized and does not consist of whole blocks.
    pub fn grid(&self, height: u32, width: u32) -> Result<[usize; 3], PreprocessError> {
        let frames = self.config.temporal_patch_size as usize;
        let (height, width) = self.image_size(height, width)?;
        Ok(self.grid_of(frames, height, width))
    }

    /// Tokens of a picture, after patches are merged.
    ///
    /// # Errors
    ///
    /// As [`Self::grid`].
    pub fn tokens(&self, height: u32, width: u32) -> Result<usize, PreprocessError> {
        let patches: usize = self.grid(height, width)?.iter().product();
        Ok(patches / (self.config.merge_size as usize).pow(2))
    }

    /// Patches of a video along time, down and across.
    ///
    /// # Errors
    ///
    /// As [`Self::grid`], and if there are too few frames: none, or for GLM-4.1V fewer than a
    /// patch is deep.
    pub fn video_grid(
        &self,
        frames: usize,
        height: u32,
        width: u32,
    ) -> Result<[usize; 3], PreprocessError> {
        let (height, width) = self.frame_size(frames, height, width)?;
        Ok(self.grid_of(frames, height, width))
    }

    /// Tokens of a video, after patches are merged.
    ///
    /// # Errors
    ///
    /// As [`Self::video_grid`].
    pub fn video_tokens(
        &self,
        frames: usize,
        height: u32,
        width: u32,
    ) -> Result<usize, PreprocessError> {
        let patches: usize = self.video_grid(frames, height, width)?.iter().product();
        Ok(patches / (self.config.merge_size as usize).pow(2))
    }

    /// A picture as patches.
    ///
    /// # Errors
    ///
    /// As [`Self::grid`].
    pub fn preprocess(&self, image: &RgbImage) -> Result<ImagePatches, PreprocessError> {
        let (height, width) = self.image_size(image.height(), image.width())?;
        let frames = self.config.temporal_patch_size as usize;
        let mut patches = self.blank(self.grid_of(frames, height, width));
        let image = resize(image, width, height, self.config.resample);
        self.write(&vec![&image; frames], &mut patches.pixel_values);
        Ok(patches)
    }

    /// A video as patches: all its frames, the last one again until patches are whole. Which
    /// frames of a longer video these are is for the caller to choose.
    ///
    /// # Errors
    ///
    /// As [`Self::video_grid`], and if frames differ in size.
    pub fn preprocess_video(&self, frames: &[RgbImage]) -> Result<ImagePatches, PreprocessError> {
        let Some(first) = frames.first() else {
            return Err(PreprocessError::TooFewFrames {
                expected: 1,
                found: 0,
            });
        };
        let (expected_width, expected_height) = first.dimensions();
        let odd = frames
            .iter()
            .position(|frame| frame.dimensions() != first.dimensions());
        if let Some(frame) = odd {
            let (width, height) = frames[frame].dimensions();
            return Err(PreprocessError::FrameSize {
                frame,
                expected_width,
                expected_height,
                width,
                height,
            });
        }
        let (height, width) = self.frame_size(frames.len(), expected_height, expected_width)?;
        let mut patches = self.blank(self.grid_of(frames.len(), height, width));
        let [grid_t, grid_h, grid_w] = patches.grid_thw;
        let depth = self.config.temporal_patch_size as usize;
        let layer = grid_h * grid_w * patches.patch_len;
        let layers = patches
            .pixel_values
            .chunks_exact_mut(layer)
            .zip(frames.chunks(depth));
        debug_assert_eq!(layers.len(), grid_t);
        for (out, frames) in layers {
            let frames: Vec<RgbImage> = frames
                .iter()
                .map(|frame| resize(frame, width, height, self.config.resample))
                .collect();
            let frames: Vec<&RgbImage> = (0..depth)
                .map(|t| &frames[t.min(frames.len() - 1)])
                .collect();
            self.write(&frames, out);
        }
        Ok(patches)
    }

    /// Height and width that a picture is given.
    fn image_size(&self, height: u32, width: u32) -> Result<(u32, u32), PreprocessError> {
        let config = &self.config;
        if !config.do_resize {
            return self.whole_blocks(height, width);
        }
        let (min, max) = (config.min_pixels, config.max_pixels);
        match config.family {
            PatchFamily::Qwen2Vl => smart_resize_qwen2_vl(height, width, self.factor(), min, max),
            PatchFamily::Glm4v => {
                let depth = config.temporal_patch_size;
                let frames = depth as usize;
                smart_resize_glm4v(frames, height, width, depth, self.factor(), min, max)
            }
        }
    }

    /// Height and width that the frames of a video are given.
    fn frame_size(
        &self,
        frames: usize,
        height: u32,
        width: u32,
    ) -> Result<(u32, u32), PreprocessError> {
        let config = &self.config;
        if frames == 0 {
            return Err(PreprocessError::TooFewFrames {
                expected: 1,
                found: 0,
            });
        }
        if !config.do_resize {
            return self.whole_blocks(height, width);
        }
        let (factor, depth) = (self.factor(), config.temporal_patch_size);
        let (min, mut max) = (config.min_pixels, config.max_pixels);
        match config.family {
            PatchFamily::Qwen2Vl => {
                if let Some(tokens) = config.max_video_tokens {
                    // Python multiplies integers first and a double last.
                    let pixels = u128::from(tokens) * u128::from(factor).pow(2);
                    let total = (pixels as f64 * 0.9) as u64;
                    let share = total.saturating_mul(u64::from(depth)) / frames as u64;
                    max = max.min(share).max((min as f64 * 1.05) as u64);
                }
                smart_resize_qwen2_vl(height, width, factor, min, max)
            }
            PatchFamily::Glm4v => {
                smart_resize_glm4v(frames, height, width, depth, factor, min, max)
            }
        }
    }

    fn whole_blocks(&self, height: u32, width: u32) -> Result<(u32, u32), PreprocessError> {
        check_sides(height, width)?;
        let factor = self.factor();
        if !height.is_multiple_of(factor) || !width.is_multiple_of(factor) {
            return Err(PreprocessError::NotWholeBlocks {
                width,
                height,
                factor,
            });
        }
        Ok((height, width))
    }

    /// Pixels that a block of merged patches is wide.
    fn factor(&self) -> u32 {
        self.config.patch_size * self.config.merge_size
    }

    fn grid_of(&self, frames: usize, height: u32, width: u32) -> [usize; 3] {
        [
            frames.div_ceil(self.config.temporal_patch_size as usize),
            (height / self.config.patch_size) as usize,
            (width / self.config.patch_size) as usize,
        ]
    }

    fn blank(&self, grid_thw: [usize; 3]) -> ImagePatches {
        let config = &self.config;
        let pixels = (config.patch_size as usize).pow(2);
        let patch_len = CHANNELS * config.temporal_patch_size as usize * pixels;
        ImagePatches {
            pixel_values: vec![0.0; grid_thw.iter().product::<usize>() * patch_len],
            patch_len,
            grid_thw,
        }
    }

    /// Writes one layer of patches. `frames` are as many as a patch is deep, and of one size.
    fn write(&self, frames: &[&RgbImage], out: &mut [f32]) {
        let size = self.config.patch_size as usize;
        let merge = self.config.merge_size as usize;
        let (width, height) = (frames[0].width() as usize, frames[0].height() as usize);
        let blocks = width / (size * merge);
        let plane = size * size;
        let patches = out.chunks_exact_mut(CHANNELS * frames.len() * plane);
        debug_assert_eq!(patches.len(), width * height / plane);
        for (number, patch) in patches.enumerate() {
            let (block, inner) = (number / (merge * merge), number % (merge * merge));
            let top = (block / blocks * merge + inner / merge) * size;
            let left = (block % blocks * merge + inner % merge) * size;
            let planes = patch.chunks_exact_mut(frames.len() * plane);
            for (channel, planes) in planes.enumerate() {
                let numbers = self.table.channel(channel);
                for (t, frame) in frames.iter().enumerate() {
                    if t > 0 && std::ptr::eq(*frame, frames[t - 1]) {
                        planes.copy_within((t - 1) * plane..t * plane, t * plane);
                        continue;
                    }
                    let rows = planes[t * plane..(t + 1) * plane].chunks_exact_mut(size);
                    for (y, row) in rows.enumerate() {
                        let start = ((top + y) * width + left) * CHANNELS;
                        let pixels = &frame.as_raw()[start..start + size * CHANNELS];
                        for (number, pixel) in row.iter_mut().zip(pixels.chunks_exact(CHANNELS)) {
                            *number = numbers[usize::from(pixel[channel])];
                        }
                    }
                }
            }
        }
    }
}
