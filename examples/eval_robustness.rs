//! What becomes of reading when pages are not as the reader expects them:
//! `cargo run --release --example eval_robustness -- TEXT_FILE`.

#![allow(clippy::print_stdout, reason = "a command-line program prints")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use glyph_encode::{Detail, EncoderInput, VisionEncoder};
use glyph_examples::rows::Reader;
use glyph_examples::{cli, edit_distance, single_spaced};
use glyph_pipeline::DeviceSpec;
use glyph_pipeline::decode::{LineReading, Readout};
use glyph_pipeline::render::{Block, Document, FontFile, Page, RenderConfig, Typesetter};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageFormat};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Draws a text in many ways, reads it and prints how much is right, with the mean confidence. Pages
/// come as images: nothing but their pixels is known. Runs from the root of the repository, where the
/// bundled fonts lie.
#[derive(Parser)]
struct Args {
    /// Text that no training run saw.
    text: PathBuf,
    /// Only the first so many bytes.
    #[arg(long, default_value_t = 24_000)]
    bytes: usize,
    /// Read coarsely instead of finely.
    #[arg(long)]
    coarse: bool,
    /// cpu, cuda, cuda:N or auto.
    #[arg(long, default_value = "cpu")]
    device: DeviceSpec,
}

/// A way to draw, and what is done to the pixels.
struct Case {
    name: String,
    config: RenderConfig,
    wear: fn(&mut Page),
}

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn cases() -> Result<Vec<Case>> {
    let case = |name: &str, config: RenderConfig, wear: fn(&mut Page)| Case {
        name: name.to_owned(),
        config,
        wear,
    };
    let builtin = RenderConfig::builtin;
    let mut jagged = builtin();
    jagged.antialias = false;
    let mut cases = vec![
        case("built-in style", builtin(), |_| {}),
        case("a pixel to the right", builtin(), |p| shift(p, 1, 0)),
        case("a pixel down", builtin(), |p| shift(p, 0, 1)),
        case("2 % noise", builtin(), noise),
        case("JPEG at quality 80", builtin(), jpeg),
        case("no anti-aliasing", jagged, |_| {}),
    ];
    for font in ["dejavu-sans", "dejavu-sans-mono"] {
        for size in 8..=14 {
            // At 72 dpi a point is a pixel.
            let mut config = RenderConfig::from_json(&format!(
                r#"{{"preset": "glyph-en", "dpi": 72, "font-size": {size}, "line-height": {}}}"#,
                size + 2
            ))?;
            let path = Path::new("glyph-render/assets/fonts")
                .join(font)
                .with_extension("ttf");
            config.fonts.insert(0, FontFile { path, index: 0 });
            cases.push(case(&format!("{font}, {size} px"), config, |_| {}));
        }
    }
    Ok(cases)
}

fn run(args: &Args) -> Result<()> {
    let text = cli::open(&args.text)?.0.text();
    let end = (0..=args.bytes.min(text.len()))
        .rev()
        .find(|&i| text.is_char_boundary(i));
    let document = Document::from_text(&text[..end.unwrap_or(0)]);
    let reader = Reader::new(&args.device.resolve()?.device)?;
    let detail = if args.coarse {
        Detail::Global
    } else {
        Detail::Local
    };
    println!("| pages | characters | right | mean confidence | called illegible |");
    println!("|---|---|---|---|---|");
    for case in cases()? {
        report(&case, &document, &reader, detail)?;
    }
    Ok(())
}

fn report(case: &Case, document: &Document, reader: &Reader, detail: Detail) -> Result<()> {
    let Some(Block::Text { text, .. }) = document.blocks.first() else {
        return Ok(());
    };
    let pages: Vec<Page> = Typesetter::new(case.config.clone())?
        .pages(document)
        .collect::<Result<_, _>>()?;
    // All, right; confidences and their number; illegible.
    let counts: Vec<(usize, usize, f64, usize, usize)> = pages
        .into_par_iter()
        .map(|mut page| -> Result<_> {
            let lines: Vec<&str> = page.lines.iter().map(|l| &text[l.source.clone()]).collect();
            let drawn = single_spaced(&lines.join(" "));
            (case.wear)(&mut page);
            page.lines.clear();
            page.layout = None;
            let tokens = reader.encoder.encode(EncoderInput::page(&page, detail))?;
            let read = reader.readout.read(&tokens)?;
            let found: Vec<&str> = read.iter().map(|l| l.text.as_str()).collect();
            let found = single_spaced(&found.join(" "));
            let all = drawn.chars().count();
            let right = all - edit_distance(&drawn, &found).min(all);
            let inked = |l: &LineReading| -> Vec<(char, f32)> {
                let all = l.text.chars().zip(l.confidences.iter().copied());
                all.filter(|(c, _)| *c != ' ').collect()
            };
            let inked: Vec<(char, f32)> = read.iter().flat_map(inked).collect();
            let sum = inked.iter().map(|(_, p)| f64::from(*p)).sum::<f64>();
            let illegible = inked
                .iter()
                .filter(|(c, _)| *c == char::REPLACEMENT_CHARACTER);
            Ok((all, right, sum, inked.len(), illegible.count()))
        })
        .collect::<Result<_>>()?;
    let sum = counts.into_iter().fold((0, 0, 0.0, 0, 0), |a, b| {
        (a.0 + b.0, a.1 + b.1, a.2 + b.2, a.3 + b.3, a.4 + b.4)
    });
    println!(
        "| {} | {} | {:.2} % | {:.1} % | {:.1} % |",
        case.name,
        sum.0,
        100.0 * sum.1 as f64 / sum.0.max(1) as f64,
        100.0 * sum.2 / sum.3.max(1) as f64,
        100.0 * sum.4 as f64 / sum.3.max(1) as f64,
    );
    Ok(())
}

fn shift(page: &mut Page, dx: usize, dy: usize) {
    let (width, height) = (page.width as usize, page.height as usize);
    let source = std::mem::replace(&mut page.pixels, vec![255; width * height]);
    for y in dy..height {
        for x in dx..width {
            page.pixels[y * width + x] = source[(y - dy) * width + x - dx];
        }
    }
}

fn noise(page: &mut Page) {
    let mut rng = ChaCha8Rng::seed_from_u64(u64::from(page.number));
    for pixel in &mut page.pixels {
        if rng.random_bool(0.02) {
            *pixel = rng.random();
        }
    }
}

fn jpeg(page: &mut Page) {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 80)
        .encode(&page.pixels, page.width, page.height, ExtendedColorType::L8)
        .expect("a grey page of its own size is valid");
    page.pixels = image::load_from_memory_with_format(&bytes, ImageFormat::Jpeg)
        .expect("what was just encoded can be decoded")
        .into_luma8()
        .into_raw();
}
