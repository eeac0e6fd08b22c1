//! Asks a document a question: `cargo run --release --example ask -- PATH "QUESTION"`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use glyph_examples::cli;
use glyph_pipeline::render::{RenderConfig, Typesetter};
use glyph_pipeline::tasks::Writing;
use serde_json::json;

/// Reads a document as page images and answers a question from what it reads.
#[derive(Parser)]
struct Args {
    /// A TXT, Markdown, PDF or DOCX file, a page image, or a folder of page images.
    path: PathBuf,
    /// The question.
    question: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Write the pages as PNG to this folder, with the evidence boxed.
    #[arg(long, value_name = "DIR")]
    pages: Option<PathBuf>,
    #[command(flatten)]
    pipeline: cli::PipelineArgs,
}

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn run(args: &Args) -> Result<()> {
    glyph_pipeline::tasks::check_question(&args.question)?;
    let (document, open) = cli::open(&args.path)?;
    let reply = args
        .pipeline
        .builder()?
        .build()?
        .ask(&document, &args.question)
        .with_context(|| args.path.display().to_string())?;
    let answer = &reply.output;
    if let Some(dir) = &args.pages {
        let boxes: Vec<_> = answer.evidence.iter().map(|e| (e.page, e.bbox)).collect();
        cli::write_boxed_pages(
            dir,
            Typesetter::new(RenderConfig::builtin())?.pages(&document),
            &boxes,
        )?;
    }
    if args.json {
        let object = json!({
            "answer": answer.text,
            "confidence": answer.confidence,
            "evidence": answer.evidence,
            "unanswered": answer.unanswered,
            "writing": answer.writing,
            "tokens": reply.tokens,
            "seconds": cli::seconds_json(open, &reply.seconds),
        });
        println!("{object:#}");
        return Ok(());
    }
    println!("{}\n", answer.text);
    if let Some(writing) = &answer.writing {
        if let Some(thinking) = &writing.thinking {
            println!("thought   {thinking}");
        }
        if writing.checked {
            print_check(writing);
        } else {
            println!(
                "written   by {} from pages {:?}; {}",
                writing.writer, writing.pages_given, writing.finish_reason
            );
        }
    }
    for e in &answer.evidence {
        println!(
            "evidence  page {}, line {}, {:.1} %: {}",
            e.page,
            e.line,
            100.0 * e.confidence,
            e.text.trim()
        );
        for doubt in &e.uncertain {
            println!(
                "doubtful  page {}, line {}, {:.1} %: {}",
                e.page,
                e.line,
                100.0 * doubt.confidence,
                e.text.get(doubt.range.clone()).unwrap_or_default()
            );
        }
    }
    println!("{}", cli::account(&reply.tokens));
    println!("{}", cli::seconds(open, &reply.seconds));
    Ok(())
}

/// What of a draft stands in what was read.
fn print_check(writing: &Writing) {
    let held = match (writing.quoted, writing.unsupported.len()) {
        (true, _) => "nothing of it stands in the passages: a quotation instead".to_owned(),
        (false, 0) => "all of it stands in the passages".to_owned(),
        (false, n) => format!("{n} sentence(s) left out that stand nowhere"),
    };
    println!("draft     {}: {}", writing.writer, writing.draft.trim());
    println!("checked   {held}; {}", writing.finish_reason);
    if !writing.foreign_pages.is_empty() {
        println!(
            "checked   citations of pages that it was not given, taken out: {:?}",
            writing.foreign_pages
        );
    }
}
