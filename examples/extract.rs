//! Extracts key information: `cargo run --release --example extract -- PATH --field "Invoice number"`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use glyph_examples::cli;
use glyph_pipeline::tasks::{Extraction, ExtractionKind};
use glyph_pipeline::{JsonExtraction, Reply};
use serde_json::{Value, json};

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
    /// Let the language model given by --writer fill in JSON that follows the JSON schema in this
    /// file.
    #[arg(
        long,
        value_name = "FILE",
        requires = "writer",
        conflicts_with = "fields"
    )]
    schema: Option<PathBuf>,
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
    let schema = args.schema.as_deref().map(read_schema).transpose()?;
    let (document, open) = cli::open(&args.path)?;
    let pipeline = args.pipeline.builder()?.build()?;
    if let Some(schema) = &schema {
        let reply = pipeline
            .extract_json(&document, schema)
            .with_context(|| args.path.display().to_string())?;
        return by_schema(args, &reply, open);
    }
    let reply = pipeline
        .extract(&document, &args.fields)
        .with_context(|| args.path.display().to_string())?;
    let kind = |e: &Extraction| json!(e)["kind"].to_string().replace(['"', '{', '}'], "");
    let missing: Vec<&String> = args
        .fields
        .iter()
        .filter(|name| {
            !reply
                .output
                .iter()
                .any(|e| matches!(&e.kind, ExtractionKind::Field(found) if found == *name))
        })
        .collect();
    if args.json {
        let object = json!({
            "items": reply.output,
            "missing_fields": missing,
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
    for name in missing {
        println!(
            "field \"{name}\": not found; it is looked for as a label with its value (\"{name}: …\", \"{name} is …\" or a table's cell)"
        );
    }
    println!("\n{}", cli::account(&reply.tokens));
    println!("{}", cli::seconds(open, &reply.seconds));
    Ok(())
}

fn read_schema(file: &Path) -> Result<Value> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))
}

/// Prints what a language model filled in: the JSON alone on standard output.
fn by_schema(args: &Args, reply: &Reply<JsonExtraction>, open: f64) -> Result<()> {
    let extraction = &reply.output;
    if args.json {
        let object = json!({
            "extraction": extraction,
            "tokens": reply.tokens,
            "seconds": cli::seconds_json(open, &reply.seconds),
        });
        println!("{object:#}");
        return Ok(());
    }
    println!("{:#}", extraction.value);
    eprintln!("\npages     {:?}", extraction.pages_given);
    if !extraction.unsupported.is_empty() {
        eprintln!(
            "warning   nowhere in these pages: {:?}",
            extraction.unsupported
        );
    }
    eprintln!("{}", cli::account(&reply.tokens));
    eprintln!("{}", cli::seconds(open, &reply.seconds));
    Ok(())
}
