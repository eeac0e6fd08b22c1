//! The network of the built-in readout.

use burn::module::Module;
use burn::nn::{Gelu, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Sizes of the built-in readout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadoutConfig {
    /// Width of a vision token.
    pub hidden_size: usize,
    /// Half-width cells that a vision token stands for, one entry a ratio.
    pub cells: Vec<usize>,
    /// Hidden width of each expander, in the order of `cells`.
    pub expander_sizes: Vec<usize>,
    /// Width of a cell's features.
    pub cell_size: usize,
    /// Classes of the first softmax (see [`Charset`](crate::Charset)).
    pub head_classes: usize,
    /// Classes of the second softmax.
    pub tail_classes: usize,
}

impl ReadoutConfig {
    /// The shipped sizes, for a character set of so many classes.
    pub fn new(head_classes: usize, tail_classes: usize) -> Self {
        Self {
            hidden_size: 384,
            cells: vec![8, 32],
            expander_sizes: vec![768, 1024],
            cell_size: 64,
            head_classes,
            tail_classes,
        }
    }

    /// Makes a readout with fresh weights.
    pub fn init(&self, device: &Device) -> ReadoutModel {
        ReadoutModel {
            expanders: self
                .cells
                .iter()
                .zip(&self.expander_sizes)
                .map(|(&cells, &hidden)| Expander {
                    up: LinearConfig::new(self.hidden_size, hidden).init(device),
                    down: LinearConfig::new(hidden, cells * self.cell_size).init(device),
                    norm: LayerNormConfig::new(self.cell_size).init(device),
                    activation: Gelu::new(),
                    cells,
                })
                .collect(),
            head: LinearConfig::new(self.cell_size, self.head_classes).init(device),
            tail: LinearConfig::new(self.cell_size, self.tail_classes).init(device),
        }
    }
}

/// Vision tokens in, class scores of every cell out.
///
/// Two softmaxes, as in Grave et al. (arXiv 1609.04309): the first tells the frequent characters
/// apart and has one class for 'any of the rest'; the second, 30 times larger, is only worth
/// computing where the first says so.
#[derive(Module, Debug)]
pub struct ReadoutModel {
    expanders: Vec<Expander>,
    head: Linear,
    tail: Linear,
}

impl ReadoutModel {
    /// Features of each cell.
    ///
    /// # Shapes
    /// - `tokens`: `[n, hidden_size]`
    /// - output: `[n * cells, cell_size]`
    pub fn cells(&self, tokens: Tensor<2>, level: usize) -> Tensor<2> {
        self.expanders[level].forward(tokens)
    }

    /// Logits of the first softmax: `[n, cell_size]` to `[n, head_classes]`.
    pub fn head(&self, cells: Tensor<2>) -> Tensor<2> {
        self.head.forward(cells)
    }

    /// Logits of the second softmax: `[n, cell_size]` to `[n, tail_classes]`.
    pub fn tail(&self, cells: Tensor<2>) -> Tensor<2> {
        self.tail.forward(cells)
    }
}

#[derive(Module, Debug)]
struct Expander {
    up: Linear,
    down: Linear,
    norm: LayerNorm,
    activation: Gelu,
    cells: usize,
}

impl Expander {
    fn forward(&self, tokens: Tensor<2>) -> Tensor<2> {
        let [n, _] = tokens.dims();
        let x = self
            .down
            .forward(self.activation.forward(self.up.forward(tokens)));
        let [_, width] = x.dims();
        self.norm
            .forward(x.reshape([n * self.cells, width / self.cells]))
    }
}
