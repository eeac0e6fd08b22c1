//! Trains the built-in reader: `cargo run --release --example train_reader -- --corpus out/corpus/train`.
//!
//! Writes checkpoints to `--out` and goes on from there when started again; draws the loss as
//! `loss.png`; at the end, or with `--export`, writes `encoder.safetensors` and
//! `readout.safetensors`, the files that the crates embed. `--ratios 8,24,48 --init DIR` trains coarser ratios
//! on top of the reader in `DIR`, `--second-trunk --init DIR` a trunk for pages in other styles, `--whole` all of it at once.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use glyph_align::{
    Corpus, Fonts, ForeignModel, RatioModel, ReaderModel, Trainable, Trainer, TrainingConfig,
    WholeModel,
};
use glyph_pipeline::DeviceSpec;
use indicatif::{ProgressBar, ProgressStyle};

#[path = "support/plot.rs"]
mod plot;

#[derive(Parser)]
struct Args {
    /// Folder of .txt files to cut natural text from (`tools/fetch_corpus.sh` fetches one); random words without.
    #[arg(long)]
    corpus: Option<PathBuf>,
    /// Start from the `encoder.safetensors` and `readout.safetensors` of this folder.
    #[arg(long)]
    init: Option<PathBuf>,
    /// Train further ratios on top of the reader of `--init`, which stays as it is: writes
    /// `coarser.safetensors` and `finer.safetensors`.
    /// One number of patches a token for each.
    #[arg(long, value_delimiter = ',')]
    ratios: Vec<usize>,
    /// Train a second trunk for rows in other hands on top of the reader of `--init`, which stays as it
    /// is: writes `foreign.safetensors`. Give `--foreign 1` and `--fonts` with it.
    #[arg(long, requires = "init", requires = "fonts", conflicts_with = "ratios")]
    second_trunk: bool,
    /// Train everything at once: the reader, its second trunk for the rows of `--foreign`, and the
    /// further `--ratios`. Writes all five files.
    #[arg(long, conflicts_with = "second_trunk")]
    whole: bool,
    /// Folder of checkpoints and results.
    #[arg(long, default_value = "out/reader")]
    out: PathBuf,
    /// Optimiser steps in all.
    #[arg(long, default_value_t = TrainingConfig::default().steps)]
    steps: usize,
    /// Rows of text a step.
    #[arg(long, default_value_t = TrainingConfig::default().batch_rows)]
    batch_rows: usize,
    /// Peak learning rate.
    #[arg(long, default_value_t = TrainingConfig::default().learning_rate)]
    learning_rate: f64,
    /// Share of rows worn: moved by a pixel, noisy, or through JPEG.
    #[arg(long, default_value_t = TrainingConfig::default().worn)]
    worn: f64,
    /// Share of natural passages in which some characters are exchanged for random ones.
    #[arg(long, default_value_t = TrainingConfig::default().strangers)]
    strangers: f64,
    /// Share of rows in other hands, which `--fonts` draws.
    #[arg(long, default_value_t = TrainingConfig::default().foreign, requires = "fonts")]
    foreign: f64,
    /// Folders of font files (`tools/fetch_fonts.sh` fetches one).
    #[arg(long)]
    fonts: Vec<PathBuf>,
    /// With `--ratios`: first steps that only learn to give back the tokens that are merged.
    #[arg(long, default_value_t = TrainingConfig::default().rehearsal)]
    rehearsal: usize,
    /// Seed of samples and first weights.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Steps between checkpoints.
    #[arg(long, default_value_t = 250)]
    checkpoint_every: usize,
    /// cpu, cuda:N or auto.
    #[arg(long, default_value = "cpu")]
    device: DeviceSpec,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if args.second_trunk {
        train::<ForeignModel>(&args)
    } else if args.whole {
        train::<WholeModel>(&args)
    } else if !args.ratios.is_empty() {
        anyhow::ensure!(
            args.init.is_some(),
            "--ratios: expected --init DIR with the reader that they stand on, or --whole"
        );
        train::<RatioModel>(&args)
    } else {
        train::<ReaderModel>(&args)
    }
}

fn train<M: Trainable>(args: &Args) -> Result<()> {
    let device = args.device.resolve()?.device;
    let corpus = args.corpus.as_ref().map(Corpus::open).transpose()?;
    let config = TrainingConfig {
        steps: args.steps,
        batch_rows: args.batch_rows,
        learning_rate: args.learning_rate,
        seed: args.seed,
        worn: args.worn,
        strangers: args.strangers,
        foreign: args.foreign,
        rehearsal: args.rehearsal,
        ratios: args.ratios.clone(),
        ..TrainingConfig::default()
    };
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make {}", args.out.display()))?;
    let names = M::names(&config);
    let mut trainer = Trainer::<M>::new(config, corpus, &device)?;
    if args.foreign > 0.0 {
        trainer = trainer.with_fonts(Fonts::open(&args.fonts)?)?;
    }
    if trainer.resume(&args.out)? {
        eprintln!(
            "going on from step {} in {}",
            trainer.steps_done(),
            args.out.display()
        );
    } else if let Some(dir) = &args.init {
        trainer.start_from(dir)?;
    }
    let bar = ProgressBar::new(args.steps as u64).with_position(trainer.steps_done() as u64);
    bar.set_style(ProgressStyle::with_template(
        "{bar:30} {pos}/{len} {msg} {eta}",
    )?);
    let started = Instant::now();
    let first = trainer.steps_done();
    while trainer.steps_done() < args.steps {
        let report = trainer.step()?;
        bar.set_position(report.step as u64);
        let loss: Vec<_> = report.loss.iter().map(|l| format!("{l:.4}")).collect();
        let loss = loss.join(" ");
        bar.set_message(format!("loss {loss}"));
        if report.step % 50 == 0 && bar.is_hidden() {
            eprintln!(
                "step {} loss {loss} {:.2} steps/s",
                report.step,
                (report.step - first) as f64 / started.elapsed().as_secs_f64()
            );
        }
        if report.step % args.checkpoint_every == 0 || report.step == args.steps {
            trainer.save(&args.out)?;
            trainer.model().export(&args.out)?;
            let curves: Vec<plot::Curve> = names
                .iter()
                .enumerate()
                .map(|(i, name)| {
                    let losses = trainer.history().iter().map(|r| r.loss[i]);
                    (name.clone(), losses.collect())
                })
                .collect();
            plot::curves(
                &args.out.join("loss.png"),
                "Loss of the built-in reader",
                "nats a cell",
                &curves,
            )?;
        }
    }
    bar.finish();
    println!(
        "{} steps; weights in {}",
        trainer.steps_done(),
        args.out.display()
    );
    Ok(())
}
