//! Pictures into tokens, and tokens into their places in a prompt.

use burn::tensor::{Tensor, TensorData};
use glyph_encode::preprocess::{ImagePatches, ImagePreprocessor, ImageTiles};
use image::RgbImage;

use super::{Tower, VisionLanguageModel};
use crate::{DecodeError, ImageEmbeds, Segment, TokenId};

/// Patches that run through a tower at once: several pages together fill matrix units, and what
/// lies between layers stays below a gigabyte for the widest tower.
const MAX_PATCHES: usize = 8192;

/// Tiles that run through a tower at once.
const MAX_TILES: usize = 16;

/// A picture as its tower takes it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum PixelValues {
    /// Patches, for towers over any grid.
    Patches(ImagePatches),
    /// Tiles of one size.
    Tiles(ImageTiles),
}

impl PixelValues {
    /// Prepares a picture.
    ///
    /// # Errors
    /// If it is empty or too long for its width, or the preprocessor is that of CLIP.
    pub fn new(preprocessor: &ImagePreprocessor, picture: &RgbImage) -> Result<Self, DecodeError> {
        match preprocessor {
            ImagePreprocessor::Patches(p) => p.preprocess(picture).map(Self::Patches),
            ImagePreprocessor::Tiles(p) => p.preprocess(picture).map(Self::Tiles),
            _ => {
                return Err(DecodeError::Input {
                    what: "the preprocessor",
                    expected: "one that makes patches or tiles".to_owned(),
                    found: "one of CLIP".to_owned(),
                });
            }
        }
        .map_err(|e| DecodeError::Encode(e.into()))
    }

    fn numbers(&self) -> &[f32] {
        match self {
            Self::Patches(p) => &p.pixel_values,
            Self::Tiles(t) => &t.pixel_values,
        }
    }

    /// Tells pictures apart.
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut hash = blake3::Hasher::new();
        match self {
            Self::Patches(p) => p.grid_thw.iter().for_each(|n| {
                hash.update(&(*n as u64).to_le_bytes());
            }),
            Self::Tiles(t) => {
                hash.update(&(t.rows as u64).to_le_bytes());
                hash.update(&(t.cols as u64).to_le_bytes());
            }
        }
        let mut bytes = Vec::new();
        for part in self.numbers().chunks(1 << 14) {
            bytes.clear();
            bytes.extend(part.iter().flat_map(|v| v.to_le_bytes()));
            hash.update(&bytes);
        }
        *hash.finalize().as_bytes()
    }
}

impl VisionLanguageModel {
    /// Encodes pictures, several at once. Videos are pictures of several frames.
    ///
    /// # Errors
    /// If the pictures were prepared for another family.
    pub fn encode_images(&self, pictures: &[PixelValues]) -> Result<Vec<ImageEmbeds>, DecodeError> {
        let mut out = Vec::with_capacity(pictures.len());
        let mut rest = pictures;
        while !rest.is_empty() {
            let n = self.batch(rest);
            let (batch, later) = rest.split_at(n);
            out.extend(self.encode_batch(batch)?);
            rest = later;
        }
        Ok(out)
    }

    /// How many of the next pictures run together: at least one.
    fn batch(&self, pictures: &[PixelValues]) -> usize {
        let mut patches = 0;
        let fits = |p: &&PixelValues| match p {
            PixelValues::Patches(p) => {
                patches += p.grid_thw.iter().product::<usize>();
                patches <= MAX_PATCHES
            }
            PixelValues::Tiles(_) => false,
        };
        pictures.iter().take_while(fits).count().max(1)
    }

    fn encode_batch(&self, pictures: &[PixelValues]) -> Result<Vec<ImageEmbeds>, DecodeError> {
        match (&self.tower, pictures) {
            (Tower::Idefics3(_), [PixelValues::Tiles(tiles)]) => {
                let embeds = self.encode_tiles(tiles)?;
                let grid = [1, 1, embeds.dims()[0]];
                let mut image = ImageEmbeds::new(embeds, grid);
                image.fingerprint = Some(pictures[0].fingerprint());
                Ok(vec![image])
            }
            (Tower::Idefics3(_), _) => Err(other_family("tiles", "patches")),
            _ => self.encode_patches(pictures),
        }
    }

    fn encode_patches(&self, pictures: &[PixelValues]) -> Result<Vec<ImageEmbeds>, DecodeError> {
        let tower = self
            .patch_tower()
            .ok_or_else(|| other_family("tiles", "patches"))?;
        let mut grids = Vec::new();
        let mut numbers = Vec::new();
        for picture in pictures {
            let PixelValues::Patches(p) = picture else {
                return Err(other_family("patches", "tiles"));
            };
            if p.patch_len != tower.patch_len() {
                return Err(DecodeError::Input {
                    what: "pixel_values",
                    expected: format!("patches of {} numbers", tower.patch_len()),
                    found: p.patch_len.to_string(),
                });
            }
            grids.push(p.grid_thw);
            numbers.extend_from_slice(&p.pixel_values);
        }
        let shape = [numbers.len() / tower.patch_len(), tower.patch_len()];
        let pixels = Tensor::from_data(TensorData::new(numbers, shape), &self.device());
        let embeds = tower.encode_patches(pixels, &grids)?;
        let merge = tower.spatial_merge_size();
        let mut start = 0;
        Ok(pictures
            .iter()
            .zip(grids)
            .map(|(picture, [frames, rows, columns])| {
                let grid = [frames, rows / merge, columns / merge];
                let n = grid.iter().product();
                let mut image = ImageEmbeds::new(embeds.clone().narrow(0, start, n), grid);
                image.fingerprint = Some(picture.fingerprint());
                start += n;
                image
            })
            .collect())
    }

