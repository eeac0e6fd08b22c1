//! Clocks, and the speed of towers and decoders.

use std::time::Instant;

use burn::tensor::{DType, Device};
use glyph_benches::tensors::{number, pixels};
use glyph_decode::{KvCache, LanguageModel as _, LogitsFor, VisionLanguageModel};
use glyph_encode::towers::ClipModel;

use crate::Result;

/// Positions that are read in one pass: the hidden states of more would not fit beside a model.
pub(crate) const CHUNK: usize = 4096;
/// Tokens that are written for a time.
const WRITTEN: usize = 32;

/// The median of `rounds` runs in milliseconds after one that does not count, and what the last
/// run gave. A run has to wait for its result, or it measures nothing.
pub(crate) fn median<T>(rounds: usize, mut run: impl FnMut() -> Result<T>) -> Result<(f64, T)> {
    let mut out = run()?;
    let mut times = Vec::new();
    for _ in 0..rounds {
        let started = Instant::now();
        out = run()?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2], out))
}

pub(crate) fn clip(folder: &str, device: &Device, dtype: DType, batches: &[usize]) -> Result<()> {
    let model = ClipModel::open(folder, Some(dtype), device)?;
    for &batch in batches {
        let pixels = pixels([batch, 3, 224, 224], device);
        let (ms, first) = median(9, || Ok(number(model.vision.image_embeds(pixels.clone())?)))?;
        println!("clip batch {batch}\t{ms:.3}\t{first:.4}");
    }
    Ok(())
}

/// Tokens of a prompt, the same in all programs.
pub(crate) fn prompt(length: usize) -> Vec<u32> {
    (0..length as u64)
        .map(|i| (i * 7919 % 150_000) as u32)
        .collect()
}

/// Reads tokens chunk by chunk, and gives the likeliest next one and the first logit.
pub(crate) fn read(
    model: &VisionLanguageModel,
    ids: &[u32],
    cache: &mut KvCache,
) -> Result<(u32, f32)> {
    let mut logits = Vec::new();
    for chunk in ids.chunks(CHUNK) {
        model.forward_ids(chunk, cache, LogitsFor::Last, &mut logits)?;
    }
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    Ok((best.map_or(0, |(i, _)| i as u32), logits[0]))
}

/// Milliseconds of each token that is written after what the cache holds.
pub(crate) fn write(
    model: &VisionLanguageModel,
    mut next: u32,
    cache: &mut KvCache,
) -> Result<(f64, u32)> {
    let held = cache.len();
    // The first ones compile kernels.
    for _ in 0..4 {
        next = read(model, &[next], cache)?.0;
    }
    let started = Instant::now();
    for _ in 0..WRITTEN {
        next = read(model, &[next], cache)?.0;
    }
    let ms = started.elapsed().as_secs_f64() * 1e3 / WRITTEN as f64;
    cache.truncate(held);
    Ok((ms, next))
}

pub(crate) fn decoder(
    folder: &str,
    device: &Device,
    dtype: DType,
    lengths: &[usize],
) -> Result<()> {
    let started = Instant::now();
    let model = VisionLanguageModel::open(folder, Some(dtype), device)?;
    println!(
        "load\t{:.0}\t{dtype:?}",
        started.elapsed().as_secs_f64() * 1e3
    );
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let mut cache = model.new_cache(longest + WRITTEN + 8)?;
    for &length in lengths {
        let prompt = prompt(length);
        // A long prompt is read once less.
        let rounds = if length > 16_000 { 1 } else { 3 };
        let (ms, (next, first)) = median(rounds, || {
            cache.clear();
            read(&model, &prompt, &mut cache)
        })?;
        println!("prefill {length}\t{ms:.2}\t{first:.4}");
        let (ms, last) = write(&model, next, &mut cache)?;
        println!("decode after {length}\t{ms:.3}\t{last}");
    }
    Ok(())
}
