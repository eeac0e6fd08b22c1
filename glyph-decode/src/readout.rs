//! Reads text out of vision tokens.

mod calibration;
mod finer;
mod line;
mod model;

pub use calibration::{Calibration, CalibrationTable, CharacterKind};
pub use finer::{FinerConfig, FinerModel, SplitStep, WidenerConfig};
pub use line::LineReading;
pub use model::{ReadoutConfig, ReadoutModel};

use std::sync::OnceLock;

use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_store::SafetensorsStore;
use glyph_encode::builtin::{load_weights, unpack};
use glyph_encode::{TokenPosition, VisionTokens};

use crate::{Cell, Charset, DecodeError};
use line::LineBuilder;

/// Turns vision tokens into lines of text.
pub trait Readout: Send + Sync {
    /// Reads rows of text in the order of the tokens' positions. A row's tokens may be of several
    /// details, from left to right: where a part of it was encoded again more finely.
    ///
    /// # Errors
    /// If the tokens are not of the width that the readout takes.
    fn read(&self, tokens: &VisionTokens) -> Result<Vec<LineReading>, DecodeError>;
}

/// Tokens that are read at once: bounds memory.
const BATCH_TOKENS: usize = 512;
/// Patches of squeezed tokens that go through their blocks at once: keeps a core's cache warm.
const BATCH_PATCHES: usize = 768;
/// CJK begins here, and with it nearly all full-width characters.
const FIRST_WIDE: char = '\u{2e80}';
/// Half-width cells in a patch.
const CELLS_PER_PATCH: usize = 2;

/// The built-in readout: every token tells its own cells, all at once.
#[derive(Debug)]
pub struct BuiltinReadout {
    model: ReadoutModel,
    config: ReadoutConfig,
    /// Splits tokens of further ratios.
    finer: OnceLock<FinerModel>,
    /// The embedded ones, packed: loaded when a token asks for them.
    embedded: Option<&'static [u8]>,
    calibration: CalibrationTable,
    device: Device,
}

/// Tokens that are read and judged alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind {
    merge_size: usize,
    foreign: bool,
}

impl Kind {
    fn of(position: &TokenPosition) -> Self {
        Self {
            merge_size: position.merge_size as usize,
            foreign: position.foreign,
        }
    }
}

impl BuiltinReadout {
    /// Loads the embedded weights.
    ///
    /// # Errors
    /// If the embedded weights do not fit, which the crate's tests rule out.
    #[cfg(feature = "builtin-weights")]
    pub fn new(device: &Device) -> Result<Self, DecodeError> {
        let bytes = include_bytes!("../assets/readout.safetensors");
        let mut readout = Self::from_bytes("embedded readout.safetensors", bytes.to_vec(), device)?;
        readout.embedded = Some(include_bytes!("../assets/finer.safetensors"));
        Ok(readout.with_calibration(CalibrationTable::builtin()?))
    }

    /// Loads weights that `train_reader` exported. Confidences are the softmax's own until
    /// [`with_calibration`](Self::with_calibration) says what they are worth.
    ///
    /// # Errors
    /// If a tensor is missing, unused or of another shape.
    pub fn from_bytes(name: &str, bytes: Vec<u8>, device: &Device) -> Result<Self, DecodeError> {
        let fail = |reason: String| DecodeError::Weights {
            name: name.to_owned(),
            reason,
        };
        let set = Charset::builtin();
        let config = ReadoutConfig::new(set.head_classes(), set.tail_classes());
        let mut model = config.init(device);
        load_weights(&mut model, SafetensorsStore::from_bytes(Some(bytes))).map_err(fail)?;
        Ok(Self {
            model,
            config,
            finer: OnceLock::new(),
            embedded: None,
            calibration: CalibrationTable::default(),
            device: device.clone(),
        })
    }

