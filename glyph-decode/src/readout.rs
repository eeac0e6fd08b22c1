//! Reads text out of vision tokens.

mod finer;
mod model;

pub use finer::{FinerConfig, FinerModel, SplitStep};
pub use model::{ReadoutConfig, ReadoutModel};

use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_store::{HalfPrecisionAdapter, ModuleSnapshot, SafetensorsStore};
use glyph_encode::builtin::unpack;
use glyph_encode::{BBox, TokenPosition, VisionTokens};
use serde::Serialize;

use crate::{Cell, Charset, DecodeError};

/// A row of text as read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LineReading {
    /// Page number, from 1.
    pub page: u32,
    /// Row of text on the page, from 1.
    pub row: u32,
    /// The row from its first to its last ink, in pixels of the page.
    pub bbox: BBox,
    /// The words, without blanks at the end; `\u{fffd}` stands for ink that is not legible.
    pub text: String,
    /// Probability of each character of `text`.
    pub confidences: Vec<f32>,
    /// Whether the row's last half-width cell is inked: the built-in page style fills it only where
    /// a word goes on in the next row.
    pub continues: bool,
}

impl LineReading {
    /// Mean probability of the characters that are not blank.
    pub fn confidence(&self) -> f32 {
        let inked = self
            .text
            .chars()
            .zip(&self.confidences)
            .filter(|(c, _)| *c != ' ');
        let (sum, n) = inked.fold((0.0, 0), |(s, n), (_, p)| (s + p, n + 1));
        if n == 0 { 0.0 } else { sum / n as f32 }
    }
}

/// Turns vision tokens into lines of text.
pub trait Readout: Send + Sync {
    /// Reads rows of text in the order of the tokens' positions.
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
    /// Splits tokens of further ratios.
    finer: Option<FinerModel>,
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
        let finer = include_bytes!("../assets/finer.safetensors");
        Self::from_bytes("embedded readout.safetensors", bytes.to_vec(), device)?
            .with_finer("embedded finer.safetensors", finer)
    }

    /// Loads weights that `train_reader` exported.
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
        load(&mut model, bytes).map_err(fail)?;
        Ok(Self {
            model,
            config,
            finer: None,
            device: device.clone(),
        })
    }

    /// Adds the further ratios that `train_reader --ratios` exported on top of these weights, packed
    /// as [`pack`](glyph_encode::builtin::pack) does it.
    ///
    /// # Errors
    /// If a tensor is missing, unused or of another shape.
    pub fn with_finer(mut self, name: &str, packed: &[u8]) -> Result<Self, DecodeError> {
        let fail = |reason: String| DecodeError::Weights {
            name: name.to_owned(),
            reason,
        };
        let mut model = FinerConfig::default().init(&self.device);
        load(&mut model, unpack(packed).map_err(fail)?).map_err(fail)?;
        self.finer = Some(model);
        Ok(self)
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
        let finer = self.finer.as_ref().ok_or_else(unknown)?;
        let level = level(finer.base(merge_size)).ok_or_else(unknown)?;
        Ok(self.model.cells(finer.split(tokens, merge_size), level))
    }

    /// Contents and probabilities of the cells of some tokens of one ratio.
    fn cells(&self, tokens: Tensor<2>, merge_size: usize) -> Result<Vec<(Cell, f32)>, DecodeError> {
        let features = self.features(tokens, merge_size)?;
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
        Ok(head
            .iter()
            .zip(&tail)
            .zip(&probability)
            .map(|((&h, &t), &p)| (set.cell_of(h, t), p))
            .collect())
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
        let mut start = 0;
        while start < n {
            let merge_size = tokens.positions[start].merge_size;
            let same = tokens.positions[start..]
                .iter()
                .take(BATCH_TOKENS)
                .take_while(|p| p.merge_size == merge_size)
                .count();
            let cells = self.cells(
                tokens.features.clone().narrow(0, start, same),
                merge_size as usize,
            )?;
            let per_token = cells.len() / same;
            for (position, cells) in tokens.positions[start..start + same]
                .iter()
                .zip(cells.chunks_exact(per_token))
            {
                if builder.as_ref().is_none_or(|b| !b.same_row(position)) {
                    lines.extend(builder.take().and_then(LineBuilder::finish));
                }
                builder
                    .get_or_insert_with(|| LineBuilder::new(*position))
                    .push(position, cells);
            }
            start += same;
        }
        lines.extend(builder.and_then(LineBuilder::finish));
        Ok(lines)
    }
}

