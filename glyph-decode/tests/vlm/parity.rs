//! Small vision-language checkpoints give what `transformers` computes from them
//! (`tools/parity/vlm` makes both): the towers' blocks, the tokens of images, positions, logits,
//! and what is generated.

use std::borrow::Cow;
use std::sync::Arc;

use crate::fixture::{Case, Family, close};
use burn::tensor::{DType, Device, Tensor};
use glyph_decode::{
    GenerationConfig, KvCache, LanguageModel, LogitsFor, Segment, Session, TokenId,
    VisionLanguageModel, Vocabulary, generate_batch,
};

const PATCH_FAMILIES: [&str; 3] = ["qwen2_vl", "qwen2_5_vl", "glm4v"];
const FAMILIES: [&str; 4] = ["qwen2_vl", "qwen2_5_vl", "glm4v", "idefics3"];

fn open(family: &Family) -> VisionLanguageModel {
    open_on(family, &Device::default())
}

fn open_on(family: &Family, device: &Device) -> VisionLanguageModel {
    VisionLanguageModel::open(family.folder(), Some(DType::F32), device).expect("a checkpoint")
}

/// A device that does not lend out its memory, as none but the CPU does: models lay out weights,
/// keys and values for a GPU on it, and run Burn's operations.
fn like_a_gpu() -> Device {
    Device::flex().autodiff()
}

#[test]
fn towers_agree_block_by_block() {
    for name in PATCH_FAMILIES {
        let family = Family::open(name);
        let model = open(&family);
        let tower = model.patch_tower().expect("a tower over patches");
        for case in family.cases().filter(|c| !c.grids().is_empty()) {
            let what = format!("{name} {}", case.name);
            let mut states = Vec::new();
            let tokens = tower.forward(case.pixel_values(), &case.grids(), Some(&mut states));
            if case.has("vision.patch_embed") {
                close(&states[0], &case, "vision.patch_embed", 1e-5, &what);
                for (i, state) in states[1..].iter().enumerate() {
                    let state = case.in_patch_order(state.clone());
                    close(&state, &case, &format!("vision.block.{i}"), 1e-4, &what);
                }
            }
            close(&tokens, &case, "vision_embeds", 1e-4, &what);
            let checked = tower.encode_patches(case.pixel_values(), &case.grids());
            close(
                &checked.expect("it fits"),
                &case,
                "vision_embeds",
                1e-4,
                &what,
            );
        }
    }
}

#[test]
fn tiles_agree_layer_by_layer() {
    let family = Family::open("idefics3");
    let model = open(&family);
    for case in family.cases().filter(|c| c.has("vision_embeds")) {
        let images = model.encode_images(&case.pictures()).expect("it fits");
        let tokens = Tensor::cat(images.into_iter().map(|i| i.embeds).collect(), 0);
        close(&tokens, &case, "vision_embeds", 1e-4, &case.name);
    }
}

fn on_all_devices() -> impl Iterator<Item = (&'static str, Device)> {
    FAMILIES
        .into_iter()
        .flat_map(|name| [(name, Device::default()), (name, like_a_gpu())])
}

/// The prompt of a row: text, and the pictures where it has places for them.
fn segments(model: &VisionLanguageModel, case: &Case, row: usize) -> Vec<Segment> {
    let ids = case.ids(&case.key("input_ids", row));
    let mut images = model.encode_images(&case.pictures()).expect("it fits");
    images[..]
        .iter_mut()
        .for_each(|image| image.temporal_step = case.temporal_step());
    // The second prompt of a batch has no picture.
    if row > 0 {
        images.clear();
    }
    model.segments(&ids, &images).expect("places for all")
}

fn run(model: &VisionLanguageModel, prompt: &[Segment]) -> Tensor<2> {
    let mut cache = model.new_cache(400).expect("within the context");
    let logits = prompt.iter().map(|segment| match segment {
        Segment::Text(ids) => {
            let embeds = model.embed(ids).expect("ids of the vocabulary");
            model
                .forward(embeds, &mut cache, LogitsFor::All)
                .expect("it fits")
        }
        Segment::Image(image) => model
            .forward_image(image, &mut cache, LogitsFor::All)
            .expect("it fits"),
        _ => unreachable!("a prompt of text and images"),
    });
    Tensor::cat(logits.collect(), 0)
}

