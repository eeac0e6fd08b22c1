//! Trains the networks that cut lines in other styles into letters:
//! `cargo run --release --example train_segmenter -- --corpus out/corpus/train --fonts out/fonts/train`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use glyph_align::{Corpus, Fonts, SegmenterTrainer};
use glyph_examples::cli;
use glyph_pipeline::DeviceSpec;

#[derive(Parser)]
struct Args {
    /// Folder of .txt files to draw; random words without.
    #[arg(long)]
    corpus: Option<PathBuf>,
    /// Folders of font files (`tools/fetch_fonts.sh` fetches one).
    #[arg(long, required = true)]
    fonts: Vec<PathBuf>,
    /// Start from this file.
    #[arg(long)]
    init: Option<PathBuf>,
    /// Where the weights go.
    #[arg(long, default_value = "glyph-encode/assets/segmenter.safetensors")]
    out: PathBuf,
    /// Optimiser steps.
    #[arg(long, default_value_t = 3000)]
    steps: usize,
    /// Seed of lines and first weights.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// cpu, cuda:N or auto.
    #[arg(long, default_value = "cpu")]
    device: DeviceSpec,
}

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn run(args: &Args) -> Result<()> {
    let device = args.device.resolve()?.device;
    let corpus = args.corpus.as_ref().map(Corpus::open).transpose()?;
    let fonts = Fonts::open(&args.fonts)?;
    let mut trainer = SegmenterTrainer::new(args.steps, args.seed, corpus, fonts, &device);
    if let Some(path) = &args.init {
        trainer.start_from(path)?;
    }
    let (mut sum, mut n) = ([0.0; 4], 0.0);
    for _ in 0..args.steps {
        let r = trainer.step()?;
        for (s, v) in sum.iter_mut().zip([r.scale, r.columns, r.found, r.precise]) {
            *s += v;
        }
        n += 1.0;
        if r.step % 100 == 0 || r.step == args.steps {
            let [scale, columns, found, precise] = sum.map(|s| s / n);
            eprintln!(
                "step {} measures {scale:.4} columns {columns:.4} ends found {found:.4}, right {precise:.4}",
                r.step
            );
            (sum, n) = ([0.0; 4], 0.0);
            trainer.export(&args.out)?;
        }
    }
    println!("weights in {}", args.out.display());
    Ok(())
}
