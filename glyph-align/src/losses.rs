//! Losses.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use glyph_decode::{Cell, Charset, ReadoutModel};

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
        Self { eps: 1e-8 }
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
        if text_emb.dims() != image_emb.dims() {
            return Err(AlignError::Shape {
                what: "image_emb",
                expected: text_emb.dims().to_vec(),
                found: image_emb.dims().to_vec(),
            });
        }
        // The bound lies under the root: the root's own gradient at zero is infinite.
        let floor = self.eps * self.eps;
        let norm = |x: &Tensor<2>| (x.clone() * x.clone()).sum_dim(1).clamp_min(floor).sqrt();
        let norms = norm(&text_emb) * norm(&image_emb);
        let cosine = (text_emb * image_emb).sum_dim(1) / norms;
        Ok(cosine.mean().neg().add_scalar(1.0))
    }
}

/// Cross-entropy of the contents of cells, through the readout's two softmaxes.
#[derive(Debug, Clone)]
pub struct ReadingLoss {
    head: Tensor<2, Int>,
    tail_rows: Option<(Tensor<1, Int>, Tensor<2, Int>)>,
    n: usize,
}

impl ReadingLoss {
    /// Takes what the cells hold, in the order of the features that [`ReadingLoss::forward`] gets.
    pub fn new(cells: &[Cell], device: &Device) -> Self {
        let set = Charset::builtin();
        let mut head = Vec::with_capacity(cells.len());
        let (mut rows, mut tail) = (Vec::new(), Vec::new());
        for (i, &cell) in cells.iter().enumerate() {
            let class = set.class_of(cell);
            head.push(class.head as i32);
            if let Some(t) = class.tail {
                rows.push(i as i32);
                tail.push(t as i32);
            }
        }
        let n = head.len();
        let column = |v: Vec<i32>| {
            let n = v.len();
            Tensor::<1, Int>::from_data(TensorData::new(v, [n]), device)
        };
        Self {
            head: column(head).reshape([n, 1]),
            tail_rows: (!rows.is_empty()).then(|| {
                let m = rows.len();
                (column(rows), column(tail).reshape([m, 1]))
            }),
            n,
        }
    }

    /// Mean negative log-likelihood in nats a cell.
    ///
    /// # Shapes
    /// - `features`: `[cells, cell_size]`
    /// - output: `[1]`
    pub fn forward(&self, readout: &ReadoutModel, features: Tensor<2>) -> Tensor<1> {
        let nll = |logits: Tensor<2>, target: Tensor<2, Int>| {
            log_softmax(logits, 1).gather(1, target).sum().neg()
        };
        let mut loss = nll(readout.head(features.clone()), self.head.clone());
        if let Some((rows, targets)) = &self.tail_rows {
            loss = loss
                + nll(
                    readout.tail(features.select(0, rows.clone())),
                    targets.clone(),
                );
        }
        loss.div_scalar(self.n as f64)
    }
}

#[cfg(test)]
mod tests {
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
