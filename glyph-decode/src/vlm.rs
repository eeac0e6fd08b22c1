//! Vision-language checkpoints: a tower, a text decoder, and the positions of images between
//! words. They run on any of Burn's backends.

mod config;
mod decoder;
mod images;
pub(crate) mod rope;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::path::Path;

use burn::tensor::{DType, Device, Tensor, TensorData};
use glyph_encode::checkpoint::{Checkpoint, CheckpointError, LoadProgress};
use glyph_encode::nn::{KEY_ROWS, is_host};
use glyph_encode::towers::{Glm4vTower, Idefics3Tower, PatchTower, Qwen2_5VlTower, Qwen2VlTower};

pub use config::{VisionConfig, VlmConfig, VlmFamily};
use decoder::{Rows, TextDecoder};
pub use images::PixelValues;
pub use rope::RotaryPosition;
use rope::image_positions;

use crate::model::{floats, one_by_one};
use crate::{
    DecodeError, ImageEmbeds, KvCache, LanguageModel, LogitsFor, ModelConfig, Segment, Sequence,
    TokenId,
};

/// Tokens that run through the decoder at once: enough to fill matrix units, few enough that
/// scores of attention stay small.
const PREFILL_CHUNK: usize = 1024;

/// Tokens of a prompt that the CPU wants together: a large model reads them in seconds.
const HOST_PREFILL: usize = 512;

/// The same for other devices: of what is cut into chunks, only the last chunk is not full.
const DEVICE_PREFILL: usize = 4 * PREFILL_CHUNK;

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

    /// Checks embeddings against the model.
    fn check(&self, embeds: &Tensor<2>) -> Result<usize, DecodeError> {
        let [n, width] = embeds.dims();
        let hidden = self.config.model.hidden_size;
        if n == 0 || width != hidden {
            return Err(DecodeError::Input {
                what: "inputs_embeds",
                expected: format!("[n, {hidden}], n at least 1"),
                found: format!("[{n}, {width}]"),
            });
        }
        Ok(n)
    }

    /// Checks that a cache is of this model and has room for `n` tokens.
    fn check_cache(&self, n: usize, cache: &KvCache) -> Result<(), DecodeError> {
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
        cache.check_room(n)
    }

    /// Adds text or vision tokens to a reading whose next token stands at its position.
    fn add(&self, reading: &mut Reading, segment: &Segment) -> Result<(), DecodeError> {
        let (embeds, image) = match segment {
            Segment::Text(ids) if ids.is_empty() => return Ok(()),
            Segment::Text(ids) => (self.embed(ids)?, None),
            Segment::Vision(embeds) => (embeds.clone(), None),
            Segment::Image(image) => (image.embeds.clone(), Some(image)),
        };
        let n = self.check(&embeds)?;
        reading.embeds.push(embeds);
        let start = reading.next;
        // Idefics3 places tokens one after the other.
        let Some(image) = image.filter(|_| self.config.family != VlmFamily::Idefics3) else {
            let positions = (start..start + n).map(|p| [p as u32; 3]);
            reading.positions.extend(positions);
            reading.next += n;
            return Ok(());
        };
        if image.grid.iter().product::<usize>() != n {
            return Err(DecodeError::Input {
                what: "the grid of an image",
                expected: format!("{n} tokens"),
                found: format!("{:?}", image.grid),
            });
        }
        let (positions, next) = image_positions(start, image.grid, image.temporal_step);
        reading.positions.extend(positions);
        reading.next = next;
        if next != start + n {
            reading.jumps.push((reading.positions.len(), next));
        }
        Ok(())
    }

    /// Runs what was gathered, a chunk at a time.
    fn run(
        &self,
        reading: Reading,
        cache: &mut KvCache,
        logits: LogitsFor,
    ) -> Result<Tensor<2>, DecodeError> {
        self.run_in(PREFILL_CHUNK, reading, cache, logits)
    }

    /// [`run`](Self::run) in chunks of `size` tokens.
    fn run_in(
        &self,
        size: usize,
        reading: Reading,
        cache: &mut KvCache,
        logits: LogitsFor,
    ) -> Result<Tensor<2>, DecodeError> {
        let all = reading.positions.len();
        self.check_cache(all, cache)?;
        let before = cache.position();
        let embeds = joined(reading.embeds);
        let mut chunk = size;
        if !is_host(&self.device()) {
            // From the second one on, chunks begin where kernels of attention begin their tiles.
            chunk -= before % KEY_ROWS.min(size);
        }
        let mut out = Vec::new();
        let mut start = 0;
        while start < all {
            let n = chunk.min(all - start);
            chunk = size;
            let x = embeds.clone().narrow(0, start, n);
            let positions = &reading.positions[start..start + n];
            let mut rows = [Rows {
                n,
                cache: &mut *cache,
            }];
            let x = self.decoder.forward(x, positions, &mut rows, None);
            cache.advance(n)?;
            start += n;
            match logits {
                LogitsFor::All => out.push(self.decoder.logits(x)),
                LogitsFor::Last if start == all => {
                    out.push(self.decoder.logits(x.narrow(0, n - 1, 1)));
                }
                LogitsFor::Last | LogitsFor::None => {}
            }
        }
        let jumps = reading.jumps.iter();
        let jumps: Vec<_> = jumps.map(|&(at, next)| (before + at, next)).collect();
        cache.add_jumps(&jumps);
        Ok(match out.is_empty() {
            true => self.no_numbers(self.config.model.vocab_size),
            false => joined(out),
        })
    }

    /// A tensor of no rows.
    fn no_numbers(&self, width: usize) -> Tensor<2> {
        let none = TensorData::new(Vec::<f32>::new(), [0, width]);
        Tensor::from_data(none, (&self.device(), DType::F32))
    }
}

