//! CLIP: pictures and texts in one space.
//!
//! After `CLIPModel` of `transformers` (`models/clip/modeling_clip.py`); Radford et al., arXiv
//! 2103.00020.

use std::path::Path;

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use serde::Deserialize;

use super::encoder::{EncoderLayer, EncoderSizes, patchify};
use super::patch::activation;
use crate::EncodeError;
use crate::checkpoint::safetensors::read_json;
use crate::checkpoint::{Checkpoint, CheckpointError, Heads};
use crate::nn::project;

/// `config.json` of a CLIP checkpoint.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ClipConfig {
    /// Width of the common space.
    #[serde(default = "default_projection")]
    pub projection_dim: usize,
    /// The picture side.
    #[serde(default)]
    pub vision_config: ClipVisionConfig,
    /// The text side.
    #[serde(default)]
    pub text_config: ClipTextConfig,
}

fn default_projection() -> usize {
    512
}

/// `vision_config` of a CLIP checkpoint; where it says nothing, that of ViT-B/32.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct ClipVisionConfig {
    /// Width of the features.
    pub hidden_size: usize,
    /// Width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Transformer layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Colour channels.
    pub num_channels: usize,
    /// Side of the picture in pixels.
    pub image_size: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Name of the feed-forward layers' activation.
    pub hidden_act: String,
    /// Added to the variance in LayerNorm.
    pub layer_norm_eps: f64,
}

impl Default for ClipVisionConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            num_channels: 3,
            image_size: 224,
            patch_size: 32,
            hidden_act: "quick_gelu".to_owned(),
            layer_norm_eps: 1e-5,
        }
    }
}

/// `text_config` of a CLIP checkpoint; where it says nothing, that of ViT-B/32.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct ClipTextConfig {
    /// Number of tokens.
    pub vocab_size: usize,
    /// Width of the features.
    pub hidden_size: usize,
    /// Width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Transformer layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Most tokens of a text.
    pub max_position_embeddings: usize,
    /// Name of the feed-forward layers' activation.
    pub hidden_act: String,
    /// Added to the variance in LayerNorm.
    pub layer_norm_eps: f64,
    /// The token whose features stand for the text.
    pub eos_token_id: u32,
}

impl Default for ClipTextConfig {
    fn default() -> Self {
        Self {
            vocab_size: 49_408,
            hidden_size: 512,
            intermediate_size: 2048,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: "quick_gelu".to_owned(),
            layer_norm_eps: 1e-5,
            eos_token_id: 49_407,
        }
    }
}

/// Both towers of CLIP.
#[derive(Module, Debug)]
pub struct ClipModel {
    /// The picture side.
    pub vision: ClipVisionTower,
    /// The text side.
    pub text: ClipTextTower,
    logit_scale: f64,
}

impl ClipModel {
    /// Loads a folder with `config.json` and safetensors as `dtype`; `None` keeps the type of the
    /// files.
    ///
    /// # Errors
    /// If it is no CLIP checkpoint, or a tensor is missing, unused or of another shape.
    pub fn open(
        folder: impl AsRef<Path>,
        dtype: Option<DType>,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        let folder = folder.as_ref();
        let config: ClipConfig = read_json(&folder.join("config.json"))?;
        let mut checkpoint = Checkpoint::open(folder, dtype.unwrap_or(DType::F32), device)?;
        if dtype.is_none() && checkpoint.stored_dtype() != DType::F32 {
            checkpoint = Checkpoint::open(folder, checkpoint.stored_dtype(), device)?;
        }
        let c = &mut checkpoint;
        let vision = ClipVisionTower::load(c, &config.vision_config, config.projection_dim)?;
        let text = ClipTextTower::load(c, &config.text_config, config.projection_dim)?;
        let scale: Tensor<1> = c.tensor_as("logit_scale", &[], [1])?;
        checkpoint.finish()?;
        Ok(Self {
            vision,
            text,
            logit_scale: scale.cast(DType::F32).into_scalar::<f32>().into(),
        })
    }

    /// How much cosines count: `logits = exp(logit_scale) * cosine`.
    pub fn logit_scale(&self) -> f64 {
        self.logit_scale
    }

