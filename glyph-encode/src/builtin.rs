//! The encoder that ships: small, trained on the built-in page style, embedded in the crate.
//!
//! Rows of text are cut into 14 px patches on the page's cell grid (see
//! [`glyph_render::CellLayout`]); a stem looks at each patch and half of its neighbours, two
//! transformer blocks mix along the row, and a merger makes one vision token of 4 neighbouring
//! patches ([`Detail::Local`]) or of 16 ([`Detail::Global`]). Mergers on top of these make tokens of
//! 8 and 24 patches; [`BuiltinEncoder::with_merge_sizes`] chooses.

mod coarser;
mod model;
mod packed;
mod preprocess;

pub use coarser::{CoarserConfig, CoarserModel, MergeStep, SqueezerConfig};
pub use model::{
    BuiltinEncoderConfig, EncoderModel, PATCH_SIZE, PATCHES_PER_ROW, RowBlock, WINDOW_SIZE,
    WINDOW_WIDTH,
};
pub(crate) use packed::numbers;
pub use packed::{load_weights, pack, unpack};
pub(crate) use preprocess::is_blank;
pub use preprocess::{ROW_WIDTH, row_windows};

use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_store::SafetensorsStore;

use crate::rows::{Row, Segmenter, text_rows};
use crate::{
    Detail, EncodeError, EncoderInput, TokenGrid, TokenPosition, VisionEncoder, VisionTokens,
    check_pixel_count,
};

/// Rows that go through the network at once: bounds memory, and keeps a core's cache warm.
const BATCH_ROWS: usize = 16;

/// Patches of a token where nothing else was chosen, local and global.
const DEFAULT_SIZES: [usize; 2] = [4, 16];

