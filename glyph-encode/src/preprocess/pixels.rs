//! From bytes to numbers.

use image::RgbImage;

use super::PreprocessError;

/// Mean and deviation of each channel, red first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Normalize {
    /// What is subtracted.
    pub mean: [f64; 3],
    /// What the rest is divided by.
    pub std: [f64; 3],
}

impl Normalize {
    /// As CLIP was trained, and Qwen2-VL and GLM-4.1V after it.
    pub const CLIP: Self = Self {
        mean: [0.48145466, 0.4578275, 0.40821073],
        std: [0.26862954, 0.26130258, 0.27577711],
    };

    /// From -1 to 1, as Idefics3 and SmolVLM were trained.
    pub const HALF: Self = Self {
        mean: [0.5; 3],
        std: [0.5; 3],
    };
}

/// What number a byte stands for: `(byte * rescale - mean) / std`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PixelScale {
    /// What bytes are multiplied with; `None` leaves them as they are.
    pub rescale: Option<f64>,
    /// What is done then; `None` leaves the numbers as they are.
    pub normalize: Option<Normalize>,
}

impl PixelScale {
    /// Bytes as fractions of 255, normalised.
    pub const fn new(normalize: Normalize) -> Self {
        Self {
            rescale: Some(1.0 / 255.0),
            normalize: Some(normalize),
        }
    }
}

/// The number for each byte of each channel.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PixelTable(Box<[[f32; 256]; 3]>);

impl PixelTable {
    /// `TorchvisionBackend.rescale_and_normalize`: in single precision, the rescaling brought over
    /// to mean and deviation.
    ///
    /// <https://github.com/huggingface/transformers/blob/main/src/transformers/image_processing_backends.py>
    pub(super) fn new(scale: PixelScale) -> Result<Self, PreprocessError> {
        let mut table = Box::new([[0.0; 256]; 3]);
        for (channel, numbers) in table.iter_mut().enumerate() {
            for (byte, number) in (0_u8..=255).map(f32::from).zip(numbers) {
                *number = match (scale.rescale, scale.normalize) {
                    (rescale, Some(Normalize { mean, std })) => {
                        let unit = rescale.map_or(1.0, |rescale| 1.0 / rescale) as f32;
                        (byte - mean[channel] as f32 * unit) / (std[channel] as f32 * unit)
                    }
                    (Some(rescale), None) => byte * rescale as f32,
                    (None, None) => byte,
                };
                if !number.is_finite() {
                    return Err(PreprocessError::Config {
                        key: "image_mean, image_std, rescale_factor",
                        expected: "numbers that give finite pixel values",
                        found: format!("{scale:?}"),
                    });
                }
            }
        }
        Ok(Self(table))
    }

    /// The number for a byte of one channel.
    pub(super) fn channel(&self, channel: usize) -> &[f32; 256] {
        &self.0[channel]
    }

    /// A part of a picture, channel after channel, appended to `out`. Outside the picture is
    /// black.
    pub(super) fn append_planes(
        &self,
        image: &RgbImage,
        (left, top): (i64, i64),
        (width, height): (u32, u32),
        out: &mut Vec<f32>,
    ) {
        let stride = image.width() as usize * 3;
        out.reserve(width as usize * height as usize * 3);
        // Columns before, in and after the picture.
        let before = (-left).clamp(0, i64::from(width)) as usize;
        let first = left.clamp(0, i64::from(image.width())) as usize;
        let last = (left + i64::from(width)).clamp(first as i64, i64::from(image.width())) as usize;
        let after = width as usize - before - (last - first);
        for channel in 0..3 {
            let numbers = self.channel(channel);
            for y in top..top + i64::from(height) {
                let row = usize::try_from(y)
                    .ok()
                    .filter(|&y| y < image.height() as usize)
                    .map(|y| &image.as_raw()[y * stride..(y + 1) * stride]);
                let Some(row) = row else {
                    out.extend(std::iter::repeat_n(numbers[0], width as usize));
                    continue;
                };
                out.extend(std::iter::repeat_n(numbers[0], before));
                let pixels = row[first * 3..last * 3].chunks_exact(3);
                out.extend(pixels.map(|pixel| numbers[usize::from(pixel[channel])]));
                out.extend(std::iter::repeat_n(numbers[0], after));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_what_the_scale_says() {
        let number = |scale, byte: usize| PixelTable::new(scale).unwrap().channel(0)[byte];
        let half = PixelScale::new(Normalize::HALF);
        assert_eq!([number(half, 0), number(half, 255)], [-1.0, 1.0]);
        let fraction = PixelScale {
            normalize: None,
            ..half
        };
        assert_eq!(number(fraction, 51), 51.0 * (1.0 / 255.0) as f32);
        let raw = PixelScale {
            rescale: None,
            normalize: None,
        };
        assert_eq!(number(raw, 51), 51.0);
        let bytes = PixelScale {
            rescale: None,
            ..half
        };
        assert_eq!(number(bytes, 51), 101.0);
    }

    #[test]
    fn a_deviation_of_zero_is_refused() {
        let normalize = Normalize {
            mean: [0.5; 3],
            std: [0.0; 3],
        };
        assert!(PixelTable::new(PixelScale::new(normalize)).is_err());
    }

    #[test]
    fn what_lies_outside_is_black() {
        let table = PixelTable::new(PixelScale {
            rescale: None,
            normalize: None,
        })
        .unwrap();
        let image = RgbImage::from_fn(2, 2, |x, y| image::Rgb([(1 + x + 2 * y) as u8; 3]));
        let mut planes = Vec::new();
        table.append_planes(&image, (-1, 1), (4, 2), &mut planes);
        assert_eq!(planes[..8], [0.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        planes.clear();
        table.append_planes(&image, (5, 0), (2, 1), &mut planes);
        assert_eq!(planes, [0.0; 6]);
        planes.clear();
        table.append_planes(&image, (-5, 0), (2, 1), &mut planes);
        assert_eq!(planes, [0.0; 6]);
    }
}
