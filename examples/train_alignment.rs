//! Trains the head that places images of passages where a text encoder places their text:
//! `cargo run --release --example train_alignment -- --teacher MINILM --lines --drawn 0.05 out/corpus/align/words.txt out/corpus/align/sentences.txt`.
//!
//! The teacher's embeddings and what the built-in reader reads in the images are computed once and kept
//! in `--cache`. Writes checkpoints to `--out` and goes on from there when started again, draws the
//! losses as `loss.png`, writes them and recall on held-back sentences as CSV, and at the end
//! `alignment.safetensors`, the file that glyph-align embeds.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use burn::module::Module;
use clap::Parser;
use glyph_align::{
    AlignmentHead, AlignmentHeadConfig, AlignmentLossConfig, AlignmentReport, AlignmentTrainer,
    AlignmentTrainingConfig, ImageEmbedder, Passage, PassageWords, dot, recall_at_1,
};
use glyph_examples::alignment::{Teacher, lines_of, read_images, sentences_of};
use glyph_pipeline::DeviceSpec;
use glyph_pipeline::decode::BuiltinReadout;
use glyph_pipeline::encode::BuiltinEncoder;
use indicatif::{ProgressBar, ProgressStyle};

#[path = "support/plot.rs"]
mod plot;

#[derive(Parser)]
struct Args {
    /// Texts, one paragraph a line, whose sentences are passages.
    #[arg(required = true)]
    texts: Vec<PathBuf>,
    /// Folder of the text encoder: config.json, model.safetensors and tokenizer.json.
    #[arg(long)]
    teacher: PathBuf,
    /// Every line is a passage.
    #[arg(long)]
    lines: bool,
    /// Share of the passages that are drawn, encoded and read; the others are taken as if they had
    /// been, without a mistake, which is what the built-in reader makes of clean images but for one
    /// character in ten thousand.
    #[arg(long, default_value_t = 1.0)]
    drawn: f64,
    /// Folder of checkpoints and results.
    #[arg(long, default_value = "out/alignment")]
    out: PathBuf,
    /// Folder of the teacher's embeddings and of what was read.
    #[arg(long, default_value = "out/alignment-cache")]
    cache: PathBuf,
    /// Optimiser steps in all.
    #[arg(long, default_value_t = AlignmentTrainingConfig::default().steps)]
    steps: usize,
    /// Passages of a batch.
    #[arg(long, default_value_t = AlignmentTrainingConfig::default().batch)]
    batch: usize,
    /// Batches of a step, whose gradients are averaged.
    #[arg(long, default_value_t = 1)]
    accumulation: usize,
    /// Peak learning rate.
    #[arg(long, default_value_t = AlignmentTrainingConfig::default().learning_rate)]
    learning_rate: f64,
    /// Weight of the cosine loss.
    #[arg(long, default_value_t = 4.0)]
    semantic: f64,
    /// Weight of InfoNCE.
    #[arg(long, default_value_t = 1.0)]
    info_nce: f64,
    /// Weight of SigLIP.
    #[arg(long, default_value_t = 0.0)]
    siglip: f64,
    /// Rows of the table of words.
    #[arg(long, default_value_t = AlignmentHeadConfig::new().buckets)]
    buckets: usize,
    /// Seed of first weights and batches.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Steps between checkpoints.
    #[arg(long, default_value_t = 250)]
    checkpoint_every: usize,
    /// Passages of the last text that are not learned, to measure recall while training.
    #[arg(long, default_value_t = 1000)]
    held_back: usize,
    /// cpu, cuda:N or auto.
    #[arg(long, default_value = "cpu")]
    device: DeviceSpec,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let device = args.device.resolve()?.device;
    let sizes = AlignmentHeadConfig::new().with_buckets(args.buckets);
    let teacher = Teacher::open(&args.teacher, &args.cache, &device)?;
    let width = teacher.width();
    let sizes = sizes.with_embedding_size(width);
    let reader = ImageEmbedder::new(
        BuiltinEncoder::new(&device)?,
        BuiltinReadout::new(&device)?,
        sizes.init(&device),
        &device,
    )?;
    let mut passages = Vec::new();
    for path in &args.texts {
        let texts = match args.lines {
            true => lines_of(path)?,
            false => sentences_of(path)?,
        };
        let text_embs = teacher.embed(&texts)?;
        // The drawn ones are spread over the text.
        let is_drawn =
            |i: usize| ((i + 1) as f64 * args.drawn) as usize > (i as f64 * args.drawn) as usize;
        let (drawn, read): (Vec<usize>, Vec<usize>) = (0..texts.len()).partition(|&i| is_drawn(i));
        let images: Vec<String> = drawn.iter().map(|&i| texts[i].clone()).collect();
        let mut words = vec![PassageWords::default(); texts.len()];
        for (&i, own) in drawn
            .iter()
            .zip(read_images(&reader, &images, &args.cache)?)
        {
            words[i] = own;
        }
        for i in read {
            words[i] = PassageWords::of_text(&texts[i], reader.head().buckets());
        }
        eprintln!(
            "{}: {} passages, {} drawn",
            path.display(),
            texts.len(),
            drawn.len()
        );
        let rows = words.into_iter().zip(text_embs.chunks_exact(width));
        passages.extend(rows.map(|(input, text_emb)| Passage {
            input,
            text_emb: text_emb.to_vec(),
        }));
    }
    ensure!(
        passages.len() >= args.held_back + args.batch,
        "{} passages, fewer than {} to hold back and {} of a batch",
        passages.len(),
        args.held_back,
        args.batch
    );
    let held_back = passages.split_off(passages.len() - args.held_back);

