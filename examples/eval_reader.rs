//! Measures the built-in reader: `cargo run --release --example eval_reader -- TEXT_FILE …`.
//!
//! Renders each text, reads its pages at each ratio, and at the coarser ones with doubtful places read
//! again too, and compares every character with what was drawn. Prints a table: characters right,
//! mean confidence, text tokens per vision token. `--plot PNG` draws it. With `--reliability PNG` it also measures how well the
//! confidences are calibrated, on the texts mixed with random strings, rare Han and worn rows.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

#[path = "support/ratio_plot.rs"]
mod ratio_plot;
#[path = "support/reliability.rs"]
mod reliability;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use glyph_align::Fonts;
use glyph_examples::rows::Reader;
use glyph_examples::{cli, edit_distance, single_spaced};
use glyph_pipeline::TokenCounter;
use glyph_pipeline::decode::{SpecialTokens, Tokenizer};
use glyph_pipeline::encode::Detail;
use glyph_pipeline::render::{Block, Document, RenderConfig, Typesetter, half_cells};

/// Measures how many characters the built-in model reads right.
#[derive(Parser)]
struct Args {
    /// Texts that no training run saw.
    #[arg(required = true)]
    texts: Vec<PathBuf>,
    /// Only the first so many bytes of each text.
    #[arg(long, default_value_t = 400_000)]
    bytes: usize,
    /// Patches that a token stands for.
    #[arg(long, value_delimiter = ',', default_values_t = [4, 8, 16, 24, 48])]
    merge_sizes: Vec<usize>,
    /// Draw characters right against the ratio.
    #[arg(long, value_name = "PNG")]
    plot: Option<PathBuf>,
    /// A tokenizer.json: tells the ratio by its tokens too.
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<PathBuf>,
    /// Draw how well the confidences are calibrated.
    #[arg(long, value_name = "PNG")]
    reliability: Option<PathBuf>,
    /// Rows to measure calibration on.
    #[arg(long, default_value_t = 6000)]
    rows: usize,
    /// Folders of fonts: some rows for the calibration are drawn in them (`tools/fetch_fonts.sh`).
    #[arg(long)]
    fonts: Vec<PathBuf>,
    /// Folder with encoder.safetensors and readout.safetensors, and what else `train_reader` exported
    /// [default: the embedded weights].
    #[arg(long)]
    weights: Option<PathBuf>,
    /// List the most frequent mistakes.
    #[arg(long)]
    mistakes: bool,
    #[command(flatten)]
    pipeline: cli::PipelineArgs,
}

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn run(args: &Args) -> Result<()> {
    let typesetter = Typesetter::new(RenderConfig::builtin())?;
    let tokenizer = args
        .tokenizer
        .as_ref()
        .map(Tokenizer::from_file)
        .transpose()?;
    let finest = args.merge_sizes.iter().copied().min().unwrap_or(4);
    let device = args.pipeline.device.resolve()?.device;
    let mut passes = Vec::new();
    for &size in &args.merge_sizes {
        for reread in [false, true] {
            let mut builder = args.pipeline.builder()?.merge_sizes(finest, size);
            if let Some(dir) = &args.weights {
                let Reader { encoder, readout } = Reader::open(Some(dir), &device)?;
                let encoder = encoder.with_merge_sizes(finest, size)?;
                builder = builder.encoder(encoder).readout(readout);
            }
            if !reread {
                builder = builder.reread_below(0.0);
            }
            passes.push((builder.build()?, size, reread));
        }
    }
    let other = tokenizer.as_ref().map_or("", |_| " other ratio |");
    println!(
        "| text | patches a token | characters | right | known characters right | mean confidence | ratio |{other}"
    );
    println!(
        "|---|---|---|---|---|---|---|{}",
        other.replace(" other ratio ", "---")
    );
    let mut curves = Vec::new();
    for path in &args.texts {
        let (document, _) = cli::open(path)?;
        let text = document.text();
        let end = text
            .char_indices()
            .map(|(i, _)| i)
            .take_while(|&i| i <= args.bytes)
            .last()
            .unwrap_or(0);
        let document = Document::from_text(&text[..end]);
        let Some(Block::Text { text, .. }) = document.blocks.first() else {
            continue;
        };
        let mut drawn: HashMap<(u32, u32), String> = HashMap::new();
        for page in typesetter.pages(&document) {
            let page = page?;
            let Some(layout) = page.layout else { continue };
            for line in &page.lines {
                let row = (line.bbox.y - layout.y0) / layout.line_height + 1;
                let visible: String = text[line.source.clone()]
                    .chars()
                    .filter(|&c| half_cells(c) > 0)
                    .collect();
                drawn.insert((page.number, row), single_spaced(&visible));
            }
        }
        let text_tokens = TokenCounter.count(text);
        let tokens = match &tokenizer {
            Some(t) => Some(t.encode(text, SpecialTokens::AsText)?.len()),
            None => None,
        };
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let mut curve = ratio_plot::Curve {
            name: name.into_owned(),
            points: Vec::new(),
        };
        for (pipeline, size, reread) in &passes {
            // At the finest ratio there is only a second look.
            let detail = match *size == finest {
                true => Detail::Local,
                false => Detail::Global,
            };
            let reply = pipeline.read(&document, detail)?;
            let read: HashMap<(u32, u32), &str> = reply
                .output
                .iter()
                .map(|l| ((l.page, l.line), l.text.as_str()))
                .collect();
            let (mut all, mut right, mut known, mut known_right) = (0usize, 0usize, 0usize, 0usize);
            let mut mistakes: HashMap<String, usize> = HashMap::new();
            for (place, drawn) in &drawn {
                let read = read.get(place).map_or(String::new(), |t| single_spaced(t));
                let wrong = edit_distance(drawn, &read);
                let n = drawn.chars().count();
                all += n;
                right += n - wrong.min(n);
                if drawn
                    .chars()
                    .all(|c| c == ' ' || glyph_pipeline::decode::Charset::builtin().contains(c))
                {
                    known += n;
                    known_right += n - wrong.min(n);
                }
                if args.mistakes && drawn.chars().count() == read.chars().count() {
                    for (a, b) in drawn.chars().zip(read.chars()).filter(|(a, b)| a != b) {
                        *mistakes.entry(format!("{a} read as {b}")).or_default() += 1;
                    }
                }
            }
            let share = |a: usize, b: usize| 100.0 * a as f64 / b.max(1) as f64;
            let confidence: f64 = reply
                .output
                .iter()
                .map(|l| f64::from(l.confidence))
                .sum::<f64>()
                / reply.output.len().max(1) as f64;
            // The account counts the text as read; here the text itself counts.
            let vision = reply.tokens.vision_global + reply.tokens.vision_local;
            let ratio = text_tokens as f64 / vision.max(1) as f64;
            if !reread {
                curve.points.push((ratio, right as f64 / all.max(1) as f64));
            }
            let other = tokens.map_or(String::new(), |t| {
                format!(" {:.2} |", t as f64 / vision.max(1) as f64)
            });
            println!(
                "| {} | {size}{} | {all} | {:.3} % | {:.3} % | {:.2} % | {ratio:.2} |{other}",
                path.display(),
                if *reread { ", doubtful again" } else { "" },
                share(right, all),
                share(known_right, known),
                100.0 * confidence,
            );
            let mut mistakes: Vec<_> = mistakes.into_iter().collect();
            mistakes.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
            for (what, n) in mistakes.iter().take(12) {
                println!("    {n} x {what}");
            }
        }
        curves.push(curve);
    }
    if let Some(plot) = &args.plot {
        ratio_plot::draw(plot, &curves)?;
    }
    if let Some(plot) = &args.reliability {
        let fonts = match args.fonts.is_empty() {
            true => None,
            false => Some(Fonts::open(&args.fonts)?),
        };
        let reader = Reader::open(args.weights.as_deref(), &device)?;
        reliability::report(&args.texts, args.rows, plot, reader, fonts.as_ref())?;
    }
    Ok(())
}
