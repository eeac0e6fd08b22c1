//! Plants facts in long texts and asks for them: `cargo run --release --example needle`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

#[path = "needle/haystack.rs"]
mod haystack;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use clap::Parser;
use glyph_examples::cli;
use glyph_pipeline::render::Document;
use glyph_pipeline::{Pipeline, tasks};
use haystack::{Kind, Needle, Numbers};

/// Counts how many planted facts are answered exactly: a number, a UUID, a name and a Chinese fact in
/// each text, each among others of its form about other things.
#[derive(Parser)]
struct Args {
    /// Text to plant in; generated prose, English and Chinese, without it.
    #[arg(long)]
    text: Option<PathBuf>,
    /// Length of each text in characters; may be given several times.
    #[arg(long, default_values_t = [400_000])]
    chars: Vec<usize>,
    /// Number of texts of each length.
    #[arg(long, default_value_t = 20)]
    rounds: u64,
    /// First seed; the clock's seconds without it.
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    pipeline: cli::PipelineArgs,
}

/// What came of the texts of one length.
#[derive(Default)]
struct Tally {
    right: [u64; Kind::ALL.len()],
    rounds: u64,
    /// Largest share of the rows that was encoded finely for a question.
    largest: f64,
    scan_seconds: f64,
    question_seconds: f64,
}

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn run(args: &Args) -> Result<()> {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let base = match &args.text {
        Some(path) => Some(cli::open(path)?.0.text()),
        None => None,
    };
    let pipeline = args.pipeline.builder()?.build()?;
    let seed = args.seed.unwrap_or(clock);
    let mut tallies = Vec::new();
    for &chars in &args.chars {
        ensure!(
            chars >= 10_000,
            "--chars must be at least 10000, found {chars}"
        );
        let mut tally = Tally::default();
        for round in 0..args.rounds {
            let mut numbers = Numbers::new(seed + round);
            let text = match &base {
                Some(base) => base.chars().cycle().take(chars).collect(),
                None => haystack::prose(&mut numbers, chars),
            };
            let (text, needles) = haystack::plant(text, &mut numbers);
            ask(&pipeline, &text, &needles, seed + round, &mut tally)?;
            println!("{chars} characters, {}", line(&tally));
        }
        tallies.push((chars, tally));
    }
    print_table(&tallies);
    for (chars, tally) in &tallies {
        for (kind, right) in Kind::ALL.iter().zip(tally.right) {
            ensure!(
                right * 50 >= tally.rounds * 49,
                "{kind} in {chars} characters: fewer than 98 of 100 were right"
            );
        }
        ensure!(
            tally.largest < 0.1,
            "a tenth of the rows or more was encoded finely for a question"
        );
    }
    Ok(())
}

/// Asks for each needle. The text is scanned once; the rest is what [`Pipeline::ask`] does.
fn ask(
    pipeline: &Pipeline,
    text: &str,
    needles: &[Needle],
    seed: u64,
    tally: &mut Tally,
) -> Result<()> {
    let document = Document::from_text(text);
    let scanning = Instant::now();
    let scan = pipeline.scan(&document)?;
    tally.scan_seconds += scanning.elapsed().as_secs_f64();
    tally.rounds += 1;
    for needle in needles {
        let asking = Instant::now();
        let scores = tasks::rank(&needle.question, &scan.lines);
        let read = pipeline.crop(&document, &scan, &scores, 1)?;
        let answer = tasks::answer(&needle.question, &read.output)?;
        tally.question_seconds += asking.elapsed().as_secs_f64();
        let rows: u32 = read
            .crops
            .iter()
            .map(|c| c.last_row - c.first_row + 1)
            .sum();
        tally.largest = tally.largest.max(f64::from(rows) / scan.lines.len() as f64);
        if answer.text.contains(&needle.answer) {
            tally.right[needle.kind as usize] += 1;
        } else {
            let (kind, question) = (needle.kind, &needle.question);
            println!(
                "seed {seed}: {kind}: {question} {}; said: {}",
                needle.answer, answer.text
            );
        }
    }
    Ok(())
}

fn line(tally: &Tally) -> String {
    let counts = Kind::ALL.iter().zip(tally.right);
    let counts: Vec<String> = counts.map(|(kind, n)| format!("{kind} {n}")).collect();
    format!("of {}: {}", tally.rounds, counts.join(", "))
}

fn print_table(tallies: &[(usize, Tally)]) {
    println!(
        "\n| characters | texts | number | UUID | name | Chinese fact | rows read finely, at most | scan | question |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (chars, t) in tallies {
        let n = t.rounds.max(1) as f64;
        let shares = t.right.map(|r| format!("{:.0} %", 100.0 * r as f64 / n));
        println!(
            "| {chars} | {} | {} | {:.1} % | {:.1} s | {:.1} s |",
            t.rounds,
            shares.join(" | "),
            100.0 * t.largest,
            t.scan_seconds / n,
            t.question_seconds / n / Kind::ALL.len() as f64,
        );
    }
}
