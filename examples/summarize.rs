//! Summarises a document: `cargo run --release --example summarize -- PATH --sentences 5`.

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
use glyph_pipeline::{Reply, WrittenSummary};
use serde_json::json;

/// Prints the most central sentences of a document as read from its pages, in order.
///
/// The summary is extractive: it picks sentences, it does not write new ones. With --writer a
/// language model writes one, section by section.
#[derive(Parser)]
struct Args {
    /// A TXT, Markdown, PDF or DOCX file, a page image, or a folder of page images.
    path: PathBuf,
    /// How many sentences.
    #[arg(long, default_value_t = 5)]
    sentences: usize,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pipeline: cli::PipelineArgs,
}

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn run(args: &Args) -> Result<()> {
    anyhow::ensure!(args.sentences > 0, "--sentences must be at least 1");
    let (document, open) = cli::open(&args.path)?;
    let pipeline = args.pipeline.builder()?.build()?;
    if args.pipeline.writer.is_some() {
        let reply = pipeline
            .write_summary(&document)
            .with_context(|| args.path.display().to_string())?;
        return written(args, &reply, open);
    }
    let reply = pipeline
        .summarize(&document, args.sentences)
        .with_context(|| args.path.display().to_string())?;
    if args.json {
        let object = json!({
            "summary": reply.output,
            "tokens": reply.tokens,
            "seconds": cli::seconds_json(open, &reply.seconds),
        });
        println!("{object:#}");
        return Ok(());
    }
    if reply.output.is_empty() {
        println!(
            "No full sentence was found: the summary picks sentences, and cannot make one of tables, lists or code."
        );
    }
    for s in &reply.output {
        println!(
            "[page {}, line {}, {:.1} %] {}",
            s.page,
            s.line,
            100.0 * s.confidence,
            s.text
        );
    }
    println!("\n{}", cli::account(&reply.tokens));
    println!("{}", cli::seconds(open, &reply.seconds));
    Ok(())
}

/// Prints the summary that a language model wrote.
fn written(args: &Args, reply: &Reply<WrittenSummary>, open: f64) -> Result<()> {
    let summary = &reply.output;
    if args.json {
        let object = json!({
            "summary": summary,
            "tokens": reply.tokens,
            "seconds": cli::seconds_json(open, &reply.seconds),
        });
        println!("{object:#}");
        return Ok(());
    }
    println!("{}\n", summary.text);
    if summary.sections.len() > 1 {
        for section in &summary.sections {
            println!(
                "pages {}-{}{}: {}",
                section.first_page,
                section.last_page,
                if section.quoted { ", quoted" } else { "" },
                section.text
            );
        }
        println!();
    }
    println!("{}", cli::account(&reply.tokens));
    println!("{}", cli::seconds(open, &reply.seconds));
    Ok(())
}
