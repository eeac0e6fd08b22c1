//! Reads text out of vision tokens.

mod calibration;
mod line;
mod model;

pub use calibration::{Calibration, CalibrationTable};
pub use line::LineReading;
pub use model::{ReadoutConfig, ReadoutModel};

use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_store::{HalfPrecisionAdapter, ModuleSnapshot, SafetensorsStore};
use glyph_encode::{Detail, VisionTokens};

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

/// The built-in readout: every token tells its own cells, all at once.
#[derive(Debug)]
pub struct BuiltinReadout {
    model: ReadoutModel,
    config: ReadoutConfig,
    calibration: CalibrationTable,
    device: Device,
}

impl BuiltinReadout {
    /// Loads the embedded weights.
    ///
    /// # Errors
    /// If the embedded weights do not fit, which the crate's tests rule out.
    #[cfg(feature = "builtin-weights")]
    pub fn new(device: &Device) -> Result<Self, DecodeError> {
        let bytes = include_bytes!("../assets/readout.safetensors");
        Ok(
            Self::from_bytes("embedded readout.safetensors", bytes.to_vec(), device)?
                .with_calibration(CalibrationTable::builtin()?),
        )
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
            calibration: CalibrationTable::default(),
            device: device.clone(),
        })
    }

    /// Corrects confidences by `calibration`, which belongs to these weights.
    #[must_use]
    pub fn with_calibration(mut self, calibration: CalibrationTable) -> Self {
        self.calibration = calibration;
        self
    }

    /// Contents and probabilities of the cells of some tokens of one detail.
    fn cells(&self, features: Tensor<2>, detail: Detail) -> Result<Vec<(Cell, f32)>, DecodeError> {
        let level = match detail {
            Detail::Local => 0,
            Detail::Global => 1,
        };
        let features = self.model.cells(features, level);
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
        let calibration = self.calibration.of(self.config.cells[level]);
        Ok(head
            .iter()
            .zip(&tail)
            .zip(&probability)
            .map(|((&h, &t), &p)| (set.cell_of(h, t), calibration.apply(p)))
            .collect())
    }

    /// [`cells`](Self::cells) of all tokens, in their order whatever their details.
    fn cells_of_all(&self, tokens: &VisionTokens) -> Result<Vec<Vec<(Cell, f32)>>, DecodeError> {
        let mut all = vec![Vec::new(); tokens.len()];
        let mut left: Vec<usize> = (0..tokens.len()).collect();
        while let Some(&first) = left.first() {
            let detail = tokens.positions[first].detail;
            let (same, others): (Vec<usize>, Vec<usize>) = left
                .into_iter()
                .partition(|&i| tokens.positions[i].detail == detail);
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
                let cells = self.cells(features, detail)?;
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
                .get_or_insert_with(|| LineBuilder::new(*position, cells.len()))
                .push(position, &cells);
        }
        lines.extend(builder.and_then(LineBuilder::finish));
        Ok(lines)
    }
}
