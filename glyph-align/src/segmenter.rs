//! Trains the small networks that measure lines in other styles and cut them into letters.

use std::path::Path;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use burn_store::{HalfPrecisionAdapter, ModuleSnapshot, SafetensorsStore};
use glyph_encode::builtin::{PATCH_SIZE, load_weights};
use glyph_encode::rows::{
    LineScale, PROFILE_SIZE, SCALE_HIDDEN, SEGMENTER_CHANNELS, SEGMENTER_DILATIONS,
    SEGMENTER_OUTPUTS, SEGMENTER_TAPS, Strip, text_lines,
};
use glyph_render::half_cells;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::seeded::seeded;
use crate::trainer::cosine_schedule;
use crate::trainer::update::update;
use crate::{AlignError, Corpus, DrawnLine, Fonts, TextSource};

/// The networks of [`Segmenter`](glyph_encode::rows::Segmenter).
#[derive(Module, Debug)]
struct SegmenterModel {
    scale: Vec<Linear>,
    columns: Vec<Linear>,
    out: Linear,
}

impl SegmenterModel {
    fn init(device: &Device) -> Self {
        let widths = [PROFILE_SIZE, SCALE_HIDDEN[0], SCALE_HIDDEN[1], 2];
        let linear = |inputs, outputs| LinearConfig::new(inputs, outputs).init(device);
        Self {
            scale: widths.windows(2).map(|w| linear(w[0], w[1])).collect(),
            columns: (0..SEGMENTER_DILATIONS.len())
                .map(|i| {
                    let inputs = if i == 0 {
                        PATCH_SIZE
                    } else {
                        SEGMENTER_CHANNELS
                    };
                    linear(inputs * SEGMENTER_TAPS, SEGMENTER_CHANNELS)
                })
                .collect(),
            out: linear(SEGMENTER_CHANNELS, SEGMENTER_OUTPUTS),
        }
    }

    /// # Shapes
    /// - `profiles`: `[lines, PROFILE_SIZE]`
    /// - output: `[lines, 2]`: the logarithm of em by height, baseline by height
    fn measure(&self, profiles: Tensor<2>) -> Tensor<2> {
        let mut x = profiles;
        for (i, layer) in self.scale.iter().enumerate() {
            x = layer.forward(x);
            if i + 1 < self.scale.len() {
                x = relu(x);
            }
        }
        x
    }

    /// # Shapes
    /// - `strips`: `[lines, columns, PATCH_SIZE]`
    /// - output: `[lines, columns, SEGMENTER_OUTPUTS]`, logits
    fn cut(&self, strips: Tensor<3>) -> Tensor<3> {
        const MIDDLE: usize = SEGMENTER_TAPS / 2;
        let mut x = strips;
        for (layer, dilation) in self.columns.iter().zip(SEGMENTER_DILATIONS) {
            let [lines, columns, width] = x.dims();
            let margin = Tensor::zeros([lines, MIDDLE * dilation, width], &x.device());
            let padded = Tensor::cat(vec![margin.clone(), x, margin], 1);
            let taps = (0..SEGMENTER_TAPS)
                .map(|tap| padded.clone().narrow(1, tap * dilation, columns))
                .collect();
            x = relu(layer.forward(Tensor::cat(taps, 2)));
        }
        self.out.forward(x)
    }
}

/// What a step did.
#[derive(Debug, Clone, Copy)]
pub struct SegmenterReport {
    /// The step, from 1.
    pub step: usize,
    /// Loss of the measures.
    pub scale: f32,
    /// Loss of cuts, spaces and widths, in nats a column.
    pub columns: f32,
    /// Share of the letters' ends that are told.
    pub found: f32,
    /// Share of what is told that is one.
    pub precise: f32,
}

/// Trains the networks on lines in random hands.
pub struct SegmenterTrainer {
    model: SegmenterModel,
    optimizer: ModuleOptimizer,
    source: TextSource,
    fonts: Fonts,
    steps: usize,
    step: usize,
    seed: u64,
    device: Device,
}

/// Lines a step.
const LINES: usize = 24;
/// Columns of a strip that a step looks at.
const COLUMNS: usize = 480;
/// Peak learning rate.
const LEARNING_RATE: f64 = 4e-3;

/// A line to learn from.
struct Example {
    profile: Vec<f32>,
    measures: [f32; 2],
    ink: Vec<f32>,
    targets: Vec<f32>,
    weights: Vec<f32>,
}

