//! The same questions to the same language model, with the whole text as tokens and with the
//! crops of its pages: `cargo run --release --example plain_text -- --model smollm2-135m --text BOOK`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, ensure};
use clap::Parser;
use glyph_decode::{
    ChatTemplate, DecodeError, GenerationConfig, LanguageModel as _, Message, Pretrained, Session,
    SpecialTokens,
};
use glyph_examples::cli;
use glyph_pipeline::render::Document;
use glyph_pipeline::{LanguageModelWriter, Pipeline};

#[path = "support/text_plot.rs"]
mod text_plot;

use text_plot::Point;

/// Measures seconds, memory, tokens and right answers at growing lengths.
///
/// Eight facts are planted in a text at even distances, and each is asked for. As plain text the
/// document is read once and kept, so that only the first question pays for it.
#[derive(Parser)]
struct Args {
    /// A GGUF file, a folder with safetensors, or a name from `models list`.
    #[arg(long)]
    model: String,
    /// The text that the facts are planted in.
    #[arg(long)]
    text: PathBuf,
    /// Lengths in tokens of the model.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1000,2000,4000,7500,16000,32000,64000,128000"
    )]
    tokens: Vec<usize>,
    /// Threads of the model [default: all cores, up to 8].
    #[arg(long)]
    threads: Option<usize>,
    /// Draw the figure into this PNG file.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// A planted sentence, the question for it, and what the answer has to hold.
const FACTS: [(&str, &str, &str); 8] = [
    (
        "The harbour master of Velsund is called Ottilie Brandt.",
        "What is the harbour master of Velsund called?",
        "Ottilie Brandt",
    ),
    (
        "The observatory on Mount Karrick was opened in 1907.",
        "In which year was the observatory on Mount Karrick opened?",
        "1907",
    ),
    (
        "Doctor Amsel keeps the key of the archive in a blue teapot.",
        "Where does Doctor Amsel keep the key of the archive?",
        "teapot",
    ),
    (
        "The bell of Saint Orlan weighs 3,250 kilograms.",
        "How much does the bell of Saint Orlan weigh?",
        "3,250",
    ),
    (
        "The password of the Tessin night train is wandering falcon.",
        "What is the password of the Tessin night train?",
        "wandering falcon",
    ),
    (
        "Professor Ibarra found the lost map of Quellmar in Lisbon.",
        "Where did Professor Ibarra find the lost map of Quellmar?",
        "Lisbon",
    ),
    (
        "The rent of the old mill at Dunmore is 615 crowns a year.",
        "What is the rent of the old mill at Dunmore?",
        "615",
    ),
    (
        "The favourite dish of Captain Rourke is pickled herring.",
        "What is the favourite dish of Captain Rourke?",
        "herring",
    ),
];

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn run(args: &Args) -> Result<()> {
    let path = cli::model_path(&args.model)?;
    let open = || -> Result<Pretrained> {
        let mut pretrained = Pretrained::open(&path, &Default::default())?;
        if let Some(threads) = args.threads {
            pretrained.model = pretrained.model.with_threads(threads);
        }
        Ok(pretrained)
    };
    let base = cli::open(&args.text)?.0.text();
    let reader = open()?;
    let per_token = reader.model.new_cache(256)?.memory() / 256;
    let plain = Plain {
        template: ChatTemplate::of(&reader)?,
        tokenizer: Arc::new(reader.tokenizer),
        model: Arc::new(reader.model),
    };
    let writer = LanguageModelWriter::new("writer", open()?)?;
    // The first question about a text pays for its pages; the others find them in the cache.
    let cache = std::env::temp_dir().join(format!("glyph-plain-text-{}", std::process::id()));
    std::fs::create_dir_all(&cache)?;
    let pipeline = Pipeline::builder()
        .writer(writer)
        .cache(&cache, 1 << 30)
        .build()?;

    println!(
        "{:>8}  {:^39}  {:^45}",
        "text", "the whole text as tokens", "crops of the pages"
    );
    println!(
        "{:>8}  {:>7} {:>10} {:>9} {:>9}  {:>7} {:>10} {:>9} {:>7} {:>7}",
        "tokens",
        "prompt",
        "seconds",
        "cache MB",
        "right",
        "prompt",
        "seconds",
        "cache MB",
        "draft",
        "right"
    );
    let mut points = Vec::new();
    for &tokens in &args.tokens {
        let text = plain.text_of(&base, tokens)?;
        let asked = plain.ask(&text)?;
        let document = Document::from_text(&text);
        let (mut seconds, mut prompt, mut drafts, mut right) = (0.0f64, 0, 0, 0);
        for (i, (_, question, expected)) in FACTS.iter().enumerate() {
            let reply = pipeline.ask(&document, question)?;
            if i == 0 {
                seconds = reply.seconds.total;
            }
            prompt = prompt.max(reply.tokens.writer.prompt);
            right += usize::from(holds(&reply.output.text, expected));
            let writing = reply.output.writing.as_ref();
            drafts += usize::from(writing.is_some_and(|w| holds(&w.draft, expected)));
        }
        let megabytes = |tokens: usize| (tokens * per_token) as f64 / 1e6;
        let all = FACTS.len();
        let crops_mb = megabytes((prompt + 96).next_multiple_of(512));
        match &asked {
            Some(asked) => print!(
                "{tokens:>8}  {:>7} {:>10.1} {:>9.1} {:>4} of {all}",
                asked.prompt,
                asked.seconds,
                megabytes(asked.prompt + ANSWER_TOKENS),
                asked.right
            ),
            None => print!("{tokens:>8}  {:^39}", "more than the model's context"),
        }
        println!(
            "  {prompt:>7} {seconds:>10.1} {crops_mb:>9.1} {drafts:>2} of {all} {right:>2} of {all}"
        );
        points.push(Point {
            tokens,
            plain: asked.map(|a| (a.seconds, a.right as f64 / all as f64)),
            crops: (seconds, right as f64 / all as f64),
            drafts: drafts as f64 / all as f64,
        });
    }
    std::fs::remove_dir_all(&cache)?;
    if let Some(file) = &args.plot {
        text_plot::draw(file, &points, plain.model.config().context_length)?;
    }
    Ok(())
}

