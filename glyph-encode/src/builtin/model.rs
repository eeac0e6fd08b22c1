//! The network of the built-in encoder.

use burn::module::{Initializer, Module, Param};
use burn::nn::{Gelu, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, activation::softmax};
use serde::{Deserialize, Serialize};

/// Side of a patch in pixels: two half-width characters or one full-width character.
pub const PATCH_SIZE: usize = 14;
/// Width in pixels of what the stem sees of each patch: the patch and 7 px on either side, so that
/// a full-width character that straddles two patches is whole in one window.
pub const WINDOW_WIDTH: usize = 2 * PATCH_SIZE;
/// Number of pixels in a window.
pub const WINDOW_SIZE: usize = WINDOW_WIDTH * PATCH_SIZE;
/// Patches in a row of text.
pub const PATCHES_PER_ROW: usize = 48;

/// Sizes of the built-in encoder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltinEncoderConfig {
    /// Width of the stem's hidden layer.
    pub stem_size: usize,
    /// Width of a patch's features in the trunk.
    pub patch_hidden_size: usize,
    /// Transformer blocks along the row.
    pub num_hidden_layers: usize,
    /// Attention heads of a block.
    pub num_attention_heads: usize,
    /// Width of a block's feed-forward layer.
    pub intermediate_size: usize,
    /// Patches that one vision token stands for, coarsest last. Each divides [`PATCHES_PER_ROW`].
    pub merge_sizes: Vec<usize>,
    /// Hidden width of each merger, in the order of `merge_sizes`.
    pub merger_sizes: Vec<usize>,
    /// Width of a vision token.
    pub hidden_size: usize,
}

impl Default for BuiltinEncoderConfig {
    fn default() -> Self {
        Self {
            stem_size: 256,
            patch_hidden_size: 128,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            intermediate_size: 384,
            merge_sizes: vec![4, 16],
            merger_sizes: vec![512, 1024],
            hidden_size: 384,
        }
    }
}

impl BuiltinEncoderConfig {
    /// The second trunk, for rows that the built-in style did not draw: a wider stem, since a
    /// character of many fonts and sizes has many pictures, and no mergers of its own.
    pub fn second_trunk() -> Self {
        Self {
            stem_size: 768,
            merge_sizes: Vec::new(),
            merger_sizes: Vec::new(),
            ..Self::default()
        }
    }

    /// Makes an encoder with fresh weights.
    pub fn init(&self, device: &Device) -> EncoderModel {
        let d = self.patch_hidden_size;
        EncoderModel {
            stem_in: LinearConfig::new(WINDOW_SIZE, self.stem_size).init(device),
            stem_out: LinearConfig::new(self.stem_size, d).init(device),
            position: Initializer::Normal {
                mean: 0.0,
                std: 0.02,
            }
            .init([PATCHES_PER_ROW, d], device),
            blocks: (0..self.num_hidden_layers)
                .map(|_| RowBlock::new(d, self.num_attention_heads, self.intermediate_size, device))
                .collect(),
            norm: LayerNormConfig::new(d).init(device),
            mergers: self
                .merge_sizes
                .iter()
                .zip(&self.merger_sizes)
                .map(|(&merge, &hidden)| Merger::new(merge, d, hidden, self.hidden_size, device))
                .collect(),
            activation: Gelu::new(),
        }
    }
}

/// Windows of pixels in, vision tokens out.
#[derive(Module, Debug)]
pub struct EncoderModel {
    stem_in: Linear,
    stem_out: Linear,
    position: Param<Tensor<2>>,
    blocks: Vec<RowBlock>,
    norm: LayerNorm,
    mergers: Vec<Merger>,
    activation: Gelu,
}

