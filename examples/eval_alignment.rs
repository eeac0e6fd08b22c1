//! Measures how near images of passages lie to where all-MiniLM-L6-v2 places their text:
//! `cargo run --release --example eval_alignment -- --teacher MINILM --synonyms out/corpus/align/synonyms.tsv out/corpus/held-out/en.txt out/corpus/held-out/book.txt`.
//!
//! Draws sentences that no training run saw, encodes them by the built-in encoder and the aligned head at
//! both ratios, and prints two tables: how often the nearest of 1,000 texts is an image's own, and how
//! similarities among images follow the text encoder's among texts, over pairs of four kinds.

#![allow(clippy::print_stdout, reason = "a command-line program prints")]

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Parser;
use glyph_align::{AlignmentHead, AlignmentHeadConfig, ImageEmbedder, dot, recall_at_1, spearman};
use glyph_examples::alignment::{Teacher, sentences_of};
use glyph_examples::cli;
use glyph_pipeline::DeviceSpec;
use glyph_pipeline::decode::BuiltinReadout;
use glyph_pipeline::encode::{BuiltinEncoder, Detail};
use plotters::prelude::*;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[derive(Parser)]
struct Args {
    /// Texts that no training run saw; both tables take as much of each.
    #[arg(required = true)]
    texts: Vec<PathBuf>,
    /// Folder of the text encoder: config.json, model.safetensors and tokenizer.json.
    #[arg(long)]
    teacher: PathBuf,
    /// Words and synonyms, a tab between: what paraphrases are made with.
    #[arg(long)]
    synonyms: PathBuf,
    /// `alignment.safetensors` of a run of one's own [default: the built-in one].
    #[arg(long)]
    head: Option<PathBuf>,
    /// Sentences to find, and pairs to compare.
    #[arg(long, default_value_t = 1000)]
    count: usize,
    /// Patches of a token.
    #[arg(long, value_delimiter = ',', default_values_t = [4, 16])]
    merge_sizes: Vec<usize>,
    /// Draw the similarities of pairs.
    #[arg(long, value_name = "PNG")]
    plot: Option<PathBuf>,
    /// Folder of the teacher's embeddings.
    #[arg(long, default_value = "out/alignment-cache")]
    cache: PathBuf,
    /// Seed of the choice of sentences and pairs.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// cpu, cuda:N or auto.
    #[arg(long, default_value = "cpu")]
    device: DeviceSpec,
}

/// How two sentences of a pair belong together.
const KINDS: [&str; 4] = ["paraphrase", "neighbours", "same section", "random"];

struct Pair {
    kind: usize,
    a: usize,
    b: usize,
}

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn run(args: &Args) -> Result<()> {
    let device = args.device.resolve()?.device;
    let teacher = Teacher::open(&args.teacher, &args.cache, &device)?;
    let width = teacher.width();
    let books = args
        .texts
        .iter()
        .map(|path| sentences_of(path))
        .collect::<Result<Vec<_>>>()?;
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let finds = sentences_to_find(&books, args.count, &mut rng)?;
    let synonyms = read_synonyms(&args.synonyms)?;
    let (pairs, of_pairs) = pairs(&books, args.count, &synonyms, &mut rng)?;
    let find_texts = teacher.embed(&finds)?;
    let pair_texts = teacher.embed(&of_pairs)?;

    let mut plotted = None;
    println!(
        "| patches a token | sentences | nearest text is its own | nearest image is its own | mean cosine |"
    );
    println!("|---|---|---|---|---|");
    let mut rows = Vec::new();
    for &size in &args.merge_sizes {
        let embedder = embedder(args, size, &device)?;
        let images = embedder.embed_texts(&finds)?;
        let lines = images
            .chunks_exact(width)
            .zip(find_texts.chunks_exact(width));
        let cosine = lines.map(|(a, b)| dot(a, b)).sum::<f32>() / finds.len() as f32;
        println!(
            "| {size} | {} | {:.1} % | {:.1} % | {cosine:.3} |",
            finds.len(),
            100.0 * recall_at_1(&images, &find_texts, width),
            100.0 * recall_at_1(&find_texts, &images, width),
        );
        rows.push((
            format!("images, {size} patches a token"),
            embedder.embed_texts(&of_pairs)?,
        ));
    }
    println!(
        "\n| similarity | all {} pairs | {} |",
        pairs.len(),
        KINDS.join(" | ")
    );
    println!("|---|---|---|---|---|---|");
    let of_texts = similarities(&pairs, &pair_texts, width);
    for (name, embeds) in rows {
        let of_images = similarities(&pairs, &embeds, width);
        println!(
            "| {name} | {} |",
            correlations(&pairs, &of_texts, &of_images)?
        );
        plotted.get_or_insert(of_images);
    }
    let overlap: Vec<f32> = pairs
        .iter()
        .map(|p| shared_words(&of_pairs[p.a], &of_pairs[p.b]))
        .collect();
    println!(
        "| share of words in common, for comparison | {} |",
        correlations(&pairs, &of_texts, &overlap)?
    );
    let means: Vec<String> = (0..KINDS.len())
        .map(|kind| format!("{:.2}", mean(&pairs, &of_texts, kind)))
        .collect();
    println!(
        "\nMean similarity of the texts by kind: {}",
        means.join(", ")
    );
    if let (Some(path), Some(of_images)) = (&args.plot, plotted) {
        draw(path, &pairs, &of_texts, &of_images)
            .map_err(|e| anyhow!("cannot draw {}: {e}", path.display()))?;
    }
    Ok(())
}

