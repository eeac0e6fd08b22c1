//! Model families: how their files name things, and what sets them apart.

pub(crate) mod llama;
pub(crate) mod qwen2;

use std::path::Path;

use glyph_encode::nn::{Activation, RotaryPairs};
use serde::Deserialize;
use serde_json::Value;

use crate::quant::Simd;
use crate::transformer::{Block, Linear, Rope, Transformer};
use crate::weights::gguf::GgufFile;
use crate::weights::safetensors::read_json;
use crate::weights::{Checkpoint, safetensors};
use crate::{DecodeError, ModelConfig, TokenId, vlm};

/// What a family adds to the common transformer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traits {
    /// Whether queries, keys and values have biases.
    qkv_bias: Bias,
    rope: Rope,
}

/// Whether projections have a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bias {
    Never,
    Always,
    /// Where the file has one.
    IfThere,
}

/// Reads the transformer of a GGUF file.
pub(crate) fn from_gguf(file: &GgufFile, threads: usize) -> Result<Transformer, DecodeError> {
    let architecture = file.text("general.architecture")?;
    let traits = match architecture {
        llama::ARCHITECTURE => llama::GGUF,
        qwen2::ARCHITECTURE => qwen2::GGUF,
        other => return Err(unknown(&file.path().display().to_string(), other)),
    };
    let mut checkpoint = file.checkpoint()?;
    let config = gguf_config(file, &checkpoint)?;
    let mut frequencies = frequencies(&config, rotated(file, &config)?);
    let factors = "rope_freqs.weight";
    if checkpoint.has(factors) {
        let factors = checkpoint.vector(factors, frequencies.len())?;
        for (f, factor) in frequencies.iter_mut().zip(factors) {
            *f /= factor;
        }
    }
    build(
        checkpoint,
        &GGUF_NAMES,
        config,
        traits,
        Rotation {
            frequencies,
            scale: 1.0,
        },
        threads,
    )
}

/// Reads the transformer of a folder with `config.json` and safetensors.
pub(crate) fn from_folder(folder: &Path, threads: usize) -> Result<Transformer, DecodeError> {
    let path = folder.join("config.json");
    let file = path.display().to_string();
    let bad = |reason: String| DecodeError::ModelFile {
        file: file.clone(),
        reason,
    };
    let json: Value = read_json(&path)?;
    // First of all the kind of model: another may lack what is read below.
    let traits = match json["model_type"].as_str().unwrap_or("none") {
        llama::ARCHITECTURE => llama::HF,
        qwen2::ARCHITECTURE => qwen2::HF,
        other => return Err(unknown(&file, other)),
    };
    let parsed = HfConfig::deserialize(&json).map_err(|e| bad(e.to_string()))?;
    parsed.check_kind().map_err(bad)?;
    let mut config = parsed.config(&json);
    let generation = folder.join("generation_config.json");
    if generation.exists() {
        let generation: Value = read_json(&generation)?;
        let ends = token_ids(&generation["eos_token_id"]).filter(|ends| !ends.is_empty());
        if let Some(ends) = ends {
            config.eos_token_ids = ends;
        }
    }
    let mut checkpoint = safetensors::open_folder(folder)?;
    check_sizes(&file, &config, checkpoint.len())?;
    let rotation = rotation(&json, &mut config).map_err(bad)?;
    if parsed.tie_word_embeddings && checkpoint.has("lm_head.weight") {
        checkpoint.ignore("lm_head.weight");
    }
    let mut model = build(checkpoint, &HF_NAMES, config, traits, rotation, threads)?;
    if parsed.tie_word_embeddings {
        model.head = None;
    }
    Ok(model)
}

fn unknown(file: &str, architecture: &str) -> DecodeError {
    DecodeError::ModelFile {
        file: file.to_owned(),
        reason: format!("expected a model of the family llama or qwen2, found {architecture}"),
    }
}

/// How a file format names tensors; `{}` stands for the block's number.
struct Names {
    embedding: &'static str,
    norm: &'static str,
    head: &'static str,
    input_norm: &'static str,
    q: &'static str,
    k: &'static str,
    v: &'static str,
    o: &'static str,
    ffn_norm: &'static str,
    gate: &'static str,
    up: &'static str,
    down: &'static str,
}

