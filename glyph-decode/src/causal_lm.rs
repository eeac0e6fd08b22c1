//! Language models from files, on the CPU.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

use crate::model::floats;
use crate::prompt::{special_tokens, template_source};
use crate::transformer::{Run, Transformer};
use crate::weights::gguf::GgufFile;
use crate::{
    CachePolicy, DecodeError, KvCache, LanguageModel, LogitsFor, ModelConfig, Sequence, TokenId,
    Tokenizer, families,
};

/// A decoder-only language model of the family llama or qwen2 that runs on the CPU.
///
/// Weights stay in the format of their file: quantised ones are multiplied as integers.
#[derive(Debug)]
pub struct CausalLm {
    transformer: Transformer,
    device: Device,
}

impl CausalLm {
    /// Reads the model of a GGUF file. `device` is where [`embed`](LanguageModel::embed) and
    /// [`forward`](LanguageModel::forward) put their tensors; the model itself computes on the
    /// CPU.
    ///
    /// # Errors
    /// If the file is of another family, or a tensor is missing, unused or of another shape.
    pub fn from_gguf(file: &GgufFile, device: &Device) -> Result<Self, DecodeError> {
        let transformer = families::from_gguf(file, default_threads())?;
        Ok(Self {
            transformer,
            device: device.clone(),
        })
    }

    /// Reads a folder of Hugging Face's layout: `config.json` and `model.safetensors`, or shards
    /// with an index. Numbers stay `f32`, `f16` or `bf16`.
    ///
    /// # Errors
    /// If the model is of another family, or a tensor is missing, unused or of another shape.
    pub fn from_folder(folder: impl AsRef<Path>, device: &Device) -> Result<Self, DecodeError> {
        let transformer = families::from_folder(folder.as_ref(), default_threads())?;
        Ok(Self {
            transformer,
            device: device.clone(),
        })
    }

    /// Sets the number of threads; by default as many as the machine has cores, up to 8.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.transformer.threads = threads.max(1);
        self
    }

    /// Bytes of the weights in memory.
    pub fn memory(&self) -> usize {
        self.transformer.memory()
    }

    /// Makes an empty cache that does what `policy` says when it is full.
    ///
    /// # Errors
    /// If `capacity` is zero or more than the model's context.
    pub fn cache_with(&self, capacity: usize, policy: CachePolicy) -> Result<KvCache, DecodeError> {
        let config = &self.transformer.config;
        if capacity == 0 || capacity > config.context_length {
            return Err(DecodeError::Input {
                what: "capacity",
                expected: format!("1 to {} tokens", config.context_length),
                found: capacity.to_string(),
            });
        }
        Ok(KvCache::new(
            config.num_hidden_layers,
            config.num_key_value_heads,
            config.head_dim,
            capacity,
            policy,
        ))
    }

    fn run(
        &self,
        embeds: &[f32],
        cache: &mut KvCache,
        logits: LogitsFor,
        out: &mut Vec<f32>,
    ) -> Result<(), DecodeError> {
        self.transformer.forward(Run { embeds, cache }, logits, out)
    }
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().min(8))
}

impl LanguageModel for CausalLm {
    fn config(&self) -> &ModelConfig {
        &self.transformer.config
    }

    fn embed(&self, input_ids: &[TokenId]) -> Result<Tensor<2>, DecodeError> {
        let values = self.transformer.embed(input_ids)?;
        let shape = [input_ids.len(), self.config().hidden_size];
        Ok(Tensor::from_data(
            TensorData::new(values, shape),
            &self.device,
        ))
    }

    fn forward(
        &self,
        inputs_embeds: Tensor<2>,
        cache: &mut KvCache,
        logits: LogitsFor,
    ) -> Result<Tensor<2>, DecodeError> {
        let [_, width] = inputs_embeds.dims();
        if width != self.config().hidden_size {
            return Err(DecodeError::Input {
                what: "inputs_embeds",
                expected: format!("[n, {}]", self.config().hidden_size),
                found: format!("{:?}", inputs_embeds.dims()),
            });
        }
        let embeds = floats(inputs_embeds.into_data())?;
        let mut out = Vec::new();
        self.run(&embeds, cache, logits, &mut out)?;
        let vocab = self.config().vocab_size;
        let shape = [out.len() / vocab, vocab];
        Ok(Tensor::from_data(TensorData::new(out, shape), &self.device))
    }

    fn new_cache(&self, capacity: usize) -> Result<KvCache, DecodeError> {
        self.cache_with(capacity, CachePolicy::Refuse)
    }

    fn forward_ids(
        &self,
        input_ids: &[TokenId],
        cache: &mut KvCache,
        logits: LogitsFor,
        out: &mut Vec<f32>,
    ) -> Result<(), DecodeError> {
        let embeds = self.transformer.embed(input_ids)?;
        self.run(&embeds, cache, logits, out)
    }

    fn forward_batch(
        &self,
        sequences: &mut [Sequence<'_>],
        out: &mut Vec<f32>,
    ) -> Result<(), DecodeError> {
        let embeds = sequences
            .iter()
            .map(|s| self.transformer.embed(s.input_ids))
            .collect::<Result<Vec<_>, _>>()?;
        let mut runs: Vec<Run<'_>> = sequences
            .iter_mut()
            .zip(&embeds)
            .map(|(s, embeds)| Run {
                embeds,
                cache: &mut *s.cache,
            })
            .collect();
        self.transformer.forward_batch(&mut runs, out)
    }
}

/// A model with what belongs to it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Pretrained {
    /// The network.
    pub model: CausalLm,
    /// Text to tokens and back.
    pub tokenizer: Tokenizer,
    /// Jinja template that turns a conversation into a prompt, if the model has one.
    pub chat_template: Option<String>,
    /// What `tokenizer_config.json` calls `bos_token` and `eos_token`; empty where it does not.
    pub(crate) special_names: [String; 2],
}

impl Pretrained {
    /// Opens a GGUF file, or a folder with `config.json`, `tokenizer.json` and safetensors.
    ///
    /// # Errors
    /// As [`CausalLm::from_gguf`], [`CausalLm::from_folder`], [`Tokenizer::from_gguf`] and
    /// [`Tokenizer::from_file`].
    pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<Self, DecodeError> {
        let path = path.as_ref();
        let mut pretrained = if path.is_dir() {
            // What takes long comes last.
            let tokenizer = Tokenizer::from_file(path.join("tokenizer.json"))?;
            let chat_template = template_source(path)?;
            Self {
                model: CausalLm::from_folder(path, device)?,
                tokenizer,
                chat_template,
                special_names: special_tokens(path)?,
            }
        } else {
            let file = GgufFile::open(path)?;
            let tokenizer = Tokenizer::from_gguf(&file)?;
            let chat_template = file.optional_text("tokenizer.chat_template")?;
            Self {
                model: CausalLm::from_gguf(&file, device)?,
                tokenizer,
                chat_template: chat_template.map(str::to_owned),
                special_names: Default::default(),
            }
        };
        let ends = &mut pretrained.model.transformer.config.eos_token_ids;
        for &token in pretrained.tokenizer.end_tokens() {
            if !ends.contains(&token) {
                ends.push(token);
            }
        }
        Ok(pretrained)
    }
}
