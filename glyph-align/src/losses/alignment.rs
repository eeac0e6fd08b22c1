use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::{
    InfoNceLoss, InfoNceLossConfig, SemanticAlignmentLoss, SigLipLoss, SigLipLossConfig,
    check_pairs,
};
use crate::AlignError;

/// Settings of an [`AlignmentLoss`]. A part whose weight is 0 is not computed.
#[derive(Config, Debug, PartialEq)]
pub struct AlignmentLossConfig {
    /// Weight of [`SemanticAlignmentLoss`].
    #[config(default = 1.0)]
    pub semantic_weight: f64,
    /// Weight of [`InfoNceLoss`].
    #[config(default = 1.0)]
    pub info_nce_weight: f64,
    /// Weight of [`SigLipLoss`].
    #[config(default = 0.0)]
    pub siglip_weight: f64,
    /// Settings of [`InfoNceLoss`].
    #[config(default = "InfoNceLossConfig::new()")]
    pub info_nce: InfoNceLossConfig,
    /// Settings of [`SigLipLoss`].
    #[config(default = "SigLipLossConfig::new()")]
    pub siglip: SigLipLossConfig,
}

impl AlignmentLossConfig {
    /// Makes the loss.
    ///
    /// # Errors
    /// If a weight is not a number of at least 0, all are 0, or the temperature is not above 0.
    pub fn init(&self, device: &Device) -> Result<AlignmentLoss, AlignError> {
        let weights = [
            self.semantic_weight,
            self.info_nce_weight,
            self.siglip_weight,
        ];
        let valid = weights.iter().all(|w| w.is_finite() && *w >= 0.0);
        if !valid || weights.iter().sum::<f64>() <= 0.0 {
            return Err(AlignError::Input {
                what: "weights of semantic, info_nce, siglip",
                expected: "numbers of at least 0, not all 0".to_owned(),
                found: format!("{weights:?}"),
            });
        }
        let used = |weight: f64| weight > 0.0;
        Ok(AlignmentLoss {
            semantic_weight: self.semantic_weight,
            info_nce_weight: self.info_nce_weight,
            siglip_weight: self.siglip_weight,
            info_nce: match used(self.info_nce_weight) {
                true => Some(self.info_nce.init(device)?),
                false => None,
            },
            siglip: used(self.siglip_weight).then(|| self.siglip.init(device)),
        })
    }
}

/// Weighted sum of the losses that align images with text.
#[derive(Module, Debug)]
pub struct AlignmentLoss {
    semantic_weight: f64,
    info_nce_weight: f64,
    siglip_weight: f64,
    info_nce: Option<InfoNceLoss>,
    siglip: Option<SigLipLoss>,
}

impl AlignmentLoss {
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
        let zero: Tensor<1> = Tensor::zeros([1], &text_emb.device());
        let parts = self.parts(text_emb, image_emb)?;
        Ok(parts
            .into_iter()
            .fold(zero, |sum, (_, weight, loss)| sum + loss.mul_scalar(weight)))
    }

    /// The losses that [`forward`](Self::forward) sums: name (`semantic`, `info_nce`, `siglip`), weight
    /// and value before the weight. Those without a weight are left out.
    ///
    /// # Shapes
    /// - as [`forward`](Self::forward); each value is `[1]`
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn parts(
        &self,
        text_emb: Tensor<2>,
        image_emb: Tensor<2>,
    ) -> Result<Vec<(&'static str, f64, Tensor<1>)>, AlignError> {
        check_pairs(&text_emb, &image_emb)?;
        let mut parts = Vec::new();
        if self.semantic_weight > 0.0 {
            let loss =
                SemanticAlignmentLoss::default().forward(text_emb.clone(), image_emb.clone())?;
            parts.push(("semantic", self.semantic_weight, loss));
        }
        if let Some(info_nce) = &self.info_nce {
            let loss = info_nce.forward(text_emb.clone(), image_emb.clone())?;
            parts.push(("info_nce", self.info_nce_weight, loss));
        }
        if let Some(siglip) = &self.siglip {
            let loss = siglip.forward(text_emb, image_emb)?;
            parts.push(("siglip", self.siglip_weight, loss));
        }
        Ok(parts)
    }

    /// With what is learned in its range; called after each step.
    pub(crate) fn clamped(mut self) -> Self {
        self.info_nce = self.info_nce.map(InfoNceLoss::clamped);
        self
    }

    /// The part that tells pairs by a softmax, if it has a weight.
    pub fn info_nce(&self) -> Option<&InfoNceLoss> {
        self.info_nce.as_ref()
    }

    /// The part that tells pairs by a sigmoid, if it has a weight.
    pub fn siglip(&self) -> Option<&SigLipLoss> {
        self.siglip.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_have_to_say_something() {
        let config = AlignmentLossConfig::new()
            .with_semantic_weight(0.0)
            .with_info_nce_weight(0.0);
        let wrong = config.init(&Device::default());
        assert_eq!(
            wrong.expect_err("all are 0").to_string(),
            "weights of semantic, info_nce, siglip: expected numbers of at least 0, not all 0, found [0.0, 0.0, 0.0]"
        );
    }
}
