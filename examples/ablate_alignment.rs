//! What alignment adds to reading, and reading to alignment, when encoder, readout and head are trained in
//! one step: `cargo run --release --example ablate_alignment -- --teacher MINILM --init DIR --train out/corpus/align/sentences.txt --test out/corpus/held-out/book.txt`.
//!
//! Starts each time from the same reader (`encoder.safetensors` and `readout.safetensors` in `--init`) and the
//! built-in head, on passages so worn (`--wear` times moved by a pixel, noisy or through JPEG) that the reader
//! misreads them, and trains by reading alone, by alignment and retrieval alone, and by all of them, for the
//! same steps on the same passages.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow, ensure};
use burn::tensor::Device;
use clap::Parser;
use glyph_align::{
    AlignmentLossConfig, AlignmentTrainer, AlignmentTrainingConfig, DrawnPassage, ImageEmbedder,
    ImageTower, JointModel, Passage, ReaderModel, Trainable, dot, recall_at_1, spearman,
};
use glyph_examples::alignment::{Teacher, lines_of, sentences_of};
use glyph_examples::cli;
use glyph_pipeline::DeviceSpec;
use glyph_pipeline::render::{RenderConfig, Typesetter};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

#[derive(Parser)]
struct Args {
    /// Folder of the text encoder: config.json, model.safetensors and tokenizer.json.
    #[arg(long)]
    teacher: PathBuf,
    /// Folder of the reader's weights.
    #[arg(long)]
    init: PathBuf,
    /// Passages to learn, one a line.
    #[arg(long)]
    train: PathBuf,
    /// Text whose sentences are measured with.
    #[arg(long)]
    test: PathBuf,
    /// Passages to learn at most.
    #[arg(long, default_value_t = 2048)]
    passages: usize,
    /// Sentences to measure with.
    #[arg(long, default_value_t = 300)]
    sentences: usize,
    /// How often each row is worn.
    #[arg(long, default_value_t = 4)]
    wear: usize,
    /// Steps of each training.
    #[arg(long, default_value_t = 100)]
    steps: usize,
    /// Passages of a step.
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Peak learning rate.
    #[arg(long, default_value_t = 3e-4)]
    learning_rate: f64,
    /// Folder of the teacher's embeddings.
    #[arg(long, default_value = "out/alignment-cache")]
    cache: PathBuf,
    /// cpu, cuda:N or auto.
    #[arg(long, default_value = "cpu")]
    device: DeviceSpec,
}

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn run(args: &Args) -> Result<()> {
    let device = args.device.resolve()?.device;
    let teacher = Teacher::open(&args.teacher, &args.cache, &device)?;
    let learn = lines_of(&args.train)?;
    let learn = &learn[..learn.len().min(args.passages)];
    let test = sentences_of(&args.test)?;
    ensure!(
        test.len() >= args.sentences,
        "{} sentences to test with",
        test.len()
    );
    // Spread over the text.
    let test: Vec<String> = (0..args.sentences)
        .map(|i| test[i * test.len() / args.sentences].clone())
        .collect();
    let learn = worn(learn, &teacher, args.wear, 1)?;
    let test = worn(&test, &teacher, args.wear, 2)?;
    let loss = || Some(AlignmentLossConfig::new());
    println!("| trained by | cells right | nearest text is its own | Spearman | mean cosine |");
    println!("|---|---|---|---|---|");
    print("nothing", &fresh(&args.init, &device)?, &test, &device)?;
    for (name, loss, reading_weight) in [
        ("reading", None, 1.0),
        ("alignment and retrieval", loss(), 0.0),
        ("reading, alignment and retrieval", loss(), 1.0),
    ] {
        let config = AlignmentTrainingConfig {
            steps: args.steps,
            batch: args.batch,
            learning_rate: args.learning_rate,
            warmup_steps: 10,
            loss,
            reading_weight,
            ..AlignmentTrainingConfig::default()
        };
        let model = fresh(&args.init, &device.clone().autodiff())?;
        let mut trainer = AlignmentTrainer::new(config, |_| model, learn.clone(), &device)?;
        while trainer.steps_done() < args.steps {
            let report = trainer.step()?;
            if report.step % 25 == 0 {
                eprintln!("{name}, step {}: {:?}", report.step, report.losses);
            }
        }
        print(name, &trainer.model(), &test, &device)?;
    }
    Ok(())
}

/// The reader of a folder with the built-in head.
fn fresh(init: &Path, device: &Device) -> Result<JointModel> {
    let mut reader = ReaderModel::init(device);
    reader.import(init)?;
    Ok(JointModel {
        reader,
        head: ImageEmbedder::builtin(device)?.head().clone(),
    })
}

/// Passages drawn and worn, by a seed.
fn worn(
    texts: &[String],
    teacher: &Teacher,
    times: usize,
    seed: u64,
) -> Result<Vec<Passage<DrawnPassage>>> {
    let typesetter = Typesetter::new(RenderConfig::builtin())?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let text_embs = teacher.embed(texts)?;
    let passages = texts.iter().zip(text_embs.chunks_exact(teacher.width()));
    Ok(passages
        .map(|(text, text_emb)| {
            let mut input = DrawnPassage::draw(&typesetter, text);
            for row in &mut input.rows {
                for _ in 0..times {
                    *row = row.clone().wear(&mut rng);
                }
            }
            Passage {
                input,
                text_emb: text_emb.to_vec(),
            }
        })
        .collect())
}

/// Spearman's correlation is that of each sentence with each of the fifty that follow it.
fn print(
    name: &str,
    model: &JointModel,
    test: &[Passage<DrawnPassage>],
    device: &Device,
) -> Result<()> {
    let inputs: Vec<&DrawnPassage> = test.iter().map(|p| &p.input).collect();
    let mut images = Vec::new();
    for batch in inputs.chunks(32) {
        let data = model.embed_images(batch, device)?.image_emb.into_data();
        let values = data.convert::<f32>().try_to_vec::<f32>();
        images.extend(values.map_err(|e| anyhow!("embeddings: {e:?}"))?);
    }
    let texts: Vec<f32> = test.iter().flat_map(|p| p.text_emb.clone()).collect();
    let width = model.head.embedding_size();
    let pairs = |embeds: &[f32]| -> Vec<f32> {
        let row = |i: usize| &embeds[i * width..(i + 1) * width];
        (0..test.len())
            .flat_map(|i| (i + 1..test.len().min(i + 51)).map(move |j| (i, j)))
            .map(|(i, j)| dot(row(i), row(j)))
            .collect()
    };
    let rows = images.chunks_exact(width).zip(texts.chunks_exact(width));
    let cosine = rows.map(|(a, b)| dot(a, b)).sum::<f32>() / test.len() as f32;
    println!(
        "| {name} | {:.2} % | {:.1} % | {:.3} | {cosine:.3} |",
        100.0 * model.cells_right(&inputs, device)?,
        100.0 * recall_at_1(&images, &texts, width),
        spearman(&pairs(&images), &pairs(&texts))?,
    );
    Ok(())
}
