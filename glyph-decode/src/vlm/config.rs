//! `config.json` of vision-language checkpoints, as transformers 4 and 5 write it.

use std::path::Path;

use glyph_encode::checkpoint::{CheckpointError, safetensors::read_json};
use glyph_encode::nn::{Activation, RotaryPairs};
use glyph_encode::towers::{
    Glm4vVisionConfig, Idefics3VisionConfig, Qwen2_5VlVisionConfig, Qwen2VlVisionConfig,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::decoder::activation;
use super::rope::Rope;
use crate::families::token_ids;
use crate::{ModelConfig, TokenId};

/// The families that run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VlmFamily {
    /// GLM-4.1V, and Glyph's checkpoint.
    Glm4v,
    /// Qwen2-VL.
    Qwen2Vl,
    /// Qwen2.5-VL.
    Qwen2_5Vl,
    /// Idefics3 and SmolVLM.
    Idefics3,
}

impl VlmFamily {
    fn from_model_type(name: &str) -> Option<Self> {
        Some(match name {
            "glm4v" => Self::Glm4v,
            "qwen2_vl" => Self::Qwen2Vl,
            "qwen2_5_vl" => Self::Qwen2_5Vl,
            "idefics3" | "smolvlm" => Self::Idefics3,
            _ => return None,
        })
    }

    /// What a text config means where it says nothing: the defaults of `transformers`'
    /// `configuration_*.py`.
    fn text_defaults(self) -> Value {
        match self {
            Self::Glm4v => json!({
                "vocab_size": 151_552, "hidden_size": 4096, "intermediate_size": 13_696,
                "num_hidden_layers": 40, "num_attention_heads": 32, "num_key_value_heads": 2,
                "hidden_act": "silu", "max_position_embeddings": 32_768, "rms_norm_eps": 1e-5,
                "rope_theta": 10_000.0, "partial_rotary_factor": 0.5,
                "rope_scaling": {"rope_type": "default", "mrope_section": [8, 12, 12]},
            }),
            Self::Qwen2Vl | Self::Qwen2_5Vl => json!({
                "vocab_size": 152_064, "hidden_size": 8192, "intermediate_size": 29_568,
                "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8,
                "hidden_act": "silu", "max_position_embeddings": 32_768, "rms_norm_eps": 1e-5,
                "rope_theta": 1_000_000.0,
                "rope_scaling": {"rope_type": "default", "mrope_section": [16, 24, 24]},
            }),
            Self::Idefics3 => json!({
                "vocab_size": 32_000, "hidden_size": 4096, "intermediate_size": 11_008,
                "num_hidden_layers": 32, "num_attention_heads": 32, "hidden_act": "silu",
                "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10_000.0,
            }),
        }
    }
}

/// The tower's part of a config.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum VisionConfig {
    /// Of GLM-4.1V.
    Glm4v(Glm4vVisionConfig),
    /// Of Qwen2-VL.
    Qwen2Vl(Qwen2VlVisionConfig),
    /// Of Qwen2.5-VL.
    Qwen2_5Vl(Qwen2_5VlVisionConfig),
    /// Of Idefics3 and SmolVLM.
    Idefics3(Idefics3VisionConfig),
}

/// What `config.json` says about a vision-language model.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct VlmConfig {
    /// Which family it is.
    pub family: VlmFamily,
    /// Sizes and special tokens of the text decoder.
    pub model: ModelConfig,
    /// The tower.
    pub vision: VisionConfig,
    /// Token that stands for a vision token of an image.
    pub image_token_id: TokenId,
    /// Token that stands for a vision token of a video; that of an image where there is no other.
    pub video_token_id: TokenId,
    pub(crate) text: TextConfig,
}

