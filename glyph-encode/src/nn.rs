//! Layers that the towers and decoders of vision-language models share.
//!
//! Hidden states are `F32` throughout; products with weights, and attention, run in the type of
//! the weights, or in `F32` where that is faster. Half precision then costs no more than it has
//! to: activations of large models outgrow `F16`, and sums of squares in it lose digits.

mod activation;
mod attention;
mod host;
mod kernels;
mod linear;
mod rotary;

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, Linear, RmsNorm};
use burn::tensor::{DType, Tensor};

pub use activation::Activation;
pub use attention::{KEY_ROWS, Seen, attend, attend_cached, attend_masked, attend_segments};
pub use host::is_host;
use linear::bias;
pub use linear::{multiply, project, project_onto};
pub use rotary::{Rotary, RotaryApart, RotaryPairs, inverse_frequencies};

/// The type in which queries, keys and values of a layer go into attention: that of its weights,
/// but `F32` on the CPU, which has to compute in it anyway.
pub fn attention_dtype(linear: &Linear) -> DType {
    let weight = linear.weight.val();
    match is_host(&weight.device()) {
        true => DType::F32,
        false => weight.dtype(),
    }
}

/// The weight of a layer that mostly sees many rows at once, from what a checkpoint has. The CPU
/// multiplies those almost twice as fast if it need not turn the weight first; a single row it
/// multiplies faster by a view.
///
/// # Shapes
/// - input: `[d_output, d_input]`; output: `[d_input, d_output]`
pub(crate) fn weight_for_many_rows(weight: Tensor<2>) -> Tensor<2> {
    // Half precision is widened before products, part by part, which needs outputs first.
    match weight.dtype() == DType::F32 && is_host(&weight.device()) {
        true => host::transposed(weight),
        false => weight.transpose(),
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
            Self::Rms(norm) => rms_norm(norm, x),
        }
    }
}

/// RMSNorm along the last dimension.
///
/// # Shapes
/// - input and output: `[.., d_model]`
pub fn rms_norm<const D: usize>(norm: &RmsNorm, x: Tensor<D>) -> Tensor<D> {
    match is_host(&x.device()) {
        true => host::rms_norm(norm, x),
        false => norm.forward(x),
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
        let weight = gate_up.weight.val();
        if is_host(&weight.device()) {
            return Self::plain(gate_up, down, activation);
        }
        // Two views of the one matrix. Halves of its product would be copied, and in `F32`: what
        // is fused ends where a tensor is cut. (Parameters are leaves of a graph: `detach`.)
        let half = weight.dims()[1] / 2;
        let part = |start| Linear {
            weight: Param::from_tensor(weight.clone().narrow(1, start, half).detach()),
            bias: gate_up
                .bias
                .as_ref()
                .map(|bias| Param::from_tensor(bias.val().narrow(0, start, half).detach())),
        };
        Self::gated(part(0), part(half), down, activation)
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
        let h = self.inner(x);
        project(&self.down, h)
    }

    /// `residual +` the layer's output.
    ///
    /// # Shapes
    /// - `x`, `residual` and output: `[n, hidden_size]`
    pub fn forward_onto(&self, x: Tensor<2>, residual: Tensor<2>) -> Tensor<2> {
        let h = self.inner(x);
        project_onto(&self.down, h, residual)
    }

    fn inner(&self, x: Tensor<2>) -> Tensor<2> {
        let [inner, _] = self.down.weight.shape().dims();
        let [_, width] = self.up.weight.shape().dims();
        if let Some(gate) = &self.gate {
            return self.activation.apply(project(gate, x.clone())) * project(&self.up, x);
        }
        if is_host(&x.device()) {
            let h = multiply(x, self.up.weight.val());
            return match width == inner {
                true => host::activate(h, bias(&self.up), self.activation),
                false => host::activate_gated(h, bias(&self.up), self.activation),
            };
        }
        self.activation.apply(project(&self.up, x))
    }
}
