//! The sizes that Qwen2-VL and GLM-4.1V give to pictures.
//!
//! <https://github.com/huggingface/transformers/blob/main/src/transformers/models/qwen2_vl/image_processing_qwen2_vl.py>
//! and `models/glm4v/image_processing_glm4v.py`, to the last rounding: Python rounds halves to
//! even numbers and divides integers as doubles.

use super::PreprocessError;
use super::error::{check_sides, check_size};

const MAX_ASPECT_RATIO: u32 = 200;

/// The height and width, multiples of `factor`, that Qwen2-VL and Qwen2.5-VL give to a picture so
/// that it has between `min_pixels` and `max_pixels` pixels.
///
/// # Errors
///
/// If the picture has no pixels, is more than 200 times as long as wide, or would be huge.
pub fn smart_resize_qwen2_vl(
    height: u32,
    width: u32,
    factor: u32,
    min_pixels: u64,
    max_pixels: u64,
) -> Result<(u32, u32), PreprocessError> {
    check_sides(height, width)?;
    check_aspect_ratio(height, width, f64::from(height), f64::from(width))?;
    let sides = Sides {
        frames: 1.0,
        height: f64::from(height),
        width: f64::from(width),
        factor: f64::from(factor),
    };
    check_size((height, width), sides.fit(1.0, min_pixels, max_pixels))
}

/// The height and width, multiples of `factor`, that GLM-4.1V gives to the frames of a video so
/// that they have between `min_pixels` and `max_pixels` pixels in all. A picture counts as
/// `temporal_factor` frames.
///
/// # Errors
///
/// As [`smart_resize_qwen2_vl`], and if there are fewer than `temporal_factor` frames.
pub fn smart_resize_glm4v(
    frames: usize,
    height: u32,
    width: u32,
    temporal_factor: u32,
    factor: u32,
    min_pixels: u64,
    max_pixels: u64,
) -> Result<(u32, u32), PreprocessError> {
    check_sides(height, width)?;
    if frames < temporal_factor as usize {
        return Err(PreprocessError::TooFewFrames {
            expected: temporal_factor as usize,
            found: frames,
        });
    }
    let factor = f64::from(factor);
    let (mut high, mut wide) = (f64::from(height), f64::from(width));
    if high < factor || wide < factor {
        let scale = (factor / high).max(factor / wide);
        (high, wide) = ((high * scale).trunc(), (wide * scale).trunc());
    }
    check_aspect_ratio(height, width, high, wide)?;
    let sides = Sides {
        frames: frames as f64,
        height: high,
        width: wide,
        factor,
    };
    let temporal = f64::from(temporal_factor);
    let rounded = (sides.frames / temporal).round_ties_even() * temporal;
    check_size((height, width), sides.fit(rounded, min_pixels, max_pixels))
}

fn check_aspect_ratio(
    height: u32,
    width: u32,
    high: f64,
    wide: f64,
) -> Result<(), PreprocessError> {
    if high.max(wide) / high.min(wide) > f64::from(MAX_ASPECT_RATIO) {
        return Err(PreprocessError::AspectRatio {
            width,
            height,
            limit: MAX_ASPECT_RATIO,
        });
    }
    Ok(())
}

/// What is to be given a size. All numbers are whole.
struct Sides {
    frames: f64,
    height: f64,
    width: f64,
    factor: f64,
}

impl Sides {
    /// Height and width; `frames` as they count for the limits.
    fn fit(&self, frames: f64, min_pixels: u64, max_pixels: u64) -> (u64, u64) {
        let (min_pixels, max_pixels) = (min_pixels as f64, max_pixels as f64);
        let factor = self.factor;
        let near = |side: f64| (side / factor).round_ties_even() * factor;
        let pixels = self.frames * self.height * self.width;
        let (height, width) = (near(self.height), near(self.width));
        let counted = frames * height * width;
        let (height, width) = if counted > max_pixels {
            let beta = (pixels / max_pixels).sqrt();
            let below = |side: f64| ((side / beta / factor).floor() * factor).max(factor);
            (below(self.height), below(self.width))
        } else if counted < min_pixels {
            let beta = (min_pixels / pixels).sqrt();
            let above = |side: f64| (side * beta / factor).ceil() * factor;
            (above(self.height), above(self.width))
        } else {
            (height, width)
        };
        (height as u64, width as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_to_even_multiples() {
        let size = |side| smart_resize_qwen2_vl(side, 280, 28, 1, 1 << 30).unwrap().0;
        assert_eq!([size(42), size(70), size(98)], [56, 56, 112]);
    }

    #[test]
    fn small_pictures_grow_and_large_ones_shrink() {
        let size = |side| smart_resize_qwen2_vl(side, side, 28, 56 * 56, 1_003_520).unwrap();
        assert_eq!(size(1), (56, 56));
        assert_eq!(size(5000), (980, 980));
    }

    #[test]
    fn a_ribbon_is_refused() {
        let found = smart_resize_qwen2_vl(1, 201, 28, 3136, 1_003_520).unwrap_err();
        assert_eq!(
            found.to_string(),
            "expected a picture at most 200 times as long as wide, found 201 x 1"
        );
        assert!(smart_resize_qwen2_vl(1, 200, 28, 3136, 1_003_520).is_ok());
        assert!(smart_resize_glm4v(2, 3, 601, 2, 28, 12544, 1 << 24).is_err());
        assert!(smart_resize_glm4v(2, 3, 600, 2, 28, 12544, 1 << 24).is_ok());
    }

    #[test]
    fn a_video_of_glm_needs_frames_for_a_patch() {
        let found = smart_resize_glm4v(1, 100, 100, 2, 28, 12544, 1 << 24).unwrap_err();
        assert_eq!(found.to_string(), "expected at least 2 frames, found 1");
    }

    #[test]
    fn a_limit_beyond_any_use_is_refused() {
        let found = smart_resize_qwen2_vl(10, 10, 28, u64::MAX, u64::MAX).unwrap_err();
        assert!(matches!(found, PreprocessError::TooLarge { .. }), "{found}");
    }
}