    fn encode_tiles(&self, tiles: &ImageTiles) -> Result<Tensor<2>, DecodeError> {
        let tower = self
            .tile_tower()
            .ok_or_else(|| other_family("patches", "tiles"))?;
        let side = tiles.tile_size;
        let visible: Vec<[usize; 2]> = tiles
            .pixel_attention_mask
            .chunks(side * side)
            .map(|mask| {
                let columns = mask[..side].iter().filter(|m| **m).count();
                let rows = mask.chunks(side).filter(|row| row[0]).count();
                [rows, columns]
            })
            .collect();
        let pixels = 3 * side * side;
        let mut out = Vec::new();
        let parts = tiles.pixel_values.chunks(MAX_TILES * pixels);
        for (numbers, visible) in parts.zip(visible.chunks(MAX_TILES)) {
            // Tiles that only pad a batch have no tokens.
            let real: Vec<usize> = (0..visible.len()).filter(|&i| visible[i][0] > 0).collect();
            let seen: Vec<[usize; 2]> = real.iter().map(|&i| visible[i]).collect();
            let mut data = Vec::with_capacity(real.len() * pixels);
            for &i in &real {
                data.extend_from_slice(&numbers[i * pixels..(i + 1) * pixels]);
            }
            if real.is_empty() {
                continue;
            }
            let data = TensorData::new(data, [real.len(), 3, side, side]);
            let tokens = tower.encode_tiles(Tensor::from_data(data, &self.device()), &seen)?;
            let [n, per_tile, width] = tokens.dims();
            out.push(tokens.reshape([n * per_tile, width]));
        }
        match out.is_empty() {
            true => Err(DecodeError::Input {
                what: "pixel_values",
                expected: "at least one tile".to_owned(),
                found: "none".to_owned(),
            }),
            false => Ok(Tensor::cat(out, 0)),
        }
    }

    /// Puts the tokens of images where `input_ids` has image or video tokens.
    ///
    /// # Errors
    /// If there are more or fewer of these than the images have.
    pub fn segments(
        &self,
        input_ids: &[TokenId],
        images: &[ImageEmbeds],
    ) -> Result<Vec<Segment>, DecodeError> {
        let config = self.vlm_config();
        let is_image = |id: TokenId| id == config.image_token_id || id == config.video_token_id;
        let wanted = input_ids.iter().filter(|id| is_image(**id)).count();
        let given: usize = images.iter().map(|image| image.embeds.dims()[0]).sum();
        let mismatch = |found: String| DecodeError::Input {
            what: "the images of a prompt",
            expected: format!("{wanted} tokens, as many as the prompt has places for"),
            found,
        };
        if wanted != given {
            return Err(mismatch(format!(
                "{given} tokens in {} images",
                images.len()
            )));
        }
        // Tiles of one picture stand apart in the prompt; so a picture is used up piece by piece.
        let mut images = images.iter();
        let mut current: Option<(&ImageEmbeds, usize)> = None;
        let mut out = Vec::new();
        for run in input_ids.chunk_by(|a, b| is_image(*a) == is_image(*b)) {
            if !is_image(run[0]) {
                out.push(Segment::Text(run.to_vec()));
                continue;
            }
            let mut left = run.len();
            while left > 0 {
                let (image, used) = match current.take() {
                    Some(part) => part,
                    None => (
                        images
                            .next()
                            .ok_or_else(|| mismatch("too few images".to_owned()))?,
                        0,
                    ),
                };
                let n = image.embeds.dims()[0] - used;
                let taken = n.min(left);
                if taken == 0 {
                    continue;
                }
                let whole = taken == image.embeds.dims()[0];
                if !whole && self.tile_tower().is_none() {
                    return Err(mismatch(format!(
                        "an image of {} tokens where the prompt has a place for {}",
                        image.embeds.dims()[0],
                        run.len()
                    )));
                }
                out.push(Segment::Image(match whole {
                    true => image.clone(),
                    false => part(image, used, taken),
                }));
                left -= taken;
                if used + taken < image.embeds.dims()[0] {
                    current = Some((image, used + taken));
                }
            }
        }
        Ok(out)
    }
}

/// Some tokens of an image, with a fingerprint of their own.
fn part(image: &ImageEmbeds, start: usize, n: usize) -> ImageEmbeds {
    let mut out = ImageEmbeds::new(image.embeds.clone().narrow(0, start, n), [1, 1, n]);
    out.fingerprint = image.fingerprint.map(|fingerprint| {
        let mut hash = blake3::Hasher::new();
        hash.update(&fingerprint);
        hash.update(&(start as u64).to_le_bytes());
        *hash.finalize().as_bytes()
    });
    out
}

fn other_family(expected: &str, found: &str) -> DecodeError {
    DecodeError::Input {
        what: "pixel_values",
        expected: format!("{expected}, as the tower takes them"),
        found: found.to_owned(),
    }
}
