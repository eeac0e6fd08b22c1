//! The text decoder of vision-language models, on any of Burn's backends.

use burn::module::{Module, Param};
use burn::nn::{Linear, RmsNorm};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use glyph_encode::checkpoint::{Checkpoint, CheckpointError};
use glyph_encode::nn::{
    Activation, FeedForward, Rotary, attend, attention_dtype, multiply, project, project_onto,
    rms_norm,
};

use super::config::TextConfig;
use super::rope::{Rope, RotaryPosition};
use crate::{KvCache, TokenId};

/// A transformer of the kind of Llama, Qwen2 or GLM-4.
#[derive(Module, Debug)]
pub(crate) struct TextDecoder {
    /// `[vocab_size, hidden_size]`.
    embed_tokens: Param<Tensor<2>>,
    layers: Vec<DecoderLayer>,
    norm: RmsNorm,
    /// None where the embedding serves in its place.
    lm_head: Option<Linear>,
    #[module(skip)]
    rope: Rope,
}

#[derive(Module, Debug)]
struct DecoderLayer {
    input_norm: RmsNorm,
    /// Queries, keys and values in one product.
    qkv: Linear,
    o: Linear,
    /// GLM-4 normalises what attention and the feed-forward layer add.
    post_attention_norm: Option<RmsNorm>,
    feed_forward_norm: RmsNorm,
    feed_forward: FeedForward,
    post_feed_forward_norm: Option<RmsNorm>,
    heads: usize,
    kv_heads: usize,
}

impl TextDecoder {
    /// Reads the tensors `model.…` and `lm_head.weight`.
    pub(crate) fn load(
        c: &mut Checkpoint<'_>,
        config: &TextConfig,
    ) -> Result<Self, CheckpointError> {
        let hidden = config.hidden_size;
        let embed_tokens = c.tensor("model.embed_tokens.weight", [config.vocab_size, hidden])?;
        let mut layers = Vec::new();
        for i in 0..config.num_hidden_layers {
            layers.push(DecoderLayer::load(c, &format!("model.layers.{i}"), config)?);
        }
        let norm = c.rms_norm("model.norm", hidden, config.rms_norm_eps)?;
        let lm_head = match config.tie_word_embeddings {
            false => Some(c.streamed_linear(&[("lm_head", config.vocab_size)], hidden, false)?),
            true => {
                c.ignore("lm_head.weight");
                None
            }
        };
        Ok(Self {
            embed_tokens: Param::from_tensor(embed_tokens),
            layers,
            norm,
            lm_head,
            rope: config.rope.clone(),
        })
    }

    pub(crate) fn device(&self) -> Device {
        self.embed_tokens.val().device()
    }

    /// The type of the weights.
    pub(crate) fn dtype(&self) -> DType {
        self.embed_tokens.val().dtype()
    }

    /// # Shapes
    /// - output: `[input_ids.len(), hidden_size]`
    pub(crate) fn embed(&self, input_ids: &[TokenId]) -> Tensor<2> {
        let ids: Vec<i32> = input_ids.iter().map(|&id| id as i32).collect();
        let ids = TensorData::new(ids, [input_ids.len()]);
        let ids = Tensor::<1, Int>::from_data(ids, &self.device());
        self.embed_tokens.val().select(0, ids).cast(DType::F32)
    }

    /// Runs embeddings that follow what the cache holds, and writes their keys and values.
    /// `hidden_states`, if given, takes the output of each layer.
    ///
    /// # Shapes
    /// - `x` and output: `[n, hidden_size]`, `n` the number of `positions`
    pub(crate) fn forward(
        &self,
        mut x: Tensor<2>,
        positions: &[RotaryPosition],
        cache: &mut KvCache,
        mut hidden_states: Option<&mut Vec<Tensor<2>>>,
    ) -> Tensor<2> {
        let rotary = self.rope.tables(positions, &x.device());
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x, &rotary, cache, i);
            if let Some(states) = &mut hidden_states {
                states.push(x.clone());
            }
        }
        x
    }

    /// # Shapes
    /// - `x`: `[n, hidden_size]`
    /// - output: `[n, vocab_size]`
    pub(crate) fn logits(&self, x: Tensor<2>) -> Tensor<2> {
        let x = rms_norm(&self.norm, x);
        match &self.lm_head {
            Some(head) => project(head, x),
            None => multiply(x, self.embed_tokens.val().transpose()),
        }
    }
}

