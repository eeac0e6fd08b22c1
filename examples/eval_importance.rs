//! What setting important passages larger does to reading, tokens being equal:
//! `cargo run --release --example eval_importance -- TEXT_FILE --plot PNG`.

#![allow(clippy::print_stdout, reason = "a command-line program prints")]

#[path = "support/importance_plot.rs"]
mod importance_plot;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;
use glyph_encode::{Detail, EncoderInput, VisionEncoder};
use glyph_examples::rows::Reader;
use glyph_examples::{cli, edit_distance, single_spaced};
use glyph_pipeline::decode::Readout;
use glyph_pipeline::render::{
    Block, Document, FontSize, Importance, Page, RenderConfig, Style, Typesetter,
};
use glyph_pipeline::{DeviceSpec, TokenCounter};
use importance_plot::Point;
use rayon::prelude::*;

/// Sets a text in one size, and with its important passages larger and the rest so much denser that
/// the pages cost as many tokens; has the built-in reader read both from the pixels alone, and tells
/// how much of the important passages and of the rest is right.
#[derive(Parser)]
struct Args {
    /// Text that no training run saw.
    text: PathBuf,
    /// Only the first so many bytes.
    #[arg(long, default_value_t = 60_000)]
    bytes: usize,
    /// Sizes in pixels to set all text in.
    #[arg(long, value_delimiter = ',', default_values_t = [8.0, 8.5, 9.0, 9.5, 10.0, 11.0, 12.0])]
    sizes: Vec<f32>,
    /// How many times as large as the one size important passages are.
    #[arg(long, default_value_t = 1.25)]
    larger: f32,
    /// The share of the text that is important, by TF-IDF.
    #[arg(long, default_value_t = 0.2)]
    share: f32,
    /// Draw characters right against compression.
    #[arg(long, value_name = "PNG")]
    plot: Option<PathBuf>,
    /// Folder with encoder.safetensors and readout.safetensors [default: the embedded weights].
    #[arg(long)]
    weights: Option<PathBuf>,
    /// cpu, cuda, cuda:N or auto.
    #[arg(long, default_value = "cpu")]
    device: DeviceSpec,
}

/// Pixels of a vision token's side: GLM-4.1V, Qwen2-VL.
const PATCH: f64 = 28.0;

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn run(args: &Args) -> Result<()> {
    let share_fits = args.share > 0.0 && args.share < 1.0;
    ensure!(share_fits, "--share: expected 0 to 1, found {}", args.share);
    ensure!(
        args.larger > 1.0,
        "--larger: expected more than 1, found {}",
        args.larger
    );
    let text = cli::open(&args.text)?.0.text();
    let document = Document::from_text(&text[..text.floor_char_boundary(args.bytes)]);
    let Some(Block::Text { text, .. }) = document.blocks.first() else {
        return Ok(());
    };
    let important = important(text, &document, args.share)?;
    let reader = Reader::open(args.weights.as_deref(), &args.device.resolve()?.device)?;
    let text_tokens = TokenCounter.count(text) as f64;
    println!("| sizes in px | tokens of {PATCH} px | ratio | all right | important | rest |");
    println!("|---|---|---|---|---|---|");
    let mut points = Vec::new();
    for &size in &args.sizes {
        let uniform = FontSize::Points(size);
        let budget = tokens(&pages(&document, uniform.clone())?);
        let large = size * args.larger;
        let by_importance = denser(&document, large, args.share, budget)?;
        let mut rows = Vec::new();
        for sizes in [uniform, by_importance] {
            let pages = pages(&document, sizes.clone())?;
            let cost = tokens(&pages);
            let shares = read(&reader, text, &important, pages)?;
            let name = sizes.classes();
            let name: Vec<String> = name.iter().map(|px| format!("{px:.2}")).collect();
            println!(
                "| {} | {cost:.0} | {:.2} | {:.2} % | {:.2} % | {:.2} % |",
                name.join(" and "),
                text_tokens / cost,
                100.0 * shares.all(),
                100.0 * shares.of(true),
                100.0 * shares.of(false),
            );
            rows.push((text_tokens / cost, shares));
        }
        points.push(Point {
            ratio: rows[0].0,
            uniform: [true, false].map(|important| rows[0].1.of(important)),
            sized: [true, false].map(|important| rows[1].1.of(important)),
        });
    }
    if let Some(path) = &args.plot {
        importance_plot::draw(path, &points, args.larger)?;
    }
    Ok(())
}

