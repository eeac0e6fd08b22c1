//! The tower of Idefics3 and SmolVLM: SigLIP over tiles, then a pixel shuffle.
//!
//! After `Idefics3VisionTransformer` and `Idefics3Connector` of `transformers`
//! (`models/idefics3/modeling_idefics3.py`).

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Bool, Int, Tensor, TensorData};
use serde::Deserialize;

use super::encoder::{EncoderLayer, EncoderSizes, patchify};
use super::patch::activation;
use crate::EncodeError;
use crate::checkpoint::{Checkpoint, CheckpointError, Heads};
use crate::nn::project;

/// `vision_config` of an Idefics3 checkpoint, with the `scale_factor` that lies beside it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Idefics3VisionConfig {
    /// Width of a patch's features.
    pub hidden_size: usize,
    /// Width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Transformer layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Colour channels.
    pub num_channels: usize,
    /// Side of a tile in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Name of the feed-forward layers' activation.
    pub hidden_act: String,
    /// Added to the variance in LayerNorm.
    pub layer_norm_eps: f64,
    /// Patches on the side of a token.
    pub scale_factor: usize,
}

impl Default for Idefics3VisionConfig {
    fn default() -> Self {
        Self {
            hidden_size: 1152,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 16,
            num_channels: 3,
            image_size: 224,
            patch_size: 32,
            hidden_act: "gelu_pytorch_tanh".to_owned(),
            layer_norm_eps: 1e-6,
            scale_factor: 2,
        }
    }
}

/// The tower of Idefics3 and SmolVLM.
#[derive(Module, Debug)]
pub struct Idefics3Tower {
    patch_embedding: Linear,
    /// `[side^2, hidden_size]`.
    position_embedding: Param<Tensor<2>>,
    layers: Vec<EncoderLayer>,
    post_layernorm: LayerNorm,
    connector: Linear,
    patch_size: usize,
    scale: usize,
}

impl Idefics3Tower {
    /// Reads the tensors `vision_model.…` and `connector.…`. Tokens come out `text_hidden_size`
    /// wide.
    ///
    /// # Errors
    /// If a size makes no model, a tensor has another shape or the activation is not known.
    pub fn load(
        checkpoint: &mut Checkpoint<'_>,
        config: &Idefics3VisionConfig,
        text_hidden_size: usize,
    ) -> Result<Self, CheckpointError> {
        let c = checkpoint;
        let (d, patch) = (config.hidden_size, config.patch_size);
        c.check_sizes(
            &[
                ("intermediate_size", config.intermediate_size),
                ("num_channels", config.num_channels),
                ("patch_size", patch),
                ("scale_factor", config.scale_factor),
                ("text hidden_size", text_hidden_size),
            ],
            ("num_hidden_layers", config.num_hidden_layers),
            Heads {
                heads: ("num_attention_heads", config.num_attention_heads),
                width: ("hidden_size", d),
                multiple: 1,
            },
        )?;
        let side = c.check_patches(("image_size", config.image_size), patch)?;
        let sizes = EncoderSizes {
            hidden_size: d,
            intermediate_size: config.intermediate_size,
            num_attention_heads: config.num_attention_heads,
            layer_norm_eps: config.layer_norm_eps,
            activation: activation(c, &config.hidden_act)?,
        };
        let stored = [d, config.num_channels, patch, patch];
        let at = |part: &str| format!("vision_model.{part}");
        let merged = d * config.scale_factor * config.scale_factor;
        let layers = (0..config.num_hidden_layers)
            .map(|i| EncoderLayer::load(c, &at(&format!("encoder.layers.{i}")), sizes))
            .collect::<Result<_, _>>()?;
        let positions = c.tensor_f32(
            &at("embeddings.position_embedding.weight"),
            [side * side, d],
        )?;
        Ok(Self {
            patch_embedding: c.linear_as(
                &at("embeddings.patch_embedding"),
                &stored,
                config.num_channels * patch * patch,
                d,
                true,
            )?,
            position_embedding: Param::from_tensor(positions),
            layers,
            post_layernorm: c.layer_norm(&at("post_layernorm"), d, config.layer_norm_eps)?,
            connector: c.linear(
                "connector.modality_projection.proj",
                merged,
                text_hidden_size,
                false,
            )?,
            patch_size: patch,
            scale: config.scale_factor,
        })
    }

    /// Tokens of a tile of `height` by `width` pixels.
    pub fn tokens(&self, height: usize, width: usize) -> usize {
        (height / self.patch_size) * (width / self.patch_size) / (self.scale * self.scale)
    }