/// What is read together: embeddings, and where their tokens stand.
struct Reading {
    embeds: Vec<Tensor<2>>,
    positions: Vec<RotaryPosition>,
    /// Where the next token stands.
    next: usize,
    /// After how many tokens the positions leave the count of tokens, and where they go on.
    jumps: Vec<(usize, usize)>,
}

impl Reading {
    fn after(cache: &KvCache) -> Self {
        Self {
            embeds: Vec::new(),
            positions: Vec::new(),
            next: cache.rotary_position(),
            jumps: Vec::new(),
        }
    }
}

fn joined(mut parts: Vec<Tensor<2>>) -> Tensor<2> {
    match parts.len() {
        1 => parts.remove(0),
        _ => Tensor::cat(parts, 0),
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
            return Ok(self.no_numbers(self.config.model.hidden_size));
        }
        Ok(self.decoder.embed(input_ids))
    }

    fn forward(
        &self,
        inputs_embeds: Tensor<2>,
        cache: &mut KvCache,
        logits: LogitsFor,
    ) -> Result<Tensor<2>, DecodeError> {
        let mut reading = Reading::after(cache);
        self.add(&mut reading, &Segment::Vision(inputs_embeds))?;
        self.run(reading, cache, logits)
    }

    fn forward_image(
        &self,
        image: &ImageEmbeds,
        cache: &mut KvCache,
        logits: LogitsFor,
    ) -> Result<Tensor<2>, DecodeError> {
        self.forward_segments(&[Segment::Image(image.clone())], cache, logits)
    }

    fn forward_segments(
        &self,
        segments: &[Segment],
        cache: &mut KvCache,
        logits: LogitsFor,
    ) -> Result<Tensor<2>, DecodeError> {
        let mut reading = Reading::after(cache);
        for segment in segments {
            self.add(&mut reading, segment)?;
        }
        if reading.embeds.is_empty() {
            return Err(DecodeError::Input {
                what: "segments",
                expected: "at least one token".to_owned(),
                found: "none".to_owned(),
            });
        }
        self.run(reading, cache, logits)
    }

    fn prefill_chunk(&self) -> usize {
        match is_host(&self.device()) {
            true => HOST_PREFILL,
            false => DEVICE_PREFILL,
        }
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

    fn forward_batch(
        &self,
        sequences: &mut [Sequence<'_>],
        out: &mut Vec<f32>,
    ) -> Result<(), DecodeError> {
        // Sequences of one token share a pass over the weights; longer ones fill one alone.
        if sequences.len() < 2 || sequences.iter().any(|s| s.input_ids.len() != 1) {
            return one_by_one(self, sequences, out);
        }
        for s in sequences.iter() {
            self.check_cache(1, s.cache)?;
        }
        let ids: Vec<TokenId> = sequences.iter().map(|s| s.input_ids[0]).collect();
        let embeds = self.embed(&ids)?;
        let positions: Vec<RotaryPosition> = sequences
            .iter()
            .map(|s| [s.cache.rotary_position() as u32; 3])
            .collect();
        let mut rows: Vec<Rows<'_>> = sequences
            .iter_mut()
            .map(|s| Rows {
                n: 1,
                cache: &mut *s.cache,
            })
            .collect();
        let x = self.decoder.forward(embeds, &positions, &mut rows, None);
        for s in sequences {
            s.cache.advance(1)?;
        }
        *out = floats(self.decoder.logits(x).into_data())?;
        Ok(())
    }
}
