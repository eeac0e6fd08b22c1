//! `forward` writes what `transformers` computes, and says what is wrong with what it is given.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use support::run;

fn fixture(krate: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(krate)
        .join("tests/fixtures")
        .join(name)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
        .collect()
}

/// The ids of a case as the JSON that `forward` takes.
fn ids(case: &SafeTensors<'_>) -> serde_json::Value {
    let view = case.tensor("input_ids").unwrap();
    let ids: Vec<i64> = view
        .data()
        .as_chunks()
        .0
        .iter()
        .map(|b| i64::from_le_bytes(*b))
        .collect();
    match view.shape() {
        [_] => serde_json::json!(ids),
        [_, n] => serde_json::json!(ids.chunks(*n).collect::<Vec<_>>()),
        other => panic!("{other:?}"),
    }
}

fn assert_same(out: &SafeTensors<'_>, case: &SafeTensors<'_>, name: &str) {
    let (found, expected) = (out.tensor(name).unwrap(), case.tensor(name).unwrap());
    assert_eq!(found.shape(), expected.shape(), "{name}");
    let expected = floats(expected.data());
    let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    for (f, e) in floats(found.data()).iter().zip(&expected) {
        assert!((f - e).abs() <= 1e-4 * largest, "{name}: {f}, expected {e}");
    }
}

#[test]
fn checkpoints_of_each_kind_give_what_transformers_gives() {
    let cases = [
        (
            "glyph-decode",
            "vlm/qwen2_vl",
            "two",
            &["vision_embeds", "logits"][..],
        ),
        (
            "glyph-decode",
            "vlm/glm4v",
            "one",
            &["vision_embeds", "logits"],
        ),
        (
            "glyph-decode",
            "vlm/idefics3",
            "two",
            &["vision_embeds", "logits"],
        ),
        (
            "glyph-encode",
            "clip/patch14",
            "all",
            &["image_embeds", "text_embeds", "logits_per_image"],
        ),
    ];
    let dir = tempfile::tempdir().unwrap();
    for (krate, name, case, tensors) in cases {
        let folder = fixture(krate, name);
        let bytes = std::fs::read(folder.join(format!("cases/{case}.safetensors"))).unwrap();
        let expected = SafeTensors::deserialize(&bytes).unwrap();
        let list = dir.path().join("ids.json");
        std::fs::write(&list, ids(&expected).to_string()).unwrap();
        let out = dir.path().join("out.safetensors");
        let json = std::fs::read(folder.join("cases.json")).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        let images: Vec<PathBuf> = json[case]["images"]
            .as_array()
            .unwrap()
            .iter()
            .map(|image| folder.join(format!("images/{}.png", image.as_str().unwrap())))
            .collect();
        let mut args = vec![
            text(&folder),
            "--input-ids",
            text(&list),
            "--out",
            text(&out),
        ];
        for image in &images {
            args.extend(["--image", text(image)]);
        }
        let run = run("forward", &args);
        assert_eq!(run.code, Some(0), "{run:?}");
        let bytes = std::fs::read(&out).unwrap();
        let found = SafeTensors::deserialize(&bytes).unwrap();
        for tensor in tensors {
            assert_same(&found, &expected, tensor);
        }
    }
}

#[test]
fn bad_input_is_one_line() {
    let folder = fixture("glyph-decode", "vlm/qwen2_vl");
    let dir = tempfile::tempdir().unwrap();
    let list = dir.path().join("ids.json");
    let out = dir.path().join("out.safetensors");
    let fails = |args: &[&str], part: &str| {
        let mut all = vec!["--out", text(&out)];
        all.extend(args);
        let run = run("forward", &all);
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.stderr.contains(part), "{part}: {run:?}");
        assert!(!run.stderr.contains("panicked"), "{run:?}");
    };
    fails(&["nowhere"], "nowhere");
    fails(&[text(&folder)], "--input-ids");
    std::fs::write(&list, "[1, 155, 2]").unwrap();
    fails(&[text(&folder), "--input-ids", text(&list)], "1 tokens");
    std::fs::write(&list, "[999999]").unwrap();
    fails(&[text(&folder), "--input-ids", text(&list)], "999999");
    std::fs::write(&list, "\"words\"").unwrap();
    fails(&[text(&folder), "--input-ids", text(&list)], "ids.json");
    fails(&[text(&folder), "--image", text(&list)], "picture");
}
