//! How often the passage that answers a question is among the first five crops, beside BM25 over the
//! plain text: `cargo run --release --example eval_retrieval -- TEXT_FILE QUESTIONS_FILE …`.

#![allow(clippy::print_stdout, reason = "a command-line program prints")]

#[path = "support/bm25.rs"]
mod bm25;

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use bm25::Bm25;
use clap::Parser;
use glyph_examples::cli;
use glyph_pipeline::render::{Block, Document, RenderConfig, Typesetter};
use glyph_pipeline::{Pipeline, Scan, tasks};
use serde::Deserialize;

/// Texts and questions in turn. A questions file has a JSON object a line: `question`, `passage` (words
/// of the text, white space aside) and `half` (`tune`, which ranking was tuned on, or `test`).
#[derive(Parser)]
struct Args {
    /// TEXT QUESTIONS [TEXT QUESTIONS …]
    #[arg(required = true, num_args = 2..)]
    files: Vec<PathBuf>,
    /// Print each question with the places of its passage; of the half `tune` only.
    #[arg(long)]
    places: bool,
    #[command(flatten)]
    pipeline: cli::PipelineArgs,
}

#[derive(Deserialize)]
struct Question {
    question: String,
    passage: String,
    half: String,
}

/// Crops that count.
const FIRST: usize = 5;

/// What was found of some questions.
#[derive(Default)]
struct Found {
    questions: usize,
    crops: usize,
    bm25: usize,
}

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn run(args: &Args) -> Result<()> {
    ensure!(
        args.files.len().is_multiple_of(2),
        "expected texts and questions in turn"
    );
    let pipeline = args.pipeline.builder()?.build()?;
    println!(
        "| questions | half | number | among the first {FIRST} crops | BM25 over the text | rows of the crops |"
    );
    println!("|---|---|---|---|---|---|");
    for files in args.files.chunks_exact(2) {
        evaluate(&pipeline, &files[0], &files[1], args.places)?;
    }
    Ok(())
}

/// A row of the text: where it is drawn, and its bytes.
struct Row {
    place: (u32, u32),
    source: Range<usize>,
}

fn evaluate(pipeline: &Pipeline, text: &Path, questions: &Path, places: bool) -> Result<()> {
    let document = Document::from_text(&cli::open(text)?.0.text());
    let Some(Block::Text { text, .. }) = document.blocks.first() else {
        return Ok(());
    };
    let rows = rows(&document)?;
    let scan = pipeline.scan(&document)?;
    let lines: Vec<&str> = rows.iter().map(|r| &text[r.source.clone()]).collect();
    let json =
        std::fs::read_to_string(questions).with_context(|| questions.display().to_string())?;
    let (mut tune, mut test) = (Found::default(), Found::default());
    let (mut crop_rows, mut crop_count) = (0, 0);
    let name = questions.display().to_string();
    let questions: Vec<Question> = json
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .with_context(|| questions.display().to_string())?;
    // BM25's passages are as long as crops are on average, so that both show as much.
    let mut chosen = Vec::new();
    for q in &questions {
        let crops = first_crops(pipeline, &scan, &q.question);
        crop_rows += crops.iter().map(|c| c.len()).sum::<usize>();
        crop_count += crops.len();
        chosen.push(crops);
    }
    let length = crop_rows.div_ceil(crop_count.max(1));
    let bm25 = Bm25::new(&lines, length);
    for (q, crops) in questions.iter().zip(chosen) {
        let gold = gold_rows(text, &rows, &q.passage)
            .with_context(|| format!("not in the text: {}", q.passage))?;
        let of_crops = crops.iter().position(|c| covers(c, &gold));
        let passages = bm25.best(&q.question, FIRST);
        let of_bm25 = passages.into_iter().position(|range| {
            let own: BTreeSet<_> = rows[range].iter().map(|r| r.place).collect();
            covers(&own, &gold)
        });
        let found = if q.half == "tune" {
            &mut tune
        } else {
            &mut test
        };
        found.questions += 1;
        found.crops += usize::from(of_crops.is_some());
        found.bm25 += usize::from(of_bm25.is_some());
        if places && q.half == "tune" {
            let place = |p: Option<usize>| p.map_or("-".to_owned(), |p| (p + 1).to_string());
            println!(
                "    crop {} BM25 {}: {}",
                place(of_crops),
                place(of_bm25),
                q.question
            );
        }
    }
    for (half, found) in [("tune", tune), ("test", test)] {
        let share = |n: usize| {
            format!(
                "{n} ({:.0} %)",
                100.0 * n as f64 / found.questions.max(1) as f64
            )
        };
        println!(
            "| {name} | {half} | {} | {} | {} | {:.1} |",
            found.questions,
            share(found.crops),
            share(found.bm25),
            crop_rows as f64 / questions.len().max(1) as f64,
        );
    }
    Ok(())
}

fn rows(document: &Document) -> Result<Vec<Row>> {
    let typesetter = Typesetter::new(RenderConfig::builtin())?;
    let mut rows = Vec::new();
    for page in typesetter.pages(document) {
        let page = page?;
        let Some(layout) = page.layout else { continue };
        rows.extend(
            page.lines
                .iter()
                .filter(|l| l.bbox.width > 0)
                .map(|line| Row {
                    place: (
                        page.number,
                        (line.bbox.y - layout.y0) / layout.line_height + 1,
                    ),
                    source: line.source.clone(),
                }),
        );
    }
    Ok(rows)
}

/// The rows of the best crops that `ask` makes for a question, best first.
fn first_crops(pipeline: &Pipeline, scan: &Scan, question: &str) -> Vec<BTreeSet<(u32, u32)>> {
    let scores = tasks::rank(question, &scan.lines);
    let mut crops = pipeline.plan(scan, &scores, 1);
    crops.sort_by(|a, b| b.score.total_cmp(&a.score));
    crops
        .into_iter()
        .take(FIRST)
        .map(|c| {
            (c.first_row..=c.last_row)
                .map(|row| (c.page, row))
                .collect()
        })
        .collect()
}

/// Whether at least half of the passage's rows are among some rows.
fn covers(rows: &BTreeSet<(u32, u32)>, gold: &[(u32, u32)]) -> bool {
    2 * gold.iter().filter(|g| rows.contains(g)).count() >= gold.len()
}

/// Places of the rows that hold a passage, which the text has white space in that it has not.
fn gold_rows(text: &str, rows: &[Row], passage: &str) -> Option<Vec<(u32, u32)>> {
    let inked = |text: &str| -> (String, Vec<usize>) {
        let (mut out, mut at) = (String::new(), Vec::new());
        for (i, c) in text.char_indices().filter(|(_, c)| !c.is_whitespace()) {
            out.push(c);
            at.resize(out.len(), i);
        }
        (out, at)
    };
    let ((all, at), (wanted, _)) = (inked(text), inked(passage));
    let start = all.find(&wanted)?;
    let (from, to) = (at[start], at[start + wanted.len() - 1]);
    let own = rows
        .iter()
        .filter(|r| r.source.start <= to && from < r.source.end);
    Some(own.map(|r| r.place).collect())
}