/// What the text decoder needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TextConfig {
    pub(crate) vocab_size: usize,
    pub(crate) hidden_size: usize,
    pub(crate) intermediate_size: usize,
    pub(crate) num_hidden_layers: usize,
    pub(crate) num_attention_heads: usize,
    pub(crate) num_key_value_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) rms_norm_eps: f64,
    pub(crate) activation: Activation,
    pub(crate) rope: Rope,
    pub(crate) tie_word_embeddings: bool,
    pub(crate) attention_bias: bool,
    /// Whether what a layer adds is normalised as well.
    pub(crate) sandwich_norms: bool,
    /// Whether `gate_proj` and `up_proj` are one matrix.
    pub(crate) fused_gate_up: bool,
}

#[derive(Deserialize)]
struct Sizes {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    hidden_act: String,
    max_position_embeddings: usize,
    rms_norm_eps: f64,
    #[serde(default)]
    use_sliding_window: bool,
    #[serde(default)]
    attention_bias: bool,
}

impl VlmConfig {
    /// Reads `config.json`, and the tokens that end an answer from `generation_config.json` where
    /// there is one.
    ///
    /// # Errors
    /// If a file cannot be read, is of another family, or has sizes that do not fit together.
    pub fn open(folder: &Path) -> Result<Self, CheckpointError> {
        let path = folder.join("config.json");
        let file: Value = read_json(&path)?;
        let bad = |reason: String| CheckpointError::File {
            path: path.clone(),
            reason,
        };
        let mut config = Self::parse(&file).map_err(bad)?;
        let generation = folder.join("generation_config.json");
        if generation.exists() {
            let generation: Value = read_json(&generation)?;
            if let Some(ends) = token_ids(&generation["eos_token_id"]) {
                config.model.eos_token_ids = ends;
            }
        }
        Ok(config)
    }

    /// Rotary positions from a frame of a video to the next one, `seconds` later.
    pub fn temporal_step(&self, seconds: f64) -> f64 {
        match &self.vision {
            VisionConfig::Qwen2_5Vl(vision) => vision.tokens_per_second as f64 * seconds,
            _ => 1.0,
        }
    }

    /// Reads the text of a `config.json`.
    fn parse(file: &Value) -> Result<Self, String> {
        let model_type = file["model_type"].as_str().unwrap_or_default();
        let family = VlmFamily::from_model_type(model_type).ok_or_else(|| {
            format!(
                "model_type: expected glm4v, qwen2_vl, qwen2_5_vl, idefics3 or smolvlm, found \
                 {model_type:?}"
            )
        })?;
        // transformers 4 wrote the text decoder's keys of Qwen at the top.
        let text = match file["text_config"].as_object() {
            Some(text) => text,
            None => file.as_object().ok_or("expected an object")?,
        };
        let text = over_defaults(family.text_defaults(), text);
        let sizes: Sizes = of_value(&text, "text_config")?;
        let head_dim = sizes.head_dim.unwrap_or_else(|| {
            sizes
                .hidden_size
                .checked_div(sizes.num_attention_heads)
                .unwrap_or(0)
        });
        let kv_heads = sizes
            .num_key_value_heads
            .unwrap_or(sizes.num_attention_heads);
        check(&sizes, head_dim, kv_heads)?;
        let (pairs, is_glm) = match family {
            VlmFamily::Glm4v => (RotaryPairs::Neighbours, true),
            _ => (RotaryPairs::Halves, false),
        };
        let tied = file["tie_word_embeddings"]
            .as_bool()
            .or(text["tie_word_embeddings"].as_bool())
            .unwrap_or(false);
        let decoder = TextConfig {
            vocab_size: sizes.vocab_size,
            hidden_size: sizes.hidden_size,
            intermediate_size: sizes.intermediate_size,
            num_hidden_layers: sizes.num_hidden_layers,
            num_attention_heads: sizes.num_attention_heads,
            num_key_value_heads: kv_heads,
            head_dim,
            rms_norm_eps: sizes.rms_norm_eps,
            activation: activation(&sizes.hidden_act)?,
            rope: Rope::from_config(&text, head_dim, pairs)?,
            tie_word_embeddings: tied,
            attention_bias: sizes.attention_bias || family != VlmFamily::Idefics3,
            sandwich_norms: is_glm,
            fused_gate_up: is_glm,
        };
        let mut model = ModelConfig::new(
            sizes.vocab_size,
            sizes.hidden_size,
            sizes.max_position_embeddings,
        );
        model_type.clone_into(&mut model.architecture);
        model.intermediate_size = sizes.intermediate_size;
        model.num_hidden_layers = sizes.num_hidden_layers;
        model.num_attention_heads = sizes.num_attention_heads;
        model.num_key_value_heads = kv_heads;
        model.head_dim = head_dim;
        model.rms_norm_eps = sizes.rms_norm_eps as f32;
        let either = |key: &str| token_ids(&file[key]).or_else(|| token_ids(&text[key]));
        model.bos_token_id = either("bos_token_id").and_then(|ids| ids.first().copied());
        model.eos_token_ids = either("eos_token_id").unwrap_or_default();

        // Converted GLM checkpoints have these among the keys of the text.
        let token = |key: &str| {
            let id = file[key].as_u64().or_else(|| text[key].as_u64());
            id.map(|id| id as TokenId)
        };
        let image = token("image_token_id").ok_or("image_token_id is missing")?;
        Ok(Self {
            family,
            vision: vision(family, file)?,
            image_token_id: image,
            video_token_id: token("video_token_id").unwrap_or(image),
            model,
            text: decoder,
        })
    }
}

