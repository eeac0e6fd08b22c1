//! Prints a document's text as the model reads it: `cargo run --release --example read -- PATH`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use glyph_examples::cli;
use glyph_pipeline::encode::Detail;
use serde_json::json;

/// Renders a document, or takes page images, and prints what the built-in model reads from them.
#[derive(Parser)]
struct Args {
    /// A TXT, Markdown, PDF or DOCX file, a page image, or a folder of page images.
    path: PathBuf,
    /// Text tokens per vision token to aim at. The built-in model has two ratios, about 2 (fine)
    /// and about 7 (coarse) on English text; the nearer one is taken.
    #[arg(long, default_value_t = 2.0)]
    ratio: f64,
    /// Print one JSON object with a confidence for every line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pipeline: cli::PipelineArgs,
}

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn run(args: &Args) -> Result<()> {
    anyhow::ensure!(
        args.ratio > 0.0,
        "--ratio must be above 0, found {}",
        args.ratio
    );
    // The geometric mean of the two ratios parts them.
    let detail = if args.ratio < 3.8 {
        Detail::Local
    } else {
        Detail::Global
    };
    let (document, open) = cli::open(&args.path)?;
    let reply = args
        .pipeline
        .builder()?
        .build()?
        .read(&document, detail)
        .with_context(|| args.path.display().to_string())?;
    if args.json {
        let object = json!({
            "lines": reply.output,
            "tokens": reply.tokens,
            "seconds": cli::seconds_json(open, &reply.seconds),
        });
        println!("{object:#}");
        return Ok(());
    }
    let mut last = (1, 0);
    for line in &reply.output {
        if line.page != last.0 || line.line > last.1 + 1 {
            println!();
        }
        last = (line.page, line.line);
        println!("{}", line.text);
    }
    let letters: usize = reply.output.iter().map(|l| l.text.len()).sum();
    let confidence: f64 = reply
        .output
        .iter()
        .map(|l| f64::from(l.confidence) * l.text.len() as f64)
        .sum::<f64>()
        / letters.max(1) as f64;
    eprintln!("\n{}", cli::account(&reply.tokens));
    eprintln!("{}", cli::seconds(open, &reply.seconds));
    if confidence < 0.6 {
        eprintln!(
            "warning: mean confidence {:.0} %: these pages are not in a style that the built-in model reads; do not trust the words above",
            100.0 * confidence
        );
    }
    Ok(())
}