/// Cells in a row of the built-in style.
const CELLS_PER_ROW: usize = 96;
/// Half-width cells in a patch.
const CELLS_PER_PATCH: usize = 2;

fn load<M: ModuleSnapshot>(module: &mut M, bytes: Vec<u8>) -> Result<(), String> {
    let mut store =
        SafetensorsStore::from_bytes(Some(bytes)).with_from_adapter(HalfPrecisionAdapter::new());
    let result = module.load_from(&mut store).map_err(|e| e.to_string())?;
    if result.unused.is_empty() {
        return Ok(());
    }
    Err(format!("unused tensors: {}", result.unused.join(", ")))
}

struct LineBuilder {
    first: TokenPosition,
    last: TokenPosition,
    cells: Vec<(Cell, f32)>,
    /// Cells that one token stands for.
    per_token: usize,
}

impl LineBuilder {
    fn new(first: TokenPosition) -> Self {
        Self {
            first,
            last: first,
            cells: Vec::new(),
            per_token: 1,
        }
    }

    fn same_row(&self, p: &TokenPosition) -> bool {
        let key = |p: &TokenPosition| (p.page, p.row, p.detail, p.merge_size);
        key(p) == key(&self.first) && p.column > self.last.column
    }

    fn push(&mut self, position: &TokenPosition, cells: &[(Cell, f32)]) {
        self.per_token = cells.len();
        // Boxes without ink have no token: they are blanks.
        self.cells
            .resize(position.column as usize * cells.len(), (Cell::Blank, 1.0));
        self.cells.extend_from_slice(cells);
        self.last = *position;
    }

    fn finish(self) -> Option<LineReading> {
        let inked = |c: &(Cell, f32)| c.0 != Cell::Blank;
        let first = self.cells.iter().position(inked)?;
        let end = self.cells.iter().rposition(inked)? + 1;
        let mut text = String::new();
        let mut confidences = Vec::new();
        let mut i = 0;
        while i < end {
            let (cell, p) = self.cells[i];
            i += 1;
            let c = match cell {
                Cell::Blank => ' ',
                Cell::Char(c) => {
                    // A full-width character and its second half are one character.
                    if let Some(&(Cell::SecondHalf, q)) = self.cells.get(i) {
                        i += 1;
                        text.push(c);
                        confidences.push(p.min(q));
                        continue;
                    }
                    c
                }
                Cell::SecondHalf | Cell::Unknown => char::REPLACEMENT_CHARACTER,
            };
            text.push(c);
            // What is not legible has no certainty to claim, however sure the model is of that.
            confidences.push(if c == char::REPLACEMENT_CHARACTER {
                0.0
            } else {
                p
            });
        }
        let first_box = self.first.bbox;
        let cell_width = first_box.width as f32 / self.per_token as f32;
        let row_x = first_box.x as f32 - self.first.column as f32 * first_box.width as f32;
        let (x0, x1) = (
            row_x + first as f32 * cell_width,
            row_x + end as f32 * cell_width,
        );
        Some(LineReading {
            page: self.first.page,
            row: self.first.row,
            bbox: BBox {
                x: x0.max(0.0) as u32,
                y: first_box.y,
                width: (x1 - x0).ceil() as u32,
                height: first_box.height,
            },
            text,
            confidences,
            continues: end == CELLS_PER_ROW,
        })
    }
}