impl EncoderModel {
    /// The trunk alone, its stem widened to `stem_size` at least, to be trained on other rows: it
    /// makes the same patches' features, for nothing reads the new hidden units yet (Chen et al.,
    /// Net2Net, arXiv 1511.05641).
    #[must_use]
    pub fn widened_trunk(&self, stem_size: usize, device: &Device) -> Self {
        let [inputs, old] = self.stem_in.weight.dims();
        let [_, outputs] = self.stem_out.weight.dims();
        let mut trunk = Self {
            mergers: Vec::new(),
            ..self.clone()
        };
        if stem_size <= old {
            return trunk;
        }
        let (mut fresh_in, mut fresh_out) = (
            LinearConfig::new(inputs, stem_size).init(device),
            LinearConfig::new(stem_size, outputs).init(device),
        );
        let added = |t: Tensor<2>| t.narrow(1, old, stem_size - old);
        fresh_in.weight = fresh_in
            .weight
            .map(|w| Tensor::cat(vec![self.stem_in.weight.val(), added(w)], 1));
        fresh_in.bias = match (fresh_in.bias, &self.stem_in.bias) {
            (Some(fresh), Some(own)) => Some(
                fresh.map(|b| Tensor::cat(vec![own.val(), b.narrow(0, old, stem_size - old)], 0)),
            ),
            _ => None,
        };
        fresh_out.weight = fresh_out.weight.map(|w| {
            let zeros = w.narrow(0, old, stem_size - old).zeros_like();
            Tensor::cat(vec![self.stem_out.weight.val(), zeros], 0)
        });
        fresh_out.bias.clone_from(&self.stem_out.bias);
        (trunk.stem_in, trunk.stem_out) = (fresh_in, fresh_out);
        trunk
    }

    /// Features of each patch in the context of its row. No rows give no rows.
    ///
    /// # Shapes
    /// - `pixel_values`: `[rows, PATCHES_PER_ROW, WINDOW_SIZE]`, ink = 1, paper = 0
    /// - output: `[rows, PATCHES_PER_ROW, patch_hidden_size]`
    pub fn trunk(&self, pixel_values: Tensor<3>) -> Tensor<3> {
        let [rows, n, _] = pixel_values.dims();
        if rows == 0 {
            let [_, d] = self.stem_out.weight.dims();
            return Tensor::zeros([0, n, d], &pixel_values.device());
        }
        let x = self.activation.forward(self.stem_in.forward(pixel_values));
        let mut x = self.stem_out.forward(x) + self.position.val().unsqueeze::<3>();
        for block in &self.blocks {
            x = block.forward(x);
        }
        self.norm.forward(x)
    }

    /// Merges neighbouring patches to vision tokens at the ratio of index `level`.
    ///
    /// # Shapes
    /// - `patches`: `[rows, PATCHES_PER_ROW, patch_hidden_size]`
    /// - output: `[rows, PATCHES_PER_ROW / merge_size, hidden_size]`
    pub fn merge(&self, patches: Tensor<3>, level: usize) -> Tensor<3> {
        self.mergers[level].forward(patches)
    }
}

/// A transformer block along a row, without a mask: attention and a feed-forward layer, each behind
/// a norm (Xiong et al., arXiv 2002.04745).
#[derive(Module, Debug)]
pub struct RowBlock {
    norm_attention: LayerNorm,
    qkv: Linear,
    proj: Linear,
    norm_mlp: LayerNorm,
    up: Linear,
    down: Linear,
    activation: Gelu,
    heads: usize,
}

impl RowBlock {
    /// Makes a block of width `d`, which `heads` divides, with fresh weights.
    pub fn new(d: usize, heads: usize, intermediate: usize, device: &Device) -> Self {
        Self {
            norm_attention: LayerNormConfig::new(d).init(device),
            qkv: LinearConfig::new(d, 3 * d).init(device),
            proj: LinearConfig::new(d, d).init(device),
            norm_mlp: LayerNormConfig::new(d).init(device),
            up: LinearConfig::new(d, intermediate).init(device),
            down: LinearConfig::new(intermediate, d).init(device),
            activation: Gelu::new(),
            heads,
        }
    }

