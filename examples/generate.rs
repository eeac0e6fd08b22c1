//! Lets a language model write: `cargo run --release --example generate -- --model smollm2-135m --prompt TEXT`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Parser;
use glyph_decode::{
    ChatTemplate, FinishReason, GenerationConfig, LanguageModel as _, Message, Pretrained,
    SchemaCompiler, Session, SpecialTokens,
};
use glyph_examples::cli;

/// Writes what a language model makes of a prompt, word by word.
#[derive(Parser)]
struct Args {
    /// A GGUF file, a folder with safetensors, or a name from `models list`.
    #[arg(long)]
    model: String,
    /// What to say to the model.
    #[arg(long)]
    prompt: String,
    /// What the model should be, said before the prompt.
    #[arg(long)]
    system: Option<String>,
    /// Most tokens to write.
    #[arg(long, default_value_t = 256)]
    max_new_tokens: usize,
    /// 0 always takes the likeliest token; higher is more varied.
    #[arg(long, default_value_t = 0.0)]
    temperature: f32,
    /// Draw among this many tokens.
    #[arg(long, default_value_t = 0)]
    top_k: usize,
    /// Draw among the tokens up to this sum of probabilities.
    #[arg(long, default_value_t = 1.0)]
    top_p: f32,
    /// Draw among tokens at least this many times as likely as the likeliest.
    #[arg(long, default_value_t = 0.0)]
    min_p: f32,
    /// Above 1 discourages what is there already.
    #[arg(long, default_value_t = 1.0)]
    repetition_penalty: f32,
    /// Makes a drawn text reproducible.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// No chat template: the model goes on with the prompt as it is.
    #[arg(long)]
    raw: bool,
    /// Write JSON that follows the JSON schema in this file.
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// End before this text; may be given several times.
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Threads [default: all cores, up to 8].
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn run(args: &Args) -> Result<()> {
    let started = Instant::now();
    let path = cli::model_path(&args.model)?;
    let mut pretrained = Pretrained::open(&path, &Default::default())?;
    if let Some(threads) = args.threads {
        pretrained.model = pretrained.model.with_threads(threads);
    }
    let loaded = started.elapsed().as_secs_f64();
    let prompt: Vec<_> = if args.raw {
        let tokenizer = &pretrained.tokenizer;
        let opening = pretrained.model.config().bos_token_id;
        let opening = opening.filter(|_| tokenizer.adds_bos());
        let text = tokenizer.encode(&args.prompt, SpecialTokens::AsText)?;
        opening.into_iter().chain(text).collect()
    } else {
        let system = args.system.iter().map(Message::system);
        let chat: Vec<Message> = system.chain([Message::user(&args.prompt)]).collect();
        let text = ChatTemplate::of(&pretrained)?.render(&chat, true)?;
        pretrained.tokenizer.encode(&text, SpecialTokens::Parse)?
    };
    let mut config = GenerationConfig::new(args.max_new_tokens);
    config.temperature = args.temperature;
    config.top_k = args.top_k;
    config.top_p = args.top_p;
    config.min_p = args.min_p;
    config.repetition_penalty = args.repetition_penalty;
    config.seed = args.seed;
    config.stop.clone_from(&args.stop);

    let constraint = match &args.schema {
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            let schema = serde_json::from_str(&text)
                .with_context(|| format!("{} is not JSON", file.display()))?;
            let eos = &pretrained.model.config().eos_token_ids;
            Some(SchemaCompiler::new(&pretrained.tokenizer, eos)?.compile(&schema)?)
        }
        None => None,
    };
    let limit = pretrained.model.config().context_length;
    let capacity = (prompt.len() + args.max_new_tokens).clamp(1, limit);
    let mut session = Session::new(
        Arc::new(pretrained.model),
        Arc::new(pretrained.tokenizer),
        capacity,
    )?;
    let mut generator = session.generate(&prompt, &config)?;
    if let Some(constraint) = constraint {
        generator = generator.constrained_by(constraint);
    }
    let mut first = None;
    let writing = Instant::now();
    let mut stdout = std::io::stdout().lock();
    for piece in &mut generator {
        write!(stdout, "{}", piece?.text)?;
        stdout.flush()?;
        first.get_or_insert_with(|| writing.elapsed().as_secs_f64());
    }
    writeln!(stdout)?;
    let (usage, first) = (generator.usage(), first.unwrap_or_default());
    let rest = (writing.elapsed().as_secs_f64() - first).max(1e-9);
    let speed = usage.generated_tokens.saturating_sub(1) as f64 / rest;
    eprintln!(
        "tokens    {} prompt, {} written; {}",
        usage.prompt_tokens,
        usage.generated_tokens,
        match generator.finish_reason() {
            Some(FinishReason::Eos(_)) => "the model ended".to_owned(),
            Some(FinishReason::Complete) => "the schema is fulfilled".to_owned(),
            Some(FinishReason::Stop(stop)) => format!("ended at {stop:?}"),
            Some(FinishReason::Length) => "ended at --max-new-tokens".to_owned(),
            Some(FinishReason::ContextFull) => format!("the context of {limit} tokens is full"),
            Some(FinishReason::Loop { period, .. }) =>
                format!("ended since the last {period} tokens repeat"),
            other => format!("{other:?}"),
        }
    );
    eprintln!(
        "seconds   load {loaded:.2}, to the first word {first:.2}, then {speed:.1} tokens a second"
    );
    Ok(())
}