fn embedder(args: &Args, size: usize, device: &burn::tensor::Device) -> Result<ImageEmbedder> {
    let head = match &args.head {
        None => ImageEmbedder::builtin(device)?.head().clone(),
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
            let name = path.display().to_string();
            AlignmentHead::from_packed(&AlignmentHeadConfig::new(), &name, &bytes, device)?
        }
    };
    let encoder = BuiltinEncoder::new(device)?.with_merge_sizes(size, size)?;
    let readout = BuiltinReadout::new(device)?;
    Ok(ImageEmbedder::new(encoder, readout, head, device)?.detail(Detail::Local))
}

/// Different sentences, as many of each book.
fn sentences_to_find(
    books: &[Vec<String>],
    count: usize,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<String>> {
    let each = count / books.len();
    let mut out = Vec::new();
    for book in books {
        ensure!(
            book.len() >= each,
            "{} sentences, fewer than {each}",
            book.len()
        );
        out.extend(book.choose_multiple(rng, each).cloned());
    }
    Ok(out)
}

/// A quarter of the pairs of each kind, and the sentences that they are of. Neighbours follow each
/// other; those of a section are 5 to 15 sentences apart.
fn pairs(
    books: &[Vec<String>],
    count: usize,
    synonyms: &HashMap<String, String>,
    rng: &mut ChaCha8Rng,
) -> Result<(Vec<Pair>, Vec<String>)> {
    let (mut pairs, mut sentences) = (Vec::new(), Vec::new());
    let mut tries = 0;
    while pairs.len() < count {
        let kind = pairs.len() % KINDS.len();
        let book = &books[(pairs.len() / KINDS.len()) % books.len()];
        tries += 1;
        ensure!(
            book.len() > 16 && tries < 100 * count,
            "too few sentences for pairs"
        );
        let at = rng.random_range(0..book.len() - 16);
        let other = match kind {
            0 => match paraphrase(&book[at], synonyms, rng) {
                Some(text) => text,
                None => continue,
            },
            1 => book[at + 1].clone(),
            2 => book[at + rng.random_range(5..=15)].clone(),
            _ => book[rng.random_range(0..book.len())].clone(),
        };
        let a = sentences.len();
        sentences.extend([book[at].clone(), other]);
        pairs.push(Pair { kind, a, b: a + 1 });
    }
    Ok((pairs, sentences))
}

/// The sentence said otherwise, by rules: two parts at a comma change places, contractions are
/// written out or made, and words give way to synonyms. `None` where fewer than two words changed.
fn paraphrase(
    sentence: &str,
    synonyms: &HashMap<String, String>,
    rng: &mut ChaCha8Rng,
) -> Option<String> {
    const WRITTEN_OUT: [(&str, &str); 12] = [
        ("don't", "do not"),
        ("can't", "cannot"),
        ("it's", "it is"),
        ("I'm", "I am"),
        ("did not", "didn't"),
        ("does not", "doesn't"),
        ("is not", "isn't"),
        ("was not", "wasn't"),
        ("could not", "couldn't"),
        ("I had", "I'd"),
        ("you can", "one can"),
        ("in order to", "to"),
    ];
    let mut text = sentence.to_owned();
    for (from, to) in WRITTEN_OUT {
        text = text.replace(&format!("{from} "), &format!("{to} "));
    }
    let body = text.trim_end_matches(['.', '!', '?']);
    let end = text[body.len()..].to_owned();
    let parts: Vec<&str> = body.split(", ").collect();
    if parts.len() == 2 && !body.contains(['"', '(']) && rng.random_bool(0.5) {
        text = format!("{}, {}{end}", parts[1], parts[0]);
    }
    let mut changed = 0;
    let words: Vec<String> = text
        .split(' ')
        .map(|word| {
            let core = word.trim_matches(|c: char| !c.is_alphanumeric());
            match synonyms.get(core) {
                Some(other) if rng.random_bool(0.8) => {
                    changed += 1;
                    word.replacen(core, other, 1)
                }
                _ => word.to_owned(),
            }
        })
        .collect();
    (changed >= 2).then(|| words.join(" "))
}

fn read_synonyms(path: &Path) -> Result<HashMap<String, String>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let pairs = text.lines().filter_map(|line| line.split_once('\t'));
    let pairs: HashMap<_, _> = pairs.map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
    ensure!(!pairs.is_empty(), "{}: no words", path.display());
    Ok(pairs)
}

