//! Renders a document to page images: `cargo run --release --example render -- PATH --out DIR`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use glyph_pipeline::render::{RenderConfig, Typesetter};

#[path = "support/cli.rs"]
#[allow(dead_code, reason = "each example uses its part")]
mod cli;

/// Writes the pages of a document as page_0001.png, page_0002.png, …
#[derive(Parser)]
struct Args {
    /// A TXT, Markdown, PDF or DOCX file, a page image, or a folder of page images.
    path: PathBuf,
    /// Folder to write to; made if missing.
    #[arg(long)]
    out: PathBuf,
    /// A JSON file of rendering parameters with Glyph's keys; the built-in style without it.
    #[arg(long)]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn run(args: &Args) -> Result<()> {
    let config = match &args.config {
        Some(path) => RenderConfig::from_file(path)?,
        None => RenderConfig::builtin(),
    };
    let typesetter = Typesetter::new(config)?;
    let (document, _) = cli::open(&args.path)?;
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make {}", args.out.display()))?;
    let mut pages = 0;
    for page in typesetter.pages(&document) {
        let page = page?;
        page.write_png(args.out.join(format!("page_{:04}.png", page.number)))?;
        pages += 1;
    }
    println!("{pages} pages in {}", args.out.display());
    Ok(())
}