impl SegmenterTrainer {
    /// Starts from fresh weights; `device` is the plain device.
    pub fn new(
        steps: usize,
        seed: u64,
        corpus: Option<Corpus>,
        fonts: Fonts,
        device: &Device,
    ) -> Self {
        let device = device.clone().autodiff();
        Self {
            model: seeded(&device, seed, || SegmenterModel::init(&device)),
            optimizer: AdamWConfig::new().with_weight_decay(0.001).init(),
            source: TextSource::new(corpus),
            fonts,
            steps,
            step: 0,
            seed,
            device,
        }
    }

    /// Starts from exported weights instead.
    ///
    /// # Errors
    /// If they cannot be read or do not fit.
    pub fn start_from(&mut self, path: &Path) -> Result<(), AlignError> {
        let mut model = self.model.valid();
        load_weights(&mut model, SafetensorsStore::from_file(path)).map_err(|reason| {
            AlignError::Checkpoint {
                path: path.to_owned(),
                reason,
            }
        })?;
        self.model = model.train();
        Ok(())
    }

    /// Writes the file that `glyph-encode` embeds, in half precision.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn export(&self, path: &Path) -> Result<(), AlignError> {
        let mut store = SafetensorsStore::from_file(path)
            .overwrite(true)
            .with_to_adapter(HalfPrecisionAdapter::new());
        self.model
            .valid()
            .save_into(&mut store)
            .map_err(|e| AlignError::Write {
                path: path.to_owned(),
                reason: e.to_string(),
            })
    }

    /// Takes one step.
    ///
    /// # Errors
    /// If the loss is no longer finite, or a weight would not be; the networks are then as before.
    pub fn step(&mut self) -> Result<SegmenterReport, AlignError> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(self.step as u64);
        let mut examples = Vec::with_capacity(LINES);
        while examples.len() < LINES {
            let text = self.source.line(&mut rng);
            let line = self.fonts.draw(&text, &mut rng);
            examples.extend(line.and_then(|line| example(&line, &mut rng)));
        }
        let gather = |f: fn(&Example) -> &[f32]| -> Vec<f32> {
            examples.iter().flat_map(|e| f(e).iter().copied()).collect()
        };
        let device = &self.device;
        let profiles = Tensor::<2>::from_data(
            TensorData::new(gather(|e| &e.profile), [LINES, PROFILE_SIZE]),
            device,
        );
        let measures =
            Tensor::<2>::from_data(TensorData::new(gather(|e| &e.measures), [LINES, 2]), device);
        let shape = [LINES, COLUMNS, SEGMENTER_OUTPUTS];
        let strips = Tensor::<3>::from_data(
            TensorData::new(gather(|e| &e.ink), [LINES, COLUMNS, PATCH_SIZE]),
            device,
        );
        let (targets, weights) = (gather(|e| &e.targets), gather(|e| &e.weights));
        let target = Tensor::<3>::from_data(TensorData::new(targets.clone(), shape), device);
        let weight = Tensor::<3>::from_data(TensorData::new(weights.clone(), shape), device);

        let scale = (self.model.measure(profiles) - measures).abs().mean();
        let logits = self.model.cut(strips);
        // softplus(z) - t z, in a form that does not overflow.
        let z = logits.clone();
        let softplus = relu(z.clone()) + (z.clone().abs().neg().exp() + 1.0).log();
        let nats = (softplus - target * z) * weight;
        let columns = nats.sum() / (LINES * COLUMNS) as f32;

        let told: Vec<f32> = logits
            .detach()
            .into_data()
            .convert::<f32>()
            .try_to_vec()
            .unwrap_or_default();
        let (mut both, mut own, mut all) = (0.0f32, 0.0f32, 0.0f32);
        for i in (0..told.len()).step_by(SEGMENTER_OUTPUTS) {
            if weights[i] > 0.0 {
                let (t, p) = (targets[i], f32::from(u8::from(told[i] > 0.0)));
                both += t * p;
                own += p;
                all += t;
            }
        }
        let report = SegmenterReport {
            step: self.step + 1,
            scale: scale.clone().into_scalar(),
            columns: columns.clone().into_scalar(),
            found: both / all.max(1.0),
            precise: both / own.max(1.0),
        };
        let loss = report.scale + report.columns;
        if !loss.is_finite() {
            return Err(AlignError::Diverged {
                step: report.step,
                loss,
            });
        }
        let grads = (scale + columns).backward();
        let grads = GradientsParams::from_grads(grads, &self.model);
        let rate = cosine_schedule(LEARNING_RATE, 50, self.steps, self.step);
        update(
            &mut self.model,
            &mut self.optimizer,
            rate,
            grads,
            report.step,
        )?;
        self.step += 1;
        Ok(report)
    }
}

