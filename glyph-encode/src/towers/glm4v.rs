//! The tower of GLM-4.1V, and so of Glyph's published checkpoint.
//!
//! After `Glm4vVisionModel` of `transformers` (`models/glm4v/modeling_glm4v.py`): learned
//! positions are resampled to each image's grid, besides the rotary ones, and a strided
//! convolution merges patches to tokens.

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, Linear, RmsNorm};
use burn::tensor::{Tensor, TensorData};
use serde::Deserialize;

use super::patch::{
    PatchBlock, PatchTower, activation, axial_rotary, frames, gated, patch_embed, patch_positions,
    run_blocks,
};
use crate::checkpoint::{Checkpoint, CheckpointError, Heads};
use crate::nn::{Activation, FeedForward, Norm, project};

/// `vision_config` of a GLM-4.1V checkpoint.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Glm4vVisionConfig {
    /// Transformer blocks.
    pub depth: usize,
    /// Width of a patch's features.
    pub hidden_size: usize,
    /// Name of the feed-forward layers' activation.
    pub hidden_act: String,
    /// Whether queries, keys and values have biases.
    pub attention_bias: bool,
    /// Attention heads.
    pub num_heads: usize,
    /// Colour channels.
    pub in_channels: usize,
    /// Side in pixels of the image that the learned positions were made for.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Added to the mean square in RMSNorm.
    pub rms_norm_eps: f64,
    /// Patches on the side of a token.
    pub spatial_merge_size: usize,
    /// Frames of a patch.
    pub temporal_patch_size: usize,
    /// Width of a token, and of the blocks' feed-forward layers.
    pub out_hidden_size: usize,
    /// Width of the merger's feed-forward layer.
    pub intermediate_size: usize,
}

impl Default for Glm4vVisionConfig {
    fn default() -> Self {
        Self {
            depth: 24,
            hidden_size: 1536,
            hidden_act: "silu".to_owned(),
            attention_bias: false,
            num_heads: 12,
            in_channels: 3,
            image_size: 336,
            patch_size: 14,
            rms_norm_eps: 1e-5,
            spatial_merge_size: 2,
            temporal_patch_size: 2,
            out_hidden_size: 4096,
            intermediate_size: 13696,
        }
    }
}

/// The tower of GLM-4.1V.
#[derive(Module, Debug)]
pub struct Glm4vTower {
    patch_embed: Linear,
    post_conv_layernorm: RmsNorm,
    /// `[side^2, hidden_size]`.
    position_embedding: Param<Tensor<2>>,
    blocks: Vec<PatchBlock>,
    post_layernorm: RmsNorm,
    downsample: Linear,
    merger_proj: Linear,
    merger_norm: LayerNorm,
    merger: FeedForward,
    num_heads: usize,
    merge: usize,
}

impl Glm4vTower {
    /// Reads the tower's tensors, named `{prefix}.patch_embed.proj.weight` and so on.
    ///
    /// # Errors
    /// If a size makes no model, a tensor has another shape or the activation is not known.
    pub fn load(
        checkpoint: &mut Checkpoint<'_>,
        prefix: &str,
        config: &Glm4vVisionConfig,
    ) -> Result<Self, CheckpointError> {
        let c = checkpoint;
        let (d, out, eps) = (
            config.hidden_size,
            config.out_hidden_size,
            config.rms_norm_eps,
        );
        c.check_sizes(
            &[
                ("in_channels", config.in_channels),
                ("patch_size", config.patch_size),
                ("spatial_merge_size", config.spatial_merge_size),
                ("temporal_patch_size", config.temporal_patch_size),
                ("out_hidden_size", out),
                ("intermediate_size", config.intermediate_size),
            ],
            ("depth", config.depth),
            Heads {
                heads: ("num_heads", config.num_heads),
                width: ("hidden_size", d),
                multiple: 4,
            },
        )?;
        let side = c.check_patches(("image_size", config.image_size), config.patch_size)?;
        let act = activation(c, &config.hidden_act)?;
        let patch = [
            config.in_channels,
            config.temporal_patch_size,
            config.patch_size,
        ];
        let at = |part: &str| format!("{prefix}.{part}");
        let embed = patch_embed(c, &at("patch_embed.proj"), patch, d, true)?;
        let positions = c.tensor_f32(
            &at("embeddings.position_embedding.weight"),
            [side * side, d],
        )?;
        let mut blocks = Vec::new();
        for i in 0..config.depth {
            let name = |part: &str| format!("{prefix}.blocks.{i}.{part}");
            blocks.push(PatchBlock {
                norm1: Norm::Rms(c.rms_norm(&name("norm1"), d, eps)?),
                qkv: c.linear(&name("attn.qkv"), d, 3 * d, config.attention_bias)?,
                proj: c.linear(&name("attn.proj"), d, d, false)?,
                norm2: Norm::Rms(c.rms_norm(&name("norm2"), d, eps)?),
                mlp: gated(c, &name("mlp"), d, out, false, act)?,
                num_heads: config.num_heads,
            });
        }
        let merge = config.spatial_merge_size;
        let downsample = c.tensor_as(
            &at("downsample.weight"),
            &[out, d, merge, merge],
            [out, d, merge * merge],
        )?;
        // The convolution's weight is channel by channel; tokens come patch by patch.
        let downsample = downsample.swap_dims(1, 2).reshape([out, merge * merge * d]);
        let bias = c.tensor(&at("downsample.bias"), [out])?;
        Ok(Self {
            patch_embed: embed,
            post_conv_layernorm: c.rms_norm(&at("post_conv_layernorm"), d, eps)?,
            position_embedding: Param::from_tensor(positions),
            blocks,
            post_layernorm: c.rms_norm(&at("post_layernorm"), d, eps)?,
            downsample: Linear {
                weight: Param::from_tensor(downsample.transpose()),
                bias: Some(Param::from_tensor(bias)),
            },
            merger_proj: c.linear(&at("merger.proj"), out, out, false)?,
            merger_norm: c.layer_norm(&at("merger.post_projection_norm"), out, 1e-5)?,
            merger: gated(c, &at("merger"), out, config.intermediate_size, false, act)?,
            num_heads: config.num_heads,
            merge,
        })
    }

