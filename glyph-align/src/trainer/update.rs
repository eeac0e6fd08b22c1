//! The last part of a step: what gradients make of the weights.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;

use crate::AlignError;

/// Takes an optimiser's step. `step` counts from 1, for the error.
///
/// # Errors
/// If a weight is no number afterwards, or so large that its square is none: model and optimiser are
/// then as before.
pub(crate) fn update<M: Module>(
    model: &mut M,
    optimizer: &mut ModuleOptimizer,
    learning_rate: f64,
    grads: GradientsParams,
    step: usize,
) -> Result<(), AlignError> {
    // The optimiser works on its own averages in place, so they would be spoilt with the weights.
    let mut next = optimizer.clone();
    let updated = next.step(learning_rate, model.clone(), grads);
    let mut sum = Squares::default();
    updated.visit(&mut sum);
    let finite = sum.total.is_none_or(|total| {
        let total: f32 = total.into_scalar();
        total.is_finite()
    });
    if !finite {
        return Err(AlignError::DivergedWeights { step });
    }
    (*model, *optimizer) = (updated, next);
    Ok(())
}

/// The sum of the squares of what is trained; one number, so that a device is waited for once.
#[derive(Default)]
struct Squares {
    total: Option<Tensor<1>>,
}

impl ModuleVisitor for Squares {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let values = param.val();
        if !values.is_require_grad() {
            return;
        }
        let own: Tensor<1> = values.inner().square().sum();
        self.total = Some(match self.total.take() {
            // Parts of a model may lie on several devices.
            Some(total) => own.to_device(&total.device()) + total,
            None => own,
        });
    }
}
