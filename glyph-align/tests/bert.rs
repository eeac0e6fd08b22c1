//! BERT gives what `transformers` computes (`tools/parity/vlm` makes the fixture, and
//! `tools/parity/minilm.py` the reference of the real MiniLM).

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use glyph_align::{AlignError, BertInput, BertModel, SentenceEncoder};
use safetensors::SafeTensors;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bert")
}

fn floats<const N: usize, T>(bytes: &[u8], number: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|b| number(*b)).collect()
}

/// Rows of tokens of each text, as far as the text goes.
fn texts(file: &SafeTensors<'_>) -> Vec<BertInput> {
    let ints = |name| {
        floats(
            file.tensor(name).expect("a tensor").data(),
            i64::from_le_bytes,
        )
    };
    let (ids, types, mask) = (
        ints("input_ids"),
        ints("token_type_ids"),
        ints("attention_mask"),
    );
    let n = file.tensor("input_ids").expect("a tensor").shape()[1];
    (0..ids.len() / n)
        .map(|row| {
            let len = mask[row * n..][..n].iter().filter(|&&m| m == 1).count();
            let part = |all: &[i64]| all[row * n..][..len].iter().map(|&v| v as u32).collect();
            BertInput {
                input_ids: part(&ids),
                token_type_ids: part(&types),
            }
        })
        .collect()
}

fn assert_close(found: Tensor<2>, expected: &[f32], tolerance: f32, what: &str) {
    let found: Vec<f32> = found.into_data().try_to_vec().expect("f32");
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!(
            (f - e).abs() < tolerance,
            "{what}: number {i} is {f}, expected {e}"
        );
    }
}

#[test]
fn features_are_those_of_transformers() {
    let model = BertModel::open(fixture(), &Device::default()).expect("a checkpoint");
    let bytes = std::fs::read(fixture().join("cases/all.safetensors")).expect("the fixture");
    let file = SafeTensors::deserialize(&bytes).expect("the script wrote it");
    let texts = texts(&file);
    let mut states = Vec::new();
    model.encode(&texts, Some(&mut states)).expect("it fits");
    for (i, state) in states.into_iter().enumerate() {
        let name = match i {
            0 => "embeddings".to_owned(),
            _ => format!("layer.{}", i - 1),
        };
        let expected = file.tensor(&name).expect("a tensor");
        let expected = floats(expected.data(), f32::from_le_bytes);
        let [_, n, d] = state.dims();
        for (row, text) in texts.iter().enumerate() {
            let len = text.input_ids.len();
            let found = state.clone().narrow(0, row, 1).narrow(1, 0, len);
            let expected = &expected[row * n * d..][..len * d];
            assert_close(
                found.squeeze_dim(0),
                expected,
                1e-4,
                &format!("{name}, text {row}"),
            );
        }
    }
    let pooled = file.tensor("mean_pooled").expect("a tensor");
    let pooled = floats(pooled.data(), f32::from_le_bytes);
    assert_close(
        model.sentence_embeds(&texts).expect("it fits"),
        &pooled,
        1e-4,
        "mean",
    );
}

#[test]
fn bad_input_is_an_error() {
    let model = BertModel::open(fixture(), &Device::default()).expect("a checkpoint");
    let text = |input_ids: Vec<u32>| BertInput {
        input_ids,
        token_type_ids: Vec::new(),
    };
    let fails = |texts: &[BertInput], part: &str| match model.sentence_embeds(texts) {
        Err(e @ AlignError::Input { .. }) => assert!(e.to_string().contains(part), "{e}"),
        other => panic!("expected an error about {part}, found {other:?}"),
    };
    fails(&[], "none");
    fails(&[text(vec![])], "found 0");
    fails(&[text(vec![1; model.max_tokens() + 1])], "found");
    fails(&[text(vec![1, u32::MAX])], "ids below");
}

/// The real all-MiniLM-L6-v2 on 50 sentences: `GLYPH_TEST_MODELS` names a folder with its folder
/// `minilm` and the reference `minilm.json`.
#[test]
fn minilm_agrees_on_fifty_sentences() {
    let Some(dir) = std::env::var_os("GLYPH_TEST_MODELS").map(PathBuf::from) else {
        return;
    };
    if !dir.join("minilm.json").exists() {
        return;
    }
    let reference = std::fs::read(dir.join("minilm.json")).expect("a file");
    let reference: Vec<(String, Vec<u32>, Vec<f32>)> =
        serde_json::from_slice(&reference).expect("the script wrote it");
    assert_eq!(reference.len(), 50);
    let encoder = SentenceEncoder::open(dir.join("minilm"), &Device::default()).expect("MiniLM");
    let texts: Vec<&str> = reference.iter().map(|r| &r.0[..]).collect();
    let embeds = encoder.embed(&texts).expect("it fits");
    for (i, (text, ids, expected)) in reference.iter().enumerate() {
        assert_eq!(
            &encoder.tokenize(text).expect("tokens").input_ids,
            ids,
            "{text}"
        );
        assert_close(embeds.clone().narrow(0, i, 1), expected, 1e-4, text);
    }
}
