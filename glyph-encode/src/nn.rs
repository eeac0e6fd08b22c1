//! Layers that the towers and decoders of vision-language models share.
//!
//! Hidden states are `F32` throughout; products with weights, and attention, run in the type of
//! the weights. Half precision then costs no more than it has to: activations of large models
//! outgrow `F16`, and sums of squares in it lose digits.

mod rotary;

use burn::module::Module;
use burn::nn::{LayerNorm, Linear, RmsNorm};
use burn::tensor::activation::{gelu, gelu_approximate, relu, sigmoid, silu};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, DType, Tensor};

pub use rotary::{Rotary, RotaryPairs, inverse_frequencies};

/// Multiplies `F32` hidden states by a layer of any type, and gives `F32`.
///
/// # Shapes
/// - input: `[.., d_input]`
/// - output: `[.., d_output]`
pub fn project<const D: usize>(linear: &Linear, x: Tensor<D>) -> Tensor<D> {
    let dtype = linear.weight.val().dtype();
    linear.forward(x.cast(dtype)).cast(DType::F32)
}

/// The non-linearities that checkpoints name in `hidden_act`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activation {
    /// `gelu`: with the error function.
    Gelu,
    /// `gelu_pytorch_tanh`, `gelu_new`: the approximation with a hyperbolic tangent.
    GeluTanh,
    /// `quick_gelu`: `x * sigmoid(1.702 x)`, as CLIP was trained.
    QuickGelu,
    /// `silu`, `swish`.
    Silu,
    /// `relu`.
    Relu,
}

impl Activation {
    /// The activation of a name in a `config.json`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "gelu" => Self::Gelu,
            "gelu_pytorch_tanh" | "gelu_new" => Self::GeluTanh,
            "quick_gelu" => Self::QuickGelu,
            "silu" | "swish" => Self::Silu,
            "relu" => Self::Relu,
            _ => return None,
        })
    }

    /// Applies it to every number.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Gelu => gelu(x),
            Self::GeluTanh => gelu_approximate(x),
            Self::QuickGelu => x.clone() * sigmoid(x * 1.702),
            Self::Silu => silu(x),
            Self::Relu => relu(x),
        }
    }
}

/// LayerNorm or RMSNorm.
#[derive(Module, Debug)]
pub enum Norm {
    /// With mean and bias.
    Layer(LayerNorm),
    /// With the root of the mean square alone.
    Rms(RmsNorm),
}

impl Norm {
    /// Normalises along the last dimension.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Layer(norm) => norm.forward(x),
            Self::Rms(norm) => norm.forward(x),
        }
    }
}

/// The feed-forward layer of a transformer block.
#[derive(Module, Debug)]
pub struct FeedForward {
    gate: Option<Linear>,
    up: Linear,
    down: Linear,
    #[module(skip)]
    activation: Activation,
}

impl FeedForward {
    /// `down(activation(up(x)))`.
    pub fn plain(up: Linear, down: Linear, activation: Activation) -> Self {
        Self {
            gate: None,
            up,
            down,
            activation,
        }
    }

    /// `down(activation(gate(x)) * up(x))`.
    pub fn gated(gate: Linear, up: Linear, down: Linear, activation: Activation) -> Self {
        Self {
            gate: Some(gate),
            ..Self::plain(up, down, activation)
        }
    }

    /// The same with `gate` and `up` as one matrix of twice the width, `gate` first.
    pub fn fused(gate_up: Linear, down: Linear, activation: Activation) -> Self {
        Self::plain(gate_up, down, activation)
    }

    /// Width of its output.
    pub fn output_size(&self) -> usize {
        let [_, width] = self.down.weight.shape().dims();
        width
    }

    /// Applies the layer.
    ///
    /// # Shapes
    /// - input and output: `[n, hidden_size]`
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [inner, _] = self.down.weight.shape().dims();
        let h = match &self.gate {
            Some(gate) => self.activation.apply(project(gate, x.clone())) * project(&self.up, x),
            None => {
                let h = project(&self.up, x);
                if h.dims()[1] == inner {
                    self.activation.apply(h)
                } else {
                    let [gate, up] = halves(h);
                    self.activation.apply(gate) * up
                }
            }
        };
        project(&self.down, h)
    }
}

fn halves(x: Tensor<2>) -> [Tensor<2>; 2] {
    let [_, width] = x.dims();
    let half = width / 2;
    [x.clone().narrow(1, 0, half), x.narrow(1, half, half)]
}

/// Scaled dot-product attention, `softmax(q k^T / sqrt(head_dim)) v`. With `causal` a query sees
/// the keys up to its own place, the last query being at the last key.
///
/// # Shapes
/// - `q`: `[batch, heads, n, head_dim]`; `k`, `v`: `[batch, heads or 1, keys, head_dim]`
/// - output: as `q`
pub fn attend(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, causal: bool) -> Tensor<4> {
    attend_masked(q, k, v, None, causal)
}

/// [`attend`] that leaves out keys where `mask` is true.
///
/// # Shapes
/// - `mask`: `[batch, heads, n, keys]`, 1 for what is the same for all
pub fn attend_masked(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    mask: Option<Tensor<4, Bool>>,
    causal: bool,
) -> Tensor<4> {
    let options = AttentionModuleOptions {
        is_causal: causal,
        ..AttentionModuleOptions::default()
    };
    attention(q, k, v, mask, None, options)
}

/// Attention within each of several segments of a sequence, as towers need it for images, frames
/// and windows.
///
/// # Shapes
/// - `q`, `k`, `v`: `[n, heads, head_dim]`, `n` the sum of `segments`
/// - output: `[n, heads * head_dim]`
pub fn attend_segments(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, segments: &[usize]) -> Tensor<2> {
    let [_, heads, head_dim] = q.dims();
    let mut out = Vec::new();
    let mut start = 0;
    // Neighbours of the same length make one batch.
    for run in segments.chunk_by(|a, b| a == b) {
        let (len, count) = (run[0], run.len());
        let batch = |x: &Tensor<3>| {
            x.clone()
                .narrow(0, start, len * count)
                .reshape([count, len, heads, head_dim])
                .swap_dims(1, 2)
        };
        if len * count > 0 {
            let mixed = attend(batch(&q), batch(&k), batch(&v), false);
            out.push(
                mixed
                    .swap_dims(1, 2)
                    .reshape([len * count, heads * head_dim]),
            );
        }
        start += len * count;
    }
    match out.len() {
        1 => out.remove(0),
        _ => Tensor::cat(out, 0),
    }
}
