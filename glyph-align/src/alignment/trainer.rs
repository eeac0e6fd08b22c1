//! The trainer of image towers.

use std::collections::BTreeMap;
use std::path::Path;

use burn::grad_clipping::GradientClippingConfig;
use burn::module::ParamGroup;
use burn::optim::{AdamWConfig, GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::ImageTower;
use crate::seeded::{drawing, seeded};
use crate::trainer::update::update;
use crate::trainer::{checkpoint, cosine_schedule};
use crate::{AlignError, AlignmentLoss, AlignmentLossConfig};

/// A passage to learn: its image, prepared, and where its text lies.
#[derive(Debug, Clone)]
pub struct Passage<I> {
    /// What the tower takes.
    pub input: I,
    /// The text encoder's embedding.
    pub text_emb: Vec<f32>,
}

/// How to train an [`ImageTower`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AlignmentTrainingConfig {
    /// Optimiser steps in all.
    pub steps: usize,
    /// Passages that losses hold against each other.
    pub batch: usize,
    /// Batches whose gradients are averaged in a step.
    pub accumulation: usize,
    /// Peak learning rate; it warms up linearly and decays along a cosine to a hundredth.
    pub learning_rate: f64,
    /// Steps of warm-up.
    pub warmup_steps: usize,
    /// Decoupled weight decay of AdamW.
    pub weight_decay: f32,
    /// Largest norm of a parameter's gradient.
    pub clip_norm: f32,
    /// Weights of the losses of alignment (cosine) and retrieval (InfoNCE, SigLIP); `None` trains
    /// by [`TowerOutput::reading`](super::TowerOutput::reading) alone.
    pub loss: Option<AlignmentLossConfig>,
    /// Weight of [`TowerOutput::reading`](super::TowerOutput::reading), where the tower has it.
    pub reading_weight: f64,
    /// Seed of the first weights and the order of passages.
    pub seed: u64,
}

impl Default for AlignmentTrainingConfig {
    fn default() -> Self {
        Self {
            steps: 1500,
            batch: 256,
            accumulation: 1,
            learning_rate: 4e-3,
            warmup_steps: 50,
            weight_decay: 0.01,
            clip_norm: 1.0,
            loss: Some(AlignmentLossConfig::new().with_semantic_weight(4.0)),
            reading_weight: 1.0,
            seed: 1,
        }
    }
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlignmentReport {
    /// The step, counted from 1.
    pub step: usize,
    /// Each loss before its weight, by name: `semantic`, `info_nce`, `siglip`, `reading`.
    pub losses: BTreeMap<String, f32>,
    /// Learning rate.
    pub learning_rate: f64,
}

#[derive(Serialize, Deserialize)]
struct Progress {
    step: usize,
    config: AlignmentTrainingConfig,
    history: Vec<AlignmentReport>,
}

/// All that learns: the tower, and the losses where they do.
type Learner<M> = (M, Option<AlignmentLoss>);

/// Settings that a run that goes on may change; the last three are weights of losses.
const FREE: [&str; 6] = [
    "steps",
    "learning_rate",
    "reading_weight",
    "loss.semantic_weight",
    "loss.info_nce_weight",
    "loss.siglip_weight",
];

/// What the losses have learned, beside the tower's weights.
const LOSS: &str = "loss.bpk";

/// The optimiser of a run. What losses learn is a scale or a bias, which no decay draws to 0.
fn optimizer(config: &AlignmentTrainingConfig) -> ModuleOptimizer {
    let clipping = GradientClippingConfig::Norm(config.clip_norm);
    let adam = AdamWConfig::new().with_beta_2(0.98);
    // Of a pair of modules the second is `1`.
    let learned = [
        "1.info_nce.logit_scale",
        "1.siglip.logit_scale",
        "1.siglip.logit_bias",
    ];
    adam.clone()
        .with_weight_decay(config.weight_decay)
        .with_grad_clipping(Some(clipping.clone()))
        .init()
        .with_group(
            ParamGroup::from_paths(learned.to_vec()),
            adam.with_weight_decay(0.0).build(),
            Some(clipping.init()),
        )
}

/// Trains an [`ImageTower`] against a text encoder's embeddings.
///
/// Batches, and what a tower draws for dropout, depend on the seed and the step alone, so that a run
/// that was cut off and resumed is, on the CPU, bit for bit the run that was not. Scales and biases
/// that losses learn are trained and kept with the tower.
///
/// ```
/// use burn::module::Module;
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Device, Tensor, TensorData};
/// use glyph_align::{AlignError, AlignmentTrainer, AlignmentTrainingConfig};
/// use glyph_align::{ImageTower, Passage, TowerOutput};
///
/// #[derive(Module, Debug)]
/// struct Pixels {
///     linear: Linear,
/// }
///
/// impl ImageTower for Pixels {
///     type Input = [f32; 4];
///     fn embed_images(&self, images: &[&[f32; 4]], device: &Device) -> Result<TowerOutput, AlignError> {
///         let values: Vec<f32> = images.iter().flat_map(|i| i.iter().copied()).collect();
///         let x = Tensor::<2>::from_data(TensorData::new(values, [images.len(), 4]), device);
///         Ok(TowerOutput { image_emb: self.linear.forward(x), reading: None })
///     }
/// }
///
/// let passages = (0..8).map(|i| Passage {
///     input: [i as f32, 1.0, (i * i) as f32, 0.5],
///     text_emb: vec![1.0, i as f32, 0.0],
/// }).collect();
/// let config = AlignmentTrainingConfig { steps: 3, batch: 4, ..Default::default() };
/// let init = |d: &Device| Pixels { linear: LinearConfig::new(4, 3).init(d) };
/// let mut trainer = AlignmentTrainer::new(config, init, passages, &Device::default())?;
/// while trainer.steps_done() < 3 {
///     trainer.step()?;
/// }
/// assert!(trainer.history()[2].losses["semantic"].is_finite());
/// # Ok::<(), AlignError>(())
/// ```
pub struct AlignmentTrainer<M: ImageTower> {
    config: AlignmentTrainingConfig,
    device: Device,
    learner: Learner<M>,
    optimizer: ModuleOptimizer,
    passages: Vec<Passage<M::Input>>,
    width: usize,
    /// The order of passages in an epoch.
    order: (usize, Vec<usize>),
    step: usize,
    history: Vec<AlignmentReport>,
}