    let config = AlignmentTrainingConfig {
        steps: args.steps,
        batch: args.batch,
        accumulation: args.accumulation,
        learning_rate: args.learning_rate,
        seed: args.seed,
        loss: Some(
            AlignmentLossConfig::new()
                .with_semantic_weight(args.semantic)
                .with_info_nce_weight(args.info_nce)
                .with_siglip_weight(args.siglip),
        ),
        ..AlignmentTrainingConfig::default()
    };
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let mut trainer = AlignmentTrainer::new(config, |d| sizes.init(d), passages, &device)?;
    if trainer.resume(&args.out)? {
        eprintln!("going on from step {}", trainer.steps_done());
    }
    let bar = ProgressBar::new(args.steps as u64).with_position(trainer.steps_done() as u64);
    bar.set_style(ProgressStyle::with_template(
        "{bar:30} {pos}/{len} {msg} {eta}",
    )?);
    let mut recall = Recall::open(&args.out.join("recall.csv"), trainer.steps_done())?;
    while trainer.steps_done() < args.steps {
        let report = trainer.step()?;
        bar.set_position(report.step as u64);
        bar.set_message(line(&report));
        if report.step % 50 == 0 && bar.is_hidden() {
            eprintln!("step {} {}", report.step, line(&report));
        }
        if report.step % args.checkpoint_every == 0 || report.step == args.steps {
            trainer.save(&args.out)?;
            recall.add(report.step, &trainer.model(), &held_back, &device)?;
            save_losses(&args.out, trainer.history())?;
        }
    }
    bar.finish();
    let path = args.out.join("alignment.safetensors");
    trainer.model().save_packed(&path)?;
    println!(
        "{} steps, {} parameters; weights in {}",
        trainer.steps_done(),
        trainer.model().num_params(),
        path.display()
    );
    Ok(())
}

fn line(report: &AlignmentReport) -> String {
    let losses: Vec<String> = report
        .losses
        .iter()
        .map(|(name, value)| format!("{name} {value:.4}"))
        .collect();
    losses.join(" ")
}

fn save_losses(out: &Path, history: &[AlignmentReport]) -> Result<()> {
    let names: Vec<&String> = history
        .first()
        .map_or(vec![], |r| r.losses.keys().collect());
    let mut csv = "step,learning_rate".to_owned();
    names.iter().for_each(|name| csv += &format!(",{name}"));
    for report in history {
        let _ = write!(csv, "\n{},{}", report.step, report.learning_rate);
        for value in report.losses.values() {
            let _ = write!(csv, ",{value}");
        }
    }
    std::fs::write(out.join("losses.csv"), csv + "\n")?;
    let curves: Vec<plot::Curve> = names
        .into_iter()
        .map(|name| {
            let values = history.iter().map(|r| r.losses[name]);
            (name.clone(), values.collect())
        })
        .collect();
    plot::curves(
        &out.join("loss.png"),
        "Alignment: images of passages with their text",
        "loss",
        &curves,
    )
}

/// Recall on sentences that are held back, written as it is measured.
struct Recall {
    path: PathBuf,
    csv: String,
}

impl Recall {
    /// Keeps what was written up to a step.
    fn open(path: &Path, step: usize) -> Result<Self> {
        let mut csv = "step,recall_at_1,cosine\n".to_owned();
        if let (true, Ok(text)) = (step > 0, std::fs::read_to_string(path)) {
            for line in text.lines().skip(1) {
                let at = line.split(',').next().and_then(|s| s.parse::<usize>().ok());
                if at.is_some_and(|at| at <= step) {
                    csv += line;
                    csv.push('\n');
                }
            }
        }
        Ok(Self {
            path: path.to_owned(),
            csv,
        })
    }

    fn add(
        &mut self,
        step: usize,
        head: &AlignmentHead,
        held_back: &[Passage<PassageWords>],
        device: &burn::tensor::Device,
    ) -> Result<()> {
        let words: Vec<PassageWords> = held_back.iter().map(|p| p.input.clone()).collect();
        let images = head.embed(&words, device)?;
        let texts: Vec<f32> = held_back.iter().flat_map(|p| p.text_emb.clone()).collect();
        let width = head.embedding_size();
        let recall = recall_at_1(&images, &texts, width);
        let rows = images.chunks_exact(width).zip(texts.chunks_exact(width));
        let cosine: f32 = rows.map(|(a, b)| dot(a, b)).sum::<f32>() / held_back.len().max(1) as f32;
        eprintln!(
            "step {step}: recall at 1 {:.1} %, cosine {cosine:.3}",
            100.0 * recall
        );
        let _ = writeln!(self.csv, "{step},{recall},{cosine}");
        std::fs::write(&self.path, &self.csv)?;
        Ok(())
    }
}
