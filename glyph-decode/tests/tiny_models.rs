//! Small models with random weights give the logits of `transformers`, from safetensors and from
//! GGUF (`tools/parity/tiny_models.py` makes them), and files that lie are refused.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use glyph_decode::{
    CachePolicy, CausalLm, DecodeError, GgufFile, KvCache, LanguageModel, LogitsFor, Sequence,
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Expected {
    ids: Vec<u32>,
    logits: Vec<Vec<f32>>,
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn expected(family: &str) -> Expected {
    let text = std::fs::read_to_string(fixture(&format!("tiny-{family}.json")));
    serde_json::from_str(&text.expect("the fixture is there")).expect("the script wrote it")
}

fn gguf(name: &str) -> CausalLm {
    let file = GgufFile::open(fixture(name)).expect("a GGUF file");
    CausalLm::from_gguf(&file, &Device::default()).expect("a model")
}

fn folder(name: &str) -> CausalLm {
    CausalLm::from_folder(fixture(name), &Device::default()).expect("a model")
}

fn cache(model: &CausalLm) -> KvCache {
    model.new_cache(32).expect("within the context")
}

fn run(model: &CausalLm, ids: &[u32], cache: &mut KvCache) -> Vec<f32> {
    let mut out = Vec::new();
    model
        .forward_ids(ids, cache, LogitsFor::All, &mut out)
        .expect("the tokens fit");
    out
}

fn assert_close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!(
            (f - e).abs() < tolerance,
            "{what}: logit {i} is {f}, expected {e}"
        );
    }
}

#[test]
fn logits_are_those_of_transformers() {
    for family in ["llama", "qwen2"] {
        let Expected { ids, logits } = expected(family);
        let logits = logits.concat();
        let models = [
            ("safetensors", folder(&format!("tiny-{family}")), 0.02),
            ("F16", gguf(&format!("tiny-{family}.f16.gguf")), 0.02),
            ("Q8_0", gguf(&format!("tiny-{family}.q8_0.gguf")), 0.5),
        ];
        for (what, model, tolerance) in models {
            for threads in [1, 2, 3] {
                let model = model_with(&model, threads, family, what);
                let what = format!("{family} {what}, {threads} threads");
                // All at once, one by one, and in between.
                let all = run(&model, &ids, &mut cache(&model));
                assert_close(&all, &logits, tolerance, &what);
                for step in [1, 3, 5] {
                    let mut cache = cache(&model);
                    let parts: Vec<f32> = ids
                        .chunks(step)
                        .flat_map(|ids| run(&model, ids, &mut cache))
                        .collect();
                    assert_close(&parts, &all, 2e-2, &format!("{what}, {step} at a time"));
                }
            }
        }
    }
}

/// The same model again with another number of threads.
fn model_with(_: &CausalLm, threads: usize, family: &str, what: &str) -> CausalLm {
    match what {
        "safetensors" => folder(&format!("tiny-{family}")),
        "F16" => gguf(&format!("tiny-{family}.f16.gguf")),
        _ => gguf(&format!("tiny-{family}.q8_0.gguf")),
    }
    .with_threads(threads)
}

/// A copy of a folder with another `config.json`.
fn with_config(name: &str, change: impl Fn(&mut Value)) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder for the test");
    for entry in std::fs::read_dir(fixture(name)).expect("the fixture") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name");
        std::fs::copy(&path, dir.path().join(name)).expect("a copy");
    }
    let path = dir.path().join("config.json");
    let text = std::fs::read(&path).expect("the config");
    let mut config = serde_json::from_slice(&text).expect("JSON");
    change(&mut config);
    std::fs::write(path, config.to_string()).expect("the config is written");
    dir
}

fn open_folder(dir: &tempfile::TempDir) -> Result<CausalLm, DecodeError> {
    CausalLm::from_folder(dir.path(), &Device::default())
}