    /// Logits of each picture for each text.
    ///
    /// # Shapes
    /// - `image_embeds`: `[images, projection_dim]`; `text_embeds`: `[texts, projection_dim]`,
    ///   normalised or not
    /// - output: `[images, texts]`
    pub fn logits_per_image(&self, image_embeds: Tensor<2>, text_embeds: Tensor<2>) -> Tensor<2> {
        normalize(image_embeds)
            .matmul(normalize(text_embeds).transpose())
            .mul_scalar(self.logit_scale.exp())
    }
}

/// Divides rows by their length; a row of zeros stays, and its gradient is finite.
///
/// # Shapes
/// - input and output: `[n, width]`
pub fn normalize(x: Tensor<2>) -> Tensor<2> {
    // PyTorch's bound, under the root, whose own gradient at zero is infinite.
    const EPS: f64 = 1e-12;
    let length = x.clone().square().sum_dim(1).clamp_min(EPS * EPS).sqrt();
    x / length
}

/// The picture side of CLIP.
#[derive(Module, Debug)]
pub struct ClipVisionTower {
    patch_embedding: Linear,
    class_embedding: Param<Tensor<1>>,
    /// `[1 + patches, hidden_size]`.
    position_embedding: Param<Tensor<2>>,
    pre_layernorm: LayerNorm,
    layers: Vec<EncoderLayer>,
    post_layernorm: LayerNorm,
    projection: Linear,
    patch_size: usize,
    image_size: usize,
}

impl ClipVisionTower {
    /// Reads the tensors `vision_model.…` and `visual_projection.weight`.
    ///
    /// # Errors
    /// If a size makes no model, a tensor has another shape or the activation is not known.
    pub fn load(
        checkpoint: &mut Checkpoint<'_>,
        config: &ClipVisionConfig,
        projection_dim: usize,
    ) -> Result<Self, CheckpointError> {
        let c = checkpoint;
        let (d, patch, eps) = (config.hidden_size, config.patch_size, config.layer_norm_eps);
        c.check_sizes(
            &[
                ("vision_config.intermediate_size", config.intermediate_size),
                ("vision_config.num_channels", config.num_channels),
                ("vision_config.patch_size", patch),
                ("projection_dim", projection_dim),
            ],
            ("vision_config.num_hidden_layers", config.num_hidden_layers),
            Heads {
                heads: (
                    "vision_config.num_attention_heads",
                    config.num_attention_heads,
                ),
                width: ("vision_config.hidden_size", d),
                multiple: 1,
            },
        )?;
        let side = c.check_patches(("vision_config.image_size", config.image_size), patch)?;
        let sizes = EncoderSizes {
            hidden_size: d,
            intermediate_size: config.intermediate_size,
            num_attention_heads: config.num_attention_heads,
            layer_norm_eps: eps,
            activation: activation(c, &config.hidden_act)?,
        };
        let at = |part: &str| format!("vision_model.{part}");
        let layers = (0..config.num_hidden_layers)
            .map(|i| EncoderLayer::load(c, &at(&format!("encoder.layers.{i}")), sizes))
            .collect::<Result<_, _>>()?;
        let class = c.tensor_f32(&at("embeddings.class_embedding"), [d])?;
        let positions = at("embeddings.position_embedding.weight");
        let positions = c.tensor_f32(&positions, [side * side + 1, d])?;
        Ok(Self {
            patch_embedding: c.linear_as(
                &at("embeddings.patch_embedding"),
                &[d, config.num_channels, patch, patch],
                config.num_channels * patch * patch,
                d,
                false,
            )?,
            class_embedding: Param::from_tensor(class),
            position_embedding: Param::from_tensor(positions),
            // Named so in all checkpoints.
            pre_layernorm: c.layer_norm(&at("pre_layrnorm"), d, eps)?,
            layers,
            post_layernorm: c.layer_norm(&at("post_layernorm"), d, eps)?,
            projection: c.linear("visual_projection", d, projection_dim, false)?,
            patch_size: patch,
            image_size: config.image_size,
        })
    }

    /// Side of the pictures that it takes, in pixels.
    pub fn image_size(&self) -> usize {
        self.image_size
    }

