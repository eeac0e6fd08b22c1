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
    /// Chinese text, for the cases of other Chinese fonts and sizes.
    #[arg(long)]
    chinese: Option<PathBuf>,
    /// Folder of further fonts, that no training run saw (`tools/fetch_fonts.sh`).
    #[arg(long)]
    fonts: Option<PathBuf>,
    /// Folder with encoder.safetensors and readout.safetensors [default: the embedded weights].
    #[arg(long)]
    weights: Option<PathBuf>,
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
    chinese: bool,
}

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn case(name: impl Into<String>, config: RenderConfig, wear: fn(&mut Page)) -> Case {
    Case {
        name: name.into(),
        config,
        wear,
        chinese: false,
    }
}

/// Glyph's proportional style in a font. At 72 dpi a point is a pixel.
fn proportional(font: &Path, size: usize) -> Result<RenderConfig> {
    let mut config = RenderConfig::from_json(&format!(
        r#"{{"preset": "glyph-en", "dpi": 72, "font-size": {size}, "line-height": {}}}"#,
        size + 2
    ))?;
    let path = font.to_owned();
    config.fonts.insert(0, FontFile { path, index: 0 });
    Ok(config)
}

fn cases(args: &Args) -> Result<Vec<Case>> {
    let builtin = RenderConfig::builtin;
    let jagged = |mut config: RenderConfig| {
        config.antialias = false;
        config
    };
    let mut cases = vec![
        case("built-in style", builtin(), |_| {}),
        case("a pixel to the right", builtin(), |p| shift(p, 1, 0)),
        case("a pixel down", builtin(), |p| shift(p, 0, 1)),
        case("2 % noise", builtin(), |p| noise(p, 0.02)),
        case("4 % noise", builtin(), |p| noise(p, 0.04)),
        case("JPEG at quality 80", builtin(), |p| jpeg(p, 80)),
        case("JPEG at quality 50", builtin(), |p| jpeg(p, 50)),
        case("no anti-aliasing", jagged(builtin()), |_| {}),
    ];
    let bundled = |name: &str| {
        Path::new("glyph-render/assets/fonts")
            .join(name)
            .with_extension("ttf")
    };
    for font in ["dejavu-sans", "dejavu-sans-mono"] {
        for size in 8..=14 {
            let config = proportional(&bundled(font), size)?;
            cases.push(case(format!("{font}, {size} px"), config, |_| {}));
        }
    }
    let sans = bundled("dejavu-sans");
    for size in [10, 12, 14] {
        let config = jagged(proportional(&sans, size)?);
        cases.push(case(
            format!("dejavu-sans, {size} px, no anti-aliasing"),
            config,
            |_| {},
        ));
    }
    let sans12 = || proportional(&sans, 12);
    cases.push(case("dejavu-sans, 12 px, 2 % noise", sans12()?, |p| {
        noise(p, 0.02)
    }));
    cases.push(case(
        "dejavu-sans, 12 px, JPEG at quality 80",
        sans12()?,
        |p| jpeg(p, 80),
    ));
    cases.push(case("dejavu-sans, 12 px, light on dark", sans12()?, invert));
    if let Some(dir) = &args.fonts {
        let entries = std::fs::read_dir(dir)?;
        let mut fonts: Vec<PathBuf> = entries
            .map(|e| e.map(|e| e.path()))
            .collect::<Result<_, _>>()?;
        fonts.sort();
        for font in fonts {
            let name = font
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let han = name.contains("CJK");
            for size in if han { [12, 14, 18] } else { [9, 12, 16] } {
                let mut case = case(
                    format!("{name}, {size} px"),
                    proportional(&font, size)?,
                    |_| {},
                );
                case.chinese = han;
                cases.push(case);
            }
        }
    }
    for size in [12, 14, 18] {
        let config = proportional(&sans, size)?;
        let mut case = case(format!("Droid Sans Fallback, {size} px"), config, |_| {});
        case.chinese = true;
        cases.push(case);
    }
    cases.retain(|case| !case.chinese || args.chinese.is_some());
    Ok(cases)
}

fn document(path: &Path, bytes: usize) -> Result<Document> {
    let text = cli::open(path)?.0.text();
    Ok(Document::from_text(
        &text[..text.floor_char_boundary(bytes)],
    ))
}

fn run(args: &Args) -> Result<()> {
    let english = document(&args.text, args.bytes)?;
    let chinese = args.chinese.as_ref();
    let chinese = chinese.map(|path| document(path, args.bytes)).transpose()?;
    let reader = Reader::open(args.weights.as_deref(), &args.device.resolve()?.device)?;
    let detail = if args.coarse {
        Detail::Global
    } else {
        Detail::Local
    };
    println!("| pages | characters | right | mean confidence | called illegible |");
    println!("|---|---|---|---|---|");
    for case in cases(args)? {
        let document = match &chinese {
            Some(chinese) if case.chinese => chinese,
            _ => &english,
        };
        report(&case, document, &reader, detail)?;
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

fn invert(page: &mut Page) {
    page.pixels.iter_mut().for_each(|p| *p = 255 - *p);
}

fn noise(page: &mut Page, share: f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(u64::from(page.number));
    for pixel in &mut page.pixels {
        if rng.random_bool(share) {
            *pixel = rng.random();
        }
    }
}

fn jpeg(page: &mut Page, quality: u8) {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode(&page.pixels, page.width, page.height, ExtendedColorType::L8)
        .expect("a grey page of its own size is valid");
    page.pixels = image::load_from_memory_with_format(&bytes, ImageFormat::Jpeg)
        .expect("what was just encoded can be decoded")
        .into_luma8()
        .into_raw();
}