#[test]
fn rotary_embeddings_reach_as_far_as_in_transformers() {
    #[derive(Deserialize)]
    struct Case {
        scaling: Value,
        logits: Vec<f32>,
    }
    let text = std::fs::read_to_string(fixture("tiny-llama.scalings.json"));
    let cases: Vec<Case> =
        serde_json::from_str(&text.expect("the fixture")).expect("the script wrote it");
    let Expected { ids, logits } = expected("llama");
    for Case { scaling, logits } in cases {
        // As transformers 4 wrote it, 5 writes it, and in files with the names of both.
        let places: [fn(&mut Value, &Value); 3] = [
            |config, scaling| {
                config["rope_theta"] = 10_000.0.into();
                config["rope_parameters"] = Value::Null;
                config["rope_scaling"] = scaling.clone();
            },
            |config, scaling| {
                config["rope_parameters"] = scaling.clone();
                config["rope_parameters"]["rope_theta"] = 10_000.0.into();
            },
            |config, scaling| {
                config["rope_parameters"] = scaling.clone();
                config["rope_parameters"]["type"] = scaling["rope_type"].clone();
                config["rope_scaling"] = scaling.clone();
            },
        ];
        for place in places {
            let dir = with_config("tiny-llama", |config| place(config, &scaling));
            let model = open_folder(&dir).expect("a model");
            let all = run(&model, &ids, &mut cache(&model));
            assert_close(&all[15 * 64..], &logits, 0.02, &scaling.to_string());
        }
    }
    let dir = with_config("tiny-llama", |config| {
        config["rope_scaling"] = json!({"type": "default", "rope_type": "default"});
    });
    let model = open_folder(&dir).expect("a model");
    let all = run(&model, &ids, &mut cache(&model));
    assert_close(&all, &logits.concat(), 0.02, "default");
}

#[test]
fn configs_that_ask_for_something_else_are_refused() {
    let message = |change: fn(&mut Value)| {
        let opened = open_folder(&with_config("tiny-llama", change));
        let error = opened.map(|_| ()).expect_err("a lie");
        error.to_string()
    };
    let error = message(|config| config["hidden_act"] = "gelu".into());
    assert!(
        error.contains("config.json: hidden_act: expected silu, found gelu"),
        "{error}"
    );
    let error = message(|config| config["num_hidden_layers"] = 4_000_000.into());
    assert!(error.contains("4000000 layers"), "{error}");
    let error = message(|config| {
        config["rope_parameters"]["mrope_section"] = json!([1_000_000_000_000_u64, 1, 1]);
    });
    assert!(error.contains("mrope_section"), "{error}");
    let error = message(|config| config["rope_parameters"]["rope_type"] = "dynamic".into());
    assert!(error.contains("found dynamic"), "{error}");
    let error = message(|config| config["rope_parameters"]["partial_rotary_factor"] = 0.5.into());
    assert!(error.contains("partial_rotary_factor"), "{error}");
    let error = message(|config| config["model_type"] = "gpt2".into());
    assert!(error.contains("found gpt2"), "{error}");
    let alias = with_config("tiny-llama", |config| config["hidden_act"] = "swish".into());
    assert!(open_folder(&alias).is_ok());
}

#[test]
fn tensors_in_and_out_are_the_fast_path() {
    let model = folder("tiny-llama");
    let ids = expected("llama").ids;
    let fast = run(&model, &ids, &mut cache(&model));
    let embeds = model.embed(&ids).expect("ids of the vocabulary");
    assert_eq!(embeds.dims(), [ids.len(), 32]);
    let logits = model
        .forward(embeds.clone(), &mut cache(&model), LogitsFor::All)
        .expect("the tokens fit");
    assert_eq!(logits.dims(), [ids.len(), 64]);
    let logits: Vec<f32> = logits.into_data().try_to_vec().expect("f32");
    assert_eq!(logits, fast);
    let last = model
        .forward(embeds, &mut cache(&model), LogitsFor::Last)
        .expect("the tokens fit");
    let last: Vec<f32> = last.into_data().try_to_vec().expect("f32");
    assert_close(&last, &fast[15 * 64..], 1e-5, "last");
}

