//! Glyph Studio's command line.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use glyph_studio::batch::BatchArgs;
use glyph_studio::settings::{LogFormat, Options, Settings};
use glyph_studio::{document, server};
use tracing_subscriber::EnvFilter;

/// Glyph Studio: ask documents that are longer than a model's context, in the browser and by API.
///
/// Without a command it serves the page and the API on http://127.0.0.1:8080, with the built-in
/// model, and runs queued jobs as well.
///
/// Every setting is a flag, an environment variable or a line of the file given with --config; the
/// flag comes before the variable, the variable before the file.
#[derive(Parser)]
#[command(version, name = "glyph-studio")]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the page and the API, and run queued jobs (the default).
    Serve,
    /// Run queued jobs only: as many of these as there are hosts, with the same --queue and --store.
    Worker,
    /// Run one task on every document of a folder, and go on where it was stopped.
    Batch(BatchArgs),
    /// Opens one upload; the server starts it for each.
    #[command(hide = true)]
    Child,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(Command::Child) = args.command {
        return match document::open::child() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let settings = args.options.settings()?;
    logs(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    match args.command.unwrap_or(Command::Serve) {
        Command::Serve => runtime.block_on(server::serve(settings, |address| {
            println!("Glyph Studio: http://{address}");
        }))?,
        Command::Worker => runtime.block_on(server::work(settings))?,
        Command::Batch(batch) => {
            let out = batch.out.display().to_string();
            let ran =
                glyph_studio::batch::run(settings, batch, |done, of| eprint!("\r{done}/{of} "));
            let summary = runtime.block_on(ran)?;
            eprintln!(
                "\r{} done, {} failed, {} were there already: {out}",
                summary.done, summary.failed, summary.skipped
            );
        }
        Command::Child => {}
    }
    Ok(())
}

fn logs(settings: &Settings) -> Result<(), Box<dyn std::error::Error>> {
    let filter = EnvFilter::try_new(&settings.log)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Json => builder.json().init(),
        LogFormat::Text => builder.with_target(false).init(),
    }
    Ok(())
}