    /// Features of the class token and of each patch, before the last norm. `hidden_states` takes
    /// the output of each layer.
    ///
    /// # Shapes
    /// - `pixel_values`: `[batch, channels, image_size, image_size]`
    /// - output: `[batch, 1 + patches, hidden_size]`
    ///
    /// # Errors
    /// If the pictures have another size.
    pub fn encode(
        &self,
        pixel_values: Tensor<4>,
        mut hidden_states: Option<&mut Vec<Tensor<3>>>,
    ) -> Result<Tensor<3>, EncodeError> {
        let [batch, channels, height, width] = pixel_values.dims();
        let [numbers, d] = self.patch_embedding.weight.shape().dims();
        let wanted = numbers / (self.patch_size * self.patch_size);
        if batch == 0 || [channels, height, width] != [wanted, self.image_size, self.image_size] {
            return Err(EncodeError::Input {
                what: "pixel_values",
                expected: format!("[batch, {wanted}, {0}, {0}]", self.image_size),
                found: format!("{:?}", pixel_values.dims()),
            });
        }
        let patches = project(
            &self.patch_embedding,
            patchify(pixel_values, self.patch_size),
        );
        let class = self.class_embedding.val().reshape([1, 1, d]);
        let x = Tensor::cat(vec![class.expand([batch, 1, d]), patches], 1);
        let mut x = self
            .pre_layernorm
            .forward(x + self.position_embedding.val().unsqueeze());
        for layer in &self.layers {
            x = layer.forward(x, None, false);
            if let Some(states) = &mut hidden_states {
                states.push(x.clone());
            }
        }
        Ok(x)
    }

    /// One embedding a picture: that of the class token, in the common space, not normalised.
    ///
    /// # Shapes
    /// - `pixel_values`: `[batch, channels, image_size, image_size]`
    /// - output: `[batch, projection_dim]`
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn image_embeds(&self, pixel_values: Tensor<4>) -> Result<Tensor<2>, EncodeError> {
        let x = self.encode(pixel_values, None)?;
        let class: Tensor<2> = x.narrow(1, 0, 1).squeeze_dim(1);
        Ok(project(
            &self.projection,
            self.post_layernorm.forward(class),
        ))
    }
}

/// The text side of CLIP.
#[derive(Module, Debug)]
pub struct ClipTextTower {
    token_embedding: Param<Tensor<2>>,
    position_embedding: Param<Tensor<2>>,
    layers: Vec<EncoderLayer>,
    final_layer_norm: LayerNorm,
    projection: Linear,
    eos_token_id: u32,
}

impl ClipTextTower {
    /// Reads the tensors `text_model.…` and `text_projection.weight`.
    ///
    /// # Errors
    /// If a size makes no model, a tensor has another shape or the activation is not known.
    pub fn load(
        checkpoint: &mut Checkpoint<'_>,
        config: &ClipTextConfig,
        projection_dim: usize,
    ) -> Result<Self, CheckpointError> {
        let c = checkpoint;
        let (d, eps) = (config.hidden_size, config.layer_norm_eps);
        c.check_sizes(
            &[
                ("text_config.vocab_size", config.vocab_size),
                ("text_config.intermediate_size", config.intermediate_size),
                (
                    "text_config.max_position_embeddings",
                    config.max_position_embeddings,
                ),
                ("projection_dim", projection_dim),
            ],
            ("text_config.num_hidden_layers", config.num_hidden_layers),
            Heads {
                heads: (
                    "text_config.num_attention_heads",
                    config.num_attention_heads,
                ),
                width: ("text_config.hidden_size", d),
                multiple: 1,
            },
        )?;
        let sizes = EncoderSizes {
            hidden_size: d,
            intermediate_size: config.intermediate_size,
            num_attention_heads: config.num_attention_heads,
            layer_norm_eps: eps,
            activation: activation(c, &config.hidden_act)?,
        };
        let at = |part: &str| format!("text_model.{part}");
        let layers = (0..config.num_hidden_layers)
            .map(|i| EncoderLayer::load(c, &at(&format!("encoder.layers.{i}")), sizes))
            .collect::<Result<_, _>>()?;
        let tokens = at("embeddings.token_embedding.weight");
        let tokens = c.tensor_f32(&tokens, [config.vocab_size, d])?;
        let positions = at("embeddings.position_embedding.weight");
        let positions = c.tensor_f32(&positions, [config.max_position_embeddings, d])?;
        Ok(Self {
            token_embedding: Param::from_tensor(tokens),
            position_embedding: Param::from_tensor(positions),
            layers,
            final_layer_norm: c.layer_norm(&at("final_layer_norm"), d, eps)?,
            projection: c.linear("text_projection", d, projection_dim, false)?,
            eos_token_id: config.eos_token_id,
        })
    }

