//! Fits what the built-in reader's probabilities are worth:
//! `cargo run --release --example calibrate_reader -- TEXT_FILE … --out glyph-decode/assets/calibration.json`.

#![allow(clippy::print_stdout, reason = "a command-line program prints")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use glyph_align::{Corpus, Fonts};
use glyph_encode::Detail;
use glyph_examples::calibration::{BINS, equal_mass, expected_error, fit};
use glyph_examples::cli;
use glyph_examples::rows::{Judged, Reader, foreign_lines, known_rows};
use glyph_pipeline::DeviceSpec;
use glyph_pipeline::decode::{Calibration, CalibrationTable, CharacterKind};

/// Fits a slope and an intercept of the log-odds for each ratio, on rows that are half natural text
/// and half random strings, three in ten worn.
#[derive(Parser)]
struct Args {
    /// Texts that are neither trained on nor measured with.
    #[arg(required = true)]
    texts: Vec<PathBuf>,
    /// Rows to read.
    #[arg(long, default_value_t = 6000)]
    rows: usize,
    /// Seed of the rows.
    #[arg(long, default_value_t = 11)]
    seed: u64,
    /// Folders of fonts to fit other styles with (`tools/fetch_fonts.sh`); without them, confidences
    /// in other styles stay the softmax's own.
    #[arg(long)]
    fonts: Vec<PathBuf>,
    /// Folder with encoder.safetensors and readout.safetensors [default: the embedded weights].
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Where the table goes, as JSON; without it, it is printed only.
    #[arg(long)]
    out: Option<PathBuf>,
    /// cpu, cuda, cuda:N or auto.
    #[arg(long, default_value = "cpu")]
    device: DeviceSpec,
}

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn run(args: &Args) -> Result<()> {
    let device = args.device.resolve()?.device;
    let mut reader = Reader::open(args.weights.as_deref(), &device)?;
    reader.readout = reader.readout.with_calibration(CalibrationTable::default());
    let texts: Vec<Corpus> = args
        .texts
        .iter()
        .map(Corpus::open)
        .collect::<Result<_, _>>()?;
    let fonts = match args.fonts.is_empty() {
        true => None,
        false => Some(Fonts::open(&args.fonts)?),
    };
    let rows = known_rows(&texts, args.rows, 0.3, args.seed)?;
    let foreign = fonts.map(|fonts| foreign_lines(&texts, args.rows, args.seed + 1, &fonts));
    let mut table = CalibrationTable::default();
    println!(
        "| cells a token | style | characters | right | slope | intercept | error before | after |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for size in reader.encoder.available_merge_sizes() {
        reader.encoder = reader.encoder.with_merge_sizes(size, size)?;
        // Two half-width cells a patch.
        let cells = 2 * size;
        let judged = reader.judge(&rows, Detail::Global)?.concat();
        let name = |style: &str| format!("{cells} | {style}");
        table.set(
            cells,
            CharacterKind::Own,
            fitted(&judged, &name("built-in")),
        );
        let Some(lines) = &foreign else { continue };
        let judged = reader.judge_foreign(lines, Detail::Global)?;
        let (wide, narrow): (Vec<Judged>, Vec<Judged>) = judged.into_iter().partition(|j| j.wide);
        let kind = CharacterKind::Foreign;
        table.set(cells, kind, fitted(&narrow, &name("others, half-width")));
        let kind = CharacterKind::ForeignWide;
        table.set(cells, kind, fitted(&wide, &name("others, full-width")));
    }
    println!("\nexpected calibration error, {BINS} bins of equally many characters");
    let json = serde_json::to_string_pretty(&table)? + "\n";
    match &args.out {
        Some(path) => std::fs::write(path, json).with_context(|| path.display().to_string())?,
        None => print!("\n{json}"),
    }
    Ok(())
}

/// Fits a calibration and prints a row about it.
fn fitted(judged: &[Judged], name: &str) -> Calibration {
    let calibration = fit(judged);
    let after: Vec<Judged> = judged
        .iter()
        .map(|j| Judged {
            confidence: calibration.apply(j.confidence),
            ..*j
        })
        .collect();
    let error = |judged: &[Judged]| 100.0 * expected_error(&equal_mass(judged));
    println!(
        "| {name} | {} | {:.3} % | {:.4} | {:.4} | {:.2} % | {:.2} % |",
        judged.len(),
        100.0 * judged.iter().filter(|j| j.right).count() as f64 / judged.len().max(1) as f64,
        calibration.slope,
        calibration.intercept,
        error(judged),
        error(&after),
    );
    calibration
}
