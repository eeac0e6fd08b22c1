//! Clocks, and the speed of towers and decoders.

use std::time::Instant;

use burn::tensor::{DType, Device, Tensor};
use glyph_benches::tensors::{number, pixels};
use glyph_decode::{KvCache, LanguageModel as _, LogitsFor, Segment, VisionLanguageModel};
use glyph_encode::towers::ClipModel;

use crate::Result;

/// Tokens that are written for a time.
const WRITTEN: usize = 32;

/// The median of `rounds` runs in milliseconds after one that does not count, and what the last
/// run gave. With 0 rounds it is the first run that counts. A run has to wait for its result, or it
/// measures nothing.
pub(crate) fn median<T>(rounds: usize, mut run: impl FnMut() -> Result<T>) -> Result<(f64, T)> {
    let mut timed = || {
        let started = Instant::now();
        let out = run()?;
        Ok::<_, Box<dyn std::error::Error>>((started.elapsed().as_secs_f64() * 1e3, out))
    };
    let (first, mut out) = timed()?;
    let mut times = Vec::new();
    for _ in 0..rounds {
        let (ms, last) = timed()?;
        times.push(ms);
        out = last;
    }
    if rounds == 0 {
        times.push(first);
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

/// Rounds of a prompt of so many tokens. The longest take most of a minute, and shorter ones have
/// compiled the kernels before.
pub(crate) fn rounds(length: usize) -> usize {
    match length {
        100_000.. => 0,
        16_000.. => 1,
        _ => 3,
    }
}

/// Reads tokens as a session does, and gives the likeliest next one and the first logit. As in the
/// peer's program the likeliest is found on the device.
pub(crate) fn read(
    model: &VisionLanguageModel,
    ids: &[u32],
    cache: &mut KvCache,
) -> Result<(u32, f32)> {
    let mut chunks = ids.chunks(model.prefill_chunk());
    let last = chunks.next_back().ok_or("expected a token")?;
    for chunk in chunks {
        let part = [Segment::Text(chunk.to_vec())];
        model.forward_segments(&part, cache, LogitsFor::None)?;
    }
    let part = [Segment::Text(last.to_vec())];
    let logits = model.forward_segments(&part, cache, LogitsFor::Last)?;
    let best = logits.clone().argmax(1).float().cast(DType::F32);
    let both = Tensor::cat(vec![best, logits.narrow(1, 0, 1).cast(DType::F32)], 1);
    let both = both.into_data().try_into_vec::<f32>()?;
    Ok((both[0] as u32, both[1]))
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
    for &length in lengths {
        let mut cache = model.new_cache(length + WRITTEN + 8)?;
        let prompt = prompt(length);
        let (ms, (next, first)) = median(rounds(length), || {
            cache.clear();
            read(&model, &prompt, &mut cache)
        })?;
        println!("prefill {length}\t{ms:.2}\t{first:.4}");
        let (ms, last) = write(&model, next, &mut cache)?;
        println!("decode after {length}\t{ms:.3}\t{last}");
    }
    Ok(())
}
