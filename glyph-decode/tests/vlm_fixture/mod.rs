//! Reads the fixtures that `tools/parity/vlm` writes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use glyph_decode::{ImageEmbeds, Segment, TokenId, VlmConfig};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use serde_json::Value;

/// A checkpoint with its cases.
pub struct Family {
    name: String,
    folder: PathBuf,
    cases: BTreeMap<String, CaseEntry>,
    preprocessor: Value,
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
    pub fn open(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures/vlm")
            .join(name);
        let json = |file: &str| std::fs::read(folder.join(file)).expect("the fixture is there");
        Self {
            name: name.to_owned(),
            cases: serde_json::from_slice(&json("cases.json")).expect("the script wrote it"),
            preprocessor: serde_json::from_slice(&json("preprocessor_config.json"))
                .expect("the script wrote it"),
            folder,
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn cases(&self) -> impl Iterator<Item = Case<'_>> {
        self.cases.iter().map(|(name, entry)| Case {
            family: self,
            name: name.clone(),
            rows: entry.rows.unwrap_or(1),
            batched: entry.rows.is_some(),
            entry,
            tensors: read(&self.folder.join(format!("cases/{name}.safetensors"))),
        })
    }

    /// A picture after the resize, `[height, width, 3]`.
    fn picture(&self, name: &str) -> ([usize; 2], Vec<u8>) {
        if let Some(array) = read(&self.folder.join("pixels.safetensors")).get(name) {
            return ([array.shape[0], array.shape[1]], array.bytes.clone());
        }
        let path = self.folder.join(format!("images/{name}.png"));
        let image = image::open(path).expect("a picture").to_rgb8();
        (
            [image.height() as usize, image.width() as usize],
            image.into_raw(),
        )
    }
}

/// Prompts with the tensors that `transformers` made of them.
pub struct Case<'f> {
    family: &'f Family,
    pub name: String,
    /// Prompts in the case.
    pub rows: usize,
    batched: bool,
    entry: &'f CaseEntry,
    tensors: BTreeMap<String, Array>,
}

impl Case<'_> {
    /// Name of a row's tensor.
    pub fn key(&self, name: &str, row: usize) -> String {
        match self.batched {
            true => format!("{name}.{row}"),
            false => name.to_owned(),
        }
    }

    pub fn has(&self, key: &str) -> bool {
        self.tensors.contains_key(key)
    }

    fn array(&self, key: &str) -> &Array {
        let tensor = self.tensors.get(key);
        tensor.unwrap_or_else(|| panic!("{} {}: no {key}", self.family.name, self.name))
    }

    pub fn ids(&self, key: &str) -> Vec<TokenId> {
        self.array(key)
            .integers()
            .iter()
            .map(|&id| id as TokenId)
            .collect()
    }

    /// Frames, rows and columns of patches of each picture, or of each part of a video that has
    /// positions of its own.
    pub fn grids(&self) -> Vec<[usize; 3]> {
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

    /// Patches of all pictures, `[n_patches, 1176]`.
    pub fn pixel_values(&self) -> Tensor<2> {
        let mut out = Vec::new();
        for name in &self.entry.images {
            let (size, pixels) = self.family.picture(name);
            self.patches(size, [&pixels, &pixels], &mut out);
        }
        for pair in self.entry.frames.chunks(2) {
            let frames: Vec<_> = pair.iter().map(|name| self.family.picture(name)).collect();
            self.patches(frames[0].0, [&frames[0].1, &frames[1].1], &mut out);
        }
        let n = out.len() / 1176;
        Tensor::from_data(TensorData::new(out, [n, 1176]), &Device::default())
    }

    /// Patches of the picture `i`.
    pub fn image_pixels(&self, i: usize) -> Tensor<2> {
        let sizes: Vec<usize> = self.grids().iter().map(|g| g.iter().product()).collect();
        let start = sizes[..i].iter().sum::<usize>();
        self.pixel_values().narrow(0, start, sizes[i])
    }

    fn patches(&self, [height, width]: [usize; 2], frames: [&[u8]; 2], out: &mut Vec<f32>) {
        let number =
            |key: &str, c: usize| self.family.preprocessor[key][c].as_f64().expect("a number");
        let (rows, columns) = (height / 14, width / 14);
        for block_y in 0..rows / 2 {
            for block_x in 0..columns / 2 {
                for i in 0..4 {
                    let (top, left) = (14 * (2 * block_y + i / 2), 14 * (2 * block_x + i % 2));
                    for c in 0..3 {
                        for frame in frames {
                            for y in top..top + 14 {
                                for x in left..left + 14 {
                                    let v = f64::from(frame[(y * width + x) * 3 + c]) / 255.0;
                                    let v = (v - number("image_mean", c)) / number("image_std", c);
                                    out.push(v as f32);
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Rows of a state of the windowed tower in the order of the patches.
    pub fn in_patch_order(&self, state: Tensor<2>) -> Tensor<2> {
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

    /// The prompt of a row: text, and where image tokens stand the tokens that `embeds` gives for
    /// the picture of that number.
    pub fn segments(
        &self,
        row: usize,
        config: &VlmConfig,
        embeds: impl Fn(usize) -> Tensor<2>,
    ) -> Vec<Segment> {
        let ids = self.ids(&self.key("input_ids", row));
        let is_image = |id: TokenId| id == config.image_token_id || id == config.video_token_id;
        let mut picture = 0;
        let mut out = Vec::new();
        for run in ids.chunk_by(|a, b| is_image(*a) == is_image(*b)) {
            if !is_image(run[0]) {
                out.push(Segment::Text(run.to_vec()));
                continue;
            }
            let [frames, rows, columns] = self.grids()[picture];
            let mut image = ImageEmbeds::new(embeds(picture), [frames, rows / 2, columns / 2]);
            if self.has("second_per_grid_ts") {
                // `tokens_per_second` of the checkpoint is 4.
                image.temporal_step = 4.0 * f64::from(self.array("second_per_grid_ts").floats()[0]);
            }
            image.fingerprint = Some([picture as u8 + 1; 32]);
            out.push(Segment::Image(image));
            picture += 1;
        }
        out
    }
}

/// Checks a tensor against one of the case: no number differs by more than `tolerance` of the
/// largest.
pub fn close<const D: usize>(
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
