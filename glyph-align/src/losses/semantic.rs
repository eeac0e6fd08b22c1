use burn::tensor::Tensor;

use super::{EPS, check_pairs, norms};
use crate::AlignError;

/// `1 - mean(cosine_similarity(text_emb, image_emb))`: 0 where each image's embedding points the way
/// its text's does, 2 where they oppose.
#[derive(Debug, Clone, Copy)]
pub struct SemanticAlignmentLoss {
    /// Lower bound of each norm, so that the gradient of a zero embedding is finite.
    pub eps: f64,
}

impl Default for SemanticAlignmentLoss {
    fn default() -> Self {
        Self { eps: EPS }
    }
}

impl SemanticAlignmentLoss {
    /// The loss of a batch.
    ///
    /// # Shapes
    /// - `text_emb`, `image_emb`: `[batch, d]`
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
        let norms = norms(&text_emb, self.eps) * norms(&image_emb, self.eps);
        let cosine = (text_emb * image_emb).sum_dim(1) / norms;
        Ok(cosine.mean().neg().add_scalar(1.0))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn alignment_loss_is_one_minus_mean_cosine() {
        let device = Device::default();
        let text = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]], &device);
        let image = Tensor::<2>::from_floats([[3.0, 0.0], [0.0, -1.0], [1.0, 0.0]], &device);
        let loss = SemanticAlignmentLoss::default()
            .forward(text.clone(), image)
            .expect("same shapes");
        let expected = 1.0 - (1.0 - 1.0 + std::f32::consts::FRAC_1_SQRT_2) / 3.0;
        assert!((loss.into_scalar::<f32>() - expected).abs() < 1e-6);
        let wrong = SemanticAlignmentLoss::default().forward(text, Tensor::zeros([3, 4], &device));
        assert_eq!(
            wrong.expect_err("shapes differ").to_string(),
            "image_emb: expected shape [3, 2], found [3, 4]"
        );
    }

    #[test]
    fn alignment_loss_survives_zero_embeddings() {
        let device = Device::default().autodiff();
        let x = Tensor::<2>::zeros([2, 3], &device).require_grad();
        let loss = SemanticAlignmentLoss::default()
            .forward(Tensor::ones([2, 3], &device), x.clone())
            .expect("same shapes");
        let grads = loss.backward();
        let grad: Vec<f32> = x
            .grad(&grads)
            .expect("x needs a gradient")
            .into_data()
            .try_to_vec()
            .expect("f32");
        assert!(grad.iter().all(|g| g.is_finite()), "{grad:?}");
    }
}
