//! Asks a document a question with an encoder that came from ONNX:
//! `cargo run --release -- [PATH "QUESTION"]`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::env;
use std::ffi::OsString;

use anyhow::{Context, Result, bail};
use glyph_onnx_encoder::OnnxEncoder;
use glyph_pipeline::render::Document;
use glyph_pipeline::{DeviceSpec, Pipeline};

const TEXT: &str = "The lighthouse on Kell Rock was built in 1871. Its first keeper was Mara Holt, \
    who tended the lamp for thirty years. The lamp was electrified in 1934.";
const QUESTION: &str = "Who was the first keeper of the lighthouse?";

fn main() -> Result<()> {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let (document, question) = match arguments.as_slice() {
        [] => (Document::from_text(TEXT), QUESTION),
        [path, question] => (
            Document::open(path)?,
            question.to_str().context("QUESTION: expected UTF-8")?,
        ),
        other => bail!(
            "expected PATH and QUESTION or no arguments, found {}",
            other.len()
        ),
    };

    let device = DeviceSpec::Cpu.resolve()?.device;
    let pipeline = Pipeline::builder()
        .device(&device)
        .encoder(OnnxEncoder::new(&device))
        .build()?;
    let reply = pipeline.ask(&document, question)?;

    println!("{}\n", reply.output.text);
    for found in &reply.output.evidence {
        println!(
            "evidence  page {}, line {}: {}",
            found.page,
            found.line,
            found.text.trim()
        );
    }
    let tokens = &reply.tokens;
    println!(
        "tokens    {} text ({}) as {} vision: {} global + {} local, ratio {:.2}",
        tokens.text,
        tokens.tokenizer,
        tokens.vision_global + tokens.vision_local,
        tokens.vision_global,
        tokens.vision_local,
        tokens.ratio
    );
    Ok(())
}
