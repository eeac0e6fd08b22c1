//! Small networks that measure a line and tell where a letter ends.

use std::sync::OnceLock;

use safetensors::SafeTensors;

use super::line::{LineScale, PROFILE_SIZE, Strip, TextLine};
use crate::EncodeError;
use crate::builtin::{PATCH_SIZE, numbers};

/// Channels of a layer over columns.
pub const SEGMENTER_CHANNELS: usize = 24;
/// Columns that a layer looks at.
pub const SEGMENTER_TAPS: usize = 5;
/// Columns from one tap of a layer to the next: together they see 61 columns, some ten letters.
pub const SEGMENTER_DILATIONS: [usize; 4] = [1, 2, 4, 8];
/// What is told of a column: whether a letter begins at its left edge, whether a space lies before,
/// whether the character is full-width.
pub const SEGMENTER_OUTPUTS: usize = 3;
/// Widths of the hidden layers that measure a line.
pub const SCALE_HIDDEN: [usize; 2] = [48, 32];

/// What the network says of a column, as probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColumnScores {
    /// A letter begins at the column's left edge, or between.
    pub cut: f32,
    /// The gap here is a space.
    pub space: f32,
    /// The column belongs to a full-width character.
    pub wide: f32,
}

/// `[inputs, outputs]` weights and a bias.
#[derive(Debug)]
struct Layer {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// Measures lines in any style and tells where their letters end. No vector instructions are asked
/// for and sums have one order, so every processor says the same.
#[derive(Debug)]
pub struct Segmenter {
    scale: Vec<Layer>,
    columns: Vec<Layer>,
    out: Layer,
}

impl Segmenter {
    /// The embedded weights.
    pub(crate) const BUILTIN: &[u8] = include_bytes!("../../assets/segmenter.safetensors");

    /// The one that ships.
    pub fn builtin() -> &'static Self {
        static SEGMENTER: OnceLock<Segmenter> = OnceLock::new();
        SEGMENTER.get_or_init(|| {
            Self::from_bytes("embedded segmenter.safetensors", Self::BUILTIN)
                .expect("the tests load the embedded weights")
        })
    }

    /// Loads weights that `train_segmenter` exported.
    ///
    /// # Errors
    /// If a tensor is missing or of another shape.
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, EncodeError> {
        let fail = |reason: String| EncodeError::Weights {
            name: name.to_owned(),
            reason,
        };
        let file = SafeTensors::deserialize(bytes).map_err(|e| fail(e.to_string()))?;
        let layer = |path: String, inputs: usize, outputs: usize| -> Result<Layer, EncodeError> {
            let read = |part: &str, shape: &[usize]| {
                let key = format!("{path}.{part}");
                let tensor = file.tensor(&key).map_err(|e| fail(format!("{key}: {e}")))?;
                if tensor.shape() != shape {
                    let found = tensor.shape();
                    return Err(fail(format!("{key}: expected {shape:?}, found {found:?}")));
                }
                numbers(&key, &tensor).map_err(fail)
            };
            Ok(Layer {
                weight: read("weight", &[inputs, outputs])?,
                bias: read("bias", &[outputs])?,
            })
        };
        let widths = [PROFILE_SIZE, SCALE_HIDDEN[0], SCALE_HIDDEN[1], 2];
        let scale = (0..3)
            .map(|i| layer(format!("scale.{i}"), widths[i], widths[i + 1]))
            .collect::<Result<_, _>>()?;
        let columns = (0..SEGMENTER_DILATIONS.len())
            .map(|i| {
                let inputs = if i == 0 {
                    PATCH_SIZE
                } else {
                    SEGMENTER_CHANNELS
                };
                layer(
                    format!("columns.{i}"),
                    inputs * SEGMENTER_TAPS,
                    SEGMENTER_CHANNELS,
                )
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            scale,
            columns,
            out: layer("out".to_owned(), SEGMENTER_CHANNELS, SEGMENTER_OUTPUTS)?,
        })
    }

    /// The measures of a line.
    pub fn scale(&self, line: &TextLine) -> LineScale {
        let mut x = line.profile().to_vec();
        for (i, layer) in self.scale.iter().enumerate() {
            let mut y = layer.bias.clone();
            for (v, weights) in x.iter().zip(layer.weight.chunks_exact(y.len())) {
                y.iter_mut().zip(weights).for_each(|(y, w)| *y += v * w);
            }
            if i + 1 < self.scale.len() {
                y.iter_mut().for_each(|y| *y = y.max(0.0));
            }
            x = y;
        }
        let height = line.bbox.height as f32;
        LineScale {
            // Bounded, so that no line, however odd, asks for a strip of any length.
            em: height * x[0].clamp(-1.0, 1.5).exp(),
            baseline: height * x[1].clamp(0.0, 1.5),
        }
    }

    /// What is told of each column of a strip.
    pub fn columns(&self, strip: &Strip) -> Vec<ColumnScores> {
        let mut x = strip.ink.clone();
        let mut inputs = PATCH_SIZE;
        for (layer, dilation) in self.columns.iter().zip(SEGMENTER_DILATIONS) {
            x = convolve(layer, &x, inputs, dilation);
            inputs = SEGMENTER_CHANNELS;
        }
        let sigmoid = |v: f32| 1.0 / (1.0 + (-v).exp());
        x.chunks_exact(SEGMENTER_CHANNELS)
            .map(|features| {
                let mut y = [0.0f32; SEGMENTER_OUTPUTS];
                y.copy_from_slice(&self.out.bias);
                for (v, weights) in features
                    .iter()
                    .zip(self.out.weight.chunks_exact(SEGMENTER_OUTPUTS))
                {
                    y.iter_mut().zip(weights).for_each(|(y, w)| *y += v * w);
                }
                ColumnScores {
                    cut: sigmoid(y[0]),
                    space: sigmoid(y[1]),
                    wide: sigmoid(y[2]),
                }
            })
            .collect()
    }
}

/// A layer over the columns of `[columns, inputs]`; outside there is paper.
fn convolve(layer: &Layer, x: &[f32], inputs: usize, dilation: usize) -> Vec<f32> {
    const MIDDLE: usize = SEGMENTER_TAPS / 2;
    let columns = x.len() / inputs;
    let mut out = Vec::with_capacity(columns * SEGMENTER_CHANNELS);
    for column in 0..columns {
        let mut sum = [0.0f32; SEGMENTER_CHANNELS];
        sum.copy_from_slice(&layer.bias);
        for tap in 0..SEGMENTER_TAPS {
            let at = (column + tap * dilation).wrapping_sub(MIDDLE * dilation);
            if at >= columns {
                continue;
            }
            let weights = &layer.weight[tap * inputs * SEGMENTER_CHANNELS..];
            let values = &x[at * inputs..(at + 1) * inputs];
            for (&v, weights) in values.iter().zip(weights.chunks_exact(SEGMENTER_CHANNELS)) {
                if v != 0.0 {
                    sum.iter_mut().zip(weights).for_each(|(s, w)| *s += v * w);
                }
            }
        }
        out.extend(sum.map(|s| s.max(0.0)));
    }
    out
}
