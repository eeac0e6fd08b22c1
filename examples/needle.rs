//! Plants a sentence in 400,000 characters of prose and asks for it: `cargo run --release --example needle`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use clap::Parser;
use glyph_examples::cli;
use glyph_pipeline::render::{Document, RenderConfig, Typesetter};

/// Counts in how many texts the planted sentence is found.
#[derive(Parser)]
struct Args {
    /// English text to plant in; generated prose without it.
    #[arg(long)]
    text: Option<PathBuf>,
    /// Length of each text in characters.
    #[arg(long, default_value_t = 400_000)]
    chars: usize,
    /// Number of texts.
    #[arg(long, default_value_t = 20)]
    rounds: u64,
    /// First seed; the clock's seconds without it.
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    pipeline: cli::PipelineArgs,
}

const WORDS: &[&str] = &[
    "the", "of", "and", "to", "in", "that", "was", "his", "with", "for", "had", "not", "from",
    "they", "which", "river", "harbour", "letter", "winter", "engine", "garden", "number",
    "special", "magic", "captain", "market", "window", "silver", "station", "question", "answer",
    "doctor", "evening", "village", "machine", "history", "paper", "between", "through", "against",
    "under",
];
const FIRST: &[&str] = &[
    "quiet",
    "purple",
    "frozen",
    "hollow",
    "golden",
    "wandering",
    "silent",
    "crooked",
    "gentle",
    "bitter",
];
const SECOND: &[&str] = &[
    "otter", "lantern", "mountain", "violin", "compass", "orchard", "falcon", "teapot", "glacier",
    "anvil",
];

/// Numbers from a seed (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

fn prose(numbers: &mut Numbers, chars: usize) -> String {
    let mut out = String::with_capacity(chars + 100);
    while out.len() < chars {
        for i in 0..6 + numbers.below(12) {
            let word = numbers.pick(WORDS);
            if i == 0 {
                out.push_str(&word[..1].to_uppercase());
                out.push_str(&word[1..]);
            } else {
                out.push(' ');
                out.push_str(word);
            }
        }
        out.push_str(if numbers.below(6) == 0 { ".\n\n" } else { ". " });
    }
    out
}

/// Rows of the document that hold text.
fn document_rows(typesetter: &Typesetter, document: &Document) -> Result<f64> {
    let mut rows = 0;
    for page in typesetter.pages(document) {
        rows += page?.lines.iter().filter(|l| l.bbox.width > 0).count();
    }
    Ok(rows as f64)
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
    let typesetter = Typesetter::new(RenderConfig::builtin())?;
    let mut found = 0;
    let mut largest = 0.0f64;
    for round in 0..args.rounds {
        let seed = args.seed.unwrap_or(clock) + round;
        let mut numbers = Numbers(seed);
        let mut text = match &base {
            Some(base) => base.chars().cycle().take(args.chars).collect(),
            None => prose(&mut numbers, args.chars),
        };
        let name = format!("{} {}", numbers.pick(FIRST), numbers.pick(SECOND));
        let number = 1_000_000 + numbers.below(9_000_000);
        // At the end of a random sentence.
        let from = numbers.below(text.len() - 2000);
        let from = (from..text.len())
            .find(|&i| text.is_char_boundary(i))
            .unwrap_or(0);
        let at = text[from..].find(". ").map_or(text.len(), |i| from + i + 2);
        text.insert_str(
            at,
            &format!("The special magic number for {name} is {number}. "),
        );
        let document = Document::from_text(&text);
        let reply = pipeline.ask(
            &document,
            &format!("What is the special magic number for {name}?"),
        )?;
        let hit = reply.output.text.contains(&number.to_string());
        found += u64::from(hit);
        let rows: u32 = reply
            .crops
            .iter()
            .map(|c| c.last_row - c.first_row + 1)
            .sum();
        let share = f64::from(rows) / document_rows(&typesetter, &document)?;
        largest = largest.max(share);
        println!(
            "seed {seed}: {} at {:.0} %, {:.1} % encoded finely, ratio {:.2}, {:.1} s{}",
            if hit { "found" } else { "MISSED" },
            100.0 * at as f64 / text.len() as f64,
            100.0 * share,
            reply.tokens.ratio,
            reply.seconds.total,
            if hit {
                String::new()
            } else {
                format!(": {number} for {name}; said: {}", reply.output.text)
            }
        );
    }
    println!(
        "{found} of {} found; at most {:.1} % of the rows encoded finely",
        args.rounds,
        100.0 * largest
    );
    ensure!(
        found * 20 >= args.rounds * 19,
        "fewer than 19 of 20 were found"
    );
    ensure!(
        largest < 0.1,
        "a tenth of the rows or more was encoded finely"
    );
    Ok(())
}