/// What a line teaches; `None` if it is not found as one line.
fn example(line: &DrawnLine, rng: &mut impl Rng) -> Option<Example> {
    let found = text_lines(&line.page)
        .into_iter()
        .max_by_key(|l| l.bbox.width)?;
    let height = found.bbox.height as f32;
    let baseline = line.baseline - found.bbox.y as f32;
    let measures = [(line.em / height).ln(), baseline / height];
    // The strip as measures that are a little wrong would make it.
    let strip = found.strip(LineScale {
        em: line.em * rng.random_range(-0.07..0.07f32).exp(),
        baseline: baseline + line.em * rng.random_range(-0.04..0.04f32),
    });
    let start = match strip.columns.checked_sub(COLUMNS) {
        Some(more) if more > 0 => rng.random_range(0..more),
        _ => 0,
    };
    let mut ink = vec![0.0; COLUMNS * PATCH_SIZE];
    let n = (strip.columns - start).min(COLUMNS);
    ink[..n * PATCH_SIZE].copy_from_slice(&strip.ink[start * PATCH_SIZE..(start + n) * PATCH_SIZE]);
    let (targets, weights) = targets(line, &strip);
    let cut = |values: &[f32]| {
        let mut out = vec![0.0; COLUMNS * SEGMENTER_OUTPUTS];
        let own = &values[start * SEGMENTER_OUTPUTS..(start + n) * SEGMENTER_OUTPUTS];
        out[..own.len()].copy_from_slice(own);
        out
    };
    Some(Example {
        profile: found.profile().to_vec(),
        measures,
        ink,
        targets: cut(&targets),
        weights: cut(&weights),
    })
}

/// What each column of a strip should be called, and how much that counts. A letter ends in the
/// middle of the gap after it; where the gap is wider than a pixel, anywhere in it.
fn targets(line: &DrawnLine, strip: &Strip) -> (Vec<f32>, Vec<f32>) {
    let n = strip.columns;
    let mut targets = vec![0.0; n * SEGMENTER_OUTPUTS];
    let mut weights = vec![0.0; n * SEGMENTER_OUTPUTS];
    // Column by column, whether a letter begins at its left edge.
    for column in weights.chunks_exact_mut(SEGMENTER_OUTPUTS) {
        column[0] = 1.0;
    }
    let column = |x: f32| (x.max(0.0) as usize).min(n);
    let mut chars = line.chars.clone();
    chars.sort_by(|a, b| (a.ink.0 + a.ink.1).total_cmp(&(b.ink.0 + b.ink.1)));
    // Before the first and after the last letter nothing matters.
    let first = chars.first().map_or(0, |c| column(strip.at(c.ink.0) + 1.0));
    let last = chars.last().map_or(n, |c| column(strip.at(c.ink.1) - 1.0));
    for (x, column) in weights.chunks_exact_mut(SEGMENTER_OUTPUTS).enumerate() {
        if x <= first || x >= last {
            column[0] = 0.0;
        }
    }
    for pair in chars.windows(2) {
        let (end, start) = (strip.at(pair[0].ink.1), strip.at(pair[1].ink.0));
        let space = pair[1].advance.0 - pair[0].advance.1 > 0.12 * line.em;
        let (from, to) = if start - end > 1.2 {
            ((end + 0.3).ceil(), (start - 0.3).floor())
        } else {
            let middle = ((start + end) / 2.0).round();
            (middle, middle)
        };
        let (from, to) = (from.max(1.0) as usize, to.max(1.0) as usize);
        for x in from.saturating_sub(1)..=(to + 1).min(n.saturating_sub(1)) {
            let at = x * SEGMENTER_OUTPUTS;
            if (from..=to).contains(&x) {
                targets[at] = 1.0;
                targets[at + 1] = f32::from(u8::from(space));
                let share = if to > from {
                    2.0 / (1 + to - from) as f32
                } else {
                    2.0
                };
                weights[at] = share.min(2.0);
                weights[at + 1] = share.min(1.0);
            } else if targets[at] == 0.0 {
                // Next to an end, an end is no mistake.
                weights[at] = 0.0;
            }
        }
    }
    for c in &chars {
        let wide = half_cells(c.c) == 2;
        let (from, to) = if wide { c.advance } else { c.ink };
        for x in column(strip.at(from))..column(strip.at(to).ceil()) {
            let at = x * SEGMENTER_OUTPUTS + 2;
            targets[at] = f32::from(u8::from(wide));
            weights[at] = 0.5;
        }
    }
    (targets, weights)
}
