//! Checkpoints load as they are written, and those that lie are refused.

use std::ops::ControlFlow;
use std::path::Path;

use crate::fixture::Family;
use burn::tensor::{DType, Device};
use glyph_decode::{
    DecodeError, LanguageModel, LogitsFor, VisionLanguageModel, VlmConfig, VlmFamily,
};
use glyph_encode::checkpoint::CheckpointError;

const FAMILIES: [(&str, VlmFamily); 4] = [
    ("qwen2_vl", VlmFamily::Qwen2Vl),
    ("qwen2_5_vl", VlmFamily::Qwen2_5Vl),
    ("glm4v", VlmFamily::Glm4v),
    ("idefics3", VlmFamily::Idefics3),
];

/// A copy of a checkpoint that a test may spoil.
fn copy(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(Family::open(name).folder()).expect("the fixture") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let name = path.file_name().expect("a name");
            std::fs::copy(&path, dir.path().join(name)).expect("a copy");
        }
    }
    dir
}

fn edit(path: &Path, change: impl Fn(&mut serde_json::Value)) {
    let text = std::fs::read(path).expect("a file");
    let mut json = serde_json::from_slice(&text).expect("JSON");
    change(&mut json);
    std::fs::write(path, json.to_string()).expect("written");
}

fn open(folder: &Path, dtype: Option<DType>) -> Result<VisionLanguageModel, DecodeError> {
    VisionLanguageModel::open(folder, dtype, &Device::default())
}

fn message(folder: &Path) -> String {
    match open(folder, None) {
        Ok(_) => panic!("expected an error"),
        Err(e) => match std::error::Error::source(&e) {
            Some(source) => format!("{e}: {source}"),
            None => e.to_string(),
        },
    }
}

#[test]
fn both_layouts_of_config_are_the_same_model() {
    for (name, family) in FAMILIES {
        let dir = copy(name);
        let new = VlmConfig::open(dir.path()).expect("transformers 5");
        assert_eq!(new.family, family);
        let old = dir.path().join("config.v4.json");
        std::fs::rename(old, dir.path().join("config.json")).expect("renamed");
        let old = VlmConfig::open(dir.path()).expect("transformers 4");
        assert_eq!(new, old, "{name}");
        assert!(!new.model.eos_token_ids.is_empty(), "{name}");
    }
}

#[test]
fn half_precision_is_near() {
    for (name, _) in FAMILIES {
        let family = Family::open(name);
        let case = family.cases().find(|c| c.name == "one").expect("a case");
        let ids = case.ids("input_ids");
        let logits = |dtype| {
            let model = open(family.folder(), Some(dtype)).expect("a checkpoint");
            assert_eq!(model.dtype(), dtype);
            let images = model.encode_images(&case.pictures()).expect("it fits");
            let mut cache = model.new_cache(100).expect("within the context");
            let mut last = Vec::new();
            for segment in model.segments(&ids, &images).expect("places") {
                let out = match segment {
                    glyph_decode::Segment::Text(ids) => {
                        let embeds = model.embed(&ids).expect("ids");
                        model.forward(embeds, &mut cache, LogitsFor::Last)
                    }
                    glyph_decode::Segment::Image(image) => {
                        model.forward_image(&image, &mut cache, LogitsFor::Last)
                    }
                    _ => unreachable!("text and images"),
                };
                last = out
                    .expect("it fits")
                    .into_data()
                    .try_to_vec::<f32>()
                    .expect("f32");
            }
            last
        };
        let full = logits(DType::F32);
        let largest = full.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        for (dtype, tolerance) in [(DType::F16, 0.01), (DType::BF16, 0.05)] {
            for (half, full) in logits(dtype).iter().zip(&full) {
                assert!(
                    (half - full).abs() < tolerance * largest,
                    "{name} {dtype:?}: {half} {full}"
                );
            }
        }
    }
}

