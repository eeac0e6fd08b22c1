//! Trains the built-in encoder and readout together.

use std::path::Path;

use burn::grad_clipping::GradientClippingConfig;
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use glyph_render::{RenderConfig, Typesetter};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::samples::Hands;
use crate::samples::pixel_values;
use crate::seeded::{drawing, seeded};
use crate::{AlignError, Corpus, Fonts, ReadingLoss, Sample, TextSource};

pub(crate) mod checkpoint;
mod config;
mod models;
pub(crate) mod update;
mod whole;

pub(crate) use checkpoint::cosine_schedule;
pub use config::TrainingConfig;
pub use models::{Batch, ForeignModel, RatioModel, ReaderModel, Trainable};
pub use whole::WholeModel;

/// What a step did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StepReport {
    /// The step, counted from 1.
    pub step: usize,
    /// Loss of each ratio, fine first, in nats a cell.
    pub loss: Vec<f32>,
    /// Learning rate.
    pub learning_rate: f64,
}

#[derive(Serialize, Deserialize)]
struct Progress {
    step: usize,
    config: TrainingConfig,
    history: Vec<StepReport>,
}

/// Trains a model of the built-in reader step by step.
///
/// Samples depend on the seed and the step alone, so that a run that was cut off and resumed sees
/// what an uncut one would have seen.
pub struct Trainer<M> {
    config: TrainingConfig,
    device: Device,
    model: M,
    optimizer: ModuleOptimizer,
    typesetter: Typesetter,
    source: TextSource,
    hands: Option<Hands>,
    step: usize,
    history: Vec<StepReport>,
}

impl<M: Trainable> Trainer<M> {
    /// Starts from fresh weights. `device` is the plain device; the trainer asks for gradients.
    ///
    /// # Errors
    /// If a setting is out of its range ([`TrainingConfig::check`]), the model has no loss with these
    /// settings, or the built-in style cannot be set up.
    pub fn new(
        config: TrainingConfig,
        corpus: Option<Corpus>,
        device: &Device,
    ) -> Result<Self, AlignError> {
        config.check()?;
        if M::merge_sizes(&config).is_empty() {
            return Err(AlignError::Input {
                what: "ratios",
                expected: "at least one that the model learns".to_owned(),
                found: "none".to_owned(),
            });
        }
        let device = device.clone().autodiff();
        let model = seeded(&device, config.seed, || M::init(&device));
        Ok(Self {
            model: model.prepare(&config),
            optimizer: AdamWConfig::new()
                .with_weight_decay(config.weight_decay)
                .with_beta_2(0.98)
                .with_grad_clipping(Some(GradientClippingConfig::Norm(1.0)))
                .init(),
            typesetter: Typesetter::new(RenderConfig::builtin())?,
            source: TextSource::new(corpus).with_strangers(config.strangers),
            hands: None,
            step: 0,
            history: Vec::new(),
            config,
            device,
        })
    }

    /// Gives the fonts that the share [`TrainingConfig::foreign`] of the rows is drawn in.
    ///
    /// # Errors
    /// If the built-in style without anti-aliasing cannot be set up.
    pub fn with_fonts(mut self, fonts: Fonts) -> Result<Self, AlignError> {
        self.hands = Some(Hands::new(fonts)?);
        Ok(self)
    }

    /// Starts from exported weights instead of fresh ones, with a fresh optimiser.
    ///
    /// # Errors
    /// As [`Trainable::import`].
    pub fn start_from(&mut self, dir: &Path) -> Result<(), AlignError> {
        let mut model = self.model.valid();
        model.import(dir)?;
        self.model = model.train().prepare(&self.config);
        Ok(())
    }

    /// Goes on from the checkpoint in `dir`, if there is one; says whether there was.
    ///
    /// The run may be given other [`steps`](TrainingConfig::steps) and another
    /// [`learning_rate`](TrainingConfig::learning_rate) than before. Whatever else is changed, shares
    /// of rows included, makes another run: [`start_from`](Self::start_from) the exported weights.
    ///
    /// # Errors
    /// If a checkpoint is there and cannot be read, or another setting is not as it was.
    pub fn resume(&mut self, dir: &Path) -> Result<bool, AlignError> {
        // Models without ratios of their own do not look at them.
        let of_model = |config: &TrainingConfig| TrainingConfig {
            ratios: M::merge_sizes(config),
            ..config.clone()
        };
        let check = |path: &Path, progress: &Progress| {
            checkpoint::same_settings(
                path,
                &of_model(&progress.config),
                &of_model(&self.config),
                &["steps", "learning_rate"],
            )
        };
        let loaded = checkpoint::load(dir, &self.optimizer, check, |folder| {
            checkpoint::read_module(&self.model, &folder.join(checkpoint::MODEL))
        })?;
        let Some(loaded) = loaded else {
            return Ok(false);
        };
        let progress = loaded.progress;
        self.model = loaded.modules.prepare(&self.config);
        self.optimizer = loaded.optimizer;
        self.step = progress.step;
        self.history = progress.history;
        Ok(true)
    }