impl<M: ImageTower> AlignmentTrainer<M> {
    /// Starts from the weights that `init` makes. `device` is the plain device; the trainer asks for
    /// gradients.
    ///
    /// # Errors
    /// If there are fewer passages than a batch takes, their embeddings differ in width, a setting is
    /// out of its range, or the losses have no weight.
    pub fn new(
        config: AlignmentTrainingConfig,
        init: impl FnOnce(&Device) -> M,
        passages: Vec<Passage<M::Input>>,
        device: &Device,
    ) -> Result<Self, AlignError> {
        let device = device.clone().autodiff();
        let width = passages.first().map_or(0, |p| p.text_emb.len());
        if let Some(other) = passages.iter().find(|p| p.text_emb.len() != width) {
            return Err(AlignError::Shape {
                what: "text embeddings of passages",
                expected: vec![width],
                found: vec![other.text_emb.len()],
            });
        }
        if config.batch == 0 || config.accumulation == 0 || passages.len() < config.batch {
            return Err(AlignError::Input {
                what: "passages of a batch, batches of a step",
                expected: format!("at least 1, and at most the {} passages", passages.len()),
                found: format!("{}, {}", config.batch, config.accumulation),
            });
        }
        for (what, number, least) in [
            ("learning_rate", config.learning_rate, 0.0),
            ("weight_decay", f64::from(config.weight_decay), 0.0),
            (
                "clip_norm",
                f64::from(config.clip_norm),
                f64::from(f32::MIN_POSITIVE),
            ),
            ("reading_weight", config.reading_weight, 0.0),
        ] {
            if !(number.is_finite() && number >= least) {
                return Err(AlignError::Input {
                    what,
                    expected: format!("a number of at least {least}"),
                    found: number.to_string(),
                });
            }
        }
        let loss = config.loss.as_ref().map(|loss| loss.init(&device));
        let loss = loss.transpose()?;
        Ok(Self {
            learner: (seeded(&device, config.seed, || init(&device)), loss),
            optimizer: optimizer(&config),
            order: (usize::MAX, Vec::new()),
            step: 0,
            history: Vec::new(),
            passages,
            width,
            config,
            device,
        })
    }

