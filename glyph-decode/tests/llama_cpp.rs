//! SmolLM2-135M gives the tokens and the perplexity that llama.cpp gives.
//!
//! Runs where the model is: `GLYPH_TEST_MODELS` names a folder with
//! `SmolLM2-135M-Instruct.Q4_1.gguf` in it or in one of its folders. The expected results come
//! from `tools/parity/gguf_reference.py`.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use glyph_decode::{LanguageModel, LogitsFor, Pretrained, SpecialTokens};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    prompts: Vec<Prompt>,
    own_disagreements: Vec<f32>,
    held_out: HeldOut,
}

#[derive(Deserialize)]
struct Prompt {
    text: String,
    ids: Vec<u32>,
    greedy: Vec<u32>,
    gaps: Vec<f32>,
}

#[derive(Deserialize)]
struct HeldOut {
    text: String,
    ids: Vec<u32>,
    window: usize,
    perplexity: f64,
}

fn reference() -> Reference {
    let text = include_str!("fixtures/smollm2-135m.llama_cpp.json");
    serde_json::from_str(text).expect("the fixture is what the script writes")
}

/// The model's file, or `None` where the tests have no models.
fn model_file() -> Option<PathBuf> {
    const NAME: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
    let root = PathBuf::from(std::env::var_os("GLYPH_TEST_MODELS")?);
    let folders = std::fs::read_dir(&root).ok()?.flatten().map(|e| e.path());
    let path = std::iter::once(root.clone())
        .chain(folders)
        .map(|f| f.join(NAME))
        .find(|p| p.exists());
    assert!(path.is_some(), "no {NAME} in {}", root.display());
    path
}

fn open(path: &Path) -> Pretrained {
    Pretrained::open(path, &Device::default()).expect("the model loads")
}

fn argmax(row: &[f32]) -> u32 {
    let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(i, _)| i as u32)
}

/// Where the two largest logits are closer, nobody's choice is wrong.
const TIE: f32 = 1e-2;

#[test]
fn greedy_tokens_are_those_of_llama_cpp() {
    let Some(path) = model_file() else { return };
    let reference = reference();
    let Pretrained { model, tokenizer, .. } = open(&path);
    assert_eq!(reference.prompts.len(), 20);
    let (mut tokens, mut other) = (0, Vec::new());
    for prompt in &reference.prompts {
        let ids = tokenizer
            .encode(&prompt.text, SpecialTokens::Parse)
            .expect("any text has tokens");
        assert_eq!(ids, prompt.ids, "{:?}", prompt.text);
        let mut cache = model.new_cache(512).expect("within the model's context");
        let mut logits = Vec::new();
        model
            .forward_ids(&ids, &mut cache, LogitsFor::Last, &mut logits)
            .expect("the prompt fits");
        for (&expected, &gap) in prompt.greedy.iter().zip(&prompt.gaps) {
            tokens += 1;
            // llama.cpp's token goes on, so that one close call does not hide what follows it.
            if argmax(&logits) != expected && gap > TIE {
                other.push((gap, prompt.text.clone()));
            }
            model
                .forward_ids(&[expected], &mut cache, LogitsFor::Last, &mut logits)
                .expect("the answer fits");
        }
    }
    assert_eq!(tokens, 20 * 64);
    // The closest calls that llama.cpp itself decides either way, one by one or in a batch.
    let own = reference.own_disagreements.iter().copied().fold(TIE, f32::max);
    let wrong: Vec<_> = other.iter().filter(|(gap, _)| *gap > own).collect();
    assert!(wrong.is_empty(), "{wrong:?} beyond {own}; all: {other:?}");
}

#[test]
fn perplexity_is_that_of_llama_cpp() {
    let Some(path) = model_file() else { return };
    let held_out = reference().held_out;
    let Pretrained { model, tokenizer, .. } = open(&path);
    let ids = tokenizer
        .encode(&held_out.text, SpecialTokens::AsText)
        .expect("any text has tokens");
    assert_eq!(ids, held_out.ids);
    assert_eq!(tokenizer.decode(&ids), held_out.text);
    let vocab = model.config().vocab_size;
    let (mut total, mut count) = (0.0, 0);
    let mut logits = Vec::new();
    for window in ids.chunks(held_out.window).filter(|w| w.len() > 1) {
        let mut cache = model.new_cache(held_out.window).expect("within the context");
        model
            .forward_ids(window, &mut cache, LogitsFor::All, &mut logits)
            .expect("a window fits");
        for (row, &next) in logits.chunks_exact(vocab).zip(&window[1..]) {
            let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = row.iter().map(|&x| f64::from(x - max).exp()).sum();
            total += sum.ln() - f64::from(row[next as usize] - max);
            count += 1;
        }
    }
    let perplexity = (total / f64::from(count)).exp();
    let off = perplexity / held_out.perplexity - 1.0;
    assert!(off.abs() < 5e-3, "{perplexity}, expected {}", held_out.perplexity);
}