fn similarities(pairs: &[Pair], embeds: &[f32], width: usize) -> Vec<f32> {
    let row = |i: usize| &embeds[i * width..(i + 1) * width];
    pairs.iter().map(|p| dot(row(p.a), row(p.b))).collect()
}

fn of_kind(pairs: &[Pair], values: &[f32], kind: usize) -> Vec<f32> {
    let own = pairs.iter().zip(values).filter(|(p, _)| p.kind == kind);
    own.map(|(_, v)| *v).collect()
}

fn correlations(pairs: &[Pair], texts: &[f32], images: &[f32]) -> Result<String> {
    let mut cells = vec![format!("{:.3}", spearman(texts, images)?)];
    for kind in 0..KINDS.len() {
        let (a, b) = (of_kind(pairs, texts, kind), of_kind(pairs, images, kind));
        cells.push(format!("{:.3}", spearman(&a, &b)?));
    }
    Ok(cells.join(" | "))
}

fn mean(pairs: &[Pair], values: &[f32], kind: usize) -> f32 {
    let own = of_kind(pairs, values, kind);
    own.iter().sum::<f32>() / own.len().max(1) as f32
}

/// Words that both have, as a share of the words that either has.
fn shared_words(a: &str, b: &str) -> f32 {
    let words = |s: &str| -> HashSet<String> {
        s.split(|c: char| !c.is_alphanumeric())
            .filter(|w| !w.is_empty())
            .map(str::to_lowercase)
            .collect()
    };
    let (a, b) = (words(a), words(b));
    a.intersection(&b).count() as f32 / a.union(&b).count().max(1) as f32
}

fn draw(
    path: &Path,
    pairs: &[Pair],
    texts: &[f32],
    images: &[f32],
) -> Result<(), Box<dyn std::error::Error>> {
    let _ = plotters::style::register_font(
        "sans-serif",
        FontStyle::Normal,
        include_bytes!("../glyph-render/assets/fonts/dejavu-sans.ttf"),
    );
    let root = BitMapBackend::new(path, (760, 720)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("Similarity of two passages", ("sans-serif", 22))
        .margin(14)
        .x_label_area_size(42)
        .y_label_area_size(60)
        .build_cartesian_2d(-0.2f32..1.02, -0.2f32..1.02)?;
    chart
        .configure_mesh()
        .x_desc("of their texts, by MiniLM")
        .y_desc("of their images, by the aligned head")
        .draw()?;
    let colors = [RED, BLUE, RGBColor(0, 130, 60), RGBColor(150, 150, 150)];
    for (kind, name) in KINDS.iter().enumerate() {
        let (x, y) = (of_kind(pairs, texts, kind), of_kind(pairs, images, kind));
        let color = colors[kind];
        chart
            .draw_series(
                x.into_iter()
                    .zip(y)
                    .map(|(x, y)| Circle::new((x, y), 3, color.mix(0.6).filled())),
            )?
            .label(*name)
            .legend(move |(x, y)| Circle::new((x + 8, y), 4, color.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .draw()?;
    root.present()?;
    Ok(())
}