    /// Goes on from the checkpoint in `dir`, if there is one; says whether there was.
    ///
    /// The run may be given other [`steps`](AlignmentTrainingConfig::steps), another
    /// [`learning_rate`](AlignmentTrainingConfig::learning_rate), and other weights of the losses it
    /// had before, but none that begins or ends.
    ///
    /// # Errors
    /// If a checkpoint is there and cannot be read, or another setting is not as it was.
    pub fn resume(&mut self, dir: &Path) -> Result<bool, AlignError> {
        // Of the weights of losses only whether there is one.
        let used = |config: &AlignmentTrainingConfig| {
            let mut config = config.clone();
            if let Some(loss) = &mut config.loss {
                for weight in [
                    &mut loss.semantic_weight,
                    &mut loss.info_nce_weight,
                    &mut loss.siglip_weight,
                ] {
                    *weight = f64::from(u8::from(*weight > 0.0));
                }
            }
            config
        };
        let own = &self.config;
        let check = |path: &Path, progress: &Progress| {
            let saved = &progress.config;
            checkpoint::same_settings(path, saved, own, &FREE)?;
            checkpoint::same_settings(path, &used(saved), &used(own), &FREE[..3])
        };
        let (tower, loss) = &self.learner;
        let loaded = checkpoint::load(dir, &self.optimizer, check, |folder| {
            let path = folder.join(LOSS);
            let tower = checkpoint::read_module(tower, &folder.join(checkpoint::MODEL))?;
            let loss = match loss {
                // Earlier versions did not train them, and kept none.
                Some(loss) if path.exists() => Some(checkpoint::read_module(loss, &path)?),
                loss => loss.clone(),
            };
            Ok((tower, loss))
        })?;
        let Some(loaded) = loaded else {
            return Ok(false);
        };
        let progress = loaded.progress;
        (self.learner, self.optimizer) = (loaded.modules, loaded.optimizer);
        (self.step, self.history) = (progress.step, progress.history);
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
            let (tower, loss) = &self.learner;
            checkpoint::write_module(tower, &folder.join(checkpoint::MODEL))?;
            match loss {
                Some(loss) => checkpoint::write_module(loss, &folder.join(LOSS)),
                None => Ok(()),
            }
        })
    }

    /// Steps done.
    pub fn steps_done(&self) -> usize {
        self.step
    }

    /// What every step did.
    pub fn history(&self) -> &[AlignmentReport] {
        &self.history
    }

    /// The model without gradients.
    pub fn model(&self) -> M {
        self.learner.0.valid()
    }

    /// The losses of alignment, with what they have learned.
    pub fn loss(&self) -> Option<&AlignmentLoss> {
        self.learner.1.as_ref()
    }

    /// The passages of a batch, none of them twice: losses would push it away from itself. In an
    /// epoch, which has an order of its own, each comes once; those that fill no batch are left out.
    fn batch(&mut self, number: usize) -> Vec<usize> {
        let (n, size) = (self.passages.len(), self.config.batch);
        let batches = n / size;
        let epoch = number / batches;
        if self.order.0 != epoch {
            let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
            rng.set_stream(epoch as u64);
            let mut order: Vec<usize> = (0..n).collect();
            order.shuffle(&mut rng);
            self.order = (epoch, order);
        }
        self.order.1[number % batches * size..][..size].to_vec()
    }

    /// Takes one step.
    ///
    /// # Errors
    /// If the tower fails, its embeddings are not of the text's width, the loss is no longer finite,
    /// or a weight would not be; the model is then as before the step.
    pub fn step(&mut self) -> Result<AlignmentReport, AlignError> {
        let parts = self.config.accumulation;
        let mut accumulator = GradientsAccumulator::new();
        let mut losses = BTreeMap::<String, f32>::new();
        for part in 0..parts {
            let number = self.step * parts + part;
            let own = self.batch(number);
            let inputs: Vec<&M::Input> = own.iter().map(|&i| &self.passages[i].input).collect();
            let values: Vec<f32> = own
                .iter()
                .flat_map(|&i| self.passages[i].text_emb.iter().copied())
                .collect();
            let text_emb = Tensor::<2>::from_data(
                TensorData::new(values, [own.len(), self.width]),
                &self.device,
            );
            let drawing = drawing(&self.device, self.config.seed, number);
            let output = self.learner.0.embed_images(&inputs, &self.device)?;
            drop(drawing);
            let mut terms = Vec::new();
            if let Some(loss) = &self.learner.1 {
                terms = loss.parts(text_emb, output.image_emb)?;
            }
            if let Some(reading) = output.reading {
                terms.push(("reading", self.config.reading_weight, reading));
            }
            let mut sum: Option<Tensor<1>> = None;
            for (name, weight, loss) in terms {
                let value: f32 = loss.clone().into_scalar();
                *losses.entry(name.to_owned()).or_default() += value / parts as f32;
                if !value.is_finite() {
                    return Err(AlignError::Diverged {
                        step: self.step + 1,
                        loss: value,
                    });
                }
                if weight > 0.0 {
                    let loss = loss.mul_scalar(weight / parts as f64);
                    sum = Some(match sum {
                        Some(sum) => sum + loss,
                        None => loss,
                    });
                }
            }
            let sum = sum.ok_or_else(|| AlignError::Input {
                what: "losses",
                expected: "one with a weight: of alignment, or the tower's own".to_owned(),
                found: "none".to_owned(),
            })?;
            let grads = GradientsParams::from_grads(sum.backward(), &self.learner);
            accumulator.accumulate(&self.learner, grads);
        }
        let learning_rate = cosine_schedule(
            self.config.learning_rate,
            self.config.warmup_steps,
            self.config.steps,
            self.step,
        );
        update(
            &mut self.learner,
            &mut self.optimizer,
            learning_rate,
            accumulator.grads(),
            self.step + 1,
        )?;
        self.learner.1 = self.learner.1.take().map(AlignmentLoss::clamped);
        self.step += 1;
        let report = AlignmentReport {
            step: self.step,
            losses,
            learning_rate,
        };
        self.history.push(report.clone());
        Ok(report)
    }
}
