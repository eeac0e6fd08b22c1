use burn::module::Module;
use burn::nn::{Linear, LinearConfig};

use super::*;

/// A model that sees how dark each row's first patches are.
#[derive(Module, Debug)]
struct Tiny {
    linear: Linear,
}

impl Trainable for Tiny {
    fn merge_sizes(_: &TrainingConfig) -> Vec<usize> {
        vec![4]
    }

    fn init(device: &Device) -> Self {
        Self {
            linear: LinearConfig::new(48, 1).init(device),
        }
    }

    fn losses(&self, batch: Batch) -> Vec<Tensor<1>> {
        let dark: Tensor<2> = batch.pixel_values.mean_dim(2).squeeze_dim(2);
        let out = self.linear.forward(dark);
        vec![out.sub_scalar(1.0).square().mean()]
    }

    fn import(&mut self, _: &Path) -> Result<(), AlignError> {
        Ok(())
    }

    fn export(&self, _: &Path) -> Result<(), AlignError> {
        Ok(())
    }
}

fn config() -> TrainingConfig {
    TrainingConfig {
        steps: 6,
        batch_rows: 2,
        warmup_steps: 1,
        ..TrainingConfig::default()
    }
}

fn trainer(config: TrainingConfig) -> Trainer<Tiny> {
    Trainer::new(config, None, &Device::default()).expect("settings in their ranges")
}

fn weights(trainer: &Trainer<Tiny>) -> Vec<f32> {
    let weight = trainer.model().linear.weight.val().into_data();
    weight.try_to_vec().expect("f32")
}

#[test]
fn settings_out_of_their_range_are_errors() {
    let error = |change: fn(&mut TrainingConfig)| {
        let mut config = config();
        change(&mut config);
        match Trainer::<RatioModel>::new(config, None, &Device::default()) {
            Err(e @ AlignError::Input { .. }) => e.to_string(),
            Err(e) => panic!("expected an error about a setting, found {e}"),
            Ok(_) => panic!("expected an error about a setting"),
        }
    };
    let share = "expected a share from 0 to 1, found";
    let ratios = "ratios: expected some of [8, 24, 48], each once, found";
    for (found, expected) in [
        (
            error(|c| c.batch_rows = 0),
            "batch_rows: expected at least 1, found 0".to_owned(),
        ),
        (error(|c| c.worn = 2.0), format!("worn: {share} 2")),
        (
            error(|c| c.spoiled = -0.1),
            format!("spoiled: {share} -0.1"),
        ),
        (
            error(|c| c.strangers = f64::NAN),
            format!("strangers: {share} NaN"),
        ),
        (
            error(|c| c.foreign = f64::INFINITY),
            format!("foreign: {share} inf"),
        ),
        (
            error(|c| c.learning_rate = f64::NAN),
            "learning_rate: expected a number of at least 0, found NaN".to_owned(),
        ),
        (
            error(|c| c.weight_decay = -1.0),
            "weight_decay: expected a number of at least 0, found -1".to_owned(),
        ),
        (error(|c| c.ratios = vec![12]), format!("{ratios} [12]")),
        (error(|c| c.ratios = vec![8, 8]), format!("{ratios} [8, 8]")),
        (
            error(|c| c.ratios.clear()),
            "ratios: expected at least one that the model learns, found none".to_owned(),
        ),
    ] {
        assert_eq!(found, expected);
    }
}

#[test]
fn a_run_goes_on_with_the_settings_it_had() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = trainer(config());
    first.step().expect("finite");
    first.save(folder.path()).expect("a checkpoint");
    let longer = TrainingConfig {
        steps: 9,
        learning_rate: 1e-3,
        // The model has no use for them.
        ratios: vec![48],
        ..config()
    };
    let mut second = trainer(longer);
    assert!(second.resume(folder.path()).expect("a longer run"));
    for (change, field) in [
        ((|c| c.worn = 0.5) as fn(&mut TrainingConfig), "worn"),
        (|c| c.seed = 2, "seed"),
        (|c| c.batch_rows = 3, "batch_rows"),
    ] {
        let mut other = config();
        change(&mut other);
        let mut other = trainer(other);
        let e = other.resume(folder.path()).expect_err("another run");
        assert!(
            matches!(e, AlignError::Checkpoint { .. }) && e.to_string().contains(field),
            "{e}"
        );
        assert_eq!(other.steps_done(), 0);
    }
}

#[test]
fn a_step_that_goes_nowhere_is_not_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut trainer = trainer(TrainingConfig {
        learning_rate: 1e300,
        ..config()
    });
    let before = weights(&trainer);
    for _ in 0..2 {
        let e = trainer.step().expect_err("weights without bound");
        assert!(matches!(e, AlignError::DivergedWeights { step: 1 }), "{e}");
    }
    assert_eq!(weights(&trainer), before);
    assert_eq!((trainer.steps_done(), trainer.history().len()), (0, 0));
    // The optimiser is as it was, too: a run that is slower ends as if nothing had been.
    trainer.save(folder.path()).expect("a checkpoint");
    let mut slower = self::trainer(config());
    assert!(slower.resume(folder.path()).expect("it was saved"));
    let mut fresh = self::trainer(config());
    for trainer in [&mut slower, &mut fresh] {
        trainer.step().expect("finite");
    }
    assert_eq!(weights(&slower), weights(&fresh));
}
