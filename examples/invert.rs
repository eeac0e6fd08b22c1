//! Turns page images back into their text: `cargo run --release --example invert -- PAGE.png …`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use glyph_examples::cli;
use glyph_pipeline::render::{
    Block, BlockKind, Inversion, InvertError, Inverter, Page, PageText, RenderConfig,
};

/// Prints the text of pages that Glyph drew, exactly: to a byte, and with no line break added.
///
/// What is wrong with the pages goes to the standard error, and the exit status is 1 then.
#[derive(Parser)]
struct Args {
    /// Page images (PNG), in any order.
    #[arg(required = true)]
    pages: Vec<PathBuf>,
    /// Print one JSON object with blocks, pages and damage.
    #[arg(long)]
    json: bool,
    /// Write to a file.
    #[arg(long)]
    out: Option<PathBuf>,
    /// The rendering parameters, where the pages were drawn with fonts of your own.
    #[arg(long)]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&cli::args::<Args>()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => cli::exit(Err(error)),
    }
}

/// Whether the text is exact.
fn run(args: &Args) -> Result<bool> {
    let inverter = match &args.config {
        Some(path) => Inverter::new(&RenderConfig::from_file(path)?)?,
        None => Inverter::default(),
    };
    let files = args.pages.iter().map(|path| read(path));
    let files = files.collect::<Result<Vec<_>>>()?;
    let mut pages = Vec::with_capacity(files.len());
    for (path, bytes) in &files {
        pages.push(Page::from_image_bytes(path, bytes)?);
    }
    let inversion = match inverter.invert(&pages) {
        Err(error @ InvertError::NoCode { .. }) => {
            let texts: Vec<PageText> = files
                .iter()
                .filter_map(|(_, bytes)| PageText::from_png(bytes))
                .collect();
            if texts.len() < files.len() {
                bail!("{}: {error}", files[0].0);
            }
            eprintln!("{}: {error}", files[0].0);
            eprintln!("the text comes from the text chunks of the files; nothing proves it");
            let inversion = Inversion::from_texts(&texts);
            write(args, &inversion, "text chunk")?;
            report(&inversion);
            return Ok(false);
        }
        other => other?,
    };
    write(args, &inversion, "pixels")?;
    report(&inversion);
    Ok(inversion.is_exact())
}

fn report(inversion: &Inversion) {
    for damage in &inversion.damage {
        eprintln!("{damage}");
    }
}

fn read(path: &Path) -> Result<(String, Vec<u8>)> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
    Ok((name, bytes))
}

fn write(args: &Args, inversion: &Inversion, source: &str) -> Result<()> {
    let text = if args.json {
        format!("{:#}\n", json(inversion, source))
    } else {
        inversion.document.text()
    };
    match &args.out {
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
        }
        None => std::io::stdout()
            .write_all(text.as_bytes())
            .context("cannot write the text"),
    }
}

fn json(inversion: &Inversion, source: &str) -> serde_json::Value {
    let blocks = inversion.document.blocks.iter().map(|block| match block {
        Block::Text {
            kind,
            text,
            source_page,
        } => serde_json::json!({
            "kind": kind_name(*kind), "text": text, "source_page": source_page,
        }),
        Block::Page(image) => serde_json::json!({
            "kind": "image", "width": image.width, "height": image.height,
        }),
        _ => serde_json::Value::Null,
    });
    let pages = inversion.pages.iter().map(|page| {
        let lines = page.lines.iter().map(
            |line| serde_json::json!({"text": line.text, "intact": line.is_intact, "y": line.y}),
        );
        serde_json::json!({
            "position": page.position, "number": page.number, "lines": lines.collect::<Vec<_>>(),
        })
    });
    let damage = inversion.damage.iter().map(ToString::to_string);
    serde_json::json!({
        "source": source,
        "exact": inversion.is_exact(),
        "blocks": blocks.collect::<Vec<_>>(),
        "pages": pages.collect::<Vec<_>>(),
        "damage": damage.collect::<Vec<_>>(),
    })
}

fn kind_name(kind: BlockKind) -> String {
    match kind {
        BlockKind::Heading(level) => format!("heading {level}"),
        BlockKind::Paragraph => "paragraph".to_owned(),
        BlockKind::ListItem => "list item".to_owned(),
        BlockKind::TableRow => "table row".to_owned(),
        _ => "preformatted".to_owned(),
    }
}
