//! The tower of Qwen2-VL.
//!
//! After `Qwen2VisionTransformerPretrainedModel` of `transformers`
//! (`models/qwen2_vl/modeling_qwen2_vl.py`): patches see the other patches of their frame.

use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::Tensor;
use serde::Deserialize;

use super::patch::{
    PatchBlock, PatchTower, activation, axial_rotary, frames, patch_embed, patch_positions,
    run_blocks,
};
use crate::checkpoint::{Checkpoint, CheckpointError, Heads};
use crate::nn::{Activation, FeedForward, Norm, project};

/// `vision_config` of a Qwen2-VL checkpoint.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Qwen2VlVisionConfig {
    /// Transformer blocks.
    pub depth: usize,
    /// Width of a patch's features.
    pub embed_dim: usize,
    /// Width of a token: that of the language model.
    pub hidden_size: usize,
    /// Name of the feed-forward layers' activation.
    pub hidden_act: String,
    /// Width of the feed-forward layers over `embed_dim`.
    pub mlp_ratio: f64,
    /// Attention heads.
    pub num_heads: usize,
    /// Colour channels.
    #[serde(alias = "in_chans")]
    pub in_channels: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Patches on the side of a token.
    pub spatial_merge_size: usize,
    /// Frames of a patch.
    pub temporal_patch_size: usize,
}

impl Default for Qwen2VlVisionConfig {
    fn default() -> Self {
        Self {
            depth: 32,
            embed_dim: 1280,
            hidden_size: 3584,
            hidden_act: "quick_gelu".to_owned(),
            mlp_ratio: 4.0,
            num_heads: 16,
            in_channels: 3,
            patch_size: 14,
            spatial_merge_size: 2,
            temporal_patch_size: 2,
        }
    }
}

/// The tower of Qwen2-VL.
#[derive(Module, Debug)]
pub struct Qwen2VlTower {
    patch_embed: Linear,
    blocks: Vec<PatchBlock>,
    merger_norm: LayerNorm,
    merger: FeedForward,
    num_heads: usize,
    merge: usize,
}

impl Qwen2VlTower {
    /// Reads the tower's tensors, named `{prefix}.patch_embed.proj.weight` and so on.
    ///
    /// # Errors
    /// If a size makes no model, a tensor has another shape or the activation is not known.
    pub fn load(
        checkpoint: &mut Checkpoint<'_>,
        prefix: &str,
        config: &Qwen2VlVisionConfig,
    ) -> Result<Self, CheckpointError> {
        let c = checkpoint;
        let d = config.embed_dim;
        let inner = (d as f64 * config.mlp_ratio) as usize;
        c.check_sizes(
            &[
                ("hidden_size", config.hidden_size),
                ("mlp_ratio * embed_dim", inner),
                ("in_channels", config.in_channels),
                ("patch_size", config.patch_size),
                ("spatial_merge_size", config.spatial_merge_size),
                ("temporal_patch_size", config.temporal_patch_size),
            ],
            ("depth", config.depth),
            Heads {
                heads: ("num_heads", config.num_heads),
                width: ("embed_dim", d),
                multiple: 4,
            },
        )?;
        let act = activation(c, &config.hidden_act)?;
        let patch = [
            config.in_channels,
            config.temporal_patch_size,
            config.patch_size,
        ];
        let embed = patch_embed(c, &format!("{prefix}.patch_embed.proj"), patch, d, false)?;
        let mut blocks = Vec::new();
        for i in 0..config.depth {
            let name = |part: &str| format!("{prefix}.blocks.{i}.{part}");
            blocks.push(PatchBlock {
                norm1: Norm::Layer(c.layer_norm(&name("norm1"), d, 1e-6)?),
                qkv: c.linear(&name("attn.qkv"), d, 3 * d, true)?,
                proj: c.linear(&name("attn.proj"), d, d, true)?,
                norm2: Norm::Layer(c.layer_norm(&name("norm2"), d, 1e-6)?),
                mlp: FeedForward::plain(
                    c.linear(&name("mlp.fc1"), d, inner, true)?,
                    c.linear(&name("mlp.fc2"), inner, d, true)?,
                    act,
                ),
                num_heads: config.num_heads,
            });
        }
        let merged = d * config.spatial_merge_size.pow(2);
        let name = |part: &str| format!("{prefix}.merger.{part}");
        Ok(Self {
            patch_embed: embed,
            blocks,
            merger_norm: c.layer_norm(&name("ln_q"), d, 1e-6)?,
            merger: FeedForward::plain(
                c.linear(&name("mlp.0"), merged, merged, true)?,
                c.linear(&name("mlp.2"), merged, config.hidden_size, true)?,
                Activation::Gelu,
            ),
            num_heads: config.num_heads,
            merge: config.spatial_merge_size,
        })
    }
}

impl PatchTower for Qwen2VlTower {
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
        let [n, width] = x.dims();
        let positions = patch_positions(grid_thw, self.merge);
        let rotary = axial_rotary(&positions, width / self.num_heads, &x);
        let segments = frames(grid_thw);
        if let Some(states) = &mut hidden_states {
            states.push(x.clone());
        }
        let x = run_blocks(&self.blocks, x, &rotary, |_| &segments, hidden_states);
        let unit = self.merge * self.merge;
        let x = self.merger_norm.forward(x);
        self.merger.forward(x.reshape([n / unit, unit * width]))
    }
}
