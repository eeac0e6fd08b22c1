//! Coarser tokens out of finer ones.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use super::model::Merger;

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
    /// Width of a vision token.
    pub hidden_size: usize,
}

impl Default for CoarserConfig {
    fn default() -> Self {
        let step = |from, to, hidden| MergeStep { from, to, hidden };
        Self {
            steps: vec![step(4, 8, 640), step(8, 24, 768)],
            hidden_size: 384,
        }
    }
}

impl CoarserConfig {
    /// Patches of the tokens that the steps lead to.
    pub fn merge_sizes(&self) -> impl Iterator<Item = usize> {
        self.steps.iter().map(|step| step.to)
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
        }
    }
}

/// Vision tokens in, fewer vision tokens out.
///
/// A token of 24 patches is made of three of 8, and those of two of 4 each: a step only has to pack
/// what the one before already read, so that all of them together take less than one merger from
/// 24 patches would, and learn on top of an encoder that stays as it is.
#[derive(Module, Debug)]
pub struct CoarserModel {
    steps: Vec<Merger>,
    /// `from` and `to` of each step.
    sizes: Vec<usize>,
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

    /// Freezes all steps but those to tokens of these sizes, for training.
    #[must_use]
    pub fn train_only(mut self, sizes: &[usize]) -> Self {
        for (step, size) in self.steps.iter_mut().zip(self.sizes.chunks_exact(2)) {
            if !sizes.contains(&size[1]) {
                *step = step.clone().no_grad();
            }
        }
        self
    }

    /// Patches of the tokens that [`CoarserModel::merge`] makes tokens of `to` patches of.
    pub fn base(&self, to: usize) -> usize {
        self.path(to).0
    }

    /// Merges tokens to ones of `to` patches.
    ///
    /// # Shapes
    /// - `tokens`: `[rows, PATCHES_PER_ROW / base(to), hidden_size]`
    /// - output: `[rows, PATCHES_PER_ROW / to, hidden_size]`
    pub fn merge(&self, tokens: Tensor<3>, to: usize) -> Tensor<3> {
        let (_, path) = self.path(to);
        path.into_iter()
            .fold(tokens, |tokens, i| self.steps[i].forward(tokens))
    }
}
