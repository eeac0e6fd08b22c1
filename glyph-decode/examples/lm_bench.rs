//! Prefill and decode speed of a language model: `lm_bench MODEL [THREADS]`.
//!
//! Prints tokens per second, and the memory that the process has used at its peak. The peers'
//! programs of `benches/peers` do the same work; `benches/lm_vs_peers.sh` runs them all.
#![allow(clippy::print_stdout, reason = "it is what the program is for")]

use std::error::Error;
use std::time::Instant;

use burn::tensor::Device;
use glyph_decode::{LanguageModel, LogitsFor, Pretrained};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("usage: lm_bench MODEL [THREADS]")?;
    let threads = args.next().map_or(Ok(2), |n| n.parse())?;
    let start = Instant::now();
    let model = Pretrained::open(path, &Device::default())?
        .model
        .with_threads(threads);
    println!("load {:.2} s", start.elapsed().as_secs_f64());
    println!("weights {:.1} MB", model.memory() as f64 / 1e6);
    let prompt = |n: u32| (0..n).map(|i| i * 7919 % 40_000).collect::<Vec<_>>();
    let mut logits = Vec::new();
    let mut cache = model.new_cache(2304)?;
    model.forward_ids(&prompt(32), &mut cache, LogitsFor::Last, &mut logits)?;
    println!("resident after 32 tokens {}", status("VmRSS"));
    for n in [512, 2048] {
        cache.clear();
        let ids = prompt(n);
        let start = Instant::now();
        model.forward_ids(&ids, &mut cache, LogitsFor::Last, &mut logits)?;
        println!(
            "prefill {n} {:.2}",
            f64::from(n) / start.elapsed().as_secs_f64()
        );
    }
    cache.clear();
    model.forward_ids(&prompt(32), &mut cache, LogitsFor::Last, &mut logits)?;
    let start = Instant::now();
    for _ in 0..128 {
        let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        let next = best.map_or(0, |(i, _)| i as u32);
        model.forward_ids(&[next], &mut cache, LogitsFor::Last, &mut logits)?;
    }
    println!("decode 128 {:.2}", 128.0 / start.elapsed().as_secs_f64());
    println!("peak {}", status("VmHWM"));
    Ok(())
}

/// A line of the process's status, on systems that have it.
fn status(key: &str) -> String {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(key));
    line.map_or("unknown", |l| l.trim_start_matches(':').trim())
        .to_owned()
}
