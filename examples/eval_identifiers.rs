//! Plants identifiers in prose and counts what is read wrong, and what of that is marked as uncertain:
//! `cargo run --release --example eval_identifiers -- TEXT_FILE`.

#![allow(clippy::print_stdout, reason = "a command-line program prints")]

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;
use glyph_examples::align::{Pair, align};
use glyph_examples::cli;
use glyph_pipeline::encode::Detail;
use glyph_pipeline::render::{Block, Document, RenderConfig, Typesetter};
use glyph_pipeline::tasks::ReadLine;
use glyph_pipeline::{DEFAULT_REREAD_BELOW, TokenAccount};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Plants UUIDs, hexadecimal and base64 strings and lines of code, reads the text coarsely with
/// doubtful places read again, and compares every character.
#[derive(Parser)]
struct Args {
    /// Text that no training run saw.
    text: PathBuf,
    /// Identifiers of each kind.
    #[arg(long, default_value_t = 1000)]
    planted: usize,
    /// Bytes of prose for each identifier of a kind.
    #[arg(long, default_value_t = 400)]
    apart: usize,
    /// Seed of the identifiers.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Confidences below which places are read again; one line each.
    #[arg(long, value_name = "CONFIDENCE", value_delimiter = ',', default_values_t = [0.0, DEFAULT_REREAD_BELOW])]
    reread_below: Vec<f32>,
    #[command(flatten)]
    pipeline: cli::PipelineArgs,
}

const KINDS: [&str; 5] = ["prose", "UUID", "hex", "base64", "code"];

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

/// The text, and the kind of each of its bytes.
fn plant(prose: &str, args: &Args) -> (String, Vec<u8>) {
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let (mut text, mut kinds) = (String::new(), Vec::new());
    let mut push = |piece: &str, kind: u8| {
        text.push_str(piece);
        kinds.resize(text.len(), kind);
    };
    let mut words = prose.split_inclusive(char::is_whitespace).cycle();
    for i in 0..4 * args.planted {
        let kind = 1 + (i % 4) as u8;
        let mut bytes = 0;
        while bytes < args.apart / 4 {
            let word = words.next().unwrap_or(" ");
            bytes += word.len();
            push(word, 0);
        }
        push(" ", 0);
        push(&identifier(kind, &mut rng), kind);
        push(" ", 0);
    }
    (text, kinds)
}

fn identifier(kind: u8, rng: &mut impl Rng) -> String {
    const HEX: &[u8] = b"0123456789abcdef";
    const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz_";
    let mut some = |set: &[u8], n: usize| -> String {
        let mut one = || char::from(*set.choose(rng).unwrap_or(&b'0'));
        (0..n).map(|_| one()).collect()
    };
    match kind {
        1 => [8, 4, 4, 4, 12].map(|n| some(HEX, n)).join("-"),
        2 => some(HEX, 40),
        3 => some(BASE64, 42) + "==",
        _ => format!(
            "{}[{}] = {}(&self.{}, 0x{})?;",
            some(LETTERS, 6),
            some(LETTERS, 1),
            some(LETTERS, 8),
            some(LETTERS, 5),
            some(HEX, 8)
        ),
    }
}

/// What was read wrong of one kind.
#[derive(Default, Clone, Copy)]
struct Count {
    characters: usize,
    wrong: usize,
    unmarked: usize,
    marked: usize,
}

fn run(args: &Args) -> Result<()> {
    let (text, kinds) = plant(&cli::open(&args.text)?.0.text(), args);
    let document = Document::from_text(&text);
    let drawn = drawn_rows(&document, &kinds)?;
    println!(
        "| read again below | kind | characters | wrong | not marked | marked | ratio | of them to read again |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for &below in &args.reread_below {
        ensure!(
            (0.0..=1.0).contains(&below),
            "--reread-below must be from 0 to 1, found {below}"
        );
        let pipeline = args.pipeline.builder()?.reread_below(below).build()?;
        let reply = pipeline.read(&document, Detail::Global)?;
        let read: HashMap<(u32, u32), &ReadLine> =
            reply.output.iter().map(|l| ((l.page, l.line), l)).collect();
        let mut counts = [Count::default(); KINDS.len()];
        for (place, row) in &drawn {
            compare(row, read.get(place).copied(), &mut counts);
        }
        print(below, &counts, &reply.tokens);
    }
    Ok(())
}

type Drawn = HashMap<(u32, u32), Vec<(char, u8)>>;

/// The inked characters of each row and their kinds.
fn drawn_rows(document: &Document, kinds: &[u8]) -> Result<Drawn> {
    let typesetter = Typesetter::new(RenderConfig::builtin())?;
    let mut drawn = Drawn::new();
    let Some(Block::Text { text, .. }) = document.blocks.first() else {
        return Ok(drawn);
    };
    for page in typesetter.pages(document) {
        let page = page?;
        let Some(layout) = page.layout else { continue };
        for line in &page.lines {
            let row = (line.bbox.y - layout.y0) / layout.line_height + 1;
            let start = line.source.start;
            let inked = text[line.source.clone()]
                .char_indices()
                .filter(|(_, c)| !c.is_whitespace() && !c.is_control())
                .map(|(i, c)| (c, kinds[start + i]))
                .collect();
            drawn.insert((page.number, row), inked);
        }
    }
    Ok(drawn)
}

fn compare(drawn: &[(char, u8)], read: Option<&ReadLine>, counts: &mut [Count]) {
    let empty = ReadLine::default();
    let read = read.unwrap_or(&empty);
    let marked = |at: usize| read.uncertain.iter().any(|u| u.range.contains(&at));
    let found: Vec<(char, bool)> = read
        .text
        .char_indices()
        .filter(|(_, c)| *c != ' ')
        .map(|(at, c)| (c, marked(at)))
        .collect();
    let (a, b): (Vec<char>, Vec<char>) = (
        drawn.iter().map(|d| d.0).collect(),
        found.iter().map(|f| f.0).collect(),
    );
    let mut last = 0;
    for pair in align(&a, &b) {
        let (kind, wrong, is_marked) = match pair {
            Pair::Both(i, j) => (drawn[i].1, a[i] != b[j], found[j].1),
            // A character that is missing is marked where a neighbour is.
            Pair::Left(i, j) => {
                let near = j.saturating_sub(1)..(j + 1).min(found.len());
                (drawn[i].1, true, found[near].iter().any(|f| f.1))
            }
            Pair::Right(j) => (last, true, found[j].1),
        };
        last = kind;
        let own = &mut counts[kind as usize];
        own.characters += usize::from(!matches!(pair, Pair::Right(_)));
        own.wrong += usize::from(wrong);
        own.unmarked += usize::from(wrong && !is_marked);
        own.marked += usize::from(is_marked);
    }
}

fn print(below: f32, counts: &[Count], tokens: &TokenAccount) {
    for (kind, count) in KINDS.iter().zip(counts) {
        println!(
            "| {below} | {kind} | {} | {} | {} | {} | {:.2} | {} |",
            count.characters,
            count.wrong,
            count.unmarked,
            count.marked,
            tokens.ratio,
            tokens.vision_reread,
        );
    }
}
