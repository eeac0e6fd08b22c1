//! Speed of candle on a checkpoint of CLIP or Qwen2-VL: the same work as
//! `benches/src/bin/vlm_speed.rs`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use candle_core::{DType, Device, Tensor};
use candle_nn::{Activation, Module, VarBuilder};
use candle_transformers::models::clip::text_model::Activation as ClipActivation;
use candle_transformers::models::clip::vision_model::{
    ClipVisionConfig, ClipVisionTransformer,
};
use candle_transformers::models::qwen2::{Config, ModelForCausalLM};

fn main() -> Result<()> {
    let usage = "usage: checkpoint clip|qwen2-vl FOLDER f32|f16";
    let mut args = std::env::args().skip(1);
    let (what, folder) = (args.next().context(usage)?, args.next().context(usage)?);
    let dtype = match args.next().context(usage)?.as_str() {
        "f32" => DType::F32,
        "f16" => DType::F16,
        _ => bail!(usage),
    };
    match what.as_str() {
        "clip" => clip(&weights(Path::new(&folder), dtype)?),
        "qwen2-vl" => qwen2(&weights(Path::new(&folder), dtype)?),
        _ => bail!(usage),
    }
}

fn weights(folder: &Path, dtype: DType) -> Result<VarBuilder<'static>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|e| e == "safetensors"));
    // The files stay as they are while this program runs.
    let weights = unsafe { VarBuilder::from_mmaped_safetensors(&paths, dtype, &Device::Cpu)? };
    Ok(weights)
}

fn clip(weights: &VarBuilder<'static>) -> Result<()> {
    let config = ClipVisionConfig {
        embed_dim: 1024,
        activation: ClipActivation::QuickGelu,
        intermediate_size: 4096,
        num_hidden_layers: 24,
        num_attention_heads: 16,
        projection_dim: 768,
        num_channels: 3,
        image_size: 224,
        patch_size: 14,
    };
    let model = ClipVisionTransformer::new(weights.pp("vision_model"), &config)?;
    let projection = candle_nn::linear_no_bias(1024, 768, weights.pp("visual_projection"))?;
    for batch in [1, 4] {
        let numbers = batch * 3 * 224 * 224;
        let pixels: Vec<f32> = (0..numbers).map(pixel).collect();
        let pixels = Tensor::from_vec(pixels, (batch, 3, 224, 224), &Device::Cpu)?
            .to_dtype(weights.dtype())?;
        let mut best = [f64::INFINITY; 2];
        let mut first = 0.0;
        for _ in 0..3 {
            let clock = Clock::start();
            let embeds = projection.forward(&model.forward(&pixels)?)?;
            first = embeds.to_dtype(DType::F32)?.to_vec2::<f32>()?[0][0];
            let time = clock.time(1);
            best = [best[0].min(time[0]), best[1].min(time[1])];
        }
        println!("clip batch {batch}\t{:.2}\t{:.2}\t{first:.4}", best[0], best[1]);
    }
    Ok(())
}

/// A picture like no other, the same in all programs.
fn pixel(i: usize) -> f32 {
    (i * 7919 % 1009) as f32 / 504.5 - 1.0
}

fn qwen2(weights: &VarBuilder<'static>) -> Result<()> {
    let config = Config {
        vocab_size: 151_936,
        hidden_size: 1536,
        intermediate_size: 8960,
        num_hidden_layers: 28,
        num_attention_heads: 12,
        num_key_value_heads: 2,
        max_position_embeddings: 32_768,
        sliding_window: 32_768,
        max_window_layers: 28,
        tie_word_embeddings: true,
        rope_theta: 1e6,
        rms_norm_eps: 1e-6,
        use_sliding_window: false,
        hidden_act: Activation::Silu,
    };
    let mut model = ModelForCausalLM::new(&config, weights.clone())?;
    let prompt: Vec<u32> = (0..512).map(|i| i * 7919 % 150_000).collect();
    // Warm up.
    step(&mut model, &prompt[..16], 0)?;
    model.clear_kv_cache();
    let clock = Clock::start();
    let (mut next, first) = step(&mut model, &prompt, 0)?;
    let [wall, cpu] = clock.time(1);
    println!("prefill 512\t{wall:.2}\t{cpu:.2}\t{first:.4}");
    let clock = Clock::start();
    let steps = 16;
    for i in 0..steps {
        next = step(&mut model, &[next], prompt.len() + i)?.0;
    }
    let [wall, cpu] = clock.time(steps);
    println!("decode after 512\t{wall:.2}\t{cpu:.2}\t{next}");
    Ok(())
}

/// The best next token, and the logit of the first one of the vocabulary.
fn step(model: &mut ModelForCausalLM, ids: &[u32], offset: usize) -> Result<(u32, f32)> {
    let ids = Tensor::new(ids, &Device::Cpu)?.unsqueeze(0)?;
    let logits = model.forward(&ids, offset)?.flatten_all()?;
    let logits = logits.to_dtype(DType::F32)?;
    let best = logits.argmax(0)?.to_scalar::<u32>()?;
    Ok((best, logits.to_vec1::<f32>()?[0]))
}

/// Milliseconds that pass, and of all processors.
struct Clock(Instant, f64);

impl Clock {
    fn start() -> Self {
        Self(Instant::now(), cpu_millis())
    }

    fn time(&self, steps: usize) -> [f64; 2] {
        let wall = self.0.elapsed().as_secs_f64() * 1e3;
        [wall, cpu_millis() - self.1].map(|t| t / steps as f64)
    }
}

/// Processor time of this process, in ticks of 10 ms.
fn cpu_millis() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = fields.split(' ').skip(11).take(2);
    ticks.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() * 10.0
}
