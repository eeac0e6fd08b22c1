//! Aligns an encoder of one's own with a text encoder, in about a minute on a CPU:
//! `cargo run --release --example align_own_encoder`.
//!
//! The encoder here is foreign to Glyph: one hidden layer over windows of a drawn row, averaged. What it
//! takes to train it is `impl ImageTower` below. Without `--teacher` the text side is a stand-in that needs
//! no download: which letters and pairs of letters a text has, projected at random. With `--teacher MINILM`
//! it is all-MiniLM-L6-v2, of which so small an encoder learns less.

#![allow(clippy::print_stdout, reason = "a command-line program prints")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use burn::module::Module;
use burn::nn::{Gelu, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use clap::Parser;
use glyph_align::{
    AlignError, AlignmentLossConfig, AlignmentTrainer, AlignmentTrainingConfig, CELLS_PER_ROW,
    DrawnPassage, ImageTower, Passage, TowerOutput, recall_at_1,
};
use glyph_examples::alignment::Teacher;
use glyph_examples::cli;
use glyph_pipeline::DeviceSpec;
use glyph_pipeline::encode::builtin::{PATCH_SIZE, ROW_WIDTH};
use glyph_pipeline::render::{RenderConfig, Typesetter};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[derive(Parser)]
struct Args {
    /// Folder of a text encoder [default: a stand-in].
    #[arg(long)]
    teacher: Option<PathBuf>,
    /// Passages to learn.
    #[arg(long, default_value_t = 2000)]
    passages: usize,
    /// Optimiser steps.
    #[arg(long, default_value_t = 400)]
    steps: usize,
    /// Passages of a step.
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Checkpoints; none if not given.
    #[arg(long)]
    out: Option<PathBuf>,
    /// cpu, cuda:N or auto.
    #[arg(long, default_value = "cpu")]
    device: DeviceSpec,
}

/// Width of a window: two half-width cells.
const WINDOW: usize = PATCH_SIZE;
/// Windows of a row: one at every cell, so that each pair of neighbours is in one.
const WINDOWS: usize = CELLS_PER_ROW - 1;
/// Width of a cell in pixels.
const CELL: usize = ROW_WIDTH / CELLS_PER_ROW;

/// Somebody's encoder.
#[derive(Module, Debug)]
struct WindowEncoder {
    up: Linear,
    down: Linear,
    activation: Gelu,
}

impl WindowEncoder {
    fn new(width: usize, device: &Device) -> Self {
        Self {
            up: LinearConfig::new(WINDOW * PATCH_SIZE, 256).init(device),
            down: LinearConfig::new(256, width).init(device),
            activation: Gelu::new(),
        }
    }
}

impl ImageTower for WindowEncoder {
    type Input = DrawnPassage;

    fn embed_images(
        &self,
        passages: &[&DrawnPassage],
        device: &Device,
    ) -> Result<TowerOutput, AlignError> {
        let mut values = Vec::new();
        for passage in passages {
            // This encoder sees the first row only.
            let pixels = &passage.rows[0].pixels;
            for window in 0..WINDOWS {
                for row in pixels.chunks_exact(ROW_WIDTH) {
                    let own = &row[window * CELL..window * CELL + WINDOW];
                    values.extend(own.iter().map(|&p| 1.0 - f32::from(p) / 255.0));
                }
            }
        }
        let n = passages.len();
        let x = TensorData::new(values, [n * WINDOWS, WINDOW * PATCH_SIZE]);
        let h = self.up.forward(Tensor::<2>::from_data(x, device));
        let h = self.activation.forward(h).reshape([n, WINDOWS, 256]);
        let mean: Tensor<2> = h.mean_dim(1).squeeze_dim(1);
        Ok(TowerOutput {
            image_emb: self.down.forward(mean),
            reading: None,
        })
    }
}

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn run(args: &Args) -> Result<()> {
    ensure!(
        args.passages >= 2 * args.batch,
        "fewer passages than two batches"
    );
    let device = args.device.resolve()?.device;
    let texts = phrases(args.passages);
    let (width, text_embs) = match &args.teacher {
        Some(folder) => {
            let teacher = Teacher::open(folder, &PathBuf::from("out/alignment-cache"), &device)?;
            (teacher.width(), teacher.embed(&texts)?)
        }
        None => (WIDTH, texts.iter().flat_map(|t| letters(t)).collect()),
    };
    let typesetter = Typesetter::new(RenderConfig::builtin())?;
    let mut passages: Vec<Passage<DrawnPassage>> = texts
        .iter()
        .zip(text_embs.chunks_exact(width))
        .map(|(text, text_emb)| Passage {
            input: DrawnPassage::draw(&typesetter, text),
            text_emb: text_emb.to_vec(),
        })
        .collect();
    let held_out = passages.split_off(passages.len() - args.batch);
    let config = AlignmentTrainingConfig {
        steps: args.steps,
        batch: args.batch,
        loss: Some(AlignmentLossConfig::new()),
        ..AlignmentTrainingConfig::default()
    };
    let mut trainer =
        AlignmentTrainer::new(config, |d| WindowEncoder::new(width, d), passages, &device)?;
    if let Some(out) = &args.out {
        trainer.resume(out)?;
    }
    let measure = |model: &WindowEncoder| -> Result<f64> {
        let inputs: Vec<&DrawnPassage> = held_out.iter().map(|p| &p.input).collect();
        let embeds = model.embed_images(&inputs, &device)?.image_emb;
        let embeds = embeds.into_data().convert::<f32>().try_to_vec::<f32>();
        let embeds = embeds.map_err(|e| anyhow::anyhow!("embeddings: {e:?}"))?;
        let embeds: Vec<f32> = embeds.chunks_exact(width).flat_map(unit).collect();
        let texts: Vec<f32> = held_out.iter().flat_map(|p| p.text_emb.clone()).collect();
        Ok(recall_at_1(&embeds, &texts, width))
    };
    let before = measure(&trainer.model())?;
    while trainer.steps_done() < args.steps {
        trainer.step()?;
    }
    if let Some(out) = &args.out {
        trainer.save(out)?;
    }
    println!(
        "nearest of {} held-out texts is the image's own: {:.1} % before, {:.1} % after {} steps",
        held_out.len(),
        100.0 * before,
        100.0 * measure(&trainer.model())?,
        trainer.steps_done()
    );
    Ok(())
}

/// Phrases of random words.
fn phrases(count: usize) -> Vec<String> {
    const WORDS: &str = "amber boat copper door eagle fox glass harbour iron jade kite lamp moon nest \
        ocean paper quill river stone tower umbra valley willow yarn zinc bridge candle dust ember \
        forest garden hammer island jungle key ladder mirror needle orchard pepper";
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    (0..count)
        .map(|_| {
            let own = (0..5).map(|_| words[rng.random_range(0..words.len())]);
            own.collect::<Vec<_>>().join(" ")
        })
        .collect()
}

/// Width of the stand-in's embeddings.
const WIDTH: usize = 64;

/// The stand-in: a sum of random directions, one for each letter and pair of letters.
fn letters(text: &str) -> Vec<f32> {
    let bytes = text.as_bytes();
    let mut sum = vec![0.0; WIDTH];
    let singles = bytes.iter().map(|&b| u64::from(b));
    let pairs = bytes
        .windows(2)
        .map(|p| u64::from(p[0]) << 8 | u64::from(p[1]));
    for seed in singles.chain(pairs) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        sum.iter_mut()
            .for_each(|v| *v += rng.random_range(-1.0..1.0f32));
    }
    unit(&sum)
}

fn unit(values: &[f32]) -> Vec<f32> {
    let length = values.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-9);
    values.iter().map(|v| v / length).collect()
}
