//! The tower of Qwen2.5-VL.
//!
//! After `Qwen2_5_VisionTransformerPretrainedModel` of `transformers`
//! (`models/qwen2_5_vl/modeling_qwen2_5_vl.py`): in most blocks patches see the patches of their
//! window only, so that the cost grows with the page and not with its square.

use burn::module::Module;
use burn::nn::{Linear, RmsNorm};
use burn::tensor::Tensor;
use serde::Deserialize;

use super::patch::{
    PatchBlock, PatchTower, activation, axial_rotary, frames, gated, patch_embed, patch_positions,
    run_blocks, select_rows,
};
use crate::checkpoint::{Checkpoint, CheckpointError, Heads};
use crate::nn::{Activation, FeedForward, Norm, project};

/// `vision_config` of a Qwen2.5-VL checkpoint.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Qwen2_5VlVisionConfig {
    /// Transformer blocks.
    pub depth: usize,
    /// Width of a patch's features.
    pub hidden_size: usize,
    /// Name of the feed-forward layers' activation.
    pub hidden_act: String,
    /// Width of the feed-forward layers.
    pub intermediate_size: usize,
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
    /// Temporal positions a second of video.
    pub tokens_per_second: usize,
    /// Side of a window in pixels.
    pub window_size: usize,
    /// Width of a token: that of the language model.
    pub out_hidden_size: usize,
    /// Blocks in which patches see their whole frame.
    pub fullatt_block_indexes: Vec<usize>,
}

impl Default for Qwen2_5VlVisionConfig {
    fn default() -> Self {
        Self {
            depth: 32,
            hidden_size: 3584,
            hidden_act: "silu".to_owned(),
            intermediate_size: 3420,
            num_heads: 16,
            in_channels: 3,
            patch_size: 14,
            spatial_merge_size: 2,
            temporal_patch_size: 2,
            tokens_per_second: 4,
            window_size: 112,
            out_hidden_size: 3584,
            fullatt_block_indexes: vec![7, 15, 23, 31],
        }
    }
}

/// The tower of Qwen2.5-VL.
#[derive(Module, Debug)]
pub struct Qwen2_5VlTower {
    patch_embed: Linear,
    blocks: Vec<PatchBlock>,
    merger_norm: RmsNorm,
    merger: FeedForward,
    num_heads: usize,
    merge: usize,
    /// Side of a window in tokens.
    window: usize,
    full_attention: Vec<usize>,
}

impl Qwen2_5VlTower {
    /// Reads the tower's tensors, named `{prefix}.patch_embed.proj.weight` and so on.
    ///
    /// # Errors
    /// If a size makes no model, a tensor has another shape or the activation is not known.
    pub fn load(
        checkpoint: &mut Checkpoint<'_>,
        prefix: &str,
        config: &Qwen2_5VlVisionConfig,
    ) -> Result<Self, CheckpointError> {
        let c = checkpoint;
        let d = config.hidden_size;
        c.check_sizes(
            &[
                ("intermediate_size", config.intermediate_size),
                ("in_channels", config.in_channels),
                ("patch_size", config.patch_size),
                ("spatial_merge_size", config.spatial_merge_size),
                ("temporal_patch_size", config.temporal_patch_size),
                ("out_hidden_size", config.out_hidden_size),
            ],
            ("depth", config.depth),
            Heads {
                heads: ("num_heads", config.num_heads),
                width: ("hidden_size", d),
                multiple: 4,
            },
        )?;
        let act = activation(c, &config.hidden_act)?;
        let patch = [
            config.in_channels,
            config.temporal_patch_size,
            config.patch_size,
        ];
        let window = config.window_size / config.spatial_merge_size / config.patch_size;
        if window == 0 {
            return Err(CheckpointError::File {
                path: c.folder().join("config.json"),
                reason: format!(
                    "window_size: expected at least {} px, found {}",
                    config.spatial_merge_size * config.patch_size,
                    config.window_size
                ),
            });
        }
        let embed = patch_embed(c, &format!("{prefix}.patch_embed.proj"), patch, d, false)?;
        let mut blocks = Vec::new();
        for i in 0..config.depth {
            let name = |part: &str| format!("{prefix}.blocks.{i}.{part}");
            blocks.push(PatchBlock {
                norm1: Norm::Rms(c.rms_norm(&name("norm1"), d, 1e-6)?),
                qkv: c.linear(&name("attn.qkv"), d, 3 * d, true)?,
                proj: c.linear(&name("attn.proj"), d, d, true)?,
                norm2: Norm::Rms(c.rms_norm(&name("norm2"), d, 1e-6)?),
                mlp: gated(c, &name("mlp"), d, config.intermediate_size, true, act)?,
                num_heads: config.num_heads,
            });
        }
        let merged = d * config.spatial_merge_size.pow(2);
        let name = |part: &str| format!("{prefix}.merger.{part}");
        Ok(Self {
            patch_embed: embed,
            blocks,
            merger_norm: c.rms_norm(&name("ln_q"), d, 1e-6)?,
            merger: FeedForward::plain(
                c.linear(&name("mlp.0"), merged, merged, true)?,
                c.linear(&name("mlp.2"), merged, config.out_hidden_size, true)?,
                Activation::Gelu,
            ),
            num_heads: config.num_heads,
            merge: config.spatial_merge_size,
            window,
            full_attention: config.fullatt_block_indexes.clone(),
        })
    }

    /// Tokens window by window, and the number of tokens of each window.
    fn windows(&self, grid_thw: &[[usize; 3]]) -> (Vec<usize>, Vec<usize>) {
        let side = self.window;
        let (mut order, mut sizes) = (Vec::new(), Vec::new());
        let mut first = 0;
        for &[frames, rows, columns] in grid_thw {
            let (rows, columns) = (rows / self.merge, columns / self.merge);
            for _ in 0..frames {
                for top in (0..rows).step_by(side) {
                    for left in (0..columns).step_by(side) {
                        let before = order.len();
                        for y in top..rows.min(top + side) {
                            let right = columns.min(left + side);
                            order.extend((left..right).map(|x| first + y * columns + x));
                        }
                        sizes.push(order.len() - before);
                    }
                }
                first += rows * columns;
            }
        }
        (order, sizes)
    }
}

impl PatchTower for Qwen2_5VlTower {
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
        let unit = self.merge * self.merge;
        let (order, sizes) = self.windows(grid_thw);
        let windows: Vec<usize> = sizes.iter().map(|tokens| tokens * unit).collect();
        let frames = frames(grid_thw);

        let x = project(&self.patch_embed, pixel_values);
        let [n, width] = x.dims();
        if let Some(states) = &mut hidden_states {
            states.push(x.clone());
        }
        let x = select_rows(x.reshape([n / unit, unit * width]), &order);
        let x = x.reshape([n, width]);
        let positions = patch_positions(grid_thw, self.merge);
        let positions: Vec<[usize; 2]> = order
            .iter()
            .flat_map(|&token| positions[token * unit..(token + 1) * unit].iter().copied())
            .collect();
        let rotary = axial_rotary(&positions, width / self.num_heads, &x);
        let segments = |i: usize| match self.full_attention.contains(&i) {
            true => &frames[..],
            false => &windows[..],
        };
        let x = run_blocks(&self.blocks, x, &rotary, segments, hidden_states);
        let x = self.merger_norm.forward(x);
        let tokens = self.merger.forward(x.reshape([n / unit, unit * width]));
        let mut place = vec![0; order.len()];
        for (i, &token) in order.iter().enumerate() {
            place[token] = i;
        }
        select_rows(tokens, &place)
    }
}
