//! Vision-language checkpoints: a tower, a text decoder, and the positions of images between
//! words. They run on any of Burn's backends.

mod config;
mod decoder;
mod images;
pub(crate) mod rope;

use std::ops::ControlFlow;
use std::path::Path;

use burn::tensor::{DType, Device, Tensor, TensorData};
use glyph_encode::checkpoint::{Checkpoint, CheckpointError, LoadProgress};
use glyph_encode::towers::{Glm4vTower, Idefics3Tower, PatchTower, Qwen2_5VlTower, Qwen2VlTower};

pub use config::{VisionConfig, VlmConfig, VlmFamily};
use decoder::TextDecoder;
pub use images::PixelValues;
pub use rope::RotaryPosition;
use rope::image_positions;

use crate::model::floats;
use crate::{DecodeError, ImageEmbeds, KvCache, LanguageModel, LogitsFor, ModelConfig, TokenId};

/// Tokens that run through the decoder at once: enough to fill matrix units, few enough that
/// scores of attention stay small.
const PREFILL_CHUNK: usize = 1024;

/// The tower of a checkpoint.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a model has one tower, and its tensors are large by themselves"
)]
enum Tower {
    Glm4v(Glm4vTower),
    Qwen2Vl(Qwen2VlTower),
    Qwen2_5Vl(Qwen2_5VlTower),
    Idefics3(Idefics3Tower),
}

/// A vision-language model from a folder of Hugging Face's layout.
///
/// As a [`LanguageModel`] it generates through a [`Session`](crate::Session) from
/// [`Segment`](crate::Segment)s of text and [`ImageEmbeds`].
#[derive(Debug)]
pub struct VisionLanguageModel {
    config: VlmConfig,
    tower: Tower,
    decoder: TextDecoder,
}

impl VisionLanguageModel {
    /// Loads a folder with `config.json` and safetensors. Weights become `dtype`, which is `F32`,
    /// `F16` or `BF16`; `None` keeps the type of the files.
    ///
    /// # Errors
    /// If the family is not known, or a tensor is missing, unused or of another shape.
    pub fn open(
        folder: impl AsRef<Path>,
        dtype: Option<DType>,
        device: &Device,
    ) -> Result<Self, DecodeError> {
        Self::open_with(folder, dtype, device, |_| ControlFlow::Continue(()))
    }

    /// [`open`](Self::open) that tells how far it is, and stops where `progress` returns
    /// [`ControlFlow::Break`].
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`CheckpointError::Cancelled`].
    pub fn open_with(
        folder: impl AsRef<Path>,
        dtype: Option<DType>,
        device: &Device,
        progress: impl FnMut(LoadProgress) -> ControlFlow<()>,
    ) -> Result<Self, DecodeError> {
        let folder = folder.as_ref();
        let config = VlmConfig::open(folder)?;
        let dtype = match dtype {
            Some(dtype) => dtype,
            None => Checkpoint::open(folder, DType::F32, device)?.stored_dtype(),
        };
        let mut checkpoint = Checkpoint::open(folder, dtype, device)?.on_progress(progress);
        checkpoint.rename(canonical_name)?;
        let (tower, decoder) = load(&mut checkpoint, &config)?;
        checkpoint.finish()?;
        Ok(Self {
            config,
            tower,
            decoder,
        })
    }

    /// What `config.json` says.
    pub fn vlm_config(&self) -> &VlmConfig {
        &self.config
    }

    /// The device of the weights.
    pub fn device(&self) -> Device {
        self.decoder.device()
    }

    /// The type of the weights.
    pub fn dtype(&self) -> DType {
        self.decoder.dtype()
    }

    /// The tower, where it is one over patches of images of any size.
    pub fn patch_tower(&self) -> Option<&dyn PatchTower> {
        match &self.tower {
            Tower::Glm4v(tower) => Some(tower),
            Tower::Qwen2Vl(tower) => Some(tower),
            Tower::Qwen2_5Vl(tower) => Some(tower),
            Tower::Idefics3(_) => None,
        }
    }

    /// The tower, where it is one over tiles of a fixed size.
    pub fn tile_tower(&self) -> Option<&Idefics3Tower> {
        match &self.tower {
            Tower::Idefics3(tower) => Some(tower),
            _ => None,
        }
    }

    /// Checks embeddings against the model and the cache.
    fn check(&self, embeds: &Tensor<2>, cache: &KvCache) -> Result<usize, DecodeError> {
        let [n, width] = embeds.dims();
        let hidden = self.config.model.hidden_size;
        if n == 0 || width != hidden {
            return Err(DecodeError::Input {
                what: "inputs_embeds",
                expected: format!("[n, {hidden}], n at least 1"),
                found: format!("[{n}, {width}]"),
            });
        }
        let model = &self.config.model;
        let shape = [
            model.num_hidden_layers,
            model.num_key_value_heads,
            model.head_dim,
        ];
        if !cache.is_on_device() || cache.shape() != shape {
            return Err(DecodeError::Input {
                what: "cache",
                expected: format!("a cache of this model, {shape:?} on its device"),
                found: format!("{:?}", cache.shape()),
            });
        }
        cache.check_room(n)?;
        Ok(n)
    }

    /// Runs embeddings at given positions, a chunk at a time.
    fn run(
        &self,
        embeds: Tensor<2>,
        positions: &[RotaryPosition],
        cache: &mut KvCache,
        logits: LogitsFor,
    ) -> Result<Tensor<2>, DecodeError> {
        let mut out = Vec::new();
        let mut start = 0;
        for part in positions.chunks(PREFILL_CHUNK) {
            let n = part.len();
            let x = embeds.clone().narrow(0, start, n);
            let x = self.decoder.forward(x, part, cache, None);
            cache.advance(n)?;
            start += n;
            match logits {
                LogitsFor::All => out.push(self.decoder.logits(x)),
                LogitsFor::Last if start == positions.len() => {
                    out.push(self.decoder.logits(x.narrow(0, n - 1, 1)));
                }
                LogitsFor::Last => {}
            }
        }
        Ok(match out.len() {
            1 => out.remove(0),
            _ => Tensor::cat(out, 0),
        })
    }
}