    /// Adds the further ratios that `train_reader --ratios` exported on top of these weights, packed
    /// as [`pack`](glyph_encode::builtin::pack) does it.
    ///
    /// # Errors
    /// If a tensor is missing, unused or of another shape.
    pub fn with_finer(mut self, name: &str, packed: &[u8]) -> Result<Self, DecodeError> {
        self.finer = OnceLock::from(self.load_finer(name, packed)?);
        Ok(self)
    }

    fn load_finer(&self, name: &str, packed: &[u8]) -> Result<FinerModel, DecodeError> {
        let fail = |reason: String| DecodeError::Weights {
            name: name.to_owned(),
            reason,
        };
        let mut model = FinerConfig::default().init(&self.device);
        let bytes = unpack(packed).map_err(&fail)?;
        load_weights(&mut model, SafetensorsStore::from_bytes(Some(bytes))).map_err(&fail)?;
        Ok(model)
    }

    /// The layers that split tokens of further ratios, if there are any.
    fn finer(&self) -> Result<Option<&FinerModel>, DecodeError> {
        if let (None, Some(packed)) = (self.finer.get(), self.embedded) {
            let model = self.load_finer("embedded finer.safetensors", packed)?;
            // Another thread may have been faster, with the same weights.
            let _ = self.finer.set(model);
        }
        Ok(self.finer.get())
    }

    /// Corrects confidences by `calibration`, which belongs to these weights.
    #[must_use]
    pub fn with_calibration(mut self, calibration: CalibrationTable) -> Self {
        self.calibration = calibration;
        self
    }

    /// Features of the cells of some tokens, each of which stands for so many patches.
    fn features(&self, tokens: Tensor<2>, merge_size: usize) -> Result<Tensor<2>, DecodeError> {
        let level = |size: usize| {
            let cells = size * CELLS_PER_PATCH;
            self.config.cells.iter().position(|&c| c == cells)
        };
        if let Some(level) = level(merge_size) {
            return Ok(self.model.cells(tokens, level));
        }
        let unknown = || DecodeError::MergeSize { found: merge_size };
        let finer = self.finer()?.ok_or_else(unknown)?;
        let batches = tokens.clone().split((BATCH_PATCHES / merge_size).max(1), 0);
        let cells: Option<Vec<_>> = batches
            .into_iter()
            .map(|batch| finer.cells(batch, merge_size))
            .collect();
        if let Some(cells) = cells {
            return Ok(Tensor::cat(cells, 0));
        }
        let level = level(finer.base(merge_size)).ok_or_else(unknown)?;
        Ok(self.model.cells(finer.split(tokens, merge_size), level))
    }

    /// Contents and probabilities of the cells of some tokens of one kind.
    fn cells(&self, tokens: Tensor<2>, kind: Kind) -> Result<Vec<(Cell, f32)>, DecodeError> {
        let features = self.features(tokens, kind.merge_size)?;
        let (mut probability, head) = best(self.model.head(features.clone()))?;
        let tail_rows: Vec<i32> = (0..head.len())
            .filter(|&i| head[i] == Charset::TAIL)
            .map(|i| i as i32)
            .collect();
        let mut tail = vec![0; head.len()];
        if !tail_rows.is_empty() {
            let n = tail_rows.len();
            let rows =
                Tensor::<1, Int>::from_data(TensorData::new(tail_rows.clone(), [n]), &self.device);
            let (p, class) = best(self.model.tail(features.select(0, rows)))?;
            for ((row, p), class) in tail_rows.into_iter().zip(p).zip(class) {
                probability[row as usize] *= p;
                tail[row as usize] = class;
            }
        }
        let set = Charset::builtin();
        let of = |kind_of| {
            self.calibration
                .of(kind.merge_size * CELLS_PER_PATCH, kind_of)
        };
        let (narrow, wide) = match kind.foreign {
            false => (of(CharacterKind::Own), of(CharacterKind::Own)),
            true => (of(CharacterKind::Foreign), of(CharacterKind::ForeignWide)),
        };
        let judged = |((&h, &t), &p): ((&usize, &usize), &f32)| {
            let cell = set.cell_of(h, t);
            let calibration = match cell {
                Cell::SecondHalf => wide,
                Cell::Char(c) if c >= FIRST_WIDE => wide,
                _ => narrow,
            };
            (cell, calibration.apply(p))
        };
        Ok(head
            .iter()
            .zip(&tail)
            .zip(&probability)
            .map(judged)
            .collect())
    }

