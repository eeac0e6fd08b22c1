//! Finer tokens out of coarser ones.

use burn::module::Module;
use burn::nn::{Gelu, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

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
    /// Width of a vision token.
    pub hidden_size: usize,
}

impl Default for FinerConfig {
    fn default() -> Self {
        let step = |from, to, hidden| SplitStep { from, to, hidden };
        Self {
            steps: vec![step(8, 4, 512), step(24, 8, 512)],
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
        }
    }
}

/// Coarse vision tokens in, the tokens that the expanders read out.
#[derive(Module, Debug)]
pub struct FinerModel {
    steps: Vec<Splitter>,
    /// `from` and `to` of each step.
    sizes: Vec<usize>,
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
        self
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
