//! BERT: the text side of semantic alignment.
//!
//! After `BertModel` of `transformers` (`models/bert/modeling_bert.py`); Devlin et al., arXiv
//! 1810.04805. Sentence embeddings are means over tokens, as sentence-transformers' MiniLM has
//! them.

use std::path::Path;

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Bool, DType, Device, Int, Tensor, TensorData};
use glyph_encode::checkpoint::safetensors::read_json;
use glyph_encode::checkpoint::{Checkpoint, CheckpointError, Heads};
use glyph_encode::nn::{Activation, FeedForward, attend_masked, project};
use serde::Deserialize;

use crate::AlignError;

/// `config.json` of a BERT checkpoint; where it says nothing, that of BERT base.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct BertConfig {
    /// `bert`, or empty where the file does not say.
    pub model_type: String,
    /// Number of tokens.
    pub vocab_size: usize,
    /// Width of the features.
    pub hidden_size: usize,
    /// Transformer layers.
    pub num_hidden_layers: usize,
    /// Attention heads.
    pub num_attention_heads: usize,
    /// Width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Name of the feed-forward layers' activation.
    pub hidden_act: String,
    /// Most tokens of a text.
    pub max_position_embeddings: usize,
    /// Kinds of text that a token may belong to.
    pub type_vocab_size: usize,
    /// Added to the variance in LayerNorm.
    pub layer_norm_eps: f64,
}

impl Default for BertConfig {
    fn default() -> Self {
        Self {
            model_type: String::new(),
            vocab_size: 30_522,
            hidden_size: 768,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            intermediate_size: 3072,
            hidden_act: "gelu".to_owned(),
            max_position_embeddings: 512,
            type_vocab_size: 2,
            layer_norm_eps: 1e-12,
        }
    }
}

/// A text as token ids, and which of two texts each belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BertInput {
    /// Token ids.
    pub input_ids: Vec<u32>,
    /// 0 or 1 for each token; empty for all 0.
    pub token_type_ids: Vec<u32>,
}

/// The encoder of BERT.
#[derive(Module, Debug)]
pub struct BertModel {
    word_embeddings: Param<Tensor<2>>,
    position_embeddings: Param<Tensor<2>>,
    token_type_embeddings: Param<Tensor<2>>,
    embeddings_norm: LayerNorm,
    layers: Vec<BertLayer>,
}

#[derive(Module, Debug)]
struct BertLayer {
    qkv: Linear,
    attention_output: Linear,
    attention_norm: LayerNorm,
    feed_forward: FeedForward,
    output_norm: LayerNorm,
    heads: usize,
}

impl BertModel {
    /// Loads a folder with `config.json` and safetensors. The pooler, which sentence embeddings do
    /// without, is not read.
    ///
    /// # Errors
    /// If it is no BERT checkpoint, or a tensor is missing, unused or of another shape.
    pub fn open(folder: impl AsRef<Path>, device: &Device) -> Result<Self, CheckpointError> {
        let folder = folder.as_ref();
        let path = folder.join("config.json");
        let config: BertConfig = read_json(&path)?;
        if !["", "bert"].contains(&&config.model_type[..]) {
            return Err(CheckpointError::File {
                path,
                reason: format!("model_type: expected bert, found {}", config.model_type),
            });
        }
        let mut checkpoint = Checkpoint::open(folder, DType::F32, device)?;
        // A model with a head on top has its encoder under `bert.`.
        checkpoint.rename(|name| name.strip_prefix("bert.").unwrap_or(name).to_owned())?;
        let model = Self::load(&mut checkpoint, &config)?;
        checkpoint.finish()?;
        Ok(model)
    }

    fn load(c: &mut Checkpoint<'_>, config: &BertConfig) -> Result<Self, CheckpointError> {
        let (d, eps) = (config.hidden_size, config.layer_norm_eps);
        c.check_sizes(
            &[
                ("vocab_size", config.vocab_size),
                ("intermediate_size", config.intermediate_size),
                ("max_position_embeddings", config.max_position_embeddings),
                ("type_vocab_size", config.type_vocab_size),
            ],
            ("num_hidden_layers", config.num_hidden_layers),
            Heads {
                heads: ("num_attention_heads", config.num_attention_heads),
                width: ("hidden_size", d),
                multiple: 1,
            },
        )?;
        let activation =
            Activation::from_name(&config.hidden_act).ok_or_else(|| CheckpointError::File {
                path: c.folder().join("config.json"),
                reason: format!("hidden_act: {} is not known", config.hidden_act),
            })?;
        let mut table = |name: &str, rows| {
            c.tensor_f32(&format!("embeddings.{name}.weight"), [rows, d])
                .map(Param::from_tensor)
        };
        let word_embeddings = table("word_embeddings", config.vocab_size)?;
        let position_embeddings = table("position_embeddings", config.max_position_embeddings)?;
        let token_type_embeddings = table("token_type_embeddings", config.type_vocab_size)?;
        let mut layers = Vec::new();
        for i in 0..config.num_hidden_layers {
            let at = |part: &str| format!("encoder.layer.{i}.{part}");
            let qkv = ["query", "key", "value"].map(|part| at(&format!("attention.self.{part}")));
            layers.push(BertLayer {
                qkv: c.joined_linear(&qkv, d, d)?,
                attention_output: c.linear(&at("attention.output.dense"), d, d, true)?,
                attention_norm: c.layer_norm(&at("attention.output.LayerNorm"), d, eps)?,
                feed_forward: FeedForward::plain(
                    c.linear(&at("intermediate.dense"), d, config.intermediate_size, true)?,
                    c.linear(&at("output.dense"), config.intermediate_size, d, true)?,
                    activation,
                ),
                output_norm: c.layer_norm(&at("output.LayerNorm"), d, eps)?,
                heads: config.num_attention_heads,
            });
        }
        let embeddings_norm = c.layer_norm("embeddings.LayerNorm", d, eps)?;
        c.ignore("pooler.dense.weight");
        c.ignore("pooler.dense.bias");
        Ok(Self {
            word_embeddings,
            position_embeddings,
            token_type_embeddings,
            embeddings_norm,
            layers,
        })
    }