    /// Most tokens of a text.
    pub fn max_tokens(&self) -> usize {
        self.position_embedding.dims()[0]
    }

    /// Features of each token, after the last norm. `hidden_states` takes the output of each
    /// layer.
    ///
    /// # Shapes
    /// - `input_ids`: texts of one length; what follows the end token has no effect on it
    /// - output: `[texts, tokens, hidden_size]`
    ///
    /// # Errors
    /// If texts are empty, too long or of several lengths, or an id is not in the vocabulary.
    pub fn encode(
        &self,
        input_ids: &[Vec<u32>],
        mut hidden_states: Option<&mut Vec<Tensor<3>>>,
    ) -> Result<Tensor<3>, EncodeError> {
        let [vocab_size, d] = self.token_embedding.dims();
        let [longest, _] = self.position_embedding.dims();
        let n = input_ids.first().map_or(0, Vec::len);
        let fits =
            |ids: &Vec<u32>| ids.len() == n && ids.iter().all(|&id| (id as usize) < vocab_size);
        if n == 0 || n > longest || !input_ids.iter().all(fits) {
            return Err(EncodeError::Input {
                what: "input_ids",
                expected: format!(
                    "texts of one length, 1 to {longest} tokens, ids below {vocab_size}"
                ),
                found: format!(
                    "{:?} tokens",
                    input_ids.iter().map(Vec::len).collect::<Vec<_>>()
                ),
            });
        }
        let batch = input_ids.len();
        let ids: Vec<i32> = input_ids.iter().flatten().map(|&id| id as i32).collect();
        let ids = TensorData::new(ids, [batch * n]);
        let ids = Tensor::<1, Int>::from_data(ids, &self.token_embedding.val().device());
        let tokens = self.token_embedding.val().select(0, ids);
        let positions = self.position_embedding.val().narrow(0, 0, n);
        let mut x = tokens.reshape([batch, n, d]) + positions.unsqueeze();
        for layer in &self.layers {
            x = layer.forward(x, None, true);
            if let Some(states) = &mut hidden_states {
                states.push(x.clone());
            }
        }
        Ok(self.final_layer_norm.forward(x))
    }

    /// One embedding a text: that of its end token, in the common space, not normalised.
    ///
    /// # Shapes
    /// - output: `[texts, projection_dim]`
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn text_embeds(&self, input_ids: &[Vec<u32>]) -> Result<Tensor<2>, EncodeError> {
        let x = self.encode(input_ids, None)?;
        let ends = input_ids.iter().enumerate().map(|(i, ids)| {
            let row = x.clone().narrow(0, i, 1).narrow(1, self.end(ids), 1);
            row.squeeze_dim::<2>(1)
        });
        Ok(project(&self.projection, Tensor::cat(ends.collect(), 0)))
    }

    /// Where a text ends: at the first end token. Configs from before the end token was written
    /// down say 2, and the end token is then the one of the highest id.
    fn end(&self, ids: &[u32]) -> usize {
        let wanted = match self.eos_token_id {
            2 => ids.iter().copied().max().unwrap_or_default(),
            id => id,
        };
        ids.iter().position(|&id| id == wanted).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_zeros_has_no_length_to_divide_by() {
        let x = Tensor::<2>::from_floats([[3.0, 4.0], [0.0, 0.0]], &Device::default());
        let unit: Vec<f32> = normalize(x).into_data().try_to_vec().expect("f32");
        assert_eq!(unit, [0.6, 0.8, 0.0, 0.0]);
    }
}