#[test]
fn a_prefix_is_used_again() {
    let model = folder("tiny-qwen2");
    let ids = expected("qwen2").ids;
    let mut cache = cache(&model);
    let all = run(&model, &ids, &mut cache);
    assert_eq!(cache.truncate(10), 10);
    run(&model, &[7, 7, 7], &mut cache);
    cache.truncate(10);
    let again = run(&model, &ids[10..], &mut cache);
    assert_close(&again, &all[10 * 64..], 1e-2, "after the prefix");
}

#[test]
fn sequences_of_a_batch_do_not_mix() {
    let model = gguf("tiny-llama.q8_0.gguf").with_threads(2);
    let ids = expected("llama").ids;
    let prompts = [&ids[..3], &ids[3..4], &ids[4..9]];
    let mut caches = [cache(&model), cache(&model), cache(&model)];
    let mut out = Vec::new();
    let mut alone = Vec::new();
    for next in [None, Some(5), Some(9)] {
        let next = next.map(|t| [t]);
        let inputs = prompts.map(|p| next.as_ref().map_or(p, |n| &n[..]));
        let mut copies = caches.clone();
        let mut sequences: Vec<Sequence<'_>> = inputs
            .iter()
            .zip(&mut caches)
            .map(|(input_ids, cache)| Sequence { input_ids, cache })
            .collect();
        model
            .forward_batch(&mut sequences, &mut out)
            .expect("they fit");
        for ((input, cache), row) in inputs.iter().zip(&mut copies).zip(out.chunks(64)) {
            model
                .forward_ids(input, cache, LogitsFor::Last, &mut alone)
                .expect("it fits");
            assert_close(row, &alone, 1e-3, "batch");
        }
    }
}

#[test]
fn a_window_sees_the_last_tokens_only() {
    let model = folder("tiny-llama").with_threads(2);
    let ids: Vec<u32> = (0..200).map(|i| i * 37 % 64).collect();
    let capacity = 6;
    let slide = || model.cache_with(capacity, CachePolicy::SlidingWindow);
    let mut one_by_one = slide().expect("a cache");
    let single: Vec<f32> = ids
        .chunks(1)
        .flat_map(|id| run(&model, id, &mut one_by_one))
        .collect();
    let mut at_once = slide().expect("a cache");
    let all = run(&model, &ids, &mut at_once);
    assert_close(&all, &single, 1e-2, "in chunks");
    assert_eq!((at_once.len(), at_once.position()), (6, 200));
    // Before the window is full nothing differs from an ordinary cache.
    let plain = run(&model, &ids[..capacity], &mut cache(&model));
    assert_close(&all[..capacity * 64], &plain, 1e-2, "start");
}

#[test]
fn what_does_not_fit_is_refused() {
    let model = folder("tiny-llama");
    let mut cache = model.new_cache(4).expect("a cache");
    let mut out = Vec::new();
    let mut forward =
        |ids: &[u32], cache: &mut KvCache| model.forward_ids(ids, cache, LogitsFor::Last, &mut out);
    forward(&[1, 2, 3], &mut cache).expect("three fit");
    let full = forward(&[1, 2], &mut cache);
    assert!(matches!(
        full,
        Err(DecodeError::ContextFull {
            held: 3,
            new: 2,
            capacity: 4
        })
    ));
    assert_eq!(cache.len(), 3);
    let outside = forward(&[64], &mut cache);
    assert!(matches!(
        outside,
        Err(DecodeError::TokenId {
            id: 64,
            vocab_size: 64
        })
    ));
    assert!(matches!(
        forward(&[], &mut cache),
        Err(DecodeError::Input { .. })
    ));
    assert!(model.new_cache(65).is_err());
    let mut other = KvCache::new(1, 1, 8, 4, CachePolicy::Refuse);
    assert!(matches!(
        forward(&[1], &mut other),
        Err(DecodeError::Input { .. })
    ));
}

