//! Coarser tokens out of finer ones.

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::model::{Merger, RowBlock};

/// A step from finer tokens to coarser ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeStep {
    /// Patches that a token stands for before the step.
    pub from: usize,
    /// Patches that a token stands for after it: a multiple of `from`.
    pub to: usize,
    /// Width of the hidden layer.
    pub hidden: usize,
}

/// Sizes of the mergers that make coarser tokens out of finer ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoarserConfig {
    /// Each starts from the tokens of the trunk's own mergers or of a step before it.
    pub steps: Vec<MergeStep>,
    /// The mergers that squeeze each patch.
    pub squeezers: SqueezerConfig,
    /// Width of a vision token.
    pub hidden_size: usize,
}

/// Sizes of the mergers that make a token of many patches at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqueezerConfig {
    /// Patches that a token stands for, one entry a merger. Each divides
    /// [`PATCHES_PER_ROW`](super::PATCHES_PER_ROW) and the width of a vision token.
    pub merge_sizes: Vec<usize>,
    /// Width of a patch's features in the trunk.
    pub patch_hidden_size: usize,
    /// Attention heads of the block.
    pub num_attention_heads: usize,
    /// Width of the block's feed-forward layer.
    pub intermediate_size: usize,
}

impl Default for CoarserConfig {
    fn default() -> Self {
        let step = |from, to, hidden| MergeStep { from, to, hidden };
        Self {
            steps: vec![step(4, 8, 640)],
            squeezers: SqueezerConfig {
                merge_sizes: vec![24, 48],
                patch_hidden_size: 128,
                num_attention_heads: 4,
                intermediate_size: 384,
            },
            hidden_size: 384,
        }
    }
}

impl CoarserConfig {
    /// Patches of the tokens that the steps and the squeezers lead to.
    pub fn merge_sizes(&self) -> impl Iterator<Item = usize> {
        let steps = self.steps.iter().map(|step| step.to);
        steps.chain(self.squeezers.merge_sizes.iter().copied())
    }

    /// Makes mergers with fresh weights.
    pub fn init(&self, device: &Device) -> CoarserModel {
        let d = self.hidden_size;
        CoarserModel {
            steps: self
                .steps
                .iter()
                .map(|s| Merger::new(s.to / s.from, d, s.hidden, d, device))
                .collect(),
            sizes: self.steps.iter().flat_map(|s| [s.from, s.to]).collect(),
            squeezers: self.squeezers.init(d, device),
        }
    }
}

/// Vision tokens in, fewer vision tokens out.
///
/// A token of 8 patches is made of two of 4: a step only has to pack what the encoder's own merger
/// already made, and learns on top of an encoder that stays as it is. Tokens of 24 and 48 patches
/// are made of the patches themselves, each squeezed to its share of the token by the same weights.
#[derive(Module, Debug)]
pub struct CoarserModel {
    steps: Vec<Merger>,
    /// `from` and `to` of each step.
    sizes: Vec<usize>,
    squeezers: Vec<Squeezer>,
}

impl CoarserModel {
    /// Patches of the tokens that tokens of `to` patches are made of in the end, and the steps on
    /// the way, the first one first; no steps if `to` is none of this model's sizes.
    fn path(&self, to: usize) -> (usize, Vec<usize>) {
        let (mut size, mut path) = (to, Vec::new());
        while let Some(i) = self.sizes.chunks_exact(2).position(|s| s[1] == size) {
            path.push(i);
            size = self.sizes[2 * i];
        }
        path.reverse();
        (size, path)
    }

    fn squeezer(&self, to: usize) -> Option<&Squeezer> {
        self.squeezers.iter().find(|s| s.merge == to)
    }

    /// Freezes all steps but those to tokens of these sizes, for training.
    #[must_use]
    pub fn train_only(mut self, sizes: &[usize]) -> Self {
        for (step, size) in self.steps.iter_mut().zip(self.sizes.chunks_exact(2)) {
            if !sizes.contains(&size[1]) {
                *step = step.clone().no_grad();
            }
        }
        for squeezer in &mut self.squeezers {
            if !sizes.contains(&squeezer.merge) {
                *squeezer = squeezer.clone().no_grad();
            }
        }
        self
    }

    /// Patches of the tokens that [`CoarserModel::merge`] makes tokens of `to` patches of; 1 where
    /// it takes the trunk's features.
    pub fn base(&self, to: usize) -> usize {
        match self.squeezer(to) {
            Some(_) => 1,
            None => self.path(to).0,
        }
    }

    /// Merges tokens to ones of `to` patches.
    ///
    /// # Shapes
    /// - `tokens`: `[rows, PATCHES_PER_ROW / base(to), hidden_size]`, of the trunk's width where
    ///   `base(to)` is 1
    /// - output: `[rows, PATCHES_PER_ROW / to, hidden_size]`
    pub fn merge(&self, tokens: Tensor<3>, to: usize) -> Tensor<3> {
        if let Some(squeezer) = self.squeezer(to) {
            return squeezer.forward(tokens);
        }
        let (_, path) = self.path(to);
        path.into_iter()
            .fold(tokens, |tokens, i| self.steps[i].forward(tokens))
    }
}

impl SqueezerConfig {
    fn init(&self, hidden_size: usize, device: &Device) -> Vec<Squeezer> {
        let d = self.patch_hidden_size;
        let squeezer = |&merge: &usize| Squeezer {
            block: RowBlock::new(d, self.num_attention_heads, self.intermediate_size, device),
            norm: LayerNormConfig::new(d).init(device),
            squeeze: LinearConfig::new(d, hidden_size / merge).init(device),
            merge,
        };
        self.merge_sizes.iter().map(squeezer).collect()
    }
}

/// Features of a row's patches in, one vision token for each run of so many patches out.
///
/// Each patch is squeezed to its share of the token, eight numbers of a token of a whole row, by the
/// same weights, so that every row teaches them 48 times. A layer from all patches to the token has
/// weights for each of them and learns far more slowly. What eight numbers cannot tell of a patch its
/// neighbours have to, which is what the block before is for, and those of the readout.
#[derive(Module, Debug)]
struct Squeezer {
    block: RowBlock,
    norm: LayerNorm,
    squeeze: Linear,
    merge: usize,
}

impl Squeezer {
    /// # Shapes
    /// - `patches`: `[rows, PATCHES_PER_ROW, patch_hidden_size]`
    /// - output: `[rows, PATCHES_PER_ROW / merge, hidden_size]`
    fn forward(&self, patches: Tensor<3>) -> Tensor<3> {
        let [rows, n, _] = patches.dims();
        if rows == 0 {
            let [_, d] = self.squeeze.weight.dims();
            return Tensor::zeros([0, n / self.merge, self.merge * d], &patches.device());
        }
        let x = self.norm.forward(self.block.forward(patches));
        let x = self.squeeze.forward(x);
        let [_, _, d] = x.dims();
        x.reshape([rows, n / self.merge, self.merge * d])
    }
}
