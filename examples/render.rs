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
use glyph_examples::cli;
use glyph_pipeline::render::{
    Block, Document, Inversion, Inverter, OpenOptions, Page, PageText, PngOptions, RenderConfig,
    Typesetter,
};
use rayon::prelude::*;

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
    /// Keep pages that are there already: goes on where a run with the same options stopped.
    #[arg(long)]
    resume: bool,
    /// Turn the pages back into text and compare it with the document's.
    #[arg(long)]
    verify: bool,
    /// Store each page's text in its file beside the pixels, for when the pixels get lost.
    #[arg(long)]
    text_chunk: bool,
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
    // Pages are written as they come, so a text may be larger than one that is to be read.
    let mut options = OpenOptions::default();
    options.limits.max_text_bytes = options.limits.max_file_bytes;
    let document = Document::open_with(&args.path, &options)?;
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make {}", args.out.display()))?;
    let inverter = Inverter::of(&typesetter);
    let mut texts: Vec<PageText> = Vec::new();
    let bar = cli::page_bar();
    let mut pages = typesetter.pages(&document);
    let mut count = 0;
    loop {
        // As many pages at a time as keep all cores busy.
        let chunk: Vec<Page> = pages
            .by_ref()
            .take(4 * rayon::current_num_threads())
            .collect::<Result<_, _>>()?;
        let Some(last) = chunk.last() else {
            break;
        };
        chunk
            .par_iter()
            .try_for_each(|page| write(page, args, &inverter))?;
        if args.verify {
            // Pages that are images have no lines.
            let drawn = chunk.par_iter().filter(|page| !page.lines.is_empty());
            let read = drawn.map(|page| inverter.page_text(page));
            texts.extend(read.collect::<Result<Vec<_>, _>>()?);
        }
        count += chunk.len();
        bar.update(cli::done(&document, last), count);
    }
    bar.finish();
    drop(pages);
    if args.verify {
        let mut drawn = document;
        drawn
            .blocks
            .retain(|block| matches!(block, Block::Text { .. }));
        let mut read = Inversion::from_texts(&texts).document;
        read.blocks
            .retain(|block| matches!(block, Block::Text { .. }));
        typesetter.compare(&drawn, &read)?;
    }
    let verified = if args.verify { ", verified" } else { "" };
    println!("{count} pages in {}{verified}", args.out.display());
    Ok(())
}

/// Writes a page under its name only once it is complete.
fn write(page: &Page, args: &Args, inverter: &Inverter) -> Result<()> {
    let path = args.out.join(format!("page_{:04}.png", page.number));
    if args.resume && path.exists() {
        return Ok(());
    }
    let part = path.with_extension("png.part");
    let text = match args.text_chunk && !page.lines.is_empty() {
        true => Some(inverter.page_text(page)?),
        false => None,
    };
    let options = text.as_ref().map_or_else(PngOptions::default, |text| {
        PngOptions::default().with_text(text)
    });
    let written = page
        .to_png_with(options)
        .map_err(anyhow::Error::from)
        .and_then(|bytes| {
            std::fs::write(&part, bytes)
                .and_then(|()| std::fs::rename(&part, &path))
                .with_context(|| format!("cannot write {}", path.display()))
        });
    if written.is_err() {
        // What cannot be removed either is not worth a second message.
        let _ = std::fs::remove_file(&part);
    }
    written
}
