//! Reads the fixtures that `tools/parity/vlm` writes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use glyph_decode::{PixelValues, TokenId};
use glyph_encode::preprocess::{ImagePreprocessor, ImageTiles, PatchPreprocessor};
use image::RgbImage;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

/// A checkpoint with its cases.
pub(crate) struct Family {
    name: String,
    folder: PathBuf,
    cases: BTreeMap<String, CaseEntry>,
    preprocessor: ImagePreprocessor,
}

#[derive(Deserialize)]
struct CaseEntry {
    images: Vec<String>,
    #[serde(default)]
    frames: Vec<String>,
    rows: Option<usize>,
}

/// An array of a safetensors file.
#[derive(Clone)]
struct Array {
    shape: Vec<usize>,
    bytes: Vec<u8>,
    dtype: Dtype,
}

impl Array {
    fn floats(&self) -> Vec<f32> {
        assert_eq!(self.dtype, Dtype::F32);
        self.bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect()
    }

    fn integers(&self) -> Vec<i64> {
        assert_eq!(self.dtype, Dtype::I64);
        self.bytes
            .as_chunks()
            .0
            .iter()
            .map(|b| i64::from_le_bytes(*b))
            .collect()
    }
}

fn read(path: &Path) -> BTreeMap<String, Array> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = SafeTensors::deserialize(&bytes).expect("the script wrote it");
    file.iter()
        .map(|(name, view)| {
            let array = Array {
                shape: view.shape().to_vec(),
                bytes: view.data().to_vec(),
                dtype: view.dtype(),
            };
            (name.to_owned(), array)
        })
        .collect()
}

impl Family {
    pub(crate) fn open(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/vlm")
            .join(name);
        let json = |file: &str| std::fs::read(folder.join(file)).expect("the fixture is there");
        Self {
            name: name.to_owned(),
            cases: serde_json::from_slice(&json("cases.json")).expect("the script wrote it"),
            preprocessor: ImagePreprocessor::from_json(
                &String::from_utf8(json("preprocessor_config.json")).expect("text"),
            )
            .expect("the script wrote it"),
            folder,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn cases(&self) -> impl Iterator<Item = Case<'_>> {
        self.cases.iter().map(|(name, entry)| Case {
            family: self,
            name: name.clone(),
            rows: entry.rows.unwrap_or(1),
            batched: entry.rows.is_some(),
            entry,
            tensors: read(&self.folder.join(format!("cases/{name}.safetensors"))),
        })
    }

    /// A picture as the checkpoint's own preprocessor sees it.
    fn picture(&self, name: &str) -> RgbImage {
        let path = self.folder.join(format!("images/{name}.png"));
        image::open(path).expect("a picture").to_rgb8()
    }
}

/// Prompts with the tensors that `transformers` made of them.
pub(crate) struct Case<'f> {
    family: &'f Family,
    pub(crate) name: String,
    /// Prompts in the case.
    pub(crate) rows: usize,
    batched: bool,
    entry: &'f CaseEntry,
    tensors: BTreeMap<String, Array>,
}