    /// Mixes along each row.
    ///
    /// # Shapes
    /// - `x` and output: `[rows, n, d]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [rows, n, d] = x.dims();
        // Kernels for matrices are not made for no rows.
        if rows == 0 || n == 0 {
            return x;
        }
        let head = d / self.heads;
        let qkv = self.qkv.forward(self.norm_attention.forward(x.clone()));
        // [rows, n, 3 d] -> three times [rows, heads, n, head]
        let part = |i: usize| {
            qkv.clone()
                .narrow(2, i * d, d)
                .reshape([rows, n, self.heads, head])
                .swap_dims(1, 2)
        };
        let scores = part(0)
            .matmul(part(1).transpose())
            .mul_scalar(1.0 / (head as f64).sqrt());
        let mixed = softmax(scores, 3)
            .matmul(part(2))
            .swap_dims(1, 2)
            .reshape([rows, n, d]);
        let x = x + self.proj.forward(mixed);
        let h = self
            .activation
            .forward(self.up.forward(self.norm_mlp.forward(x.clone())));
        x + self.down.forward(h)
    }
}

#[derive(Module, Debug)]
pub(super) struct Merger {
    up: Linear,
    down: Linear,
    norm: LayerNorm,
    activation: Gelu,
    merge: usize,
}

impl Merger {
    pub(super) fn new(merge: usize, d: usize, hidden: usize, out: usize, device: &Device) -> Self {
        Self {
            up: LinearConfig::new(merge * d, hidden).init(device),
            down: LinearConfig::new(hidden, out).init(device),
            norm: LayerNormConfig::new(out).init(device),
            activation: Gelu::new(),
            merge,
        }
    }

    pub(super) fn forward(&self, patches: Tensor<3>) -> Tensor<3> {
        let [rows, n, d] = patches.dims();
        if rows == 0 {
            let [_, out] = self.down.weight.dims();
            return Tensor::zeros([0, n / self.merge, out], &patches.device());
        }
        let x = patches.reshape([rows, n / self.merge, self.merge * d]);
        let x = self
            .down
            .forward(self.activation.forward(self.up.forward(x)));
        self.norm.forward(x)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Distribution;

    use super::*;

    #[test]
    fn a_wider_stem_makes_the_same_features_until_it_learns() {
        let device = Device::default();
        let model = BuiltinEncoderConfig::default().init(&device);
        let wide = model.widened_trunk(320, &device);
        assert_eq!(wide.stem_in.weight.dims(), [WINDOW_SIZE, 320]);
        let shape = [2, PATCHES_PER_ROW, WINDOW_SIZE];
        let pixels = Tensor::<3>::random(shape, Distribution::Uniform(0.0, 1.0), &device);
        let (own, wide) = (model.trunk(pixels.clone()), wide.trunk(pixels));
        let error: f32 = (own - wide).abs().max().into_scalar();
        assert!(error < 1e-4, "{error}");
        let same = model.widened_trunk(8, &device);
        assert_eq!(same.stem_in.weight.dims(), [WINDOW_SIZE, 256]);
    }

    #[test]
    fn no_rows_give_no_tokens() {
        let device = Device::default();
        let model = BuiltinEncoderConfig::default().init(&device);
        let none = Tensor::<3>::zeros([0, PATCHES_PER_ROW, WINDOW_SIZE], &device);
        let patches = model.trunk(none);
        assert_eq!(patches.dims(), [0, PATCHES_PER_ROW, 128]);
        assert_eq!(model.merge(patches.clone(), 1).dims(), [0, 3, 384]);
        let coarser = super::super::CoarserConfig::default().init(&device);
        let tokens = model.merge(patches.clone(), 0);
        assert_eq!(coarser.merge(tokens, 8).dims(), [0, 6, 384]);
        for size in [24, 48] {
            let tokens = coarser.merge(patches.clone(), size);
            assert_eq!(tokens.dims(), [0, PATCHES_PER_ROW / size, 384]);
        }
    }
}
