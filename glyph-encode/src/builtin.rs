//! The encoder that ships: small, trained on the built-in page style, embedded in the crate.
//!
//! Rows of text are cut into 14 px patches on the page's cell grid (see
//! [`glyph_render::CellLayout`]); a stem looks at each patch and half of its neighbours, two
//! transformer blocks mix along the row, and a merger makes one vision token of 4 neighbouring
//! patches ([`Detail::Local`]) or of 16 ([`Detail::Global`]).

mod model;
mod preprocess;

pub use model::{
    BuiltinEncoderConfig, EncoderModel, PATCH_SIZE, PATCHES_PER_ROW, WINDOW_SIZE, WINDOW_WIDTH,
};
pub(crate) use preprocess::is_blank;
pub use preprocess::{ROW_WIDTH, row_windows};

use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_store::{HalfPrecisionAdapter, ModuleSnapshot, SafetensorsStore};
use glyph_render::BBox;

use crate::rows::{Row, text_rows};
use crate::{
    Detail, EncodeError, EncoderInput, TokenGrid, TokenPosition, VisionEncoder, VisionTokens,
};

/// Rows that go through the network at once: bounds memory, and keeps a core's cache warm.
const BATCH_ROWS: usize = 16;

/// The built-in vision encoder.
#[derive(Debug)]
pub struct BuiltinEncoder {
    model: EncoderModel,
    config: BuiltinEncoderConfig,
    fingerprint: String,
    device: Device,
}

impl BuiltinEncoder {
    /// Loads the embedded weights.
    ///
    /// # Errors
    /// If the embedded weights do not fit, which the crate's tests rule out.
    #[cfg(feature = "builtin-weights")]
    pub fn new(device: &Device) -> Result<Self, EncodeError> {
        let bytes = include_bytes!("../assets/encoder.safetensors");
        Self::from_bytes("embedded encoder.safetensors", bytes.to_vec(), device)
    }

    /// Loads weights that `train_reader` exported.
    ///
    /// # Errors
    /// If a tensor is missing, unused or of another shape.
    pub fn from_bytes(name: &str, bytes: Vec<u8>, device: &Device) -> Result<Self, EncodeError> {
        let fail = |reason: String| EncodeError::Weights {
            name: name.to_owned(),
            reason,
        };
        let config = BuiltinEncoderConfig::default();
        let mut model = config.init(device);
        let fingerprint = format!("builtin-{}", &blake3::hash(&bytes).to_hex()[..16]);
        let mut store = SafetensorsStore::from_bytes(Some(bytes))
            .with_from_adapter(HalfPrecisionAdapter::new());
        let result = model
            .load_from(&mut store)
            .map_err(|e| fail(e.to_string()))?;
        if !result.unused.is_empty() {
            return Err(fail(format!(
                "unused tensors: {}",
                result.unused.join(", ")
            )));
        }
        Ok(Self {
            model,
            config,
            fingerprint,
            device: device.clone(),
        })
    }

    /// Patches that one vision token stands for.
    pub fn merge_size(&self, detail: Detail) -> usize {
        self.config.merge_sizes[level(detail)]
    }

    fn encode_rows(&self, rows: &[&Row<'_>], page: u32, detail: Detail) -> VisionTokens {
        let merge = self.merge_size(detail);
        let columns = PATCHES_PER_ROW / merge;
        let mut values = vec![0.0; rows.len() * PATCHES_PER_ROW * WINDOW_SIZE];
        let mut keep = Vec::new();
        let mut positions = Vec::new();
        for (i, (row, out)) in rows
            .iter()
            .zip(values.chunks_exact_mut(PATCHES_PER_ROW * WINDOW_SIZE))
            .enumerate()
        {
            row_windows(&row.pixels, row.stride, out);
            for column in 0..columns {
                let width = merge * PATCH_SIZE;
                if is_blank(&row.pixels, row.stride, column * width, width) {
                    continue;
                }
                keep.push((i * columns + column) as i32);
                positions.push(TokenPosition {
                    page,
                    row: row.number,
                    column: column as u32,
                    detail,
                    bbox: part(row.bbox, column, columns),
                });
            }
        }
        let shape = [rows.len(), PATCHES_PER_ROW, WINDOW_SIZE];
        let pixel_values = Tensor::from_data(TensorData::new(values, shape), &self.device);
        let tokens: Tensor<2> = self
            .model
            .merge(self.model.trunk(pixel_values), level(detail))
            .flatten(0, 1);
        let n = keep.len();
        let keep = Tensor::<1, Int>::from_data(TensorData::new(keep, [n]), &self.device);
        VisionTokens {
            features: tokens.select(0, keep),
            positions,
        }
    }
}

impl VisionEncoder for BuiltinEncoder {
    fn encode(&self, input: EncoderInput<'_>) -> Result<VisionTokens, EncodeError> {
        let page = input.page;
        let expected = page.width as usize * page.height as usize;
        if page.pixels.len() != expected {
            return Err(EncodeError::PixelCount {
                page: page.number,
                width: page.width,
                height: page.height,
                expected,
                found: page.pixels.len(),
            });
        }
        let rows = text_rows(page);
        let rows: Vec<&Row<'_>> = rows
            .iter()
            .filter(|row| input.region.is_none_or(|r| touches(row.bbox, r)))
            .collect();
        let parts: Vec<VisionTokens> = rows
            .chunks(BATCH_ROWS)
            .map(|rows| self.encode_rows(rows, page.number, input.detail))
            .collect();
        VisionTokens::concat(&parts, self.config.hidden_size, &self.device)
    }

    fn token_grid(&self, height: u32, width: u32, detail: Detail) -> TokenGrid {
        let token_width = self.merge_size(detail) * PATCH_SIZE;
        TokenGrid {
            rows: (height as usize).div_ceil(PATCH_SIZE),
            columns: (width as usize).min(ROW_WIDTH).div_ceil(token_width),
        }
    }

    fn hidden_size(&self) -> usize {
        self.config.hidden_size
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }
}

fn level(detail: Detail) -> usize {
    match detail {
        Detail::Local => 0,
        Detail::Global => 1,
    }
}

/// The part of a row's box that a token stands for.
fn part(bbox: BBox, column: usize, columns: usize) -> BBox {
    let at = |i: usize| (bbox.width as usize * i / columns) as u32;
    BBox {
        x: bbox.x + at(column),
        width: at(column + 1) - at(column),
        ..bbox
    }
}

/// Whether a row lies in the region with at least half of its height.
fn touches(row: BBox, region: BBox) -> bool {
    let top = row.y.max(region.y);
    let bottom = (row.y + row.height).min(region.y + region.height);
    bottom > top
        && 2 * (bottom - top) >= row.height
        && row.x < region.x + region.width
        && region.x < row.x + row.width
}
