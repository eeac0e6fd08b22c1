//! The built-in model on a device.

use std::path::Path;

use burn::tensor::Device;
use glyph_align::{ReaderModel, Trainer, TrainingConfig};
use glyph_encode::Detail;
use glyph_pipeline::Pipeline;
use glyph_pipeline::render::{Document, RenderConfig, Renderer as _, Typesetter};

use crate::Result;
use crate::timing::median;

/// Characters of the text that are read: some 30 pages.
const CHARACTERS: usize = 100_000;

pub(crate) fn run(text: &Path, device: &Device) -> Result<()> {
    let text: String = std::fs::read_to_string(text)?
        .chars()
        .take(CHARACTERS)
        .collect();
    let document = Document::from_text(&text);
    let pages = Typesetter::new(RenderConfig::builtin())?
        .render(&document)?
        .len();
    for detail in [Detail::Local, Detail::Global] {
        let mut read = Vec::new();
        for (name, device) in [("cpu", Device::flex()), ("device", device.clone())] {
            let pipeline = Pipeline::builder().device(&device).build()?;
            let (ms, lines) = median(3, || {
                let reply = pipeline.read(&document, detail)?;
                let lines = reply.output.into_iter().map(|line| line.text);
                Ok(lines.collect::<Vec<String>>())
            })?;
            let rate = pages as f64 * 1e3 / ms;
            let ms = ms / pages as f64;
            println!("reader {detail:?} {name}, ms a page\t{ms:.2}\t{rate:.1} pages/s");
            read.push(lines);
        }
        let [cpu, device] = &read[..] else {
            return Err("expected two devices".into());
        };
        let differ = cpu.iter().zip(device).filter(|(a, b)| a != b).count();
        let differ = differ + cpu.len().abs_diff(device.len());
        println!(
            "reader {detail:?} lines that differ\t{differ}\tof {}",
            cpu.len()
        );
        // A sum in another order turns a doubtful character now and then.
        if differ * 1000 > cpu.len() {
            return Err(format!("{differ} of {} lines differ", cpu.len()).into());
        }
    }
    Ok(())
}

/// A step of training with the shipped sizes, drawing its samples included.
pub(crate) fn train(device: &Device) -> Result<()> {
    let mut trainer = Trainer::<ReaderModel>::new(TrainingConfig::default(), None, device)?;
    for _ in 0..3 {
        trainer.step()?;
    }
    let (ms, report) = median(20, || Ok(trainer.step()?))?;
    let loss: f32 = report.loss.iter().sum();
    println!(
        "train step\t{ms:.2}\t{:.1} steps/s, loss {loss:.3}",
        1e3 / ms
    );
    Ok(())
}