    /// Encodes tiles. `visible` counts the rows and columns of pixels of each tile that are no
    /// padding, from its top left.
    ///
    /// # Shapes
    /// - `pixel_values`: `[n_tiles, channels, height, width]`
    /// - output: `[n_tiles, n_tokens, text_hidden_size]`
    ///
    /// # Errors
    /// If the tiles are not whole patches and tokens, or `visible` does not fit them.
    pub fn encode_tiles(
        &self,
        pixel_values: Tensor<4>,
        visible: &[[usize; 2]],
    ) -> Result<Tensor<3>, EncodeError> {
        let [tiles, channels, height, width] = pixel_values.dims();
        let side = self.patch_size * self.scale;
        let [numbers, _] = self.patch_embedding.weight.shape().dims();
        let fits = tiles > 0
            && height == width
            && height % side == 0
            && channels * self.patch_size * self.patch_size == numbers;
        if !fits {
            return Err(EncodeError::Input {
                what: "pixel_values",
                expected: format!(
                    "[n, {}, side, side], sides in multiples of {side}",
                    numbers / (self.patch_size * self.patch_size)
                ),
                found: format!("{:?}", pixel_values.dims()),
            });
        }
        let seen = |v: &[usize; 2]| v[0] > 0 && v[1] > 0 && v[0] <= height && v[1] <= width;
        if visible.len() != tiles || !visible.iter().all(seen) {
            return Err(EncodeError::Input {
                what: "visible",
                expected: format!("1 to {height} rows and columns for each of {tiles} tiles"),
                found: format!("{visible:?}"),
            });
        }
        Ok(self.forward(pixel_values, visible, None))
    }

    /// [`encode_tiles`](Self::encode_tiles) without checks; `hidden_states` takes the embedded
    /// patches and the output of each layer, `[n_tiles, n_patches, hidden_size]`.
    ///
    /// # Panics
    /// On other shapes.
    pub fn forward(
        &self,
        pixel_values: Tensor<4>,
        visible: &[[usize; 2]],
        mut hidden_states: Option<&mut Vec<Tensor<3>>>,
    ) -> Tensor<3> {
        let [tiles, _, height, width] = pixel_values.dims();
        let patch = self.patch_size;
        let (rows, columns) = (height / patch, width / patch);
        let device = pixel_values.device();
        let [cells, d] = self.position_embedding.dims();
        let side = cells.isqrt();

        // A patch counts as visible where any of its pixels is.
        let inside: Vec<[usize; 2]> = visible
            .iter()
            .map(|v| v.map(|n| n.div_ceil(patch)))
            .collect();
        let mut ids = Vec::with_capacity(tiles * rows * columns);
        let mut hidden = Vec::with_capacity(tiles * rows * columns);
        for &[seen_rows, seen_columns] in &inside {
            let row_buckets = buckets(rows, seen_rows, side);
            let column_buckets = buckets(columns, seen_columns, side);
            for (y, row) in row_buckets.iter().enumerate() {
                for (x, column) in column_buckets.iter().enumerate() {
                    let is_seen = y < seen_rows && x < seen_columns;
                    let id = row * side + column;
                    ids.push(if is_seen { id as i32 } else { 0 });
                    hidden.push(!is_seen);
                }
            }
        }
        let mask = hidden.contains(&true).then(|| {
            let data = TensorData::new(hidden, [tiles, 1, 1, rows * columns]);
            Tensor::<4, Bool>::from_data(data, &device)
        });
        let ids = TensorData::new(ids, [tiles * rows * columns]);
        let ids = Tensor::<1, Int>::from_data(ids, &device);
        let positions = self.position_embedding.val().select(0, ids);
        let mut x = project(&self.patch_embedding, patchify(pixel_values, patch))
            + positions.reshape([tiles, rows * columns, d]);
        if let Some(states) = &mut hidden_states {
            states.push(x.clone());
        }
        for layer in &self.layers {
            x = layer.forward(x, mask.clone(), false);
            if let Some(states) = &mut hidden_states {
                states.push(x.clone());
            }
        }
        let x = self.post_layernorm.forward(x);
        project(&self.connector, pixel_shuffle(x, self.scale))
    }
}

/// The learned position of each of `n` patches of which `seen` are visible, on `side` positions.
fn buckets(n: usize, seen: usize, side: usize) -> Vec<usize> {
    let step = 1.0 / seen as f32;
    (0..n)
        .map(|i| {
            let at = (i as f32 * step).min(1.0 - 1e-6);
            // `torch.bucketize(at, arange(1/side, 1, 1/side), right=True)`.
            (1..side)
                .filter(|&k| (1.0 / side as f64 + (k - 1) as f64 / side as f64) as f32 <= at)
                .count()
        })
        .collect()
}

/// Joins squares of `scale` by `scale` patches.
///
/// # Shapes
/// - `x`: `[batch, side^2, d]`
/// - output: `[batch, side^2 / scale^2, d * scale^2]`
fn pixel_shuffle(x: Tensor<3>, scale: usize) -> Tensor<3> {
    let [batch, n, d] = x.dims();
    let side = n.isqrt() / scale;
    x.reshape([batch, side, scale, side, scale * d])
        .swap_dims(2, 3)
        .reshape([batch, side * side, scale * scale * d])
}
