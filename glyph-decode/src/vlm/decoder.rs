//! The text decoder of vision-language models, on any of Burn's backends.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::nn::{Linear, RmsNorm};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use glyph_encode::checkpoint::{Checkpoint, CheckpointError};
use glyph_encode::nn::{
    Activation, FeedForward, Rotary, RotaryApart, Seen, attend_cached, attention_dtype, is_host,
    multiply, project, project_onto, rms_norm,
};

use super::config::TextConfig;
use super::rope::{Rope, RotaryPosition};
use crate::{KvCache, TokenId};

/// A transformer of the kind of Llama, Qwen2 or GLM-4.
#[derive(Module, Debug)]
pub(crate) struct TextDecoder {
    /// `[vocab_size, hidden_size]`, unless `table` holds it.
    embed_tokens: Option<Param<Tensor<2>>>,
    /// The same in this machine's memory: on another device it would take a gigabyte, of which a
    /// token needs a row.
    #[module(skip)]
    table: Option<Arc<TensorData>>,
    layers: Vec<DecoderLayer>,
    norm: RmsNorm,
    /// None where the embedding serves in its place.
    lm_head: Option<Linear>,
    #[module(skip)]
    rope: Rope,
    head_dim: usize,
    /// Whether queries and keys come in [`RotaryApart::order`].
    apart: bool,
    #[module(skip)]
    dtype: DType,
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

/// The rotary tables of a pass.
enum Turn {
    Together(Rotary),
    Apart(RotaryApart),
}

impl Turn {
    /// # Shapes
    /// - `qkv`: `[n, (heads + 2 * kv_heads) * head_dim]`
    /// - output: `[n, heads, head_dim]` and twice `[n, kv_heads, head_dim]`
    fn split(&self, qkv: Tensor<2>, [heads, kv_heads]: [usize; 2]) -> [Tensor<3>; 3] {
        match self {
            Self::Together(rotary) => {
                let [n, width] = qkv.dims();
                let all = heads + 2 * kv_heads;
                rotary.split(qkv.reshape([n, all, width / all]), kv_heads)
            }
            Self::Apart(rotary) => rotary.split(qkv, kv_heads),
        }
    }
}

/// The new tokens of one sequence in a pass, and what came before them.
pub(crate) struct Rows<'a> {
    /// How many.
    pub(crate) n: usize,
    pub(crate) cache: &'a mut KvCache,
}

impl TextDecoder {
    /// Reads the tensors `model.…` and `lm_head.weight`.
    pub(crate) fn load(
        c: &mut Checkpoint<'_>,
        config: &TextConfig,
    ) -> Result<Self, CheckpointError> {
        let hidden = config.hidden_size;
        let on_host = is_host(c.device());
        let (name, shape) = ("model.embed_tokens.weight", [config.vocab_size, hidden]);
        let (embed_tokens, table) = match on_host || config.tie_word_embeddings {
            true => (Some(Param::from_tensor(c.tensor(name, shape)?)), None),
            false => (None, Some(Arc::new(c.numbers(name, &shape)?))),
        };
        let sizes = [
            config.num_attention_heads,
            config.num_key_value_heads,
            config.head_dim,
        ];
        let order = match on_host {
            true => None,
            false => config.rope.order_apart(sizes),
        };
        let order = order.map(|order| {
            let order: Vec<i32> = order.into_iter().map(|i| i as i32).collect();
            Tensor::<1, Int>::from_data(&order[..], c.device())
        });
        let mut layers = Vec::new();
        for i in 0..config.num_hidden_layers {
            let name = format!("model.layers.{i}");
            layers.push(DecoderLayer::load(c, &name, config, order.as_ref())?);
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
            embed_tokens,
            table,
            layers,
            norm,
            lm_head,
            rope: config.rope.clone(),
            head_dim: config.head_dim,
            apart: order.is_some(),
            dtype: c.dtype(),
        })
    }

    pub(crate) fn device(&self) -> Device {
        self.norm.gamma.val().device()
    }

    /// The type of the weights.
    pub(crate) fn dtype(&self) -> DType {
        self.dtype
    }

    /// `input_ids` are of the vocabulary.
    ///
    /// # Shapes
    /// - output: `[input_ids.len(), hidden_size]`
    pub(crate) fn embed(&self, input_ids: &[TokenId]) -> Tensor<2> {
        let device = self.device();
        let rows = match (&self.embed_tokens, &self.table) {
            (None, Some(table)) => {
                let data = rows_of(table, input_ids);
                Tensor::from_data(data, (&device, self.dtype))
            }
            (table, _) => {
                let table = table.as_ref().expect("one of the two is there").val();
                let ids: Vec<i32> = input_ids.iter().map(|&id| id as i32).collect();
                let ids = TensorData::new(ids, [input_ids.len()]);
                table.select(0, Tensor::<1, Int>::from_data(ids, &device))
            }
        };
        rows.cast(DType::F32)
    }

    /// Runs embeddings that follow what the caches hold, sequence after sequence, and writes their
    /// keys and values. `hidden_states`, if given, takes the output of each layer.
    ///
    /// # Shapes
    /// - `x` and output: `[n, hidden_size]`, `n` the number of `positions` and the sum of the
    ///   sequences' tokens
    pub(crate) fn forward(
        &self,
        mut x: Tensor<2>,
        positions: &[RotaryPosition],
        sequences: &mut [Rows<'_>],
        mut hidden_states: Option<&mut Vec<Tensor<2>>>,
    ) -> Tensor<2> {
        let device = x.device();
        let turn = match self.apart {
            true => Turn::Apart(self.rope.tables_apart(positions, self.head_dim, &device)),
            false => Turn::Together(self.rope.tables(positions, &device)),
        };
        let seen: Vec<Seen> = sequences
            .iter()
            .map(|s| {
                let held = s.cache.position() + s.n;
                Seen::new(s.n, held, s.cache.rows_after(s.n), self.dtype, &device)
            })
            .collect();
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(x, &turn, sequences, &seen, i);
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
            None => {
                let table = self.embed_tokens.as_ref().expect("it serves twice");
                multiply(x, table.val().transpose())
            }
        }
    }
}

