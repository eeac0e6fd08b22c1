//! What a model draws for dropout. A test program of its own: a device has one generator in a
//! process, and other tests draw from it.

use std::path::Path;

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Device, Distribution, Tensor};
use glyph_align::{AlignError, Batch, Trainable, Trainer, TrainingConfig};

/// A model that sees how dark each row's first patches are.
#[derive(Module, Debug)]
struct Tiny {
    linear: Linear,
    dropout: Dropout,
}

impl Trainable for Tiny {
    fn merge_sizes(_: &TrainingConfig) -> Vec<usize> {
        vec![4]
    }

    fn init(device: &Device) -> Self {
        Self {
            linear: LinearConfig::new(48, 1).init(device),
            dropout: DropoutConfig::new(0.5).init(),
        }
    }

    fn losses(&self, batch: Batch) -> Vec<Tensor<1>> {
        let dark: Tensor<2> = batch.pixel_values.mean_dim(2).squeeze_dim(2);
        let out = self.linear.forward(self.dropout.forward(dark));
        vec![out.sub_scalar(1.0).square().mean()]
    }

    fn import(&mut self, _: &Path) -> Result<(), AlignError> {
        Ok(())
    }

    fn export(&self, _: &Path) -> Result<(), AlignError> {
        Ok(())
    }
}

fn trainer() -> Trainer<Tiny> {
    let config = TrainingConfig {
        steps: 6,
        batch_rows: 2,
        warmup_steps: 1,
        ..TrainingConfig::default()
    };
    Trainer::new(config, None, &Device::default()).expect("settings in their ranges")
}

fn weights(trainer: &Trainer<Tiny>) -> Vec<f32> {
    let weight = trainer.model().linear.weight.val().into_data();
    weight.try_to_vec().expect("f32")
}

#[test]
fn what_a_model_draws_depends_on_the_step_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut whole = trainer();
    (0..6).for_each(|_| drop(whole.step().expect("finite")));

    let mut first = trainer();
    (0..3).for_each(|_| drop(first.step().expect("finite")));
    first.save(folder.path()).expect("a checkpoint");
    let mut second = trainer();
    assert!(second.resume(folder.path()).expect("it was saved"));
    // What others draw in the meantime is nothing to it.
    let noise = Tensor::<1>::random([77], Distribution::Default, &Device::default());
    drop(noise.into_data());
    (0..3).for_each(|_| drop(second.step().expect("finite")));
    let losses = |t: &Trainer<Tiny>| -> Vec<f32> {
        t.history().iter().flat_map(|r| r.loss.clone()).collect()
    };
    assert_eq!(losses(&second), losses(&whole));
    assert_eq!(weights(&second), weights(&whole));
}
