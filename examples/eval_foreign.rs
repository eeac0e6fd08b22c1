//! Reads pages whose text is known, and holds it against what others read there:
//! `cargo run --release --example eval_foreign -- DIR`.

#![allow(clippy::print_stdout, reason = "a command-line program prints")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use glyph_encode::{Detail, EncoderInput, VisionEncoder};
use glyph_examples::rows::Reader;
use glyph_examples::{cli, edit_distance, single_spaced};
use glyph_pipeline::DeviceSpec;
use glyph_pipeline::decode::Readout;
use glyph_pipeline::render::Page;
use serde::Deserialize;

/// Reads every NAME.png of a folder that has a NAME.txt beside it. What others read there lies in
/// folders within, as NAME.txt with NAME.json, as `benches/foreign_vs_peers.sh` makes them.
#[derive(Parser)]
struct Args {
    /// Folder of pages.
    dir: PathBuf,
    /// Folder with encoder.safetensors and readout.safetensors [default: the embedded weights].
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Write what was read to DIR/glyph.
    #[arg(long)]
    keep: bool,
    /// cpu, cuda, cuda:N or auto.
    #[arg(long, default_value = "cpu")]
    device: DeviceSpec,
}

/// What a reader made of a page.
struct Reading {
    text: String,
    confidence: f64,
    seconds: f64,
}

/// How well pages were read.
#[derive(Default, Clone, Copy)]
struct Score {
    characters: usize,
    /// Right, white space left out: rapidocr leaves much of it out.
    right: usize,
    /// Characters with single spaces.
    spaced: usize,
    spaced_right: usize,
    /// Confidence by characters.
    sure: f64,
    seconds: f64,
}

impl Score {
    fn of(expected: &str, reading: &Reading) -> Self {
        let (expected, found) = (single_spaced(expected), single_spaced(&reading.text));
        let right = |a: &str, b: &str| {
            let n = a.chars().count();
            (n, n - edit_distance(a, b).min(n))
        };
        let (spaced, spaced_right) = right(&expected, &found);
        let (characters, own) = right(&expected.replace(' ', ""), &found.replace(' ', ""));
        Self {
            characters,
            right: own,
            spaced,
            spaced_right,
            sure: reading.confidence * characters as f64,
            seconds: reading.seconds,
        }
    }

    fn add(&mut self, other: &Self) {
        self.characters += other.characters;
        self.right += other.right;
        self.spaced += other.spaced;
        self.spaced_right += other.spaced_right;
        self.sure += other.sure;
        self.seconds += other.seconds;
    }

    fn share(&self) -> f64 {
        100.0 * self.right as f64 / self.characters.max(1) as f64
    }

    fn cells(&self) -> String {
        let n = self.characters.max(1) as f64;
        format!("{:.1} % | {:.1} %", self.share(), 100.0 * self.sure / n)
    }
}

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn run(args: &Args) -> Result<()> {
    let device = args.device.resolve()?.device;
    let reader = Reader::open(args.weights.as_deref(), &device)?;
    let mut names: Vec<String> = Vec::new();
    let mut peers: Vec<String> = Vec::new();
    let entries = std::fs::read_dir(&args.dir).with_context(|| args.dir.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() && name != "glyph" {
            peers.push(name);
        } else if path.extension().is_some_and(|e| e == "png") {
            names.push(name);
        }
    }
    names.sort();
    peers.sort();
    anyhow::ensure!(
        !names.is_empty(),
        "{} holds no .png file",
        args.dir.display()
    );
    let titles: String = peers
        .iter()
        .map(|p| format!(" {p} right | sure |"))
        .collect();
    println!("| page | characters | Glyph right | sure |{titles}");
    println!("|---|---|---|---|{}", "---|---|".repeat(peers.len()));
    let mut sums = vec![Score::default(); 1 + peers.len()];
    // Han and Latin pages apart.
    let mut scripts = [sums.clone(), sums.clone()];
    // The first reading loads what is embedded.
    let first = Page::read_png(args.dir.join(&names[0]).with_extension("png"))?;
    read(&reader, &first)?;
    for name in &names {
        let path = args.dir.join(name);
        let expected = text(&path.with_extension("txt"))?;
        let page = Page::read_png(path.with_extension("png"))?;
        let own = read(&reader, &page)?;
        if args.keep {
            std::fs::create_dir_all(args.dir.join("glyph"))?;
            std::fs::write(
                args.dir.join("glyph").join(name).with_extension("txt"),
                &own.text,
            )?;
        }
        let mut scores = vec![Score::of(&expected, &own)];
        for peer in &peers {
            scores.push(Score::of(
                &expected,
                &peer_reading(&args.dir.join(peer), name)?,
            ));
        }
        let cells: String = scores.iter().map(|s| format!(" {} |", s.cells())).collect();
        println!("| {name} | {} |{cells}", scores[0].characters);
        let script = &mut scripts[usize::from(name.ends_with("-zh"))];
        for ((sum, script), score) in sums.iter_mut().zip(script).zip(&scores) {
            sum.add(score);
            script.add(score);
        }
    }
    println!(
        "\n| reader | right | Latin | Chinese | right with spaces | mean confidence | characters/s |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (i, sum) in sums.iter().enumerate() {
        let name = i.checked_sub(1).map_or("Glyph", |i| &peers[i]);
        println!(
            "| {name} | {:.2} % | {:.2} % | {:.2} % | {:.2} % | {:.1} % | {:.0} |",
            sum.share(),
            scripts[0][i].share(),
            scripts[1][i].share(),
            100.0 * sum.spaced_right as f64 / sum.spaced.max(1) as f64,
            100.0 * sum.sure / sum.characters.max(1) as f64,
            sum.characters as f64 / sum.seconds.max(1e-9),
        );
    }
    Ok(())
}

fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}

fn read(reader: &Reader, page: &Page) -> Result<Reading> {
    let start = Instant::now();
    let tokens = reader
        .encoder
        .encode(EncoderInput::page(page, Detail::Local))?;
    let lines = reader.readout.read(&tokens)?;
    let seconds = start.elapsed().as_secs_f64();
    let inked = lines
        .iter()
        .flat_map(|l| l.text.chars().zip(&l.confidences));
    let (mut sum, mut n) = (0.0, 0);
    for (_, p) in inked.filter(|(c, _)| *c != ' ') {
        sum += f64::from(*p);
        n += 1;
    }
    let lines: Vec<&str> = lines.iter().map(|l| l.text.as_str()).collect();
    Ok(Reading {
        text: lines.join("\n") + "\n",
        confidence: sum / f64::from(n.max(1)),
        seconds,
    })
}

/// What another program says of its reading.
#[derive(Deserialize)]
struct Peer {
    confidence: f64,
    seconds: f64,
}

fn peer_reading(dir: &Path, name: &str) -> Result<Reading> {
    let path = dir.join(name);
    let json = text(&path.with_extension("json"))?;
    let Peer {
        confidence,
        seconds,
    } = serde_json::from_str(&json)?;
    Ok(Reading {
        text: text(&path.with_extension("txt"))?,
        confidence,
        seconds,
    })
}
