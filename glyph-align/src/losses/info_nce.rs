use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor};

use super::{check_pairs, cosines, scalar};
use crate::AlignError;

/// Settings of an [`InfoNceLoss`].
#[derive(Config, Debug, PartialEq)]
pub struct InfoNceLossConfig {
    /// What cosines are divided by before the softmax; CLIP starts at 0.07.
    #[config(default = 0.07)]
    pub temperature: f64,
    /// Whether the temperature is learned. It stays from 0.01 to 1 then, as CLIP's does.
    #[config(default = false)]
    pub learned: bool,
}

impl InfoNceLossConfig {
    /// Makes the loss.
    ///
    /// # Errors
    /// If the temperature is not a number above 0.
    pub fn init(&self, device: &Device) -> Result<InfoNceLoss, AlignError> {
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return Err(AlignError::Input {
                what: "temperature",
                expected: "a number above 0".to_owned(),
                found: self.temperature.to_string(),
            });
        }
        Ok(InfoNceLoss {
            logit_scale: scalar(-self.temperature.ln(), self.learned, device),
        })
    }
}

/// Symmetric InfoNCE: cross-entropy of finding each text's image in the batch, and each image's
/// text.
///
/// [van den Oord et al., 2018](https://arxiv.org/abs/1807.03748); both ways with a learned
/// temperature in [CLIP, 2021](https://arxiv.org/abs/2103.00020).
#[derive(Module, Debug)]
pub struct InfoNceLoss {
    /// Logarithm of what cosines are multiplied by: one over the temperature. `[1]`
    pub logit_scale: Param<Tensor<1>>,
}

impl InfoNceLoss {
    /// With a learned temperature brought back to 0.01 to 1: past that softmax has but one winner,
    /// and a step that went too far is not found back from.
    pub(crate) fn clamped(mut self) -> Self {
        self.logit_scale = self.logit_scale.map(|scale| match scale.is_require_grad() {
            true => (scale.detach())
                .clamp(0.0, 100.0f64.ln())
                .detach()
                .require_grad(),
            false => scale,
        });
        self
    }

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
        let own = Tensor::<1, Int>::arange(0..batch as i64, &text_emb.device()).unsqueeze_dim(1);
        let scale = self.logit_scale.val().exp().unsqueeze::<2>();
        let logits = cosines(text_emb, image_emb) * scale;
        let way = |logits: Tensor<2>| log_softmax(logits, 1).gather(1, own.clone()).mean();
        Ok((way(logits.clone()) + way(logits.transpose())).mul_scalar(-0.5))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_of_strangers_costs_the_logarithm_of_its_size() {
        let device = Device::default();
        let loss = InfoNceLossConfig::new()
            .init(&device)
            .expect("a temperature");
        let same = Tensor::<2>::ones([8, 4], &device);
        let value = loss.forward(same.clone(), same).expect("same shapes");
        assert!((value.into_scalar::<f32>() - 8.0f32.ln()).abs() < 1e-5);
        let own = Tensor::<2>::eye(8, &device);
        let value = loss.forward(own.clone(), own).expect("same shapes");
        assert!(value.into_scalar::<f32>() < 1e-4);
    }

    #[test]
    fn the_temperature_has_to_be_above_zero() {
        let wrong = InfoNceLossConfig::new()
            .with_temperature(0.0)
            .init(&Device::default());
        assert_eq!(
            wrong.expect_err("zero").to_string(),
            "temperature: expected a number above 0, found 0"
        );
    }
}