/// The built-in vision encoder.
#[derive(Debug)]
pub struct BuiltinEncoder {
    model: EncoderModel,
    config: BuiltinEncoderConfig,
    /// A trunk of its own for rows that are not as the built-in style draws them.
    foreign: Option<EncoderModel>,
    /// Further ratios, and a name for their weights.
    coarser: Option<(CoarserModel, String)>,
    /// The embedded ones, packed: loaded when a size asks for them.
    embedded: Option<&'static [u8]>,
    /// Patches of a token, local and global.
    merge_sizes: [usize; 2],
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
        let mut encoder = Self::from_bytes("embedded encoder.safetensors", bytes.to_vec(), device)?;
        encoder.embedded = Some(include_bytes!("../assets/coarser.safetensors"));
        let foreign = include_bytes!("../assets/foreign.safetensors");
        encoder.with_foreign("embedded foreign.safetensors", foreign)
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
        // What pages in other styles are cut into letters by, too.
        let mut hash = blake3::Hasher::new();
        hash.update(&bytes).update(Segmenter::BUILTIN);
        let fingerprint = format!("builtin-{}", &hash.finalize().to_hex()[..16]);
        load_weights(&mut model, SafetensorsStore::from_bytes(Some(bytes))).map_err(fail)?;
        Ok(Self {
            model,
            config,
            foreign: None,
            coarser: None,
            embedded: None,
            merge_sizes: DEFAULT_SIZES,
            fingerprint,
            device: device.clone(),
        })
    }

    /// Adds the further ratios that `train_reader --ratios` exported on top of these weights, packed
    /// as [`pack`] does it.
    ///
    /// # Errors
    /// If a tensor is missing, unused or of another shape.
    pub fn with_coarser(mut self, name: &str, packed: &[u8]) -> Result<Self, EncodeError> {
        let fail = |reason: String| EncodeError::Weights {
            name: name.to_owned(),
            reason,
        };
        let mut model = CoarserConfig::default().init(&self.device);
        let bytes = unpack(packed).map_err(&fail)?;
        load_weights(&mut model, SafetensorsStore::from_bytes(Some(bytes))).map_err(&fail)?;
        let hash = blake3::hash(packed).to_hex()[..16].to_owned();
        self.coarser = Some((model, hash));
        Ok(self)
    }

    /// Adds the trunk that `train_reader --second-trunk` exported on top of these weights, packed as
    /// [`pack`] does it: rows that the built-in style did not draw go through it. Without one, all
    /// rows go through the same.
    ///
    /// # Errors
    /// If a tensor is missing, unused or of another shape.
    pub fn with_foreign(mut self, name: &str, packed: &[u8]) -> Result<Self, EncodeError> {
        let fail = |reason: String| EncodeError::Weights {
            name: name.to_owned(),
            reason,
        };
        let mut model = BuiltinEncoderConfig::second_trunk().init(&self.device);
        let bytes = unpack(packed).map_err(&fail)?;
        load_weights(&mut model, SafetensorsStore::from_bytes(Some(bytes))).map_err(&fail)?;
        let hash = blake3::hash(packed).to_hex();
        self.fingerprint = format!("{}-{}", self.fingerprint, &hash[..8]);
        self.foreign = Some(model);
        Ok(self)
    }

    /// Patches that a token can stand for, the finest first. On English prose that fills its lines
    /// 4, 8, 16, 24 and 48 patches are about 1.9, 3.8, 7.6, 11 and 22 text tokens.
    pub fn available_merge_sizes(&self) -> Vec<usize> {
        let mut sizes = self.config.merge_sizes.clone();
        if self.coarser.is_some() || self.embedded.is_some() {
            sizes.extend(CoarserConfig::default().merge_sizes());
        }
        sizes.sort_unstable();
        sizes
    }

    /// Chooses how many patches a token stands for in crops and in the scan; 4 and 16 if this is
    /// not called.
    ///
    /// # Errors
    /// If a size is none of [`available_merge_sizes`](Self::available_merge_sizes), or the embedded
    /// weights do not fit, which the crate's tests rule out.
    pub fn with_merge_sizes(mut self, local: usize, global: usize) -> Result<Self, EncodeError> {
        let available = self.available_merge_sizes();
        if let Some(size) = [local, global].iter().find(|s| !available.contains(s)) {
            return Err(EncodeError::Input {
                what: "merge size",
                expected: format!("one of {available:?}"),
                found: size.to_string(),
            });
        }
        self.merge_sizes = [local, global];
        let own = |size: &usize| self.config.merge_sizes.contains(size);
        match self.embedded {
            Some(packed) if self.coarser.is_none() && !self.merge_sizes.iter().all(own) => {
                self.with_coarser("embedded coarser.safetensors", packed)
            }
            _ => Ok(self),
        }
    }

    /// Patches that one vision token stands for.
    pub fn merge_size(&self, detail: Detail) -> usize {
        match detail {
            Detail::Local => self.merge_sizes[0],
            Detail::Global => self.merge_sizes[1],
        }
    }

    /// Tokens of some rows.
    fn tokens(&self, pixel_values: Tensor<3>, merge_size: usize, foreign: bool) -> Tensor<2> {
        let trunk = self.foreign.as_ref().filter(|_| foreign);
        let patches = trunk.unwrap_or(&self.model).trunk(pixel_values);
        let own = |size: usize| self.config.merge_sizes.iter().position(|&s| s == size);
        let tokens = match (own(merge_size), &self.coarser) {
            (Some(level), _) => self.model.merge(patches, level),
            (None, Some((coarser, _))) => {
                let base = match coarser.base(merge_size) {
                    1 => patches,
                    base => {
                        let level =
                            own(base).expect("coarser tokens are made of the encoder's own");
                        self.model.merge(patches, level)
                    }
                };
                coarser.merge(base, merge_size)
            }
            (None, None) => unreachable!("with_merge_sizes checked the size"),
        };
        tokens.flatten(0, 1)
    }

    fn encode_region(
        &self,
        input: EncoderInput<'_>,
        staggered: bool,
    ) -> Result<VisionTokens, EncodeError> {
        let page = input.page;
        check_pixel_count(page)?;
        let mut rows = text_rows(page);
        rows.retain(|row| input.takes(row.bbox));
        if staggered {
            rows = rows.iter().map(Row::staggered).collect();
        }
        let parts: Vec<VisionTokens> = rows
            .chunks(BATCH_ROWS)
            .map(|rows| self.encode_rows(rows, page.number, input.detail))
            .collect();
        VisionTokens::concat(&parts, self.config.hidden_size, &self.device)
    }

    fn encode_rows(&self, rows: &[Row<'_>], page: u32, detail: Detail) -> VisionTokens {
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
                    merge_size: merge as u32,
                    foreign: row.foreign,
                    bbox: row.part(column, columns),
                });
            }
        }
        let shape = [rows.len(), PATCHES_PER_ROW, WINDOW_SIZE];
        let pixel_values = Tensor::from_data(TensorData::new(values, shape), &self.device);
        // All rows of a page are of one kind.
        let foreign = rows.iter().any(|row| row.foreign);
        let tokens = self.tokens(pixel_values, merge, foreign);
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
        self.encode_region(input, false)
    }

    /// Half a patch further left.
    fn encode_staggered(
        &self,
        input: EncoderInput<'_>,
    ) -> Result<Option<VisionTokens>, EncodeError> {
        self.encode_region(input, true).map(Some)
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
        let [local, global] = self.merge_sizes;
        match &self.coarser {
            Some((_, hash)) if self.merge_sizes != DEFAULT_SIZES => {
                format!("{}-{hash}-{local}-{global}", self.fingerprint)
            }
            _ => format!("{}-{local}-{global}", self.fingerprint),
        }
    }
}
