//! Finer tokens out of coarser ones.

use burn::module::{Initializer, Module, Param};
use burn::nn::{Gelu, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use glyph_encode::builtin::RowBlock;
use serde::{Deserialize, Serialize};

use super::CELLS_PER_PATCH;

/// A step from coarser tokens to finer ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitStep {
    /// Patches that a token stands for before the step: a multiple of `to`.
    pub from: usize,
    /// Patches that a token stands for after it.
    pub to: usize,
    /// Width of the hidden layer.
    pub hidden: usize,
}

/// Sizes of the layers that split coarse tokens, the mirror of
/// [`CoarserConfig`](glyph_encode::builtin::CoarserConfig).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinerConfig {
    /// Each ends at tokens that an expander reads or another step splits further.
    pub steps: Vec<SplitStep>,
    /// What reads tokens whose patches were squeezed.
    pub wideners: WidenerConfig,
    /// Width of a vision token.
    pub hidden_size: usize,
}

/// Sizes of the layers that read tokens of many patches at once, the mirror of
/// [`SqueezerConfig`](glyph_encode::builtin::SqueezerConfig).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WidenerConfig {
    /// Patches that a token stands for, one entry a reader of tokens.
    pub merge_sizes: Vec<usize>,
    /// Width of a patch's features.
    pub patch_hidden_size: usize,
    /// Transformer blocks along the row.
    pub num_hidden_layers: usize,
    /// Attention heads of a block.
    pub num_attention_heads: usize,
    /// Width of a block's feed-forward layer.
    pub intermediate_size: usize,
    /// Width of a cell's features, that of the readout.
    pub cell_size: usize,
}

impl Default for FinerConfig {
    fn default() -> Self {
        let step = |from, to, hidden| SplitStep { from, to, hidden };
        Self {
            steps: vec![step(8, 4, 512)],
            wideners: WidenerConfig {
                merge_sizes: vec![24, 48],
                patch_hidden_size: 192,
                num_hidden_layers: 2,
                num_attention_heads: 6,
                intermediate_size: 576,
                cell_size: 64,
            },
            hidden_size: 384,
        }
    }
}

impl FinerConfig {
    /// Makes the layers with fresh weights.
    pub fn init(&self, device: &Device) -> FinerModel {
        let d = self.hidden_size;
        FinerModel {
            steps: self
                .steps
                .iter()
                .map(|s| Splitter {
                    up: LinearConfig::new(d, s.hidden).init(device),
                    down: LinearConfig::new(s.hidden, s.from / s.to * d).init(device),
                    norm: LayerNormConfig::new(d).init(device),
                    activation: Gelu::new(),
                })
                .collect(),
            sizes: self.steps.iter().flat_map(|s| [s.from, s.to]).collect(),
            wideners: self.wideners.init(d, device),
        }
    }
}

/// Coarse vision tokens in, the tokens that the expanders read out.
#[derive(Module, Debug)]
pub struct FinerModel {
    steps: Vec<Splitter>,
    /// `from` and `to` of each step.
    sizes: Vec<usize>,
    wideners: Vec<Widener>,
}

impl FinerModel {
    /// Patches of the tokens that tokens of `from` patches are split to in the end.
    pub fn base(&self, from: usize) -> usize {
        let mut size = from;
        while let Some(i) = self.step(size) {
            size = self.sizes[2 * i + 1];
        }
        size
    }

    /// Freezes all steps but those from tokens of these sizes, for training.
    #[must_use]
    pub fn train_only(mut self, sizes: &[usize]) -> Self {
        for (step, size) in self.steps.iter_mut().zip(self.sizes.chunks_exact(2)) {
            if !sizes.contains(&size[0]) {
                *step = step.clone().no_grad();
            }
        }
        for widener in &mut self.wideners {
            if !sizes.contains(&widener.merge) {
                *widener = widener.clone().no_grad();
            }
        }
        self
    }

    /// Features of the cells of tokens whose patches were squeezed, as the readout's expanders make
    /// them of finer tokens; `None` where tokens of `from` patches are split instead.
    ///
    /// # Shapes
    /// - `tokens`: `[n, hidden_size]`
    /// - output: `[n * 2 * from, cell_size]`
    pub fn cells(&self, tokens: Tensor<2>, from: usize) -> Option<Tensor<2>> {
        let widener = self.wideners.iter().find(|w| w.merge == from)?;
        Some(widener.forward(tokens))
    }

    fn step(&self, from: usize) -> Option<usize> {
        self.sizes.chunks_exact(2).position(|s| s[0] == from)
    }

    /// Splits tokens of `from` patches.
    ///
    /// # Shapes
    /// - `tokens`: `[n, hidden_size]`
    /// - output: `[n * from / base(from), hidden_size]`
    pub fn split(&self, tokens: Tensor<2>, from: usize) -> Tensor<2> {
        let (mut tokens, mut size) = (tokens, from);
        while let Some(i) = self.step(size) {
            tokens = self.steps[i].forward(tokens);
            size = self.sizes[2 * i + 1];
        }
        tokens
    }
}

#[derive(Module, Debug)]
struct Splitter {
    up: Linear,
    down: Linear,
    norm: LayerNorm,
    activation: Gelu,
}

impl Splitter {
    fn forward(&self, tokens: Tensor<2>) -> Tensor<2> {
        let [n, d] = tokens.dims();
        let x = self
            .down
            .forward(self.activation.forward(self.up.forward(tokens)));
        let [_, width] = x.dims();
        self.norm.forward(x.reshape([n * (width / d), d]))
    }
}

impl WidenerConfig {
    fn init(&self, hidden_size: usize, device: &Device) -> Vec<Widener> {
        let d = self.patch_hidden_size;
        let block = || RowBlock::new(d, self.num_attention_heads, self.intermediate_size, device);
        let widener = |&merge: &usize| Widener {
            widen: LinearConfig::new(hidden_size / merge, d).init(device),
            position: Initializer::Normal {
                mean: 0.0,
                std: 0.02,
            }
            .init([merge, d], device),
            blocks: (0..self.num_hidden_layers).map(|_| block()).collect(),
            norm: LayerNormConfig::new(d).init(device),
            cells: LinearConfig::new(d, CELLS_PER_PATCH * self.cell_size).init(device),
            cell_norm: LayerNormConfig::new(self.cell_size).init(device),
            merge,
        };
        self.merge_sizes.iter().map(widener).collect()
    }
}

/// Tokens of so many squeezed patches in, features of their cells out.
#[derive(Module, Debug)]
struct Widener {
    widen: Linear,
    position: Param<Tensor<2>>,
    blocks: Vec<RowBlock>,
    norm: LayerNorm,
    cells: Linear,
    cell_norm: LayerNorm,
    merge: usize,
}

impl Widener {
    fn forward(&self, tokens: Tensor<2>) -> Tensor<2> {
        let [n, width] = tokens.dims();
        let patches = tokens.reshape([n, self.merge, width / self.merge]);
        let mut x = self.widen.forward(patches) + self.position.val().unsqueeze::<3>();
        for block in &self.blocks {
            x = block.forward(x);
        }
        let x = self.cells.forward(self.norm.forward(x));
        let [_, _, cells] = x.dims();
        let count = n * self.merge * CELLS_PER_PATCH;
        self.cell_norm
            .forward(x.reshape([count, cells / CELLS_PER_PATCH]))
    }
}
