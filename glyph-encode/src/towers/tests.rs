use std::path::Path;

use burn::tensor::{DType, Device};

use super::*;
use crate::checkpoint::{Checkpoint, CheckpointError};

/// What loading says of a config; any folder of tensors will do, for sizes are checked first.
fn reason<T>(load: impl FnOnce(&mut Checkpoint<'_>) -> Result<T, CheckpointError>) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clip/patch14");
    let mut checkpoint =
        Checkpoint::open(folder, DType::F32, &Device::default()).expect("the fixture");
    match load(&mut checkpoint).err() {
        Some(CheckpointError::File { path, reason }) => {
            assert!(path.ends_with("config.json"));
            reason
        }
        other => panic!("expected an error about config.json, found {other:?}"),
    }
}

#[test]
fn sizes_that_make_no_model_are_named() {
    let qwen2 = |change: fn(&mut Qwen2VlVisionConfig)| {
        let mut config = Qwen2VlVisionConfig {
            depth: 1,
            ..Default::default()
        };
        change(&mut config);
        reason(|c| Qwen2VlTower::load(c, "visual", &config))
    };
    let qwen2_5 = |change: fn(&mut Qwen2_5VlVisionConfig)| {
        let mut config = Qwen2_5VlVisionConfig {
            depth: 1,
            ..Default::default()
        };
        change(&mut config);
        reason(|c| Qwen2_5VlTower::load(c, "visual", &config))
    };
    let glm = |change: fn(&mut Glm4vVisionConfig)| {
        let mut config = Glm4vVisionConfig {
            depth: 1,
            ..Default::default()
        };
        change(&mut config);
        reason(|c| Glm4vTower::load(c, "visual", &config))
    };
    let idefics = |change: fn(&mut Idefics3VisionConfig)| {
        let mut config = Idefics3VisionConfig {
            num_hidden_layers: 1,
            ..Default::default()
        };
        change(&mut config);
        reason(|c| Idefics3Tower::load(c, &config, 64))
    };
    let clip = |change: fn(&mut ClipConfig)| {
        let mut config = ClipConfig {
            projection_dim: 8,
            vision_config: clip::ClipVisionConfig {
                num_hidden_layers: 1,
                ..Default::default()
            },
            text_config: clip::ClipTextConfig {
                num_hidden_layers: 1,
                ..Default::default()
            },
        };
        change(&mut config);
        [
            reason(|c| ClipVisionTower::load(c, &config.vision_config, config.projection_dim)),
            reason(|c| ClipTextTower::load(c, &config.text_config, config.projection_dim)),
        ]
    };
    let found = [
        qwen2(|c| c.num_heads = 0),
        qwen2(|c| c.num_heads = 7),
        qwen2(|c| c.mlp_ratio = f64::NAN),
        qwen2_5(|c| c.patch_size = 0),
        qwen2_5(|c| c.spatial_merge_size = 0),
        qwen2_5(|c| c.hidden_size = usize::MAX),
        glm(|c| c.patch_size = 0),
        glm(|c| c.image_size = 13),
        glm(|c| c.depth = 4_000_000),
        // Heads of 6 numbers: a quarter of them is no whole number.
        glm(|c| c.num_heads = 256),
        idefics(|c| c.patch_size = 0),
        idefics(|c| c.scale_factor = 0),
        idefics(|c| c.num_attention_heads = 5),
    ];
    let [vision, text] = clip(|c| {
        c.vision_config.patch_size = 0;
        c.text_config.num_attention_heads = 0;
    });
    let [no_width, _] = clip(|c| c.projection_dim = 0);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clip/patch14");
    let checkpoint = Checkpoint::open(folder, DType::F32, &Device::default());
    let tensors = checkpoint.expect("the fixture").names().count();
    let tensors = format!("at most {tensors}, which is how many tensors there are");
    let expected = [
        "num_heads: expected 1 to 1048576, found 0".to_owned(),
        "num_heads: expected a number that divides embed_dim = 1280 into multiples of 4, found 7"
            .to_owned(),
        "mlp_ratio * embed_dim: expected 1 to 1048576, found 0".to_owned(),
        "patch_size: expected 1 to 1048576, found 0".to_owned(),
        "spatial_merge_size: expected 1 to 1048576, found 0".to_owned(),
        format!("hidden_size: expected 1 to 1048576, found {}", usize::MAX),
        "patch_size: expected 1 to 1048576, found 0".to_owned(),
        "image_size: expected at least a patch of 14 px, found 13".to_owned(),
        format!("depth: expected {tensors}, found 4000000"),
        "num_heads: expected a number that divides hidden_size = 1536 into multiples of 4, found 256"
            .to_owned(),
        "patch_size: expected 1 to 1048576, found 0".to_owned(),
        "scale_factor: expected 1 to 1048576, found 0".to_owned(),
        "num_attention_heads: expected a number that divides hidden_size = 1152, found 5"
            .to_owned(),
    ];
    assert_eq!(found, expected);
    assert_eq!(
        vision,
        "vision_config.patch_size: expected 1 to 1048576, found 0"
    );
    assert_eq!(
        text,
        "text_config.num_attention_heads: expected 1 to 1048576, found 0"
    );
    assert_eq!(no_width, "projection_dim: expected 1 to 1048576, found 0");
}

#[test]
fn a_model_far_larger_than_its_files_is_not_made() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/clip/patch14");
    let mut checkpoint =
        Checkpoint::open(folder, DType::F32, &Device::default()).expect("the fixture");
    let config = Qwen2VlVisionConfig {
        depth: 30,
        embed_dim: 1 << 18,
        ..Default::default()
    };
    let e = Qwen2VlTower::load(&mut checkpoint, "visual", &config);
    match e.err() {
        Some(CheckpointError::Missing { tensors, .. }) => {
            assert_eq!(tensors, ["visual.patch_embed.proj.weight"]);
        }
        other => panic!("expected missing tensors, found {other:?}"),
    }
}
