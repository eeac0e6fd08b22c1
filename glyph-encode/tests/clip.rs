//! CLIP gives what `transformers` computes (`tools/parity/vlm` makes the fixtures).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, Tensor, TensorData};
use glyph_encode::EncodeError;
use glyph_encode::checkpoint::CheckpointError;
use glyph_encode::towers::ClipModel;
use glyph_encode::towers::clip::normalize;
use safetensors::SafeTensors;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/clip")
        .join(name)
}

/// The tensors of a case: shapes and bytes.
fn case(name: &str) -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
    let bytes = std::fs::read(fixture(name).join("cases/all.safetensors")).expect("the fixture");
    let file = SafeTensors::deserialize(&bytes).expect("the script wrote it");
    file.iter()
        .map(|(name, view)| {
            (
                name.to_owned(),
                (view.shape().to_vec(), view.data().to_vec()),
            )
        })
        .collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
        .collect()
}

fn close<const D: usize>(found: Tensor<D>, (shape, bytes): &(Vec<usize>, Vec<u8>), what: &str) {
    assert_eq!(&found.dims().to_vec(), shape, "{what}");
    let expected = floats(bytes);
    let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let found: Vec<f32> = found.into_data().try_to_vec().expect("f32");
    for (i, (f, e)) in found.iter().zip(&expected).enumerate() {
        assert!(
            (f - e).abs() <= 1e-4 * largest,
            "{what}: number {i} is {f}, expected {e}"
        );
    }
}

#[test]
fn both_sides_are_those_of_transformers() {
    for name in ["patch14", "patch7"] {
        let device = Device::default();
        let model = ClipModel::open(fixture(name), None, &device).expect("a checkpoint");
        let case = case(name);
        let (shape, pixels) = &case["pixel_values"];
        let shape: [usize; 4] = shape.clone().try_into().expect("four sizes");
        let pixels: Tensor<4> = Tensor::from_data(TensorData::new(floats(pixels), shape), &device);
        let mut states = Vec::new();
        model
            .vision
            .encode(pixels.clone(), Some(&mut states))
            .expect("it fits");
        for (i, state) in states.into_iter().enumerate() {
            close(
                state,
                &case[&format!("vision.layer.{i}")],
                &format!("{name} vision {i}"),
            );
        }
        let images = model.vision.image_embeds(pixels).expect("it fits");
        close(images.clone(), &case["image_embeds.raw"], name);
        close(normalize(images.clone()), &case["image_embeds"], name);

        let (shape, ids) = &case["input_ids"];
        let ids: Vec<Vec<u32>> = ids
            .as_chunks()
            .0
            .chunks(shape[1])
            .map(|row| row.iter().map(|b| i64::from_le_bytes(*b) as u32).collect())
            .collect();
        let texts = model.text.text_embeds(&ids).expect("it fits");
        close(texts.clone(), &case["text_embeds.raw"], name);
        close(
            model.logits_per_image(images, texts),
            &case["logits_per_image"],
            name,
        );
        let (_, scale) = &case["logit_scale"];
        assert!((model.logit_scale() - f64::from(floats(scale)[0])).abs() < 1e-6);
    }
}

#[test]
fn bad_input_is_an_error() {
    let device = Device::default();
    let model = ClipModel::open(fixture("patch14"), Some(DType::F32), &device).expect("CLIP");
    let wrong = Tensor::zeros([1, 3, 28, 42], &device);
    let error = model
        .vision
        .image_embeds(wrong)
        .expect_err("another size")
        .to_string();
    assert!(
        error.contains("[batch, 3, 28, 28]") && error.contains("42"),
        "{error}"
    );
    for ids in [
        vec![],
        vec![vec![]],
        vec![vec![1], vec![1, 2]],
        vec![vec![100]],
        vec![vec![1; 17]],
    ] {
        let error = model.text.text_embeds(&ids);
        assert!(matches!(error, Err(EncodeError::Input { .. })), "{ids:?}");
    }
    let error = ClipModel::open(fixture("patch14"), Some(DType::I32), &device);
    assert!(matches!(error, Err(CheckpointError::DType(_))));
}