#[test]
fn logits_are_those_of_transformers() {
    for (name, device) in on_all_devices() {
        let family = Family::open(name);
        let model = open_on(&family, &device);
        for case in family.cases() {
            for row in 0..case.rows {
                let what = format!("{name} {} row {row}", case.name);
                let logits = run(&model, &segments(&model, &case, row));
                close(&logits, &case, &case.key("logits", row), 1e-4, &what);
            }
        }
    }
}

/// Token ids as text, so that generation needs no tokenizer.
#[derive(Debug)]
struct Ids;

impl Vocabulary for Ids {
    fn vocab_size(&self) -> usize {
        160
    }

    fn token_bytes(&self, token: TokenId) -> Cow<'_, [u8]> {
        Cow::Owned(format!("<{token}>").into_bytes())
    }

    fn special_token(&self, _: TokenId) -> Option<Cow<'_, str>> {
        None
    }
}

#[test]
fn the_same_tokens_are_generated() {
    for (name, device) in on_all_devices() {
        let family = Family::open(name);
        let model = Arc::new(open_on(&family, &device));
        for case in family.cases() {
            let mut session = Session::new(model.clone(), Arc::new(Ids), 400).expect("a session");
            for row in 0..case.rows {
                let expected = case.ids(&case.key("greedy", row));
                let mut config = GenerationConfig::new(expected.len());
                config.temperature = 0.0;
                config.repetition_penalty = 1.0;
                config.loop_guard = false;
                config.ignore_eos = true;
                let prompt = segments(&model, &case, row);
                let out = session
                    .generate_from(&prompt, &config)
                    .expect("it fits")
                    .finish()
                    .expect("it runs");
                let tokens: Vec<TokenId> = out.tokens.iter().map(|t| t.token).collect();
                assert_eq!(tokens, expected, "{name} {} row {row}", case.name);
            }
        }
    }
}

/// A second question about the same picture does not read the picture again.
#[test]
fn pictures_are_read_once() {
    let family = Family::open("qwen2_5_vl");
    let model = Arc::new(open(&family));
    let case = family.cases().find(|c| c.name == "two").expect("a case");
    let prompt = segments(&model, &case, 0);
    let mut longer = prompt.clone();
    longer.push(Segment::Text(vec![5, 6, 7]));
    let config = GenerationConfig::new(4);
    let fresh = || Session::new(model.clone(), Arc::new(Ids), 400).expect("a session");
    let run = |session: &mut Session, prompt: &[Segment]| {
        let out = session.generate_from(prompt, &config).expect("it fits");
        out.finish().expect("it runs")
    };
    let mut session = fresh();
    let first = run(&mut session, &prompt);
    let again = run(&mut session, &prompt);
    assert_eq!(first.tokens, again.tokens);
    assert_eq!(again.usage.reused_tokens, again.usage.prompt_tokens - 1);
    let other = run(&mut session, &longer);
    assert!(other.usage.reused_tokens >= first.usage.prompt_tokens - 1);
    assert_eq!(other.tokens, run(&mut fresh(), &longer).tokens);
    // Another picture of the same size is read.
    let mut changed = longer.clone();
    let Some(Segment::Image(image)) = changed.iter_mut().find(|s| matches!(s, Segment::Image(_)))
    else {
        panic!("a picture");
    };
    image.fingerprint = Some([9; 32]);
    let reused = run(&mut session, &changed).usage.reused_tokens;
    assert!(reused < 10, "{reused}");
}

