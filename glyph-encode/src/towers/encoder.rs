//! The transformer layer of CLIP and SigLIP: norms first, biases everywhere.

use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Bool, Tensor};

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::nn::{Activation, FeedForward, attend_masked, attention_dtype, project, project_onto};

/// Sizes of such layers.
#[derive(Debug, Clone, Copy)]
pub(super) struct EncoderSizes {
    pub(super) hidden_size: usize,
    pub(super) intermediate_size: usize,
    pub(super) num_attention_heads: usize,
    pub(super) layer_norm_eps: f64,
    pub(super) activation: Activation,
}

/// A layer over a batch of sequences of one length.
#[derive(Module, Debug)]
pub(super) struct EncoderLayer {
    norm1: LayerNorm,
    /// Queries, keys and values in one product.
    qkv: Linear,
    out: Linear,
    norm2: LayerNorm,
    feed_forward: FeedForward,
    heads: usize,
}

impl EncoderLayer {
    pub(super) fn load(
        c: &mut Checkpoint<'_>,
        name: &str,
        sizes: EncoderSizes,
    ) -> Result<Self, CheckpointError> {
        let (d, inner) = (sizes.hidden_size, sizes.intermediate_size);
        let at = |part: &str| format!("{name}.{part}");
        let qkv = ["q_proj", "k_proj", "v_proj"].map(|part| at(&format!("self_attn.{part}")));
        Ok(Self {
            norm1: c.layer_norm(&at("layer_norm1"), d, sizes.layer_norm_eps)?,
            qkv: c.joined_linear(&qkv, d, d)?,
            out: c.linear(&at("self_attn.out_proj"), d, d, true)?,
            norm2: c.layer_norm(&at("layer_norm2"), d, sizes.layer_norm_eps)?,
            feed_forward: FeedForward::plain(
                c.linear(&at("mlp.fc1"), d, inner, true)?,
                c.linear(&at("mlp.fc2"), inner, d, true)?,
                sizes.activation,
            ),
            heads: sizes.num_attention_heads,
        })
    }

    /// # Shapes
    /// - `x` and output: `[batch, n, hidden_size]`
    /// - `mask`: keys to leave out, `[batch, 1, 1, n]`
    pub(super) fn forward(
        &self,
        x: Tensor<3>,
        mask: Option<Tensor<4, Bool>>,
        causal: bool,
    ) -> Tensor<3> {
        let [batch, n, d] = x.dims();
        let head_dim = d / self.heads;
        let qkv = project(&self.qkv, self.norm1.forward(x.clone()))
            .reshape([batch, n, 3 * self.heads, head_dim])
            .cast(attention_dtype(&self.qkv))
            .swap_dims(1, 2);
        let part = |i: usize| qkv.clone().narrow(1, i * self.heads, self.heads);
        let mixed = attend_masked(part(0), part(1), part(2), mask, causal)
            .swap_dims(1, 2)
            .reshape([batch, n, d]);
        let x = project_onto(&self.out, mixed, x).reshape([batch * n, d]);
        let h = self.norm2.forward(x.clone());
        self.feed_forward.forward_onto(h, x).reshape([batch, n, d])
    }
}

/// Patches of images as rows of numbers.
///
/// # Shapes
/// - `pixel_values`: `[batch, channels, height, width]`
/// - output: `[batch, rows * columns, channels * patch_size^2]`
pub(super) fn patchify(pixel_values: Tensor<4>, patch: usize) -> Tensor<3> {
    let [batch, channels, height, width] = pixel_values.dims();
    let (rows, columns) = (height / patch, width / patch);
    pixel_values
        .narrow(2, 0, rows * patch)
        .narrow(3, 0, columns * patch)
        .reshape([batch, channels, rows, patch, columns, patch])
        .permute([0, 2, 4, 1, 3, 5])
        .reshape([batch, rows * columns, channels * patch * patch])
}