fn load(
    checkpoint: &mut Checkpoint<'_>,
    config: &VlmConfig,
) -> Result<(Tower, TextDecoder), CheckpointError> {
    // Layers that are missing are made of zeros until all are counted.
    let (layers, tensors) = (config.text.num_hidden_layers, checkpoint.names().count());
    if layers > tensors {
        return Err(CheckpointError::File {
            path: checkpoint.folder().to_owned(),
            reason: format!("{layers} layers, but only {tensors} tensors"),
        });
    }
    let tower = match &config.vision {
        VisionConfig::Glm4v(vision) => {
            Tower::Glm4v(Glm4vTower::load(checkpoint, "visual", vision)?)
        }
        VisionConfig::Qwen2Vl(vision) => {
            Tower::Qwen2Vl(Qwen2VlTower::load(checkpoint, "visual", vision)?)
        }
        VisionConfig::Qwen2_5Vl(vision) => {
            Tower::Qwen2_5Vl(Qwen2_5VlTower::load(checkpoint, "visual", vision)?)
        }
        VisionConfig::Idefics3(vision) => {
            let hidden = config.text.hidden_size;
            Tower::Idefics3(Idefics3Tower::load(checkpoint, vision, hidden)?)
        }
    };
    Ok((tower, TextDecoder::load(checkpoint, &config.text)?))
}

/// One name for what releases of `transformers` name differently:
/// `conversion_mapping.py` and the `_checkpoint_conversion_mapping` of the models.
fn canonical_name(name: &str) -> String {
    const PREFIXES: [(&str, &str); 7] = [
        ("model.visual.", "visual."),
        ("model.language_model.", "model."),
        ("model.text_model.", "model."),
        ("model.vision_model.", "vision_model."),
        ("model.connector.", "connector."),
        ("language_model.model.", "model."),
        ("language_model.lm_head.", "lm_head."),
    ];
    for (prefix, new) in PREFIXES {
        if let Some(rest) = name.strip_prefix(prefix) {
            return format!("{new}{rest}");
        }
    }
    name.to_owned()
}

impl LanguageModel for VisionLanguageModel {
    fn config(&self) -> &ModelConfig {
        &self.config.model
    }

    fn embed(&self, input_ids: &[TokenId]) -> Result<Tensor<2>, DecodeError> {
        let vocab_size = self.config.model.vocab_size;
        if let Some(&id) = input_ids.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(DecodeError::TokenId { id, vocab_size });
        }
        if input_ids.is_empty() {
            let none = TensorData::new(Vec::<f32>::new(), [0, self.config.model.hidden_size]);
            return Ok(Tensor::from_data(none, &self.device()));
        }
        Ok(self.decoder.embed(input_ids))
    }

    fn forward(
        &self,
        inputs_embeds: Tensor<2>,
        cache: &mut KvCache,
        logits: LogitsFor,
    ) -> Result<Tensor<2>, DecodeError> {
        let n = self.check(&inputs_embeds, cache)?;
        let start = cache.rotary_position();
        let positions: Vec<RotaryPosition> = (start..start + n).map(|p| [p as u32; 3]).collect();
        self.run(inputs_embeds, &positions, cache, logits)
    }

    fn forward_image(
        &self,
        image: &ImageEmbeds,
        cache: &mut KvCache,
        logits: LogitsFor,
    ) -> Result<Tensor<2>, DecodeError> {
        // Idefics3 places tokens one after the other.
        if self.config.family == VlmFamily::Idefics3 {
            return self.forward(image.embeds.clone(), cache, logits);
        }
        let n = self.check(&image.embeds, cache)?;
        if image.grid.iter().product::<usize>() != n {
            return Err(DecodeError::Input {
                what: "the grid of an image",
                expected: format!("{n} tokens"),
                found: format!("{:?}", image.grid),
            });
        }
        let start = cache.rotary_position();
        let (positions, next) = image_positions(start, image.grid, image.temporal_step);
        let out = self.run(image.embeds.clone(), &positions, cache, logits)?;
        cache.set_rotary_position(next);
        Ok(out)
    }

    fn new_cache(&self, capacity: usize) -> Result<KvCache, DecodeError> {
        let model = &self.config.model;
        if capacity == 0 || capacity > model.context_length {
            return Err(DecodeError::Input {
                what: "capacity",
                expected: format!("1 to {} tokens", model.context_length),
                found: capacity.to_string(),
            });
        }
        Ok(KvCache::on_device(
            model.num_hidden_layers,
            model.num_key_value_heads,
            model.head_dim,
            capacity,
            self.dtype(),
            &self.device(),
        ))
    }

    fn forward_ids(
        &self,
        input_ids: &[TokenId],
        cache: &mut KvCache,
        logits: LogitsFor,
        out: &mut Vec<f32>,
    ) -> Result<(), DecodeError> {
        let embeds = self.embed(input_ids)?;
        let data = self.forward(embeds, cache, logits)?.into_data();
        *out = floats(data)?;
        Ok(())
    }
}