// llama.cpp, gguf-py/gguf/constants.py, MODEL_TENSORS of LLAMA and QWEN2.
const GGUF_NAMES: Names = Names {
    embedding: "token_embd",
    norm: "output_norm",
    head: "output",
    input_norm: "blk.{}.attn_norm",
    q: "blk.{}.attn_q",
    k: "blk.{}.attn_k",
    v: "blk.{}.attn_v",
    o: "blk.{}.attn_output",
    ffn_norm: "blk.{}.ffn_norm",
    gate: "blk.{}.ffn_gate",
    up: "blk.{}.ffn_up",
    down: "blk.{}.ffn_down",
};

// transformers, models/llama/modeling_llama.py and models/qwen2/modeling_qwen2.py.
const HF_NAMES: Names = Names {
    embedding: "model.embed_tokens",
    norm: "model.norm",
    head: "lm_head",
    input_norm: "model.layers.{}.input_layernorm",
    q: "model.layers.{}.self_attn.q_proj",
    k: "model.layers.{}.self_attn.k_proj",
    v: "model.layers.{}.self_attn.v_proj",
    o: "model.layers.{}.self_attn.o_proj",
    ffn_norm: "model.layers.{}.post_attention_layernorm",
    gate: "model.layers.{}.mlp.gate_proj",
    up: "model.layers.{}.mlp.up_proj",
    down: "model.layers.{}.mlp.down_proj",
};

fn build(
    mut checkpoint: Checkpoint,
    names: &Names,
    config: ModelConfig,
    traits: Traits,
    rotation: Rotation,
    threads: usize,
) -> Result<Transformer, DecodeError> {
    let c = &mut checkpoint;
    let hidden = config.hidden_size;
    let inner = config.intermediate_size;
    let q_rows = config.num_attention_heads * config.head_dim;
    let kv_rows = config.num_key_value_heads * config.head_dim;
    let mut blocks = Vec::new();
    for i in 0..config.num_hidden_layers {
        let name = |pattern: &str| pattern.replace("{}", &i.to_string());
        let norm = |c: &mut Checkpoint, pattern| c.vector(&(name(pattern) + ".weight"), hidden);
        let linear = |c: &mut Checkpoint, pattern, rows, cols, bias| -> Result<Linear, _> {
            let name = name(pattern);
            let weight = c.matrix(&(name.clone() + ".weight"), rows, cols)?;
            let bias_name = name + ".bias";
            let bias = match bias {
                Bias::Never => None,
                Bias::IfThere if !c.has(&bias_name) => None,
                Bias::Always | Bias::IfThere => Some(c.vector(&bias_name, rows)?),
            };
            Ok::<_, DecodeError>(Linear { weight, bias })
        };
        let bias = traits.qkv_bias;
        let other_bias = match bias {
            Bias::Always => Bias::Never,
            same => same,
        };
        blocks.push(Block {
            input_norm: norm(c, names.input_norm)?,
            q: linear(c, names.q, q_rows, hidden, bias)?,
            k: linear(c, names.k, kv_rows, hidden, bias)?,
            v: linear(c, names.v, kv_rows, hidden, bias)?,
            o: linear(c, names.o, hidden, q_rows, other_bias)?,
            ffn_norm: norm(c, names.ffn_norm)?,
            gate: linear(c, names.gate, inner, hidden, other_bias)?,
            up: linear(c, names.up, inner, hidden, other_bias)?,
            down: linear(c, names.down, hidden, inner, other_bias)?,
        });
    }
    let weight = |name: &str| format!("{name}.weight");
    let embedding = c.matrix(&weight(names.embedding), config.vocab_size, hidden)?;
    let norm = c.vector(&weight(names.norm), hidden)?;
    let head_name = weight(names.head);
    let head = if c.has(&head_name) && !c.is_used(&head_name) {
        Some(c.matrix(&head_name, config.vocab_size, hidden)?)
    } else {
        None
    };
    checkpoint.finish()?;
    Ok(Transformer {
        config,
        rope: traits.rope,
        frequencies: rotation.frequencies,
        rope_scale: rotation.scale,
        embedding,
        blocks,
        norm,
        head,
        threads,
        simd: Simd::detect(),
    })
}

