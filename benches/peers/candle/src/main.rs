//! Prefill and decode speed of candle's quantised llama: the same work as
//! `glyph-decode/examples/lm_bench.rs`.

use std::time::Instant;

use anyhow::{Context, Result};
use candle_core::quantized::gguf_file;
use candle_core::{Device, Tensor};
use candle_transformers::models::quantized_llama::ModelWeights;

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("usage: MODEL.gguf")?;
    let device = Device::Cpu;
    let load = || -> Result<ModelWeights> {
        let mut file = std::fs::File::open(&path)?;
        let content = gguf_file::Content::read(&mut file)?;
        Ok(ModelWeights::from_gguf(content, &mut file, &device)?)
    };
    let prompt = |n: u32| (0..n).map(|i| i * 7919 % 40_000).collect::<Vec<_>>();
    let input = |ids: &[u32]| -> Result<Tensor> { Ok(Tensor::new(ids, &device)?.unsqueeze(0)?) };
    let mut model = load()?;
    // Warm up; position 0 empties the cache.
    model.forward(&input(&prompt(32))?, 0)?;
    for n in [512, 2048] {
        let ids = input(&prompt(n))?;
        let start = Instant::now();
        model.forward(&ids, 0)?.to_device(&Device::Cpu)?;
        println!("prefill {n} {:.2}", f64::from(n) / start.elapsed().as_secs_f64());
    }
    let mut logits = model.forward(&input(&prompt(32))?, 0)?;
    let start = Instant::now();
    for i in 0..128 {
        let next = logits.squeeze(0)?.argmax(0)?.to_scalar::<u32>()?;
        logits = model.forward(&input(&[next])?, 32 + i)?;
    }
    println!("decode 128 {:.2}", 128.0 / start.elapsed().as_secs_f64());
    Ok(())
}