#[test]
fn the_type_of_the_files_is_kept() {
    for (name, dtype) in [
        ("qwen2_vl", DType::F32),
        ("qwen2_5_vl", DType::BF16),
        ("glm4v", DType::F16),
    ] {
        let model = open(Family::open(name).folder(), None).expect("a checkpoint");
        assert_eq!(model.dtype(), dtype, "{name}");
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let dir = copy("glm4v");
    let config = dir.path().join("config.json");
    edit(&config, |c| c["vision_config"]["depth"] = 3.into());
    let error = message(dir.path());
    assert!(
        error.contains("missing") && error.contains("visual.blocks.2.norm1.weight"),
        "{error}"
    );
    edit(&config, |c| c["vision_config"]["depth"] = 1.into());
    let error = message(dir.path());
    assert!(
        error.contains("unused") && error.contains("visual.blocks.1.attn.qkv.weight"),
        "{error}"
    );
    edit(&config, |c| {
        c["vision_config"]["depth"] = 2.into();
        c["text_config"]["vocab_size"] = 161.into();
    });
    let error = message(dir.path());
    assert!(
        error.contains("model.embed_tokens.weight") && error.contains("[161, 64]"),
        "{error}"
    );
    edit(&config, |c| {
        c["text_config"]["vocab_size"] = 160.into();
        c["text_config"]["num_hidden_layers"] = 4_000_000.into();
    });
    assert!(message(dir.path()).contains("4000000 layers"));
    edit(&config, |c| c["model_type"] = "llava".into());
    assert!(message(dir.path()).contains("llava"));

    let dir = copy("qwen2_vl");
    edit(&dir.path().join("config.json"), |c| {
        c["text_config"]["rope_parameters"]["mrope_section"] = serde_json::json!([1, 1, 1]);
    });
    assert!(message(dir.path()).contains("mrope_section"));
    let dir = copy("qwen2_vl");
    std::fs::remove_file(dir.path().join("model-00002-of-00002.safetensors")).expect("removed");
    assert!(message(dir.path()).contains("model-00002-of-00002.safetensors"));
    let dir = copy("qwen2_5_vl");
    let weights = dir.path().join("model.safetensors");
    let bytes = std::fs::read(&weights).expect("a file");
    std::fs::write(&weights, &bytes[..bytes.len() - 100]).expect("written");
    assert!(message(dir.path()).contains("ends at byte"));
    std::fs::write(&weights, b"no safetensors").expect("written");
    assert!(message(dir.path()).contains("header"));
    std::fs::remove_file(dir.path().join("config.json")).expect("removed");
    assert!(message(dir.path()).contains("config.json"));
}

#[test]
fn loading_tells_how_far_it_is_and_stops() {
    let folder = Family::open("idefics3").folder().to_owned();
    let mut seen = Vec::new();
    VisionLanguageModel::open_with(&folder, None, &Device::default(), |p| {
        seen.push(p);
        ControlFlow::Continue(())
    })
    .expect("a checkpoint");
    assert!(seen.is_sorted_by_key(|p| p.bytes));
    assert_eq!(seen.last().map(|p| p.bytes), seen.last().map(|p| p.total));
    let stopped = VisionLanguageModel::open_with(&folder, None, &Device::default(), |p| {
        match p.bytes > p.total / 2 {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    assert!(matches!(
        stopped,
        Err(DecodeError::Checkpoint(CheckpointError::Cancelled { .. }))
    ));
}

#[test]
fn prompts_and_pictures_have_to_agree() {
    let family = Family::open("qwen2_vl");
    let model = open(family.folder(), None).expect("a checkpoint");
    let case = family.cases().find(|c| c.name == "two").expect("a case");
    let ids = case.ids("input_ids");
    let images = model.encode_images(&case.pictures()).expect("it fits");
    let error = model
        .segments(&ids, &images[..1])
        .expect_err("too few")
        .to_string();
    assert!(
        error.contains("14 tokens") && error.contains("1 images"),
        "{error}"
    );
    let turned = [images[1].clone(), images[0].clone()];
    let error = model
        .segments(&ids, &turned)
        .expect_err("another order")
        .to_string();
    assert!(error.contains("an image of 8 tokens"), "{error}");

    let mut cache = model.new_cache(5).expect("a cache");
    let error = model
        .forward_image(&images[0], &mut cache, LogitsFor::Last)
        .expect_err("no room");
    assert!(
        matches!(
            error,
            DecodeError::ContextFull {
                new: 6,
                capacity: 5,
                ..
            }
        ),
        "{error}"
    );
    assert!(model.new_cache(513).is_err());
    let tiles = Family::open("idefics3");
    let tiles = tiles
        .cases()
        .find(|c| c.name == "one")
        .expect("a case")
        .pictures();
    let error = model.encode_images(&tiles).expect_err("tiles").to_string();
    assert!(error.contains("patches"), "{error}");
    let host = glyph_decode::KvCache::new(2, 2, 8, 10, glyph_decode::CachePolicy::Refuse);
    let error = model.forward_image(&images[0], &mut { host }, LogitsFor::Last);
    assert!(matches!(
        error,
        Err(DecodeError::Input { what: "cache", .. })
    ));
}
