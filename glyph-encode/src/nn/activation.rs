//! Non-linearities.

use burn::tensor::Tensor;
use burn::tensor::activation::{gelu, gelu_approximate, relu, sigmoid, silu};

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