impl DecoderLayer {
    fn load(
        c: &mut Checkpoint<'_>,
        name: &str,
        config: &TextConfig,
    ) -> Result<Self, CheckpointError> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let q_width = config.num_attention_heads * config.head_dim;
        let kv_width = config.num_key_value_heads * config.head_dim;
        let at = |part: &str| format!("{name}.{part}");
        let norm =
            |c: &mut Checkpoint<'_>, part| c.rms_norm(&at(part), hidden, config.rms_norm_eps);
        let bias = config.attention_bias;
        let [
            post_attention_norm,
            feed_forward_norm,
            post_feed_forward_norm,
        ] = match config.sandwich_norms {
            true => [
                Some(norm(c, "post_self_attn_layernorm")?),
                Some(norm(c, "post_attention_layernorm")?),
                Some(norm(c, "post_mlp_layernorm")?),
            ],
            false => [None, Some(norm(c, "post_attention_layernorm")?), None],
        };
        let down = c.streamed_linear(&[(at("mlp.down_proj"), hidden)], inner, false)?;
        let feed_forward = match config.fused_gate_up {
            true => FeedForward::fused(
                c.streamed_linear(&[(at("mlp.gate_up_proj"), 2 * inner)], hidden, false)?,
                down,
                config.activation,
            ),
            false => {
                let parts = ["mlp.gate_proj", "mlp.up_proj"].map(|part| (at(part), inner));
                FeedForward::fused(
                    c.streamed_linear(&parts, hidden, false)?,
                    down,
                    config.activation,
                )
            }
        };
        let parts = [
            ("q_proj", q_width),
            ("k_proj", kv_width),
            ("v_proj", kv_width),
        ];
        let parts = parts.map(|(part, width)| (at(&format!("self_attn.{part}")), width));
        Ok(Self {
            input_norm: norm(c, "input_layernorm")?,
            qkv: c.streamed_linear(&parts, hidden, bias)?,
            o: c.streamed_linear(&[(at("self_attn.o_proj"), hidden)], q_width, false)?,
            post_attention_norm,
            feed_forward_norm: feed_forward_norm.expect("both branches have it"),
            feed_forward,
            post_feed_forward_norm,
            heads: config.num_attention_heads,
            kv_heads: config.num_key_value_heads,
        })
    }

    fn forward(
        &self,
        x: Tensor<2>,
        rotary: &Rotary,
        cache: &mut KvCache,
        index: usize,
    ) -> Tensor<2> {
        let h = self.attention(rms_norm(&self.input_norm, x.clone()), rotary, cache, index);
        let x = match &self.post_attention_norm {
            Some(norm) => x + rms_norm(norm, project(&self.o, h)),
            None => project_onto(&self.o, h, x),
        };
        let h = rms_norm(&self.feed_forward_norm, x.clone());
        match &self.post_feed_forward_norm {
            Some(norm) => x + rms_norm(norm, self.feed_forward.forward(h)),
            None => self.feed_forward.forward_onto(h, x),
        }
    }

    /// # Shapes
    /// - `x`: `[n, hidden_size]`; output: `[n, heads * head_dim]`, before the last product
    fn attention(
        &self,
        x: Tensor<2>,
        rotary: &Rotary,
        cache: &mut KvCache,
        index: usize,
    ) -> Tensor<2> {
        let [n, _] = x.dims();
        let (heads, kv_heads) = (self.heads, self.kv_heads);
        let groups = heads / kv_heads;
        let dtype = attention_dtype(&self.qkv);
        let qkv = project(&self.qkv, x);
        let width = qkv.dims()[1] / (heads + 2 * kv_heads);
        let qkv = qkv.reshape([n, heads + 2 * kv_heads, width]);
        let [q, k, v] = rotary.split(qkv, kv_heads).map(|x| x.cast(dtype));
        // [kv_heads, 1, tokens, width]: query heads that share keys are one batch.
        let (keys, values) = cache.append(
            index,
            k.swap_dims(0, 1).unsqueeze_dim(1),
            v.swap_dims(0, 1).unsqueeze_dim(1),
        );
        if n == 1 {
            // One query: the heads of a group take the place of queries.
            let q = q.reshape([kv_heads, 1, groups, width]);
            attend(q, keys, values, false).reshape([1, heads * width])
        } else {
            let q = q.swap_dims(0, 1).reshape([kv_heads, groups, n, width]);
            attend(q, keys, values, true)
                .reshape([heads, n, width])
                .swap_dims(0, 1)
                .reshape([n, heads * width])
        }
        .cast(DType::F32)
    }
}

/// The activation of a text config.
pub(super) fn activation(name: &str) -> Result<Activation, String> {
    Activation::from_name(name).ok_or_else(|| format!("hidden_act: {name} is not known"))
}