/// How far a position turns each pair of a head, and what cosines and sines are multiplied by.
struct Rotation {
    frequencies: Vec<f32>,
    scale: f32,
}

/// What a `config.json` says of the rotary embedding.
fn rotation(json: &Value, config: &mut ModelConfig) -> Result<Rotation, String> {
    let width = config.head_dim;
    let rope = vlm::rope::Rope::from_config(json, width, RotaryPairs::Halves)?;
    if rope.frequencies().len() * 2 != width {
        return Err("partial_rotary_factor: expected 1".to_owned());
    }
    config.rope_theta = rope.theta() as f32;
    Ok(Rotation {
        frequencies: rope.frequencies().to_vec(),
        scale: rope.scale(),
    })
}

/// Radians a position of each pair, for the first `rotated` numbers of a head.
fn frequencies(config: &ModelConfig, rotated: usize) -> Vec<f32> {
    (0..rotated / 2)
        .map(|i| {
            let exponent = -2.0 * i as f64 / rotated as f64;
            f64::from(config.rope_theta).powf(exponent) as f32
        })
        .collect()
}

/// Numbers of a head that the rotary embedding turns.
fn rotated(file: &GgufFile, config: &ModelConfig) -> Result<usize, DecodeError> {
    let key = format!("{}.rope.dimension_count", config.architecture);
    let n = file.optional_size(&key)?.unwrap_or(config.head_dim);
    if n == 0 || n % 2 == 1 || n > config.head_dim {
        return Err(DecodeError::ModelFile {
            file: file.path().display().to_string(),
            reason: format!(
                "{key}: expected an even number up to {}, found {n}",
                config.head_dim
            ),
        });
    }
    Ok(n)
}

fn gguf_config(file: &GgufFile, checkpoint: &Checkpoint) -> Result<ModelConfig, DecodeError> {
    let arch = file.text("general.architecture")?;
    let key = |name: &str| format!("{arch}.{name}");
    let vocab_size = match checkpoint.shape("token_embd.weight") {
        Some(&[rows, _]) => rows,
        _ => {
            return Err(DecodeError::MissingTensors {
                file: file.path().display().to_string(),
                tensors: vec!["token_embd.weight".to_owned()],
            });
        }
    };
    let mut config = ModelConfig::new(
        vocab_size,
        file.size(&key("embedding_length"))?,
        file.size(&key("context_length"))?,
    );
    config.architecture = arch.to_owned();
    config.intermediate_size = file.size(&key("feed_forward_length"))?;
    config.num_hidden_layers = file.size(&key("block_count"))?;
    config.num_attention_heads = file.size(&key("attention.head_count"))?;
    config.num_key_value_heads = file
        .optional_size(&key("attention.head_count_kv"))?
        .unwrap_or(config.num_attention_heads);
    config.head_dim = match file.optional_size(&key("attention.key_length"))? {
        Some(n) => n,
        None => config
            .hidden_size
            .checked_div(config.num_attention_heads)
            .unwrap_or(0),
    };
    if let Some(eps) = file.optional_float(&key("attention.layer_norm_rms_epsilon"))? {
        config.rms_norm_eps = eps;
    }
    if let Some(theta) = file.optional_float(&key("rope.freq_base"))? {
        config.rope_theta = theta;
    }
    let scaling = file.optional_text(&key("rope.scaling.type"))?;
    if let Some(kind) = scaling.filter(|&kind| kind != "none") {
        return Err(DecodeError::ModelFile {
            file: file.path().display().to_string(),
            reason: format!("{}: expected none, found {kind}", key("rope.scaling.type")),
        });
    }
    check_sizes(
        &file.path().display().to_string(),
        &config,
        checkpoint.len(),
    )?;
    let token = |name: &str| -> Result<Option<TokenId>, DecodeError> {
        let id = file.optional_size(&format!("tokenizer.ggml.{name}"))?;
        Ok(id.filter(|&id| id < vocab_size).map(|id| id as TokenId))
    };
    config.bos_token_id = token("bos_token_id")?;
    for name in ["eos_token_id", "eot_token_id", "eom_token_id"] {
        config.eos_token_ids.extend(token(name)?);
    }
    config.eos_token_ids.dedup();
    Ok(config)
}

