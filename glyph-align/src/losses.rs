//! Losses: what pulls an image's embedding to its text's, and what makes vision tokens legible.
//!
//! | loss | of a batch of pairs | pushes other pairs apart |
//! |---|---|---|
//! | [`SemanticAlignmentLoss`] | 1 - mean cosine | no: a constant embedding is a minimum |
//! | [`InfoNceLoss`] | which of the batch belongs to which, both ways | yes, against the whole batch |
//! | [`SigLipLoss`] | whether each of all pairs belongs together | yes, pair by pair |
//! | [`AlignmentLoss`] | their weighted sum | as its parts |

mod alignment;
mod info_nce;
mod reading;
mod semantic;
mod siglip;

pub use alignment::{AlignmentLoss, AlignmentLossConfig};
pub use info_nce::{InfoNceLoss, InfoNceLossConfig};
pub use reading::ReadingLoss;
pub use semantic::SemanticAlignmentLoss;
pub use siglip::{SigLipLoss, SigLipLossConfig};

use burn::module::Param;
use burn::tensor::{Device, Tensor};

use crate::AlignError;

/// Lower bound of a norm, so that the gradient of a zero embedding is finite.
const EPS: f64 = 1e-8;

fn check_pairs(text_emb: &Tensor<2>, image_emb: &Tensor<2>) -> Result<(), AlignError> {
    if text_emb.dims() == image_emb.dims() {
        return Ok(());
    }
    Err(AlignError::Shape {
        what: "image_emb",
        expected: text_emb.dims().to_vec(),
        found: image_emb.dims().to_vec(),
    })
}

/// Norm of each row.
fn norms(x: &Tensor<2>, eps: f64) -> Tensor<2> {
    // The bound lies under the root: the root's own gradient at zero is infinite.
    (x.clone() * x.clone())
        .sum_dim(1)
        .clamp_min(eps * eps)
        .sqrt()
}

/// Cosines of every text with every image: `[batch, d]` twice to `[batch, batch]`, a row a text.
fn cosines(text_emb: Tensor<2>, image_emb: Tensor<2>) -> Tensor<2> {
    let unit = |x: Tensor<2>| {
        let norms = norms(&x, EPS);
        x / norms
    };
    unit(text_emb).matmul(unit(image_emb).transpose())
}

/// A number that a loss may learn.
fn scalar(value: f64, learned: bool, device: &Device) -> Param<Tensor<1>> {
    Param::from_tensor(Tensor::full([1], value, device)).set_require_grad(learned)
}
