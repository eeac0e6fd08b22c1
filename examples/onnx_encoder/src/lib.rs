//! A vision encoder from ONNX in Glyph's pipeline.
//!
//! `build.rs` turns two ONNX graphs into Burn modules, one for each [`Detail`]; [`OnnxEncoder`] puts
//! a [`VisionEncoder`] around them. An ONNX graph knows tensors only: which pixels to look at, which
//! tokens to keep and where on the page each lies is what is written here.
//!
//! The graphs are the built-in encoder's own, so the built-in readout reads what they say. For an
//! encoder of your own, replace the graphs, and give the pipeline a `Readout` trained on its tokens.
//!
//! `tools/onnx/export_encoder.py` writes them. Their weights are the tensors of
//! `glyph-encode/assets/encoder.safetensors`, as f16: burn-onnx folds no cast from f16, so they stay
//! f16 in the program and in memory, and each forward pass casts them.

use std::fmt;

use burn::tensor::{Device, Int, Tensor, TensorData};
use glyph_pipeline::encode::builtin::{
    PATCH_SIZE, PATCHES_PER_ROW, ROW_WIDTH, WINDOW_SIZE, row_windows,
};
use glyph_pipeline::encode::{
    BBox, Detail, EncodeError, EncoderInput, Row, TokenGrid, TokenPosition, VisionEncoder,
    VisionTokens, check_pixel_count, text_rows,
};

/// What `build.rs` made of `onnx/local.onnx`.
#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::unwrap_used,
    reason = "generated"
)]
mod local {
    include!(concat!(env!("OUT_DIR"), "/model/local.rs"));
}

/// What `build.rs` made of `onnx/global.onnx`.
#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::unwrap_used,
    reason = "generated"
)]
mod global {
    include!(concat!(env!("OUT_DIR"), "/model/global.rs"));
}

/// Width of a vision token.
const HIDDEN_SIZE: usize = 384;
/// Rows that go through the network at once.
const BATCH_ROWS: usize = 16;

/// The vision encoder of `onnx/local.onnx` and `onnx/global.onnx`.
pub struct OnnxEncoder {
    local: local::Model,
    global: global::Model,
    device: Device,
}

impl fmt::Debug for OnnxEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnnxEncoder")
            .field("fingerprint", &self.fingerprint())
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

impl OnnxEncoder {
    /// Loads the embedded weights.
    pub fn new(device: &Device) -> Self {
        Self {
            local: local::Model::from_embedded(device),
            global: global::Model::from_embedded(device),
            device: device.clone(),
        }
    }

    /// Vision tokens of windows of pixels, as the graph of `detail` computes them.
    ///
    /// # Shapes
    /// - `pixel_values`: `[rows, PATCHES_PER_ROW, WINDOW_SIZE]`, ink = 1, paper = 0
    /// - output: `[rows, tokens in a row, hidden_size]`
    pub fn forward(&self, pixel_values: Tensor<3>, detail: Detail) -> Tensor<3> {
        match detail {
            Detail::Local => self.local.forward(pixel_values),
            Detail::Global => self.global.forward(pixel_values),
        }
    }

    fn encode_rows(&self, rows: &[Row<'_>], page: u32, detail: Detail) -> VisionTokens {
        let columns = PATCHES_PER_ROW / merge_size(detail);
        let mut pixel_values = vec![0.0; rows.len() * PATCHES_PER_ROW * WINDOW_SIZE];
        let mut keep = Vec::new();
        let mut positions = Vec::new();
        let windows = pixel_values.chunks_exact_mut(PATCHES_PER_ROW * WINDOW_SIZE);
        for (index, (row, windows)) in rows.iter().zip(windows).enumerate() {
            row_windows(&row.pixels, row.stride, windows);
            for column in (0..columns).filter(|&column| has_ink(row, column, columns)) {
                keep.push((index * columns + column) as i32);
                positions.push(TokenPosition {
                    page,
                    row: row.number,
                    column: column as u32,
                    detail,
                    merge_size: merge_size(detail) as u32,
                    foreign: row.foreign,
                    bbox: part(row.bbox, column, columns),
                });
            }
        }
        let shape = [rows.len(), PATCHES_PER_ROW, WINDOW_SIZE];
        let pixel_values = Tensor::from_data(TensorData::new(pixel_values, shape), &self.device);
        let tokens: Tensor<2> = self.forward(pixel_values, detail).flatten(0, 1);
        let keep = TensorData::new(keep, [positions.len()]);
        VisionTokens {
            features: tokens.select(0, Tensor::<1, Int>::from_data(keep, &self.device)),
            positions,
        }
    }
}

impl VisionEncoder for OnnxEncoder {
    fn encode(&self, input: EncoderInput<'_>) -> Result<VisionTokens, EncodeError> {
        let page = input.page;
        check_pixel_count(page)?;
        let mut rows = text_rows(page);
        rows.retain(|row| input.takes(row.bbox));
        let parts: Vec<VisionTokens> = rows
            .chunks(BATCH_ROWS)
            .map(|rows| self.encode_rows(rows, page.number, input.detail))
            .collect();
        VisionTokens::concat(&parts, HIDDEN_SIZE, &self.device)
    }

    fn token_grid(&self, height: u32, width: u32, detail: Detail) -> TokenGrid {
        TokenGrid {
            rows: (height as usize).div_ceil(PATCH_SIZE),
            columns: (width as usize)
                .min(ROW_WIDTH)
                .div_ceil(merge_size(detail) * PATCH_SIZE),
        }
    }

    fn hidden_size(&self) -> usize {
        HIDDEN_SIZE
    }

    fn fingerprint(&self) -> String {
        concat!("onnx-", env!("ONNX_ENCODER_HASH")).to_owned()
    }
}

/// Patches that one vision token stands for.
fn merge_size(detail: Detail) -> usize {
    match detail {
        Detail::Local => 4,
        Detail::Global => 16,
    }
}

/// Whether there is anything to see where a token would stand.
fn has_ink(row: &Row<'_>, column: usize, columns: usize) -> bool {
    let width = ROW_WIDTH / columns;
    let start = column * width;
    (0..PATCH_SIZE).any(|y| {
        let line = &row.pixels[y * row.stride..];
        line[start..start + width].iter().any(|&grey| grey < 255)
    })
}

/// The part of a row's box that a token stands for.
fn part(bbox: BBox, column: usize, columns: usize) -> BBox {
    let at = |column: usize| (bbox.width as usize * column / columns) as u32;
    BBox {
        x: bbox.x + at(column),
        width: at(column + 1) - at(column),
        ..bbox
    }
}