    /// Writes a checkpoint to `dir`; the one before stays whole until the new one is.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), AlignError> {
        let progress = Progress {
            step: self.step,
            config: self.config.clone(),
            history: self.history.clone(),
        };
        checkpoint::save(dir, &self.optimizer, &progress, |folder| {
            checkpoint::write_module(&self.model, &folder.join(checkpoint::MODEL))
        })
    }

    /// Steps done.
    pub fn steps_done(&self) -> usize {
        self.step
    }

    /// What every step did.
    pub fn history(&self) -> &[StepReport] {
        &self.history
    }

    /// The model without gradients.
    pub fn model(&self) -> M {
        self.model.valid()
    }

    /// Draws the samples of a step.
    pub fn samples(&self, step: usize) -> Vec<Sample> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        rng.set_stream(step as u64);
        let (config, source, typesetter) = (&self.config, &self.source, &self.typesetter);
        let plain = |text: &str, rng: &mut ChaCha8Rng| {
            let sample = Sample::draw(typesetter, text);
            if rng.random_bool(config.spoiled) {
                sample.spoil(rng)
            } else if config.worn > 0.0 && rng.random_bool(config.worn) {
                sample.wear(rng)
            } else {
                sample
            }
        };
        let hands = self.hands.as_ref().filter(|_| config.foreign > 0.0);
        let Some(hands) = hands else {
            return (0..config.batch_rows)
                .map(|_| plain(&source.line(&mut rng), &mut rng))
                .collect();
        };
        // A generator for each row, so that rows can be drawn side by side.
        let rows: Vec<ChaCha8Rng> = (0..config.batch_rows)
            .map(|_| ChaCha8Rng::from_rng(&mut rng))
            .collect();
        let draw = |mut rng: ChaCha8Rng| {
            let text = source.line(&mut rng);
            if !rng.random_bool(config.foreign) {
                return plain(&text, &mut rng);
            }
            hands
                .draw(typesetter, &text, &mut rng)
                .unwrap_or_else(|| plain(&text, &mut rng))
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = rows.len().div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            let workers: Vec<_> = rows
                .chunks(share)
                .map(|own| scope.spawn(|| own.iter().cloned().map(draw).collect::<Vec<_>>()))
                .collect();
            workers
                .into_iter()
                .flat_map(|w| w.join().unwrap_or_else(|e| std::panic::resume_unwind(e)))
                .collect()
        })
    }

    /// Takes one step.
    ///
    /// # Errors
    /// If the loss is no longer finite, or a weight would not be; the model is then as before the step.
    pub fn step(&mut self) -> Result<StepReport, AlignError> {
        let samples = self.samples(self.step);
        let pixel_values = pixel_values(samples.iter(), &self.device);
        let cells: Vec<_> = samples
            .iter()
            .flat_map(|s| s.cells.iter().copied())
            .collect();
        let criterion = ReadingLoss::new(&cells, &self.device);

        let own = drawing(&self.device, self.config.seed, self.step);
        let losses = self.model.losses(Batch {
            pixel_values,
            criterion,
            foreign: samples.iter().map(|s| s.foreign).collect(),
            ratios: M::merge_sizes(&self.config),
            rehearsal: self.step < self.config.rehearsal,
        });
        drop(own);
        let learning_rate = self.config.learning_rate_at(self.step);
        let report = StepReport {
            step: self.step + 1,
            loss: losses.iter().map(|l| l.clone().into_scalar()).collect(),
            learning_rate,
        };
        if let Some(&loss) = report.loss.iter().find(|l| !l.is_finite()) {
            return Err(AlignError::Diverged {
                step: report.step,
                loss,
            });
        }
        let grads = Tensor::cat(losses, 0).sum().backward();
        let grads = GradientsParams::from_grads(grads, &self.model);
        update::update(
            &mut self.model,
            &mut self.optimizer,
            learning_rate,
            grads,
            report.step,
        )?;
        self.step += 1;
        self.history.push(report.clone());
        Ok(report)
    }
}

#[cfg(test)]
mod tests;