impl Case<'_> {
    /// Name of a row's tensor.
    pub(crate) fn key(&self, name: &str, row: usize) -> String {
        match self.batched {
            true => format!("{name}.{row}"),
            false => name.to_owned(),
        }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.tensors.contains_key(key)
    }

    fn array(&self, key: &str) -> &Array {
        let tensor = self.tensors.get(key);
        tensor.unwrap_or_else(|| panic!("{} {}: no {key}", self.family.name, self.name))
    }

    pub(crate) fn ids(&self, key: &str) -> Vec<TokenId> {
        self.array(key)
            .integers()
            .iter()
            .map(|&id| id as TokenId)
            .collect()
    }

    /// Frames, rows and columns of patches of each picture, or of each part of a video that has
    /// positions of its own.
    pub(crate) fn grids(&self) -> Vec<[usize; 3]> {
        let key = ["image_grid_thw", "video_grid_thw"];
        let Some(key) = key.into_iter().find(|k| self.has(k)) else {
            return Vec::new();
        };
        let numbers = self.array(key).integers();
        let grids = numbers
            .as_chunks::<3>()
            .0
            .iter()
            .map(|g| g.map(|n| n as usize));
        if self.family.name != "glm4v" {
            return grids.collect();
        }
        // GLM tells the time by text between frames.
        grids
            .flat_map(|[t, h, w]| std::iter::repeat_n([1, h, w], t))
            .collect()
    }

    /// The pictures of the case, prepared by the checkpoint's preprocessor.
    pub(crate) fn pictures(&self) -> Vec<PixelValues> {
        let preprocessor = &self.family.preprocessor;
        let mut out: Vec<PixelValues> = Vec::new();
        for name in &self.entry.images {
            let picture = self.family.picture(name);
            out.push(PixelValues::new(preprocessor, &picture).expect("a picture"));
        }
        if !self.entry.frames.is_empty() {
            let ImagePreprocessor::Patches(images) = preprocessor else {
                panic!("videos are patches");
            };
            // The frames have their size already, and a video has no least size.
            let mut config = images.config().clone();
            config.min_pixels = 1;
            let video = PatchPreprocessor::new(config).expect("a preprocessor");
            let frames: Vec<_> = self
                .entry
                .frames
                .iter()
                .map(|f| self.family.picture(f))
                .collect();
            // GLM tells the time by text between frames.
            let parts = if self.family.name == "glm4v" {
                2
            } else {
                frames.len()
            };
            for frames in frames.chunks(parts) {
                let patches = video.preprocess_video(frames).expect("frames of one size");
                out.push(PixelValues::Patches(patches));
            }
        }
        if let (true, Some(mask)) = (self.has("pixels"), self.tensors.get("pixel_attention_mask")) {
            out.push(PixelValues::Tiles(self.padded_tiles(mask)));
        }
        out
    }

    /// The tiles of the case `padded`, which no picture gives.
    fn padded_tiles(&self, mask: &Array) -> ImageTiles {
        let pixels = self.array("pixels");
        let [tiles, side, _, _] = pixels.shape[..] else {
            panic!("[tiles, height, width, 3]");
        };
        let seen: Vec<bool> = mask.bytes.iter().map(|&m| m == 1).collect();
        let mut values = Vec::new();
        for (t, c) in (0..tiles).flat_map(|t| [(t, 0), (t, 1), (t, 2)]) {
            let tile = t * side * side;
            let bytes = pixels.bytes[3 * tile..].chunks(3).map(|pixel| pixel[c]);
            values.extend(
                bytes
                    .zip(&seen[tile..])
                    .take(side * side)
                    .map(|(byte, seen)| {
                        let value = (f32::from(byte) / 255.0 - 0.5) / 0.5;
                        if *seen { value } else { 0.0 }
                    }),
            );
        }
        ImageTiles {
            pixel_values: values,
            pixel_attention_mask: seen,
            tile_size: side,
            rows: 0,
            cols: 0,
        }
    }

    /// Patches of all pictures, `[n_patches, patch_len]`.
    pub(crate) fn pixel_values(&self) -> Tensor<2> {
        let mut out = Vec::new();
        let mut width = 1;
        for picture in self.pictures() {
            let PixelValues::Patches(p) = picture else {
                panic!("patches");
            };
            width = p.patch_len;
            out.extend(p.pixel_values);
        }
        let n = out.len() / width;
        Tensor::from_data(TensorData::new(out, [n, width]), &Device::default())
    }

    /// Rows of a state of the windowed tower in the order of the patches.
    pub(crate) fn in_patch_order(&self, state: Tensor<2>) -> Tensor<2> {
        if !self.has("vision.window_index") {
            return state;
        }
        let [n, width] = state.dims();
        let order = self.array("vision.window_index").integers();
        let mut place = vec![0; order.len()];
        for (i, &group) in order.iter().enumerate() {
            place[group as usize] = i;
        }
        let groups = state.reshape([n / 4, 4 * width]);
        let rows = place
            .iter()
            .map(|&i| groups.clone().narrow(0, i, 1))
            .collect();
        Tensor::cat(rows, 0).reshape([n, width])
    }

    /// Positions from a frame to the next.
    pub(crate) fn temporal_step(&self) -> f64 {
        match self.tensors.get("second_per_grid_ts") {
            // `tokens_per_second` of the checkpoint is 4.
            Some(seconds) => 4.0 * f64::from(seconds.floats()[0]),
            None => 1.0,
        }
    }
}

/// Checks a tensor against one of the case: no number differs by more than `tolerance` of the
/// largest.
pub(crate) fn close<const D: usize>(
    found: &Tensor<D>,
    case: &Case<'_>,
    key: &str,
    tolerance: f32,
    what: &str,
) {
    let expected = case.array(key);
    assert_eq!(
        found.dims().to_vec(),
        expected.shape,
        "{what}: shape of {key}"
    );
    let found: Vec<f32> = found.clone().into_data().try_to_vec().expect("f32");
    let expected = expected.floats();
    let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    for (i, (f, e)) in found.iter().zip(&expected).enumerate() {
        assert!(
            (f - e).abs() <= tolerance * largest,
            "{what}: number {i} of {key} is {f}, expected {e}"
        );
    }
}
