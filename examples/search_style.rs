//! Looks for the style in which a text is read best at the fewest vision tokens:
//! `cargo run --release --example search_style -- TEXT_FILE --budget 2000 --out front.png`.
//!
//! Searches over resolution, font size, leading and width by a grid or by evolution (NSGA-II),
//! under a budget of vision tokens, prints the Pareto front of accuracy against compression,
//! and draws it. What 'accuracy' means is a trait, `StyleObjective`: two are here, and a
//! remote model can be a third.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use glyph_examples::cli;
use glyph_pipeline::render::RenderConfig;

#[path = "search_style/legibility.rs"]
mod legibility;
#[path = "search_style/objective.rs"]
mod objective;
#[path = "search_style/plot.rs"]
mod plot;
#[path = "search_style/search.rs"]
mod search;

use objective::{Reader, StyleObjective};
use search::{Found, Space, Trial};

/// Looks for the style in which a text is read best at the fewest vision tokens.
#[derive(Parser)]
struct Args {
    /// The text that the style is for.
    text: PathBuf,
    /// Vision tokens of 28 x 28 px that the whole text may cost; no bound without it.
    #[arg(long)]
    budget: Option<usize>,
    /// Who says how well a style is read.
    #[arg(long, value_enum, default_value = "reader")]
    objective: Objective,
    /// How styles are tried.
    #[arg(long, value_enum, default_value = "evolve")]
    search: Method,
    /// How many styles evolution tries.
    #[arg(long, default_value_t = 160)]
    trials: usize,
    /// Only the first so many characters are read.
    #[arg(long, default_value_t = 3_000)]
    sample: usize,
    /// Standard deviation of the noise on pixels, in grey levels, for `legibility`.
    #[arg(long, default_value_t = 24.0)]
    noise: f32,
    /// The styles' other options: a JSON file of rendering parameters.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Where to draw the front.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Where to write the best style within the budget, as JSON.
    #[arg(long)]
    best: Option<PathBuf>,
    /// Another seed gives another run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    pipeline: cli::PipelineArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Objective {
    /// Glyphs that are blurred and noisy are told from one another; needs no model.
    Legibility,
    /// The built-in model reads the pages.
    Reader,
}

#[derive(Clone, Copy, ValueEnum)]
enum Method {
    /// Every combination of a few values.
    Grid,
    /// Mutation, crossover and selection by rank and crowding.
    Evolve,
}

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn run(args: &Args) -> Result<()> {
    let (document, _) = cli::open(&args.text)?;
    let text = document.text();
    ensure!(!text.trim().is_empty(), "the text is empty");
    let base = match &args.config {
        Some(path) => RenderConfig::from_file(path)?,
        None => RenderConfig::preset("glyph-en")?,
    };
    ensure!(
        base.flow().is_some(),
        "--config must be a proportional style; the built-in one has a fixed geometry"
    );
    let mut objective: Box<dyn StyleObjective> = match args.objective {
        Objective::Legibility => Box::new(legibility::Legibility::new(args.noise, args.seed)),
        Objective::Reader => Box::new(Reader::new(&args.pipeline)?),
    };
    let sample: String = text.chars().take(args.sample).collect();
    let mut space = Space::new(base, &text, args.budget)?;
    let mut evaluate = |trial: &Trial| objective.accuracy(&trial.config, &sample);
    let found = match args.search {
        Method::Grid => search::grid(&mut space, &mut evaluate)?,
        Method::Evolve => search::evolve(&mut space, args.trials, args.seed, &mut evaluate)?,
    };
    ensure!(
        !found.is_empty(),
        "no style fits the budget; the densest costs {} tokens",
        space.least_tokens()
    );
    // The built-in style, for comparison.
    let builtin = search::measure(&RenderConfig::builtin(), &text)?;
    let builtin = (
        objective.accuracy(&RenderConfig::builtin(), &sample)?,
        space.text_tokens() as f64 / builtin.max(1) as f64,
    );
    let front = search::front(&found);
    println!(
        "{} styles tried, {} on the front; {} text tokens; accuracy by {}",
        found.len(),
        front.len(),
        space.text_tokens(),
        objective.name()
    );
    println!("| accuracy | ratio | vision tokens | dpi | size, pt | leading, pt | width |");
    println!("|---|---|---|---|---|---|---|");
    for Found { trial, accuracy } in &front {
        let genes = trial.genes;
        println!(
            "| {:.4} | {:.2} | {} | {} | {} | {} | {:.2} |",
            accuracy, trial.ratio, trial.tokens, genes.dpi, genes.size, genes.leading, genes.width
        );
    }
    println!(
        "the built-in style, at 28 px a token: accuracy {:.4}, ratio {:.2}",
        builtin.0, builtin.1
    );
    if let Some(path) = &args.out {
        plot::front(path, &found, &front, builtin, objective.name())?;
        println!("drawn to {}", path.display());
    }
    if let Some(path) = &args.best {
        let best = front.first().expect("the front holds what was found");
        std::fs::write(path, best.trial.genes.to_json())?;
        println!("most accurate style written to {}", path.display());
    }
    Ok(())
}
