//! A device against the CPU, and its speed, for `benches/gpu.sh`:
//!
//! ```text
//! gpu parity FIXTURES DEVICE             small checkpoints of each family compute what the CPU does
//! gpu reader TEXT DEVICE                 the built-in model reads the same, and how fast
//! gpu clip FOLDER DEVICE DTYPE BATCH...  images through a tower of CLIP
//! gpu decoder FOLDER DEVICE DTYPE N...   N positions read, and tokens written after them
//! gpu train DEVICE                       a step of the built-in model's training
//! gpu document TEXT DEVICE [FOLDER DTYPE]  a question to a document, from its text to the answer
//! gpu compression FOLDER DEVICE DTYPE TEXT N...  N tokens of text against its pages
//! ```
//!
//! DEVICE is `cpu`, `cuda:N` or `wgpu`, DTYPE `f32`, `f16` or `bf16`. Each line has what was run,
//! milliseconds (the median of several runs after one that does not count), and a number of the
//! result, by which the peer's program shows that it did the same.
#![allow(clippy::print_stdout, reason = "it is what the program is for")]

mod compression;
mod document;
mod parity;
mod reader;
mod timing;

use std::error::Error;

use burn::tensor::{DType, Device};
use glyph_pipeline::DeviceSpec;

const USAGE: &str =
    "usage: gpu parity|reader|clip|decoder|train|document|compression …, as its source says";

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["parity", fixtures, on] => parity::run(fixtures.as_ref(), &device(on)?),
        ["reader", text, on] => reader::run(text.as_ref(), &device(on)?),
        ["clip", folder, on, dtype, ref batches @ ..] => {
            timing::clip(folder, &device(on)?, precision(dtype)?, &numbers(batches)?)
        }
        ["decoder", folder, on, dtype, ref lengths @ ..] => {
            timing::decoder(folder, &device(on)?, precision(dtype)?, &numbers(lengths)?)
        }
        ["train", on] => reader::train(&device(on)?),
        ["document", text, on] => document::run(text.as_ref(), &device(on)?, None),
        ["document", text, on, folder, dtype] => {
            let model = (folder, precision(dtype)?);
            document::run(text.as_ref(), &device(on)?, Some(model))
        }
        ["compression", folder, on, dtype, text, ref lengths @ ..] => compression::run(
            folder,
            &device(on)?,
            precision(dtype)?,
            text.as_ref(),
            &numbers(lengths)?,
        ),
        _ => Err(USAGE.into()),
    }
}

fn device(name: &str) -> Result<Device> {
    Ok(name.parse::<DeviceSpec>()?.resolve()?.device)
}

fn precision(name: &str) -> Result<DType> {
    match name {
        "f32" => Ok(DType::F32),
        "f16" => Ok(DType::F16),
        "bf16" => Ok(DType::BF16),
        other => Err(format!("expected f32, f16 or bf16, found {other}").into()),
    }
}

fn numbers(args: &[&str]) -> Result<Vec<usize>> {
    let parsed = args.iter().map(|text| {
        let number = text.parse::<usize>().ok().filter(|&n| n > 0);
        number.ok_or_else(|| format!("expected a number above 0, found {text}").into())
    });
    parsed.collect()
}
