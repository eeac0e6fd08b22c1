//! Glyph Studio's command line.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
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