impl DecoderLayer {
    fn load(
        c: &mut Checkpoint<'_>,
        name: &str,
        config: &TextConfig,
        order: Option<&Tensor<1, Int>>,
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
        let qkv = c.streamed_linear(&parts, hidden, bias)?;
        Ok(Self {
            input_norm: norm(c, "input_layernorm")?,
            qkv: match order {
                Some(order) => in_order(&qkv, order),
                None => qkv,
            },
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
        turn: &Turn,
        sequences: &mut [Rows<'_>],
        seen: &[Seen],
        index: usize,
    ) -> Tensor<2> {
        let h = rms_norm(&self.input_norm, x.clone());
        let h = self.attention(h, turn, sequences, seen, index);
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
        turn: &Turn,
        sequences: &mut [Rows<'_>],
        seen: &[Seen],
        index: usize,
    ) -> Tensor<2> {
        let dtype = attention_dtype(&self.qkv);
        let qkv = project(&self.qkv, x);
        let qkv = turn.split(qkv, [self.heads, self.kv_heads]);
        let qkv = qkv.map(|x| x.cast(dtype));
        let alone = sequences.len() == 1;
        let mut start = 0;
        let mut mixed = Vec::with_capacity(sequences.len());
        for (sequence, seen) in sequences.iter_mut().zip(seen) {
            let n = sequence.n;
            let [q, k, v] = qkv.each_ref().map(|x| match alone {
                true => x.clone(),
                false => x.clone().narrow(0, start, n),
            });
            // [kv_heads, 1, tokens, width]: query heads that share keys are one batch.
            let (keys, values) = sequence.cache.append(
                index,
                k.swap_dims(0, 1).unsqueeze_dim(1),
                v.swap_dims(0, 1).unsqueeze_dim(1),
            );
            mixed.push(attend_cached(q, keys, values, seen));
            start += n;
        }
        let mixed = match alone {
            true => mixed.remove(0),
            false => Tensor::cat(mixed, 0),
        };
        mixed.cast(DType::F32)
    }
}

/// A layer with its outputs in another order.
fn in_order(linear: &Linear, order: &Tensor<1, Int>) -> Linear {
    // The weight is a transposed view: rows of what it views are taken.
    let weight = linear.weight.val().transpose();
    let weight = weight.select(0, order.clone());
    let bias = linear.bias.as_ref();
    Linear {
        weight: Param::from_tensor(weight.transpose().detach()),
        bias: bias.map(|bias| Param::from_tensor(bias.val().select(0, order.clone()).detach())),
    }
}

/// Some rows of a matrix.
fn rows_of(table: &TensorData, rows: &[TokenId]) -> TensorData {
    let [_, width] = table.shape().dims::<2>();
    let bytes = width * table.dtype().size();
    let all = table.as_bytes();
    let mut out = Vec::with_capacity(rows.len() * bytes);
    for &row in rows {
        out.extend_from_slice(&all[row as usize * bytes..][..bytes]);
    }
    TensorData::from_bytes_vec(out, [rows.len(), width], table.dtype())
}

/// The activation of a text config.
pub(super) fn activation(name: &str) -> Result<Activation, String> {
    Activation::from_name(name).ok_or_else(|| format!("hidden_act: {name} is not known"))
}
