//! Encoder, readout and head as one model, from pixels to losses.

use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use glyph_decode::{Cell, Charset};
use glyph_render::{Typesetter, half_cells};

use super::words::{HashedWords, MIN_PROBABILITY};
use super::{AlignmentHead, ImageTower, TowerOutput, WordBatch};
use crate::samples::{CELLS_PER_ROW, pixel_values};
use crate::{AlignError, ReaderModel, ReadingLoss, Sample};

/// Rows of a passage, drawn, and what their cells hold.
#[derive(Debug, Clone)]
pub struct DrawnPassage {
    /// The rows, in order.
    pub rows: Vec<Sample>,
}

impl DrawnPassage {
    /// Draws a passage, its words over as many rows as they need.
    pub fn draw(typesetter: &Typesetter, text: &str) -> Self {
        let width = |s: &str| s.chars().map(half_cells).sum::<usize>();
        let mut rows = Vec::new();
        let mut row = String::new();
        for word in text.split_whitespace() {
            // One cell stays free: ink in the last one says that a word goes on.
            if !row.is_empty() && width(&row) + 1 + width(word) >= CELLS_PER_ROW {
                rows.push(Sample::draw(typesetter, &row));
                row.clear();
            }
            if !row.is_empty() {
                row.push(' ');
            }
            row.push_str(word);
        }
        rows.push(Sample::draw(typesetter, &row));
        Self { rows }
    }
}

/// A reader and a head that are trained together: alignment reaches the encoder through the vision
/// tokens, which the head sees, and the readout through how probable it finds the words that it reads.
#[derive(Module, Debug)]
pub struct JointModel {
    /// Pixels to vision tokens to cells.
    pub reader: ReaderModel,
    /// Words and vision tokens to embeddings.
    pub head: AlignmentHead,
}

/// The finer of the reader's own ratios.
const LEVEL: usize = 0;
/// Characters that say how sure a word is: its first ones.
const WORD_CHARS: usize = 16;

impl ImageTower for JointModel {
    type Input = DrawnPassage;

    fn embed_images(
        &self,
        passages: &[&DrawnPassage],
        device: &Device,
    ) -> Result<TowerOutput, AlignError> {
        if passages.is_empty() || passages.iter().any(|p| p.rows.is_empty()) {
            let rows: Vec<usize> = passages.iter().map(|p| p.rows.len()).collect();
            return Err(AlignError::Input {
                what: "rows of passages",
                expected: "at least one passage, of at least one row each".to_owned(),
                found: format!("{rows:?}"),
            });
        }
        let samples: Vec<&Sample> = passages.iter().flat_map(|p| &p.rows).collect();
        let rows = samples.len();
        let pixel_values = pixel_values(samples.iter().copied(), device);
        let labels: Vec<Cell> = samples.iter().flat_map(|s| s.cells.clone()).collect();
        let ReaderModel { encoder, readout } = &self.reader;

        let tokens = encoder.merge(encoder.trunk(pixel_values), LEVEL);
        let features = readout.cells(tokens.clone().flatten(0, 1), LEVEL);
        let criterion = ReadingLoss::new(&labels, device);
        let reading = criterion.forward(readout, features.clone());

        // What is read, and the logarithm of how probable it is. Characters of the second softmax
        // separate words here: English has none.
        let log_probabilities = log_softmax(readout.head(features), 1);
        let classes = log_probabilities.clone().argmax(1);
        let log_p = log_probabilities
            .gather(1, classes.clone())
            .reshape([rows * CELLS_PER_ROW]);
        let classes = numbers(classes)?;
        let words = self.words(passages, &classes, log_p, device);
        let tokens = match self.head.sees_tokens() {
            true => Some(padded_tokens(passages, tokens, device)),
            false => None,
        };
        Ok(TowerOutput {
            image_emb: self.head.forward(words, tokens)?,
            reading: Some(reading),
        })
    }
}

impl JointModel {
    /// The share of cells with ink that the reader reads right, of drawn passages.
    ///
    /// # Errors
    /// If the readout's classes cannot be taken from the device.
    pub fn cells_right(
        &self,
        passages: &[&DrawnPassage],
        device: &Device,
    ) -> Result<f64, AlignError> {
        let (mut right, mut inked) = (0usize, 0usize);
        for sample in passages.iter().flat_map(|p| &p.rows) {
            let pixels = pixel_values(std::iter::once(sample), device);
            let ReaderModel { encoder, readout } = &self.reader;
            let tokens = encoder.merge(encoder.trunk(pixels), LEVEL);
            let features = readout.cells(tokens.flatten(0, 1), LEVEL);
            let classes = numbers(readout.head(features).argmax(1))?;
            let set = Charset::builtin();
            for (&cell, &class) in sample.cells.iter().zip(&classes) {
                if cell != Cell::Blank {
                    inked += 1;
                    right += usize::from(set.class_of(cell).head as i64 == class);
                }
            }
        }
        Ok(right as f64 / inked.max(1) as f64)
    }