const ANSWER_TOKENS: usize = 48;

struct Plain {
    model: Arc<glyph_decode::CausalLm>,
    tokenizer: Arc<glyph_decode::Tokenizer>,
    template: ChatTemplate,
}

struct Asked {
    prompt: usize,
    /// Until the first word of the first answer.
    seconds: f64,
    right: usize,
}

impl Plain {
    /// A text of about so many tokens with the facts in it.
    fn text_of(&self, base: &str, tokens: usize) -> Result<String> {
        let ids = self.tokenizer.encode(base, SpecialTokens::AsText)?;
        ensure!(!ids.is_empty(), "the text is empty");
        let ids: Vec<u32> = ids
            .into_iter()
            .cycle()
            .take(tokens.saturating_sub(140))
            .collect();
        let mut text = self.tokenizer.decode(&ids).replace('\u{FFFD}', "");
        for (i, (fact, _, _)) in FACTS.iter().enumerate().rev() {
            let mut from = text.len() * (2 * i + 1) / (2 * FACTS.len());
            while !text.is_char_boundary(from) {
                from += 1;
            }
            let at = text[from..]
                .find(". ")
                .map_or(text.len(), |at| from + at + 2);
            text.insert_str(at, &format!("{fact} "));
        }
        Ok(text)
    }

    /// Asks with the whole text in the prompt; `None` if it is longer than the context.
    fn ask(&self, text: &str) -> Result<Option<Asked>> {
        let prompt = |question: &str| -> Result<Vec<u32>> {
            let chat = [
                Message::system(
                    "You answer questions about a document. Answer in one short sentence, using \
                     only the words of the text.",
                ),
                Message::user(format!("Text:\n{text}\n\nQuestion: {question}")),
            ];
            let prompt = self.template.render(&chat, true)?;
            Ok(self.tokenizer.encode(&prompt, SpecialTokens::Parse)?)
        };
        let first = prompt(FACTS[0].1)?;
        let context = self.model.config().context_length;
        let capacity = (first.len() + 2 * ANSWER_TOKENS).min(context);
        let mut session = Session::new(self.model.clone(), self.tokenizer.clone(), capacity)?;
        let mut config = GenerationConfig::new(ANSWER_TOKENS);
        config.repetition_penalty = 1.1;
        config.penalize_prompt = false;
        let mut asked = Asked {
            prompt: first.len(),
            seconds: 0.0,
            right: 0,
        };
        for (i, (_, question, expected)) in FACTS.iter().enumerate() {
            let started = Instant::now();
            let ids = prompt(question)?;
            let mut generator = match session.generate(&ids, &config) {
                Err(DecodeError::ContextFull { .. }) => return Ok(None),
                other => other?,
            };
            let mut answer = String::new();
            for piece in &mut generator {
                if i == 0 && asked.seconds == 0.0 {
                    asked.seconds = started.elapsed().as_secs_f64();
                }
                answer += &piece?.text;
            }
            asked.right += usize::from(holds(&answer, expected));
        }
        Ok(Some(asked))
    }
}

fn holds(answer: &str, expected: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().replace(',', "");
    plain(answer).contains(&plain(expected))
}
