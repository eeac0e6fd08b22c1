//! Speed of a checkpoint of CLIP or Qwen2-VL on the CPU, in milliseconds:
//! `vlm_speed clip|qwen2-vl|load FOLDER f32|f16`, with `RAYON_NUM_THREADS` threads.
//!
//! Each line has what was run, the time that passed, the time of all processors, and a number of
//! the result by which the peers' programs show that they did the same. `benches/vlm_vs_peers.sh` runs them all; `load` only
//! loads a model and tells the memory that it took.
#![allow(clippy::print_stdout, reason = "it is what the program is for")]

use std::error::Error;
use std::time::Instant;

use burn::tensor::{DType, Device};
use glyph_benches::tensors::{number, pixels};
use glyph_decode::{KvCache, LanguageModel as _, LogitsFor, VisionLanguageModel};
use glyph_encode::towers::ClipModel;

const USAGE: &str = "usage: vlm_speed clip|qwen2-vl|load FOLDER f32|f16";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [what, folder, dtype] = &args[..] else {
        return Err(USAGE.into());
    };
    let dtype = match dtype.as_str() {
        "f32" => DType::F32,
        "f16" => DType::F16,
        _ => return Err(USAGE.into()),
    };
    let device = Device::flex();
    match what.as_str() {
        "clip" => clip(&ClipModel::open(folder, Some(dtype), &device)?, &device),
        "qwen2-vl" => {
            let model = VisionLanguageModel::open(folder, Some(dtype), &device)?;
            tower(&model, &device)?;
            decoder(&model)
        }
        "load" => {
            let clock = Clock::start();
            let model = VisionLanguageModel::open(folder, Some(dtype), &device)?;
            println!("load\t{}\t{:?}", clock.time(1), model.dtype());
            println!("peak\t{}", status("VmHWM"));
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}

fn clip(model: &ClipModel, device: &Device) -> Result<()> {
    for batch in [1, 4] {
        let pixels = pixels([batch, 3, 224, 224], device);
        let (time, first) = best(3, || Ok(number(model.vision.image_embeds(pixels.clone())?)))?;
        println!("clip batch {batch}\t{time}\t{first:.4}");
    }
    Ok(())
}

fn tower(model: &VisionLanguageModel, device: &Device) -> Result<()> {
    let tower = model.patch_tower().ok_or("expected a tower over patches")?;
    let pixels = pixels([32 * 24, tower.patch_len()], device);
    let (time, first) = best(2, || {
        Ok(number(
            tower.encode_patches(pixels.clone(), &[[1, 32, 24]])?,
        ))
    })?;
    println!("tower 768 patches\t{time}\t{first:.4}");
    Ok(())
}

fn decoder(model: &VisionLanguageModel) -> Result<()> {
    let prompt: Vec<u32> = (0..512).map(|i| i * 7919 % 150_000).collect();
    let mut logits = Vec::new();
    let mut step = |ids: &[u32], cache: &mut KvCache| -> Result<(u32, f32)> {
        model.forward_ids(ids, cache, LogitsFor::Last, &mut logits)?;
        let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        Ok((best.map_or(0, |(i, _)| i as u32), logits[0]))
    };
    let mut cache = model.new_cache(1024)?;
    // Warm up.
    step(&prompt[..16], &mut cache)?;
    cache.clear();
    let clock = Clock::start();
    let (mut next, first) = step(&prompt, &mut cache)?;
    println!("prefill 512\t{}\t{first:.4}", clock.time(1));
    let steps = 16;
    let clock = Clock::start();
    for _ in 0..steps {
        next = step(&[next], &mut cache)?.0;
    }
    println!("decode after 512\t{}\t{next}", clock.time(steps));
    Ok(())
}

/// Milliseconds that passed, and of all processors.
#[derive(Debug, Clone, Copy)]
struct Time {
    wall: f64,
    cpu: f64,
}

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2}\t{:.2}", self.wall, self.cpu)
    }
}

struct Clock(Instant, f64);

impl Clock {
    fn start() -> Self {
        Self(Instant::now(), cpu_millis())
    }

    fn time(&self, steps: u32) -> Time {
        Time {
            wall: self.0.elapsed().as_secs_f64() * 1e3 / f64::from(steps),
            cpu: (cpu_millis() - self.1) / f64::from(steps),
        }
    }
}

fn best<T>(rounds: usize, mut run: impl FnMut() -> Result<T>) -> Result<(Time, T)> {
    let clock = Clock::start();
    let mut out = run()?;
    let mut best = clock.time(1);
    for _ in 1..rounds {
        let clock = Clock::start();
        out = run()?;
        let time = clock.time(1);
        best.wall = best.wall.min(time.wall);
        best.cpu = best.cpu.min(time.cpu);
    }
    Ok((best, out))
}

/// Processor time of this process, in ticks of 10 ms; 0 on systems that do not tell.
fn cpu_millis() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = fields.split(' ').skip(11).take(2);
    ticks.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() * 10.0
}

/// A line of the process's status, on systems that have it.
fn status(key: &str) -> String {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(key));
    line.map_or("unknown", |l| l.trim_start_matches(':').trim())
        .to_owned()
}