    /// The learned positions at the places of an image's patches, as `grid_sample` with bicubic
    /// interpolation and the border repeated gives them (`align_corners=False`).
    fn resampled_positions(
        &self,
        positions: &[[usize; 2]],
        grid_thw: &[[usize; 3]],
        like: &Tensor<2>,
    ) -> Tensor<2> {
        let [cells, _] = self.position_embedding.dims();
        let side = cells.isqrt();
        let mut weights = vec![0.0f32; positions.len() * cells];
        let mut row = 0;
        for &[frames, rows, columns] in grid_thw {
            for _ in 0..frames * rows * columns {
                let [y, x] = positions[row];
                let (top, wy) = cubic(y, rows, side);
                let (left, wx) = cubic(x, columns, side);
                for (j, wy) in wy.iter().enumerate() {
                    for (i, wx) in wx.iter().enumerate() {
                        let cell = |first: isize, k: usize| {
                            (first + k as isize).clamp(0, side as isize - 1) as usize
                        };
                        weights[row * cells + cell(top, j) * side + cell(left, i)] += wy * wx;
                    }
                }
                row += 1;
            }
        }
        let weights = TensorData::new(weights, [positions.len(), cells]);
        Tensor::<2>::from_data(weights, &like.device()).matmul(self.position_embedding.val())
    }
}

/// The first of four cells, and their weights, at the middle of patch `i` of `n` on `side` cells.
fn cubic(i: usize, n: usize, side: usize) -> (isize, [f32; 4]) {
    // As PyTorch computes it, in the same order: coordinates in [-1, 1] and back.
    let norm = ((i as f32 + 0.5) / n as f32) * 2.0 - 1.0;
    let at = ((norm + 1.0) * side as f32 - 1.0) / 2.0;
    let t = at - at.floor();
    const A: f32 = -0.75;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f32| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
    (at.floor() as isize - 1, weights)
}

impl PatchTower for Glm4vTower {
    fn patch_len(&self) -> usize {
        self.patch_embed.weight.val().dims()[0]
    }

    fn spatial_merge_size(&self) -> usize {
        self.merge
    }

    fn hidden_size(&self) -> usize {
        self.merger.output_size()
    }

    fn forward(
        &self,
        pixel_values: Tensor<2>,
        grid_thw: &[[usize; 3]],
        mut hidden_states: Option<&mut Vec<Tensor<2>>>,
    ) -> Tensor<2> {
        let x = project(&self.patch_embed, pixel_values);
        if let Some(states) = &mut hidden_states {
            states.push(x.clone());
        }
        let x = self.post_conv_layernorm.forward(x);
        let [n, width] = x.dims();
        let positions = patch_positions(grid_thw, self.merge);
        let rotary = axial_rotary(&positions, width / self.num_heads, &x);
        let learned = self.resampled_positions(&positions, grid_thw, &x);
        let x = x + learned;
        let segments = frames(grid_thw);
        let x = run_blocks(&self.blocks, x, &rotary, |_| &segments, hidden_states);
        let x = self.post_layernorm.forward(x);
        let unit = self.merge * self.merge;
        let x = project(&self.downsample, x.reshape([n / unit, unit * width]));
        let x = self.merger_norm.forward(project(&self.merger_proj, x));
        self.merger.forward(Activation::Gelu.apply(x))
    }
}