/// At 72 dpi, where a point is a pixel.
fn config(size: FontSize) -> Result<RenderConfig> {
    let mut config =
        RenderConfig::from_json(r#"{"preset": "glyph-en", "dpi": 72, "alignment": "LEFT"}"#)?;
    let leading = 1.2 * size.points();
    if let Style::Flow(style) = &mut config.style {
        style.font_size = size;
        style.line_height = leading;
    }
    Ok(config)
}

fn pages(document: &Document, size: FontSize) -> Result<Vec<Page>> {
    let typesetter = Typesetter::new(config(size)?)?;
    Ok(typesetter.pages(document).collect::<Result<_, _>>()?)
}

/// Tokens of the pages down to their last line.
fn tokens(pages: &[Page]) -> f64 {
    let used = |page: &Page| {
        let bottom = page.lines.iter().map(|l| l.bbox.y + l.bbox.height).max();
        f64::from(page.width) * f64::from(bottom.unwrap_or(0))
    };
    pages.iter().map(used).sum::<f64>() / (PATCH * PATCH)
}

/// Sizes by importance, of which the small one is found by halving, so that pages cost `budget`.
fn denser(document: &Document, large: f32, share: f32, budget: f64) -> Result<FontSize> {
    let sizes = |small| FontSize::ByImportance(Importance::new(large, small).share(share));
    let (mut low, mut high) = (large * 0.4, large);
    for _ in 0..10 {
        let middle = (low + high) / 2.0;
        if tokens(&pages(document, sizes(middle))?) > budget {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(sizes(low))
}

/// By byte of the text, whether it is set large.
fn important(text: &str, document: &Document, share: f32) -> Result<Vec<bool>> {
    let (large, small) = (20.0, 10.0);
    let sizes = FontSize::ByImportance(Importance::new(large, small).share(share));
    let pages = pages(document, sizes)?;
    let lines = pages.iter().flat_map(|page| &page.lines);
    let mut flags = vec![false; text.len()];
    for line in lines {
        flags[line.source.clone()].fill(line.bbox.height as f32 > (large + small) / 2.0);
    }
    Ok(flags)
}

/// Characters, and how many of them are right: of the rest, of what is important.
#[derive(Clone, Copy, Default)]
struct Shares([(usize, usize); 2]);

impl Shares {
    fn of(&self, important: bool) -> f64 {
        let (all, right) = self.0[usize::from(important)];
        right as f64 / all.max(1) as f64
    }

    fn all(&self) -> f64 {
        let [rest, important] = self.0;
        (rest.1 + important.1) as f64 / (rest.0 + important.0).max(1) as f64
    }

    fn add(mut self, other: Self) -> Self {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a = (a.0 + b.0, a.1 + b.1);
        }
        self
    }
}

/// Reads pages from their pixels alone and holds each line against what was drawn at its place.
fn read(reader: &Reader, text: &str, important: &[bool], pages: Vec<Page>) -> Result<Shares> {
    let shares: Vec<Shares> = pages
        .into_par_iter()
        .map(|mut page| -> Result<Shares> {
            let lines = std::mem::take(&mut page.lines);
            page.layout = None;
            let tokens = reader
                .encoder
                .encode(EncoderInput::page(&page, Detail::Local))?;
            let mut read = reader.readout.read(&tokens)?;
            read.sort_by_key(|line| line.bbox.x);
            let mut shares = Shares::default();
            for line in lines {
                let rows = line.bbox.y..line.bbox.y + line.bbox.height;
                let here = read
                    .iter()
                    .filter(|l| rows.contains(&(l.bbox.y + l.bbox.height / 2)));
                let found: Vec<&str> = here.map(|l| l.text.as_str()).collect();
                let found = single_spaced(&found.join(" "));
                let drawn = single_spaced(&text[line.source.clone()]);
                let all = drawn.chars().count();
                let wrong = edit_distance(&drawn, &found).min(all);
                let flagged = important[line.source.start];
                let mut own = Shares::default();
                own.0[usize::from(flagged)] = (all, all - wrong);
                shares = shares.add(own);
            }
            Ok(shares)
        })
        .collect::<Result<_>>()?;
    Ok(shares.into_iter().fold(Shares::default(), Shares::add))
}