    /// [`cells`](Self::cells) of all tokens, in their order whatever their ratios.
    fn cells_of_all(&self, tokens: &VisionTokens) -> Result<Vec<Vec<(Cell, f32)>>, DecodeError> {
        let mut all = vec![Vec::new(); tokens.len()];
        let mut left: Vec<usize> = (0..tokens.len()).collect();
        while let Some(&first) = left.first() {
            let kind = Kind::of(&tokens.positions[first]);
            let (same, others): (Vec<usize>, Vec<usize>) = left
                .into_iter()
                .partition(|&i| Kind::of(&tokens.positions[i]) == kind);
            left = others;
            for batch in same.chunks(BATCH_TOKENS) {
                let n = batch.len();
                let features = if batch[n - 1] - batch[0] == n - 1 {
                    tokens.features.clone().narrow(0, batch[0], n)
                } else {
                    let rows = batch.iter().map(|&i| i as i32).collect::<Vec<_>>();
                    let rows =
                        Tensor::<1, Int>::from_data(TensorData::new(rows, [n]), &self.device);
                    tokens.features.clone().select(0, rows)
                };
                let cells = self.cells(features, kind)?;
                for (&i, own) in batch.iter().zip(cells.chunks_exact(cells.len() / n)) {
                    all[i] = own.to_vec();
                }
            }
        }
        Ok(all)
    }
}

/// Largest probability and its class, by row.
fn best(logits: Tensor<2>) -> Result<(Vec<f32>, Vec<usize>), DecodeError> {
    let [rows, classes] = logits.dims();
    let data = logits.into_data().convert::<f32>();
    let values: Vec<f32> = data
        .try_to_vec()
        .map_err(|e| DecodeError::Tensor(format!("{e:?}")))?;
    let mut probabilities = Vec::with_capacity(rows);
    let mut indices = Vec::with_capacity(rows);
    for row in values.chunks_exact(classes) {
        let (at, max) = row
            .iter()
            .enumerate()
            .fold((0, f32::NEG_INFINITY), |best, (i, &v)| {
                if v > best.1 { (i, v) } else { best }
            });
        // Classes 20 nats below the best change the sum by less than f32 can tell.
        let sum: f32 = row
            .iter()
            .filter(|&&v| v > max - 20.0)
            .map(|&v| (v - max).exp())
            .sum();
        probabilities.push(1.0 / sum);
        indices.push(at);
    }
    Ok((probabilities, indices))
}

impl Readout for BuiltinReadout {
    fn read(&self, tokens: &VisionTokens) -> Result<Vec<LineReading>, DecodeError> {
        let [n, width] = tokens.features.dims();
        if n != tokens.positions.len() {
            return Err(DecodeError::Positions {
                tokens: n,
                positions: tokens.positions.len(),
            });
        }
        if n > 0 && width != self.config.hidden_size {
            return Err(DecodeError::HiddenSize {
                expected: self.config.hidden_size,
                found: width,
            });
        }
        let mut lines = Vec::new();
        let mut builder: Option<LineBuilder> = None;
        for (position, cells) in tokens.positions.iter().zip(self.cells_of_all(tokens)?) {
            if builder
                .as_ref()
                .is_none_or(|b| !b.takes(position, cells.len()))
            {
                lines.extend(builder.take().and_then(LineBuilder::finish));
            }
            builder
                .get_or_insert_with(|| LineBuilder::new(*position))
                .push(position, &cells);
        }
        lines.extend(builder.and_then(LineBuilder::finish));
        Ok(lines)
    }
}