/// Text and pictures that run together give what they give one after the other, and what follows
/// them stands at the same positions.
#[test]
fn segments_run_together() {
    for (name, device) in on_all_devices() {
        let family = Family::open(name);
        let model = open_on(&family, &device);
        for case in family.cases() {
            let prompt = segments(&model, &case, 0);
            let longest = model.config().context_length;
            let mut cache = model.new_cache(longest).expect("the context");
            let mut positions = Vec::new();
            // Again where it fits, so that the second time begins within a block of rows.
            while positions.len() < 2 && cache.position() * 2 <= longest {
                let logits = model
                    .forward_segments(&prompt, &mut cache, LogitsFor::All)
                    .expect("it fits");
                if positions.is_empty() {
                    close(&logits, &case, &case.key("logits", 0), 1e-4, name);
                }
                positions.push((cache.position(), cache.rotary_position()));
            }
            let mut apart = model.new_cache(longest).expect("the context");
            for (round, expected) in positions.into_iter().enumerate() {
                for segment in &prompt {
                    let none = model.forward_segments(
                        std::slice::from_ref(segment),
                        &mut apart,
                        LogitsFor::None,
                    );
                    assert_eq!(none.expect("it fits").dims()[0], 0);
                }
                let found = (apart.position(), apart.rotary_position());
                assert_eq!(found, expected, "{name} {} {round}", case.name);
            }
            // Cut back into the prompt, a jump that comes later is forgotten.
            let half = apart.position() / 4;
            cache.truncate(half);
            apart.truncate(half);
            assert_eq!(cache.rotary_position(), apart.rotary_position());
        }
    }
}

/// Rows of a batch share passes over the weights, and get what they get alone.
#[test]
fn batches_are_answered_as_one_by_one() {
    for (name, device) in on_all_devices() {
        let family = Family::open(name);
        let model = Arc::new(open_on(&family, &device));
        let prompts: Vec<Vec<TokenId>> = [5, 1, 9, 3]
            .iter()
            .map(|&n| (0..n).map(|i| (i * 7 + n) % 90 + 3).collect())
            .collect();
        let mut config = GenerationConfig::new(8);
        config.ignore_eos = true;
        config.loop_guard = false;
        config.top_logprobs = Some(0);
        let batch = generate_batch(&*model, &Ids, &prompts, &config).expect("it runs");
        for (together, prompt) in batch.iter().zip(&prompts) {
            let mut session = Session::new(model.clone(), Arc::new(Ids), 64).expect("a session");
            let alone = session.generate(prompt, &config).expect("it fits");
            let alone = alone.finish().expect("it runs");
            assert_eq!(together.tokens.len(), 8);
            for (t, a) in together.tokens.iter().zip(&alone.tokens) {
                assert_eq!(t.token, a.token, "{name}");
                let (t, a) = (t.logprob.expect("asked"), a.logprob.expect("asked"));
                assert!((t - a).abs() < 1e-3, "{name}: {t}, expected {a}");
            }
        }
    }
}

/// Numbers that overflow spoil what is read after them, and nothing once they are cut off.
#[test]
fn what_was_cut_off_is_not_seen() {
    for (name, device) in on_all_devices() {
        let family = Family::open(name);
        let model = open_on(&family, &device);
        let hidden = model.config().hidden_size;
        let read = |cache: &mut KvCache, ids: &[TokenId]| -> Vec<f32> {
            let embeds = model.embed(ids).expect("ids of the vocabulary");
            let logits = model.forward(embeds, cache, LogitsFor::Last);
            let logits = logits.expect("it fits").into_data();
            logits.try_into_vec().expect("F32")
        };
        let mut cache = model.new_cache(200).expect("within the context");
        read(&mut cache, &[3, 4, 5]);
        let broken = Tensor::full([140, hidden], f32::NAN, &device);
        let logits = model.forward(broken, &mut cache, LogitsFor::None);
        logits.expect("it fits");
        assert!(read(&mut cache, &[6])[0].is_nan(), "{name}");
        cache.truncate(3);
        let found = read(&mut cache, &[7, 8]);
        cache.clear();
        let expected = read(&mut cache, &[3, 4, 5, 7, 8]);
        for (f, e) in found.iter().zip(&expected) {
            assert!((f - e).abs() < 1e-4, "{name}: {f}, expected {e}");
        }
    }
}