    /// Hashes what is read; weights stay in the graph.
    fn words(
        &self,
        passages: &[&DrawnPassage],
        classes: &[i64],
        log_p: Tensor<1>,
        device: &Device,
    ) -> WordBatch {
        let set = Charset::builtin();
        let mut first_cell = 0;
        // Characters of each word as places in `log_p`, padded with the place after the last, where
        // a 0 stands; features of each passage as a row of the table and a word.
        let (mut cells, mut lengths) = (Vec::<i32>::new(), Vec::<f32>::new());
        let mut features: Vec<Vec<(i32, i32)>> = Vec::new();
        let none = classes.len() as i32;
        for passage in passages {
            let (mut chars, mut places) = (Vec::new(), Vec::new());
            for _ in &passage.rows {
                for (i, &class) in classes[first_cell..first_cell + CELLS_PER_ROW]
                    .iter()
                    .enumerate()
                {
                    match set.cell_of(class as usize, 0) {
                        Cell::SecondHalf => continue,
                        Cell::Char(c) if class as usize != Charset::TAIL => chars.push(c),
                        _ => chars.push(' '),
                    }
                    places.push((first_cell + i) as i32);
                }
                first_cell += CELLS_PER_ROW;
            }
            let hashed = HashedWords::new(&chars, self.head.buckets());
            let base = lengths.len() as i32;
            for word in &hashed.words {
                let own: Vec<i32> = places[word.clone()]
                    .iter()
                    .copied()
                    .take(WORD_CHARS)
                    .collect();
                lengths.push(own.len() as f32);
                cells.extend(&own);
                cells.resize(lengths.len() * WORD_CHARS, none);
            }
            let own = hashed.features.iter();
            features.push(own.map(|f| (f.id as i32, base + f.word as i32)).collect());
        }
        let words = lengths.len().max(1);
        cells.resize(words * WORD_CHARS, none);
        lengths.resize(words, 1.0);
        let ints = |v: Vec<i32>| {
            let n = v.len();
            Tensor::<1, Int>::from_data(TensorData::new(v, [n]), device)
        };
        let zero = Tensor::<1>::zeros([1], device);
        let log_p = Tensor::cat(
            vec![log_p.clamp_min(f64::from(MIN_PROBABILITY.ln())), zero],
            0,
        );
        let of_words = log_p
            .select(0, ints(cells))
            .reshape([words, WORD_CHARS])
            .sum_dim(1)
            .reshape([words])
            / Tensor::from_data(TensorData::new(lengths, [words]), device);

        let longest = features.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let shape = [passages.len(), longest];
        let (mut ids, mut word_of, mut used) = (vec![], vec![], vec![]);
        for own in &features {
            for i in 0..longest {
                let (id, word) = own.get(i).copied().unwrap_or_default();
                ids.push(id);
                word_of.push(word);
                used.push(f32::from(u8::from(i < own.len())));
            }
        }
        let weights = of_words.select(0, ints(word_of)).exp();
        let used = Tensor::<2>::from_data(TensorData::new(used, shape), device);
        WordBatch {
            ids: Tensor::from_data(TensorData::new(ids, shape), device),
            weights: weights.reshape(shape) * used,
        }
    }
}

/// Classes of cells, taken from the device.
fn numbers(classes: Tensor<2, Int>) -> Result<Vec<i64>, AlignError> {
    let data = classes.into_data().convert::<i64>();
    data.try_to_vec::<i64>().map_err(|e| AlignError::Input {
        what: "classes of cells",
        expected: "integers".to_owned(),
        found: format!("{e:?}"),
    })
}

/// Each passage's tokens, one row after the other, padded with zeros.
fn padded_tokens(passages: &[&DrawnPassage], tokens: Tensor<3>, device: &Device) -> Tensor<3> {
    let [_, n, d] = tokens.dims();
    let most = passages.iter().map(|p| p.rows.len()).max().unwrap_or(1);
    let mut at = 0;
    let own = passages.iter().map(|passage| {
        let rows = passage.rows.len();
        let own = tokens.clone().narrow(0, at, rows).reshape([1, rows * n, d]);
        at += rows;
        match most - rows {
            0 => own,
            left => Tensor::cat(vec![own, Tensor::zeros([1, left * n, d], device)], 1),
        }
    });
    Tensor::cat(own.collect(), 0)
}
