#![allow(clippy::unwrap_used)]

use super::*;

const ROUNDING: f32 = 1e-4;

fn open(family: &str, device: &Device) -> VisionLanguageModel {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vlm");
    VisionLanguageModel::open(fixtures.join(family), Some(DType::F32), device).unwrap()
}

/// Every family on the CPU, and on a device that is laid out for as a GPU is.
fn models() -> impl Iterator<Item = (String, VisionLanguageModel)> {
    ["qwen2_vl", "qwen2_5_vl", "glm4v", "idefics3"]
        .into_iter()
        .flat_map(|family| {
            [("CPU", Device::flex()), ("GPU", Device::flex().autodiff())]
                .map(|(kind, device)| (format!("{family} {kind}"), open(family, &device)))
        })
}

/// Words between pictures, one of them of several frames and one larger than a block of rows.
fn prompt(model: &VisionLanguageModel) -> Vec<Segment> {
    let hidden = model.config().hidden_size;
    let image = |grid: [usize; 3], seed: usize| {
        let n = grid.iter().product::<usize>();
        let numbers: Vec<f32> = (0..n * hidden)
            .map(|i| ((i + seed) * 7919 % 1009) as f32 / 500.0 - 1.0)
            .collect();
        let numbers = TensorData::new(numbers, [n, hidden]);
        let embeds = Tensor::from_data(numbers, &model.device());
        Segment::Image(ImageEmbeds::new(embeds, grid))
    };
    let text = |ids: std::ops::Range<TokenId>| Segment::Text(ids.collect());
    vec![
        text(3..7),
        image([1, 4, 5], 1),
        text(10..12),
        image([2, 2, 3], 2),
        image([1, 14, 10], 3),
        text(20..27),
    ]
}

/// Reads the segments in chunks of `size`.
fn read(
    model: &VisionLanguageModel,
    size: usize,
    segments: &[Segment],
    cache: &mut KvCache,
    logits: LogitsFor,
) -> Vec<f32> {
    let mut reading = Reading::after(cache);
    for segment in segments {
        model.add(&mut reading, segment).unwrap();
    }
    let logits = model.run_in(size, reading, cache, logits).unwrap();
    floats(logits.into_data()).unwrap()
}

fn close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() < ROUNDING, "{what}: {f} at {i}, expected {e}");
    }
}

#[test]
fn chunks_may_end_within_a_picture() {
    for (name, model) in models() {
        let prompt = prompt(&model);
        let vocab = model.config().vocab_size;
        let mut whole = model.new_cache(300).unwrap();
        let expected = read(&model, 1024, &prompt, &mut whole, LogitsFor::All);
        let places = (whole.position(), whole.rotary_position());
        assert_eq!(places.0, 4 + 20 + 2 + 12 + 140 + 7, "{name}");
        let next = [Segment::Text(vec![30, 31])];
        let after = read(&model, 1024, &next, &mut whole, LogitsFor::All);
        for size in [3, 50] {
            let what = format!("{name} in chunks of {size}");
            let mut cache = model.new_cache(300).unwrap();
            let found = read(&model, size, &prompt, &mut cache, LogitsFor::All);
            close(&found, &expected, &what);
            assert_eq!((cache.position(), cache.rotary_position()), places);
            let found = read(&model, size, &next, &mut cache, LogitsFor::All);
            close(&found, &after, &what);

            // Cut back to the words before the last pictures, as for another question.
            cache.truncate(26);
            assert!(read(&model, size, &prompt[3..5], &mut cache, LogitsFor::None).is_empty());
            let found = read(&model, size, &prompt[5..], &mut cache, LogitsFor::Last);
            close(&found, &expected[expected.len() - vocab..], &what);
            assert_eq!((cache.position(), cache.rotary_position()), places);
        }
    }
}
