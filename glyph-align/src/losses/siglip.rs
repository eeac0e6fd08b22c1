use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Device, Tensor};

use super::{check_pairs, cosines, scalar};
use crate::AlignError;

/// Settings of a [`SigLipLoss`].
#[derive(Config, Debug, PartialEq)]
pub struct SigLipLossConfig {
    /// Logarithm of what cosines are multiplied by at the start.
    #[config(default = "std::f64::consts::LN_10")]
    pub logit_scale: f64,
    /// What is added to them at the start: nearly all pairs of a batch are strangers.
    #[config(default = "-10.0")]
    pub logit_bias: f64,
    /// Whether scale and bias are learned.
    #[config(default = true)]
    pub learned: bool,
}

impl SigLipLossConfig {
    /// Makes the loss.
    pub fn init(&self, device: &Device) -> SigLipLoss {
        SigLipLoss {
            logit_scale: scalar(self.logit_scale, self.learned, device),
            logit_bias: scalar(self.logit_bias, self.learned, device),
        }
    }
}

/// Pairwise sigmoid loss: of every text and every image of the batch, whether they belong together.
/// Summed over pairs and divided by the batch's size.
///
/// [Zhai et al., 2023](https://arxiv.org/abs/2303.15343), Algorithm 1.
#[derive(Module, Debug)]
pub struct SigLipLoss {
    /// Logarithm of what cosines are multiplied by. `[1]`
    pub logit_scale: Param<Tensor<1>>,
    /// What is added to them. `[1]`
    pub logit_bias: Param<Tensor<1>>,
}

impl SigLipLoss {
    /// The loss of a batch.
    ///
    /// # Shapes
    /// - `text_emb`, `image_emb`: `[batch, d]`, row `i` of one belongs to row `i` of the other
    /// - output: `[1]`
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn forward(
        &self,
        text_emb: Tensor<2>,
        image_emb: Tensor<2>,
    ) -> Result<Tensor<1>, AlignError> {
        check_pairs(&text_emb, &image_emb)?;
        let [batch, _] = text_emb.dims();
        // 1 for a pair, -1 for strangers.
        let labels = Tensor::<2>::eye(batch, &text_emb.device())
            .mul_scalar(2.0)
            .sub_scalar(1.0);
        let scale = self.logit_scale.val().exp().unsqueeze::<2>();
        let logits = cosines(text_emb, image_emb) * scale + self.logit_bias.val().unsqueeze::<2>();
        Ok(log_sigmoid(logits * labels)
            .sum()
            .div_scalar(-(batch as f64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_and_strangers_count_alike() {
        let device = Device::default();
        let loss = SigLipLossConfig::new()
            .with_logit_scale(0.0)
            .with_logit_bias(0.0)
            .init(&device);
        // Cosine 1 for the pairs, 0 for the strangers.
        let own = Tensor::<2>::eye(3, &device);
        let value = loss.forward(own.clone(), own).expect("same shapes");
        let expected = (1.0 + (-1.0f32).exp()).ln() + 2.0 * 2.0f32.ln();
        assert!((value.into_scalar::<f32>() - expected).abs() < 1e-5);
    }
}
