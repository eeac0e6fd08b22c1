//! SmolLM2-135M gives the tokens and the perplexity that llama.cpp gives.
//!
//! Runs where the model is: `GLYPH_TEST_MODELS` names a folder with
//! `SmolLM2-135M-Instruct.Q4_1.gguf` in it or in one of its folders, and perhaps
//! `smollm2-135m.f32.gguf`, which `tools/parity/gguf_to_f32.py` makes of it. The expected results
//! come from `tools/parity/gguf_reference.py`.
//!
//! With weights of 32 bits the tokens are the same wherever the two largest logits are 0.01 apart.
//! With quantised weights activations are rounded to 8 bits, and the last bit of a sum decides
//! which way; that grows from layer to layer, so that llama.cpp's own logits differ between one
//! token at a time and a batch. Nothing can be closer to llama.cpp than llama.cpp is.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use glyph_decode::{LanguageModel, LogitsFor, Pretrained, SpecialTokens};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    prompts: Vec<Prompt>,
    own_disagreements: Vec<f32>,
    held_out: Option<HeldOut>,
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

fn reference(name: &str) -> Reference {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let text = std::fs::read_to_string(path.join(name)).expect("the fixture is there");
    serde_json::from_str(&text).expect("the fixture is what the script writes")
}

const QUANTIZED: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const PLAIN: &str = "smollm2-135m.f32.gguf";

/// A model's file, or `None` where the tests have no models.
fn model_file(name: &str) -> Option<PathBuf> {
    let root = PathBuf::from(std::env::var_os("GLYPH_TEST_MODELS")?);
    let folders = std::fs::read_dir(&root).ok()?.flatten().map(|e| e.path());
    std::iter::once(root.clone())
        .chain(folders)
        .map(|f| f.join(name))
        .find(|p| p.exists())
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

/// Distances of llama.cpp's two largest logits where this crate chooses another token.
fn disagreements(path: &Path, reference: &Reference) -> Vec<f32> {
    let Pretrained {
        model, tokenizer, ..
    } = open(path);
    assert_eq!(reference.prompts.len(), 20);
    let mut other = Vec::new();
    for prompt in &reference.prompts {
        let ids = tokenizer
            .encode(&prompt.text, SpecialTokens::Parse)
            .expect("any text has tokens");
        assert_eq!(ids, prompt.ids, "{:?}", prompt.text);
        assert_eq!(prompt.greedy.len(), 64);
        let mut cache = model.new_cache(512).expect("within the model's context");
        let mut logits = Vec::new();
        model
            .forward_ids(&ids, &mut cache, LogitsFor::Last, &mut logits)
            .expect("the prompt fits");
        for (&expected, &gap) in prompt.greedy.iter().zip(&prompt.gaps) {
            // llama.cpp's token goes on, so that one close call does not hide what follows it.
            if argmax(&logits) != expected && gap > TIE {
                other.push(gap);
            }
            model
                .forward_ids(&[expected], &mut cache, LogitsFor::Last, &mut logits)
                .expect("the answer fits");
        }
    }
    other
}

#[test]
fn plain_weights_give_the_tokens_of_llama_cpp() {
    let Some(path) = model_file(PLAIN) else {
        return;
    };
    let reference = reference("smollm2-135m.f32.llama_cpp.json");
    assert_eq!(disagreements(&path, &reference), [0.0; 0]);
}

#[test]
fn quantised_weights_are_as_close_to_llama_cpp_as_it_is_to_itself() {
    let Some(path) = model_file(QUANTIZED) else {
        return;
    };
    let reference = reference("smollm2-135m.llama_cpp.json");
    let found = disagreements(&path, &reference);
    let own = &reference.own_disagreements;
    let largest = |gaps: &[f32]| gaps.iter().copied().fold(0.0, f32::max);
    assert!(
        found.len() * 2 <= own.len() * 3,
        "{} and {}",
        found.len(),
        own.len()
    );
    assert!(
        largest(&found) <= 1.5 * largest(own),
        "{found:?} and {own:?}"
    );
}

#[test]
fn perplexity_is_that_of_llama_cpp() {
    let Some(path) = model_file(QUANTIZED) else {
        return;
    };
    let held_out = reference("smollm2-135m.llama_cpp.json")
        .held_out
        .expect("the script was given texts");
    let Pretrained {
        model, tokenizer, ..
    } = open(&path);
    let ids = tokenizer
        .encode(&held_out.text, SpecialTokens::AsText)
        .expect("any text has tokens");
    assert_eq!(ids, held_out.ids);
    assert_eq!(tokenizer.decode(&ids), held_out.text);
    let vocab = model.config().vocab_size;
    let (mut total, mut count) = (0.0, 0);
    let mut logits = Vec::new();
    for window in ids.chunks(held_out.window).filter(|w| w.len() > 1) {
        let mut cache = model
            .new_cache(held_out.window)
            .expect("within the context");
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
    assert!(
        off.abs() < 5e-3,
        "{perplexity}, expected {}",
        held_out.perplexity
    );
}
