//! What the graphs compute is what ONNX Runtime and the built-in encoder compute.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use glyph_onnx_encoder::OnnxEncoder;
use glyph_pipeline::encode::builtin::{
    PATCH_SIZE, PATCHES_PER_ROW, ROW_WIDTH, WINDOW_SIZE, row_windows,
};
use glyph_pipeline::encode::{
    BBox, BuiltinEncoder, Detail, EncodeError, EncoderInput, VisionEncoder,
};
use glyph_pipeline::render::{Document, Page, RenderConfig, Renderer, Typesetter};
use glyph_pipeline::{DeviceSpec, Pipeline};
use safetensors::SafeTensors;

const DETAILS: [(&str, Detail); 2] = [("local", Detail::Local), ("global", Detail::Global)];
const TOLERANCE: f32 = 1e-4;

fn device() -> Device {
    DeviceSpec::Cpu.resolve().unwrap().device
}

fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn sample(name: &str) -> Document {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/samples");
    Document::open(samples.join(name)).unwrap()
}

fn pages(document: &Document) -> Vec<Page> {
    Typesetter::new(RenderConfig::builtin())
        .unwrap()
        .render(document)
        .unwrap()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |largest, d| {
            assert!(d.is_finite());
            f32::max(largest, d)
        })
}

#[test]
fn tokens_are_those_of_onnx_runtime() {
    let rows = Page::read_png(fixture("rows.png")).unwrap();
    let (width, height) = (rows.width as usize, rows.height as usize);
    assert_eq!(width, ROW_WIDTH);
    let mut pixel_values = Vec::new();
    for row in rows.pixels.chunks_exact(PATCH_SIZE * width) {
        let mut windows = vec![0.0; PATCHES_PER_ROW * WINDOW_SIZE];
        row_windows(row, width, &mut windows);
        pixel_values.extend(windows);
    }
    let shape = [height / PATCH_SIZE, PATCHES_PER_ROW, WINDOW_SIZE];
    let device = device();
    let pixel_values = Tensor::from_data(TensorData::new(pixel_values, shape), &device);

    let bytes = std::fs::read(fixture("onnxruntime.safetensors")).unwrap();
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    let encoder = OnnxEncoder::new(&device);
    for (name, detail) in DETAILS {
        let expected = expected.tensor(name).unwrap();
        let found = encoder.forward(pixel_values.clone(), detail);
        assert_eq!(found.dims(), expected.shape());
        let (numbers, _) = expected.data().as_chunks::<4>();
        let expected: Vec<f32> = numbers.iter().map(|&n| f32::from_le_bytes(n)).collect();
        let difference = largest_difference(&values(found), &expected);
        assert!(difference < TOLERANCE, "{name}: {difference}");
    }
}

#[test]
fn pages_and_regions_give_the_tokens_of_the_builtin_encoder() {
    let device = device();
    let onnx = OnnxEncoder::new(&device);
    let builtin = BuiltinEncoder::new(&device).unwrap();
    let pages = pages(&sample("tea_garden.txt"));
    let page = &pages[0];
    let few_rows = BBox {
        x: 0,
        y: 100,
        width: page.width,
        height: 60,
    };
    for region in [None, Some(few_rows)] {
        for (name, detail) in DETAILS {
            let input = EncoderInput {
                page,
                region,
                detail,
            };
            let found = onnx.encode(input).unwrap();
            let expected = builtin.encode(input).unwrap();
            assert!(expected.len() > 3, "{name}: {} tokens", expected.len());
            assert_eq!(found.positions, expected.positions, "{name} of {region:?}");
            let difference =
                largest_difference(&values(found.features), &values(expected.features));
            assert!(difference < TOLERANCE, "{name} of {region:?}: {difference}");
        }
    }
    for (_, detail) in DETAILS {
        for (height, width) in [(994, 700), (14, 56), (1, 1), (0, 0)] {
            let found = onnx.token_grid(height, width, detail);
            assert_eq!(found, builtin.token_grid(height, width, detail));
        }
    }
    assert_eq!(onnx.hidden_size(), builtin.hidden_size());
    assert_ne!(onnx.fingerprint(), builtin.fingerprint());
}

#[test]
fn the_pipeline_answers_with_it() {
    let document = sample("lighthouse.txt");
    let question = "Who built the lighthouse?";
    let device = device();
    let pipeline = Pipeline::builder()
        .device(&device)
        .encoder(OnnxEncoder::new(&device))
        .build()
        .unwrap();
    let reply = pipeline.ask(&document, question).unwrap();
    assert!(
        reply.output.text.contains("Isobel Tarrant"),
        "{}",
        reply.output.text
    );
    let expected = Pipeline::builtin()
        .unwrap()
        .ask(&document, question)
        .unwrap();
    assert_eq!(reply.output.text, expected.output.text);
    assert_eq!(reply.tokens, expected.tokens);
}

#[test]
fn a_page_without_its_pixels_is_an_error() {
    let mut page = pages(&Document::from_text("a"))[0].clone();
    page.pixels.pop();
    let error = OnnxEncoder::new(&device())
        .encode(EncoderInput::page(&page, Detail::Local))
        .unwrap_err();
    assert!(matches!(error, EncodeError::PixelCount { .. }), "{error}");
}
