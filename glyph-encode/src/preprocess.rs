//! Pictures in, pixel values as the vision towers of well-known models take them out.
//!
//! Counterparts of the image processors of transformers 5, equal to them in every pixel where
//! they run on torchvision, as they do by default:
//!
//! | type | models | what comes out |
//! |---|---|---|
//! | [`PatchPreprocessor`] | Qwen2-VL, Qwen2.5-VL, Qwen3-VL's pictures, GLM-4.1V, GLM-4.6V | one row a patch, in blocks that a merger joins |
//! | [`TilePreprocessor`] | Idefics3, SmolVLM | square tiles, and the whole picture last |
//! | [`ClipPreprocessor`] | CLIP | one picture, resized and cropped |
//!
//! Those that run on Pillow (`...Pil`, and those of transformers 4 without `Fast`) round their
//! weights more finely, so that about one byte in a hundred differs, by two at most.
//!
//! [`ImagePreprocessor::from_json`] chooses by a model's `preprocessor_config.json`, and
//! [`resize`] is what they share.
//!
//! ```
//! use glyph_encode::preprocess::{ImagePreprocessor, PatchConfig, PatchPreprocessor};
//! use image::RgbImage;
//!
//! let page = RgbImage::new(595, 842);
//! let preprocessor = PatchPreprocessor::new(PatchConfig::glm4v())?;
//! assert_eq!(preprocessor.grid(842, 595)?, [1, 60, 42]);
//! assert_eq!(preprocessor.tokens(842, 595)?, 630);
//! assert_eq!(preprocessor.preprocess(&page)?.pixel_values.len(), 60 * 42 * 1176);
//!
//! let config = r#"{ "image_processor_type": "Qwen2VLImageProcessor", "max_pixels": 100352 }"#;
//! assert!(matches!(ImagePreprocessor::from_json(config)?, ImagePreprocessor::Patches(_)));
//! # Ok::<(), glyph_encode::preprocess::PreprocessError>(())
//! ```

mod clip;
mod config;
mod error;
mod patches;
mod pixels;
mod resize;
mod smart_resize;
mod tiles;

pub use clip::{ClipConfig, ClipPreprocessor, PlanarImage};
pub use config::{ImagePreprocessor, TargetSize};
pub use error::PreprocessError;
pub use patches::{ImagePatches, PatchConfig, PatchFamily, PatchPreprocessor};
pub use pixels::{Normalize, PixelScale};
pub use resize::{Resample, resize};
pub use smart_resize::{smart_resize_glm4v, smart_resize_qwen2_vl};
pub use tiles::{ImageTiles, TileConfig, TileLayout, TilePreprocessor};

use glyph_render::Page;
use image::RgbImage;

use crate::{EncodeError, check_pixel_count};

/// A page as a colour picture: its colours where it has any, or each grey value three times.
///
/// # Errors
///
/// If the pixels do not fill the page.
pub fn page_to_rgb(page: &Page) -> Result<RgbImage, EncodeError> {
    check_pixel_count(page)?;
    let expected = 3 * page.pixels.len();
    let bytes = match &page.color {
        Some(color) => color.clone(),
        None => page.pixels.iter().flat_map(|&grey| [grey; 3]).collect(),
    };
    let found = bytes.len();
    RgbImage::from_raw(page.width, page.height, bytes)
        .filter(|_| found == expected)
        .ok_or(EncodeError::ColorCount {
            page: page.number,
            width: page.width,
            height: page.height,
            expected,
            found,
        })
}
