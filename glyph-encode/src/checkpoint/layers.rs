//! Whole layers out of a checkpoint, by the names that PyTorch gives their parts.

use burn::module::Param;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, RmsNorm};
use burn::tensor::Tensor;

use super::{Checkpoint, CheckpointError};
use crate::nn::weight_for_many_rows;

impl Checkpoint<'_> {
    /// A linear layer: `{name}.weight`, `[d_output, d_input]`, and `{name}.bias`.
    ///
    /// It is laid out for inputs of many rows; see [`streamed_linear`](Self::streamed_linear).
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor).
    pub fn linear(
        &mut self,
        name: &str,
        d_input: usize,
        d_output: usize,
        bias: bool,
    ) -> Result<Linear, CheckpointError> {
        self.linear_as(name, &[d_output, d_input], d_input, d_output, bias)
    }

    /// A linear layer whose weight has the shape `stored` in the file.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor).
    pub fn linear_as(
        &mut self,
        name: &str,
        stored: &[usize],
        d_input: usize,
        d_output: usize,
        bias: bool,
    ) -> Result<Linear, CheckpointError> {
        let weight = self.tensor_as(&format!("{name}.weight"), stored, [d_output, d_input])?;
        let bias = match bias {
            true => Some(self.tensor(&format!("{name}.bias"), [d_output])?),
            false => None,
        };
        Ok(Linear {
            weight: Param::from_tensor(weight_for_many_rows(weight)),
            bias: bias.map(Param::from_tensor),
        })
    }

    /// Linear layers over the same input as one, their outputs one after the other.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor).
    pub fn joined_linear(
        &mut self,
        names: &[String],
        d_input: usize,
        d_output: usize,
    ) -> Result<Linear, CheckpointError> {
        let parts: Vec<_> = names.iter().map(|name| (name, d_output)).collect();
        self.joined_linear_as(&parts, d_input, true)
    }

    /// [`joined_linear`](Self::joined_linear) of layers of different widths: the name and the
    /// outputs of each.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor).
    pub fn joined_linear_as(
        &mut self,
        parts: &[(impl AsRef<str>, usize)],
        d_input: usize,
        bias: bool,
    ) -> Result<Linear, CheckpointError> {
        let (weight, bias) = self.joined(parts, d_input, bias)?;
        Ok(Linear {
            weight: Param::from_tensor(weight_for_many_rows(weight)),
            bias: bias.map(Param::from_tensor),
        })
    }

    /// [`joined_linear_as`](Self::joined_linear_as) of one or more layers that mostly see one row
    /// at a time, as in decoders: reading the weight is what takes time. It stays as the file has
    /// it and is multiplied transposed.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor).
    pub fn streamed_linear(
        &mut self,
        parts: &[(impl AsRef<str>, usize)],
        d_input: usize,
        bias: bool,
    ) -> Result<Linear, CheckpointError> {
        let (weight, bias) = self.joined(parts, d_input, bias)?;
        Ok(Linear {
            weight: Param::from_tensor(weight.transpose()),
            bias: bias.map(Param::from_tensor),
        })
    }

    fn joined(
        &mut self,
        parts: &[(impl AsRef<str>, usize)],
        d_input: usize,
        bias: bool,
    ) -> Result<(Tensor<2>, Option<Tensor<1>>), CheckpointError> {
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for (name, d_output) in parts {
            let name = name.as_ref();
            weights.push(self.tensor(&format!("{name}.weight"), [*d_output, d_input])?);
            if bias {
                biases.push(self.tensor(&format!("{name}.bias"), [*d_output])?);
            }
        }
        Ok((join(weights), bias.then(|| join(biases))))
    }

    /// LayerNorm: `{name}.weight` and `{name}.bias`.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor).
    pub fn layer_norm(
        &mut self,
        name: &str,
        width: usize,
        epsilon: f64,
    ) -> Result<LayerNorm, CheckpointError> {
        let mut norm = LayerNormConfig::new(width)
            .with_epsilon(epsilon)
            .init(self.device());
        norm.gamma = Param::from_tensor(self.tensor_f32(&format!("{name}.weight"), [width])?);
        let beta = self.tensor_f32(&format!("{name}.bias"), [width])?;
        norm.beta = Some(Param::from_tensor(beta));
        Ok(norm)
    }

    /// RMSNorm: `{name}.weight`.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor).
    pub fn rms_norm(
        &mut self,
        name: &str,
        width: usize,
        epsilon: f64,
    ) -> Result<RmsNorm, CheckpointError> {
        let gamma = self.tensor_f32(&format!("{name}.weight"), [width])?;
        Ok(RmsNorm {
            gamma: Param::from_tensor(gamma),
            epsilon,
        })
    }
}

/// The tensors one after the other; one alone is not copied.
fn join<const D: usize>(mut parts: Vec<Tensor<D>>) -> Tensor<D> {
    match parts.len() {
        1 => parts.remove(0),
        _ => Tensor::cat(parts, 0),
    }
}
