//! Extracts key information: `cargo run --release --example extract -- PATH --field "Invoice number"`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::json;

#[path = "support/cli.rs"]
#[allow(dead_code, reason = "each example uses its part")]
mod cli;

/// Prints dates, amounts, e-mail addresses, URLs, identifiers and named fields with their places.
///
/// Values are found by their form and by the field's name beside them; what has neither is not found.
#[derive(Parser)]
struct Args {
    /// A TXT, Markdown, PDF or DOCX file, a page image, or a folder of page images.
    path: PathBuf,
    /// A named field to look for; may be given several times.
    #[arg(long = "field", value_name = "NAME")]
    fields: Vec<String>,
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
    let (document, open) = cli::open(&args.path)?;
    let reply = args
        .pipeline
        .builder()?
        .build()?
        .extract(&document, &args.fields)
        .with_context(|| args.path.display().to_string())?;
    let kind = |e: &glyph_pipeline::tasks::Extraction| {
        json!(e)["kind"].to_string().replace(['"', '{', '}'], "")
    };
    if args.json {
        let object = json!({
            "items": reply.output,
            "tokens": reply.tokens,
            "seconds": cli::seconds_json(open, &reply.seconds),
        });
        println!("{object:#}");
        return Ok(());
    }
    if reply.output.is_empty() {
        println!(
            "Nothing found: no date, amount, address or identifier by its form, and no field by its name."
        );
    }
    let width = reply
        .output
        .iter()
        .map(|e| kind(e).chars().count())
        .max()
        .unwrap_or(0);
    for e in &reply.output {
        let normalized = e
            .normalized
            .as_ref()
            .filter(|n| **n != e.value)
            .map_or(String::new(), |n| format!("  = {n}"));
        println!(
            "{:width$}  page {:>3}, line {:>2}  {:>5.1} %  {}{normalized}",
            kind(e),
            e.page,
            e.line,
            100.0 * e.confidence,
            e.value
        );
    }
    println!("\n{}", cli::account(&reply.tokens));
    println!("{}", cli::seconds(open, &reply.seconds));
    Ok(())
}