/// Opens altered bytes as a model.
fn open_bytes(bytes: &[u8]) -> Result<CausalLm, DecodeError> {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, bytes).expect("the file is written");
    CausalLm::from_gguf(&GgufFile::open(&path)?, &Device::default())
}

#[test]
fn truncated_and_lying_files_are_errors() {
    let good = std::fs::read(fixture("tiny-llama.q8_0.gguf")).expect("the fixture");
    assert!(open_bytes(&good).is_ok());
    for len in (0..good.len()).step_by(97) {
        assert!(open_bytes(&good[..len]).is_err(), "cut at {len}");
    }
    // Any byte of the header may lie; nothing may panic or allocate beyond reason.
    let header = good
        .windows(8)
        .rposition(|w| w == b"ffn_down")
        .map_or(2000, |p| p + 64);
    for at in 0..header.min(good.len()) {
        for value in [0, 0x7f, 0xff] {
            let mut bad = good.clone();
            bad[at] = value;
            let _ = open_bytes(&bad);
        }
    }
}

#[test]
fn tensors_that_share_bytes_are_refused() {
    let good = std::fs::read(fixture("tiny-llama.f16.gguf")).expect("the fixture");
    // The offset follows the name, the number of sizes, two sizes and the type.
    let offset = |name: &str| {
        let mut windows = good.windows(name.len());
        let found = windows.position(|w| w == name.as_bytes());
        let at = found.expect("the name") + name.len() + 4 + 16 + 4;
        at..at + 8
    };
    let [first, second] = ["blk.0.ffn_up.weight", "blk.1.ffn_up.weight"].map(offset);
    let shared = u64::from_le_bytes(good[first].try_into().expect("8 bytes"));
    for by in [0, 32] {
        let mut bad = good.clone();
        bad[second.clone()].copy_from_slice(&(shared + by).to_le_bytes());
        let error = open_bytes(&bad)
            .map(|_| ())
            .expect_err("an overlap")
            .to_string();
        assert!(
            error.contains("tensor blk.1.ffn_up.weight: expected an offset from"),
            "{error}"
        );
        assert!(error.contains("behind blk.0.ffn_up.weight"), "{error}");
    }
}

#[test]
fn missing_and_unused_tensors_are_named() {
    let good = std::fs::read(fixture("tiny-llama.f16.gguf")).expect("the fixture");
    let find = |name: &[u8]| {
        let mut windows = good.windows(name.len());
        windows.position(|w| w == name).expect("the name")
    };
    let write = |at: usize, new: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        open_bytes(&bytes)
    };
    let rename = |from: &[u8], to: &[u8]| write(find(from), to);
    // A key is followed by four bytes that tell the value's type.
    let set = |key: &[u8], value: u8| write(find(key) + key.len() + 4, &[value]);
    match rename(b"blk.1.ffn_up.weight", b"blk.1.ffn_xx.weight") {
        Err(DecodeError::MissingTensors { file, tensors }) => {
            assert!(file.ends_with("model.gguf"));
            assert_eq!(tensors, ["blk.1.ffn_up.weight"]);
        }
        other => panic!("{other:?}"),
    }
    // A file that says it has one layer less.
    match set(b"llama.block_count", 1) {
        Err(DecodeError::UnusedTensors { tensors, .. }) => {
            assert_eq!(tensors.len(), 9);
            assert!(tensors.iter().all(|t| t.starts_with("blk.1.")));
        }
        other => panic!("{other:?}"),
    }
    // Another width than the tensors have.
    match set(b"llama.feed_forward_length", 32) {
        Err(DecodeError::TensorMismatch {
            tensor,
            expected,
            found,
            ..
        }) => {
            assert_eq!(tensor, "blk.0.ffn_gate.weight");
            assert!(
                expected.contains("[32, 32]") && found.contains("[64, 32]"),
                "{expected} {found}"
            );
        }
        other => panic!("{other:?}"),
    }
}