fn vision(family: VlmFamily, file: &Value) -> Result<VisionConfig, String> {
    let empty = json!({});
    let mut vision = match &file["vision_config"] {
        Value::Null => empty,
        v => v.clone(),
    };
    Ok(match family {
        VlmFamily::Glm4v => VisionConfig::Glm4v(of_value(&vision, "vision_config")?),
        VlmFamily::Qwen2Vl => VisionConfig::Qwen2Vl(of_value(&vision, "vision_config")?),
        VlmFamily::Qwen2_5Vl => VisionConfig::Qwen2_5Vl(of_value(&vision, "vision_config")?),
        VlmFamily::Idefics3 => {
            if let Some(factor) = file.get("scale_factor") {
                vision["scale_factor"] = factor.clone();
            }
            VisionConfig::Idefics3(of_value(&vision, "vision_config")?)
        }
    })
}

fn check(sizes: &Sizes, head_dim: usize, kv_heads: usize) -> Result<(), String> {
    let all = [
        ("vocab_size", sizes.vocab_size),
        ("hidden_size", sizes.hidden_size),
        ("intermediate_size", sizes.intermediate_size),
        ("num_hidden_layers", sizes.num_hidden_layers),
        ("num_attention_heads", sizes.num_attention_heads),
        ("num_key_value_heads", kv_heads),
        ("head_dim", head_dim),
        ("max_position_embeddings", sizes.max_position_embeddings),
    ];
    for (what, size) in all {
        if size == 0 || size >= 1 << 24 {
            return Err(format!("{what}: expected 1 to 2^24, found {size}"));
        }
    }
    if !sizes.num_attention_heads.is_multiple_of(kv_heads) {
        return Err(format!(
            "expected heads in whole groups, found {} heads, {kv_heads} key-value heads",
            sizes.num_attention_heads
        ));
    }
    if sizes.use_sliding_window {
        return Err("use_sliding_window: expected false, found true".to_owned());
    }
    Ok(())
}

/// The entries of `text`, and of `defaults` where it has none.
fn over_defaults(mut defaults: Value, text: &Map<String, Value>) -> Value {
    if text.contains_key("rope_parameters") {
        // Both generations at once would contradict each other.
        if let Some(map) = defaults.as_object_mut() {
            map.remove("rope_scaling");
        }
    }
    for (key, value) in text {
        if !value.is_null() {
            defaults[key] = value.clone();
        }
    }
    defaults
}

fn of_value<T: DeserializeOwned>(value: &Value, what: &str) -> Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|e| format!("{what}: {e}"))
}
