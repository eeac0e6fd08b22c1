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
use glyph_pipeline::DEFAULT_REREAD_BELOW;
use glyph_pipeline::encode::Detail;
use glyph_pipeline::tasks::ReadLine;
use serde_json::json;

/// Renders a document, or takes page images, and prints what the built-in model reads from them.
#[derive(Parser)]
struct Args {
    /// A TXT, Markdown, PDF or DOCX file, a page image, or a folder of page images.
    path: PathBuf,
    /// Text tokens per vision token to aim at. The built-in model has five ratios, about 2, 4, 8,
    /// 11 and 22 on English prose; the nearest is taken.
    #[arg(long, default_value_t = 2.0)]
    ratio: f64,
    /// In a coarse reading, read places of less confidence than this again, finely; what stays below
    /// it is named. 0 doubts nothing.
    #[arg(long, value_name = "CONFIDENCE", default_value_t = DEFAULT_REREAD_BELOW)]
    reread_below: f32,
    /// Print one JSON object with a confidence for every line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pipeline: cli::PipelineArgs,
}

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

/// Patches of a token at the finest ratio.
const FINEST: usize = 4;

/// Patches of a token for about so many text tokens per vision token.
fn merge_size(ratio: f64) -> usize {
    let typical = [
        (FINEST, 1.9f64),
        (8, 3.8),
        (16, 7.6),
        (24, 11.0),
        (48, 22.0),
    ];
    let distance = |r: f64| (ratio / r).ln().abs();
    typical
        .into_iter()
        .min_by(|a, b| distance(a.1).total_cmp(&distance(b.1)))
        .map_or(FINEST, |(size, _)| size)
}

fn run(args: &Args) -> Result<()> {
    anyhow::ensure!(
        args.ratio > 0.0,
        "--ratio must be above 0, found {}",
        args.ratio
    );
    anyhow::ensure!(
        (0.0..=1.0).contains(&args.reread_below),
        "--reread-below must be from 0 to 1, found {}",
        args.reread_below
    );
    let size = merge_size(args.ratio);
    let detail = if size == FINEST {
        Detail::Local
    } else {
        Detail::Global
    };
    let (document, open) = cli::open(&args.path)?;
    let reply = args
        .pipeline
        .builder()?
        .merge_sizes(FINEST, size)
        .reread_below(args.reread_below)
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
    let uncertain = reply
        .output
        .iter()
        .map(|l| l.uncertain.len())
        .sum::<usize>();
    if uncertain > 0 {
        eprintln!("uncertain {}", uncertain_places(&reply.output, uncertain));
    }
    if confidence < 0.6 {
        eprintln!(
            "warning: mean confidence {:.0} %: these pages are not in a style that the built-in model reads; do not trust the words above",
            100.0 * confidence
        );
    }
    Ok(())
}

/// The least certain places, as one line.
fn uncertain_places(lines: &[ReadLine], all: usize) -> String {
    const SHOWN: usize = 5;
    let mut places: Vec<_> = lines
        .iter()
        .flat_map(|line| line.uncertain.iter().map(move |u| (line, u)))
        .collect();
    places.sort_by(|a, b| a.1.confidence.total_cmp(&b.1.confidence));
    let shown: Vec<String> = places
        .iter()
        .take(SHOWN)
        .map(|(line, u)| {
            let text = &line.text[u.range.clone()];
            let (page, row, share) = (line.page, line.line, 100.0 * u.confidence);
            format!("page {page}, line {row}: {text:?} {share:.0} %")
        })
        .collect();
    let more = all.saturating_sub(SHOWN);
    let more = if more > 0 {
        format!("; and {more} more")
    } else {
        String::new()
    };
    format!("{}{more}", shown.join("; "))
}
