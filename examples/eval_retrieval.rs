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
use glyph_align::{ImageEmbedder, PassageWords, dot};
use glyph_examples::cli;
use glyph_pipeline::render::{Block, Document, RenderConfig, Typesetter};
use glyph_pipeline::tasks::ReadLine;
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
    /// Add so much of how near the question's image lies to that of each row and its neighbours, in
    /// MiniLM's space (English only), to what ranking says.
    #[arg(long, default_value_t = 0.0)]
    similarity: f32,
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
    let embedder = match args.similarity > 0.0 {
        true => Some(ImageEmbedder::builtin(
            &args.pipeline.device.resolve()?.device,
        )?),
        false => None,
    };
    let blend = embedder.as_ref().map(|e| (e, args.similarity));
    println!(
        "| questions | half | number | among the first {FIRST} crops | BM25 over the text | rows of the crops |"
    );
    println!("|---|---|---|---|---|---|");
    for files in args.files.chunks_exact(2) {
        evaluate(&pipeline, &files[0], &files[1], args.places, blend)?;
    }
    Ok(())
}

/// A row of the text: where it is drawn, and its bytes.
struct Row {
    place: (u32, u32),
    source: Range<usize>,
}

fn evaluate(
    pipeline: &Pipeline,
    text: &Path,
    questions: &Path,
    places: bool,
    blend: Option<(&ImageEmbedder, f32)>,
) -> Result<()> {
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
    let near = match blend {
        Some((embedder, weight)) => Some(Near::new(embedder, &scan.lines, weight)?),
        None => None,
    };
    let mut chosen = Vec::new();
    for q in &questions {
        let mut scores = tasks::rank(&q.question, &scan.lines);
        if let Some(near) = &near {
            near.add(&q.question, &mut scores)?;
        }
        let crops = first_crops(pipeline, &scan, &scores);
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

/// Where the images of rows lie, each with its neighbours.
struct Near<'a> {
    embedder: &'a ImageEmbedder,
    embeds: Vec<f32>,
    weight: f32,
}

impl<'a> Near<'a> {
    fn new(embedder: &'a ImageEmbedder, lines: &[ReadLine], weight: f32) -> Result<Self> {
        let windows: Vec<PassageWords> = (0..lines.len())
            .map(|i| {
                let own = &lines[i.saturating_sub(1)..(i + 2).min(lines.len())];
                let (mut chars, mut probabilities) = (Vec::new(), Vec::new());
                for line in own {
                    chars.extend(line.text.chars());
                    probabilities.extend(&line.confidences);
                    chars.push(' ');
                    probabilities.push(1.0);
                }
                probabilities.resize(chars.len(), 1.0);
                PassageWords::new(&chars, &probabilities, embedder.head().buckets())
            })
            .collect();
        Ok(Self {
            embeds: embedder.embed_words(&windows)?,
            embedder,
            weight,
        })
    }

    /// Adds `weight` times the similarity's standard score to scores in units of the best one, where a
    /// row has a word of the question. The question is drawn and encoded as the pages were.
    fn add(&self, question: &str, scores: &mut [f32]) -> Result<()> {
        let best = scores.iter().copied().fold(0.0f32, f32::max);
        if best <= 0.0 || !question.is_ascii() {
            return Ok(());
        }
        let question = self.embedder.embed_texts(&[question])?;
        let near: Vec<f32> = self
            .embeds
            .chunks_exact(question.len())
            .map(|row| dot(row, &question))
            .collect();
        let n = near.len() as f32;
        let mean = near.iter().sum::<f32>() / n;
        let deviation = (near.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt();
        for (score, near) in scores.iter_mut().zip(near) {
            if *score > 0.0 {
                let standard = ((near - mean) / deviation.max(1e-6)).max(0.0);
                *score += self.weight * best * standard;
            }
        }
        Ok(())
    }
}

/// The rows of the best crops that `ask` makes by some scores, best first.
fn first_crops(pipeline: &Pipeline, scan: &Scan, scores: &[f32]) -> Vec<BTreeSet<(u32, u32)>> {
    let mut crops = pipeline.plan(scan, scores, 1);
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