fn check_sizes(file: &str, config: &ModelConfig, tensors: usize) -> Result<(), DecodeError> {
    let bad = |reason: String| {
        Err(DecodeError::ModelFile {
            file: file.to_owned(),
            reason,
        })
    };
    let sizes = [
        ("vocabulary size", config.vocab_size),
        ("hidden size", config.hidden_size),
        ("context length", config.context_length),
        ("feed-forward size", config.intermediate_size),
        ("number of layers", config.num_hidden_layers),
        ("number of heads", config.num_attention_heads),
        ("number of key-value heads", config.num_key_value_heads),
        ("head width", config.head_dim),
    ];
    for (what, size) in sizes {
        if size == 0 || size >= 1 << 24 {
            return bad(format!("{what}: expected 1 to 2^24, found {size}"));
        }
    }
    if config.num_hidden_layers > tensors {
        return bad(format!(
            "{} layers, but only {tensors} tensors",
            config.num_hidden_layers
        ));
    }
    if !config
        .num_attention_heads
        .is_multiple_of(config.num_key_value_heads)
        || config.head_dim % 2 == 1
    {
        return bad(format!(
            "expected heads in whole groups and of even width, found {} heads, {} key-value heads, \
             width {}",
            config.num_attention_heads, config.num_key_value_heads, config.head_dim
        ));
    }
    Ok(())
}

/// `config.json` of `transformers`.
#[derive(Debug, Deserialize)]
struct HfConfig {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    max_position_embeddings: usize,
    rms_norm_eps: f32,
    hidden_act: Option<String>,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default)]
    use_sliding_window: bool,
}

impl HfConfig {
    /// Refuses what would run and come to something else.
    fn check_kind(&self) -> Result<(), String> {
        if let Some(name) = &self.hidden_act
            && Activation::from_name(name) != Some(Activation::Silu)
        {
            return Err(format!("hidden_act: expected silu, found {name}"));
        }
        if self.use_sliding_window {
            return Err("use_sliding_window: expected false, found true".to_owned());
        }
        Ok(())
    }

    fn config(&self, json: &Value) -> ModelConfig {
        let mut config = ModelConfig::new(
            self.vocab_size,
            self.hidden_size,
            self.max_position_embeddings,
        );
        config.architecture.clone_from(&self.model_type);
        config.intermediate_size = self.intermediate_size;
        config.num_hidden_layers = self.num_hidden_layers;
        config.num_attention_heads = self.num_attention_heads;
        config.num_key_value_heads = self.num_key_value_heads.unwrap_or(self.num_attention_heads);
        config.head_dim = match self.head_dim {
            Some(n) => n,
            None => self
                .hidden_size
                .checked_div(self.num_attention_heads)
                .unwrap_or(0),
        };
        config.rms_norm_eps = self.rms_norm_eps;
        let ids = |key: &str| token_ids(&json[key]).unwrap_or_default();
        config.bos_token_id = ids("bos_token_id").first().copied();
        config.eos_token_ids = ids("eos_token_id");
        config
    }
}

/// A token or a list of them, as configs have it; `None` for anything else.
pub(crate) fn token_ids(value: &Value) -> Option<Vec<TokenId>> {
    let id = |v: &Value| TokenId::try_from(v.as_u64()?).ok();
    match value {
        Value::Array(ids) => ids.iter().map(id).collect(),
        one => Some(vec![id(one)?]),
    }
}

/// Llama 3's stretching of long wavelengths (`_compute_llama3_parameters` of `transformers`), by
/// `factor`, `low_freq_factor`, `high_freq_factor` and `original_max_position_embeddings`.
pub(crate) fn stretch_llama3(frequencies: &mut [f32], [factor, low, high, original]: [f32; 4]) {
    for f in frequencies {
        let wavelength = std::f32::consts::TAU / *f;
        if wavelength > original / low {
            *f /= factor;
        } else if wavelength >= original / high {
            let smooth = (original / wavelength - low) / (high - low);
            *f = (1.0 - smooth) * *f / factor + smooth * *f;
        }
    }
}