    /// Most tokens of a text.
    pub fn max_tokens(&self) -> usize {
        self.position_embeddings.dims()[0]
    }

    /// Width of the features.
    pub fn hidden_size(&self) -> usize {
        self.word_embeddings.dims()[1]
    }

    /// Features of each token of several texts; shorter ones are padded. `hidden_states` takes the
    /// sum of embeddings and the output of each layer.
    ///
    /// # Shapes
    /// - output: `[texts, longest, hidden_size]`; rows past a text's end mean nothing
    ///
    /// # Errors
    /// If there are no texts, one is empty or too long, or an id is not in the vocabulary.
    pub fn encode(
        &self,
        texts: &[BertInput],
        mut hidden_states: Option<&mut Vec<Tensor<3>>>,
    ) -> Result<Tensor<3>, AlignError> {
        self.check(texts)?;
        let device = self.word_embeddings.val().device();
        let batch = texts.len();
        let n = texts.iter().map(|t| t.input_ids.len()).max().unwrap_or(0);
        let d = self.hidden_size();
        let padded = |ids: &dyn Fn(&BertInput) -> Vec<u32>| {
            let mut out = Vec::with_capacity(batch * n);
            for text in texts {
                out.extend(ids(text).iter().map(|&id| id as i32));
                out.resize(out.len().next_multiple_of(n), 0);
            }
            Tensor::<1, Int>::from_data(TensorData::new(out, [batch * n]), &device)
        };
        let words = padded(&|text| text.input_ids.clone());
        let types = padded(&|text| match text.token_type_ids.is_empty() {
            true => vec![0; text.input_ids.len()],
            false => text.token_type_ids.clone(),
        });
        let mask = texts.iter().any(|t| t.input_ids.len() < n).then(|| {
            let hidden: Vec<bool> = texts
                .iter()
                .flat_map(|text| (0..n).map(|i| i >= text.input_ids.len()))
                .collect();
            Tensor::<4, Bool>::from_data(TensorData::new(hidden, [batch, 1, 1, n]), &device)
        });
        let sum = self.word_embeddings.val().select(0, words)
            + self.token_type_embeddings.val().select(0, types);
        let positions = self.position_embeddings.val().narrow(0, 0, n);
        let x = sum.reshape([batch, n, d]) + positions.unsqueeze();
        let mut x = self.embeddings_norm.forward(x);
        if let Some(states) = &mut hidden_states {
            states.push(x.clone());
        }
        for layer in &self.layers {
            x = layer.forward(x, mask.clone());
            if let Some(states) = &mut hidden_states {
                states.push(x.clone());
            }
        }
        Ok(x)
    }

    /// One embedding a text: the mean over its tokens, of length 1.
    ///
    /// # Shapes
    /// - output: `[texts, hidden_size]`
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn sentence_embeds(&self, texts: &[BertInput]) -> Result<Tensor<2>, AlignError> {
        let x = self.encode(texts, None)?;
        let means = texts.iter().enumerate().map(|(i, text)| {
            let tokens = x.clone().narrow(0, i, 1).narrow(1, 0, text.input_ids.len());
            tokens.mean_dim(1).squeeze_dim::<2>(1)
        });
        Ok(glyph_encode::towers::clip::normalize(Tensor::cat(
            means.collect(),
            0,
        )))
    }

    fn check(&self, texts: &[BertInput]) -> Result<(), AlignError> {
        let [vocab_size, _] = self.word_embeddings.dims();
        let [types, _] = self.token_type_embeddings.dims();
        let longest = self.max_tokens();
        let input = |expected: String, found: String| AlignError::Input {
            what: "texts",
            expected,
            found,
        };
        if texts.is_empty() {
            return Err(input("at least one text".into(), "none".into()));
        }
        for text in texts {
            let n = text.input_ids.len();
            if n == 0 || n > longest {
                return Err(input(format!("1 to {longest} tokens"), n.to_string()));
            }
            if let Some(id) = text.input_ids.iter().find(|&&id| id as usize >= vocab_size) {
                return Err(input(format!("ids below {vocab_size}"), id.to_string()));
            }
            let kinds = &text.token_type_ids;
            if !kinds.is_empty() && (kinds.len() != n || kinds.iter().any(|&k| k as usize >= types))
            {
                return Err(input(
                    format!("{n} token types below {types}, or none"),
                    format!("{kinds:?}"),
                ));
            }
        }
        Ok(())
    }
}

impl BertLayer {
    fn forward(&self, x: Tensor<3>, mask: Option<Tensor<4, Bool>>) -> Tensor<3> {
        let [batch, n, d] = x.dims();
        let qkv = project(&self.qkv, x.clone())
            .reshape([batch, n, 3 * self.heads, d / self.heads])
            .swap_dims(1, 2);
        let part = |i: usize| qkv.clone().narrow(1, i * self.heads, self.heads);
        let mixed = attend_masked(part(0), part(1), part(2), mask, false)
            .swap_dims(1, 2)
            .reshape([batch, n, d]);
        let x = self
            .attention_norm
            .forward(x + project(&self.attention_output, mixed));
        let h = self.feed_forward.forward(x.clone().reshape([batch * n, d]));
        self.output_norm.forward(x + h.reshape([batch, n, d]))
    }
}
