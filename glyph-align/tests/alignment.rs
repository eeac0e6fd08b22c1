//! Training towers: what is learned, and that a run can be cut off, resumed and reproduced.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use glyph_align::{
    AlignError, AlignmentHead, AlignmentHeadConfig, AlignmentLossConfig, AlignmentTrainer,
    AlignmentTrainingConfig, DrawnPassage, ImageTower, InfoNceLossConfig, JointModel, Passage,
    PassageWords, ReaderModel, TowerOutput, Trainable, dot,
};
use glyph_render::{RenderConfig, Typesetter};

/// A teacher that knows eight words: a direction each.
fn teacher(text: &str) -> Vec<f32> {
    const WORDS: [&str; 8] = [
        "harbour", "engine", "letter", "winter", "garden", "copper", "music", "stone",
    ];
    let mut out: Vec<f32> = WORDS
        .iter()
        .map(|word| text.matches(word).count() as f32)
        .collect();
    out.resize(16, 0.1);
    let length = out.iter().map(|v| v * v).sum::<f32>().sqrt();
    out.iter().map(|v| v / length).collect()
}

fn texts() -> Vec<String> {
    let words = [
        "harbour", "engine", "letter", "winter", "garden", "copper", "music", "stone",
    ];
    (0..28)
        .map(|i| {
            let (a, b) = (i % 8, (i / 8 + i % 8 + 1) % 8);
            format!("the {} and the {}", words[a], words[b])
        })
        .collect()
}

fn head_config() -> AlignmentHeadConfig {
    AlignmentHeadConfig::new()
        .with_buckets(512)
        .with_word_size(32)
        .with_hidden_size(32)
        .with_embedding_size(16)
}

fn passages() -> Vec<Passage<PassageWords>> {
    texts()
        .iter()
        .map(|text| Passage {
            input: PassageWords::of_text(text, 512),
            text_emb: teacher(text),
        })
        .collect()
}

fn config(steps: usize) -> AlignmentTrainingConfig {
    AlignmentTrainingConfig {
        steps,
        batch: 8,
        accumulation: 2,
        learning_rate: 1e-2,
        warmup_steps: 3,
        ..AlignmentTrainingConfig::default()
    }
}

fn trainer(steps: usize) -> AlignmentTrainer<AlignmentHead> {
    let init = |device: &Device| head_config().init(device);
    AlignmentTrainer::new(config(steps), init, passages(), &Device::default()).expect("it fits")
}

fn embeds(head: &AlignmentHead) -> Vec<f32> {
    let words: Vec<PassageWords> = passages().into_iter().map(|p| p.input).collect();
    head.embed(&words, &Device::default()).expect("words")
}

#[test]
fn a_head_learns_where_the_teacher_places_text() {
    let mut trainer = trainer(60);
    let cosine = |head: &AlignmentHead| -> f32 {
        let rows = embeds(head);
        let own = rows.chunks_exact(16).zip(texts());
        own.map(|(row, text)| dot(row, &teacher(&text)))
            .sum::<f32>()
            / 28.0
    };
    let before = cosine(&trainer.model());
    while trainer.steps_done() < 60 {
        trainer.step().expect("finite");
    }
    let after = cosine(&trainer.model());
    assert!(before < 0.5 && after > 0.95, "{before} {after}");
    let names: Vec<&String> = trainer.history()[0].losses.keys().collect();
    assert_eq!(names, ["info_nce", "semantic"]);
}

#[test]
fn a_run_that_was_cut_off_ends_as_one_that_was_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut whole = trainer(8);
    (0..8).for_each(|_| drop(whole.step().expect("finite")));

    let mut first = trainer(8);
    (0..5).for_each(|_| drop(first.step().expect("finite")));
    first.save(folder.path()).expect("a checkpoint");
    let mut second = trainer(8);
    assert!(second.resume(folder.path()).expect("it was saved"));
    assert_eq!(second.steps_done(), 5);
    (0..3).for_each(|_| drop(second.step().expect("finite")));

    assert_eq!(second.history(), whole.history());
    assert_eq!(embeds(&second.model()), embeds(&whole.model()));
}

#[test]
fn packed_weights_embed_almost_the_same() {
    let mut trainer = trainer(20);
    (0..20).for_each(|_| drop(trainer.step().expect("finite")));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("alignment.safetensors");
    trainer
        .model()
        .save_packed(&path)
        .expect("it can be written");
    let bytes = std::fs::read(&path).expect("it was written");
    let device = Device::default();
    let loaded =
        AlignmentHead::from_packed(&head_config(), "alignment", &bytes, &device).expect("it fits");
    let (a, b) = (embeds(&trainer.model()), embeds(&loaded));
    for (x, y) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        assert!(dot(x, y) > 0.999, "{}", dot(x, y));
    }
    let other = head_config().with_word_size(64);
    assert!(matches!(
        AlignmentHead::from_packed(&other, "alignment", &bytes, &device),
        Err(AlignError::Checkpoint { .. })
    ));
}

#[test]
fn passages_and_losses_have_to_fit() {
    let init = |device: &Device| head_config().init(device);
    let device = Device::default();
    let few = AlignmentTrainer::new(config(1), init, passages()[..4].to_vec(), &device);
    assert!(matches!(few.err(), Some(AlignError::Input { .. })));
    let mut odd = passages();
    odd[3].text_emb.pop();
    let odd = AlignmentTrainer::new(config(1), init, odd, &device);
    assert!(matches!(odd.err(), Some(AlignError::Shape { .. })));
    let no_loss = AlignmentTrainingConfig {
        loss: None,
        ..config(1)
    };
    let mut trainer = AlignmentTrainer::new(no_loss, init, passages(), &device).expect("it fits");
    assert!(matches!(trainer.step(), Err(AlignError::Input { .. })));
    assert_eq!(trainer.steps_done(), 0);
}

/// A run by losses that learn a scale or a bias.
fn learned(weight_decay: f32, steps: usize) -> AlignmentTrainer<AlignmentHead> {
    let loss = AlignmentLossConfig::new()
        .with_siglip_weight(1.0)
        .with_info_nce(InfoNceLossConfig::new().with_learned(true));
    let config = AlignmentTrainingConfig {
        weight_decay,
        loss: Some(loss),
        ..config(steps)
    };
    let init = |device: &Device| head_config().init(device);
    AlignmentTrainer::new(config, init, passages(), &Device::default()).expect("it fits")
}

/// Scale of InfoNCE, scale and bias of SigLIP.
fn scales(trainer: &AlignmentTrainer<AlignmentHead>) -> [f32; 3] {
    let loss = trainer.loss().expect("it has one");
    let (nce, siglip) = (
        loss.info_nce().expect("a weight"),
        loss.siglip().expect("a weight"),
    );
    [&nce.logit_scale, &siglip.logit_scale, &siglip.logit_bias].map(|p| p.val().into_scalar())
}

#[test]
fn what_losses_learn_is_trained_and_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut whole = learned(0.01, 8);
    let start = scales(&whole);
    (0..8).for_each(|_| drop(whole.step().expect("finite")));
    let end = scales(&whole);
    for i in 0..3 {
        assert_ne!(start[i], end[i], "number {i}");
    }
    let mut first = learned(0.01, 8);
    (0..5).for_each(|_| drop(first.step().expect("finite")));
    first.save(folder.path()).expect("a checkpoint");
    let mut second = learned(0.01, 8);
    assert!(second.resume(folder.path()).expect("it was saved"));
    assert_eq!(scales(&second), scales(&first));
    (0..3).for_each(|_| drop(second.step().expect("finite")));
    assert_eq!(scales(&second), end);
    assert_eq!(embeds(&second.model()), embeds(&whole.model()));

    // A checkpoint of earlier versions, which kept no losses.
    std::fs::remove_file(
        ["checkpoint-a", "checkpoint-b"]
            .map(|slot| folder.path().join(slot).join("loss.bpk"))
            .into_iter()
            .find(|path| path.exists())
            .expect("it was saved"),
    )
    .expect("it is there");
    let mut third = learned(0.01, 8);
    assert!(third.resume(folder.path()).expect("it was saved"));
    assert_eq!(scales(&third), start);
}

#[test]
fn scales_of_losses_do_not_decay_and_stay_in_their_range() {
    let after = |weight_decay: f32| {
        let mut trainer = learned(weight_decay, 4);
        trainer.step().expect("finite");
        (scales(&trainer), embeds(&trainer.model()))
    };
    let ((a, head_a), (b, head_b)) = (after(0.0), after(5.0));
    assert_eq!(a, b);
    assert_ne!(head_a, head_b);

    // A temperature of 0.001: hotter than CLIP allows.
    let loss = AlignmentLossConfig::new().with_info_nce(
        InfoNceLossConfig::new()
            .with_temperature(0.001)
            .with_learned(true),
    );
    for (learned, expected) in [(true, 100.0f32.ln()), (false, 1000.0f32.ln())] {
        let loss = loss
            .clone()
            .with_info_nce(loss.info_nce.clone().with_learned(learned));
        let config = AlignmentTrainingConfig {
            loss: Some(loss),
            ..config(4)
        };
        let init = |device: &Device| head_config().init(device);
        let trainer = AlignmentTrainer::new(config, init, passages(), &Device::default());
        let mut trainer = trainer.expect("it fits");
        trainer.step().expect("finite");
        let nce = trainer.loss().and_then(|l| l.info_nce()).expect("a weight");
        let scale: f32 = nce.logit_scale.val().into_scalar();
        assert!((scale - expected).abs() < 1e-5, "{scale}, {learned}");
    }
}

#[test]
fn weights_of_losses_may_change_in_a_run_and_not_what_is_learned() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = trainer(4);
    first.step().expect("finite");
    first.save(folder.path()).expect("a checkpoint");
    let resumed = |change: &dyn Fn(&mut AlignmentTrainingConfig)| {
        let mut config = config(4);
        change(&mut config);
        let init = |device: &Device| head_config().init(device);
        let trainer = AlignmentTrainer::new(config, init, passages(), &Device::default());
        trainer.expect("it fits").resume(folder.path())
    };
    let with = |change: &'static dyn Fn(AlignmentLossConfig) -> AlignmentLossConfig| {
        move |c: &mut AlignmentTrainingConfig| c.loss = c.loss.take().map(change)
    };
    assert!(resumed(&with(&|l| l.with_info_nce_weight(2.0))).expect("another weight"));
    assert!(resumed(&|c| (c.steps, c.learning_rate) = (9, 1e-3)).expect("a longer run"));
    for (found, field) in [
        (
            resumed(&with(&|l| l.with_info_nce_weight(0.0))),
            "loss.info_nce_weight was 1",
        ),
        (
            resumed(&with(&|l| l.with_siglip_weight(1.0))),
            "loss.siglip_weight was 0",
        ),
        (
            resumed(&with(&|l| {
                l.with_info_nce(InfoNceLossConfig::new().with_temperature(0.1))
            })),
            "loss.info_nce.temperature was 0.07",
        ),
        (resumed(&|c| c.loss = None), "loss was {"),
        (resumed(&|c| c.batch = 4), "batch was 8"),
    ] {
        let e = found.expect_err(field).to_string();
        assert!(e.contains(field), "{e}");
    }
}

/// A tower that notes which passages it is shown together.
#[derive(Module, Debug)]
struct Noting {
    linear: Linear,
}

static SHOWN: std::sync::Mutex<Vec<Vec<usize>>> = std::sync::Mutex::new(Vec::new());

impl ImageTower for Noting {
    type Input = usize;

    fn embed_images(&self, images: &[&usize], device: &Device) -> Result<TowerOutput, AlignError> {
        let own: Vec<usize> = images.iter().map(|i| **i).collect();
        let values: Vec<f32> = own.iter().flat_map(|&i| [i as f32, 1.0]).collect();
        SHOWN.lock().expect("no panic").push(own);
        let x = TensorData::new(values, [images.len(), 2]);
        Ok(TowerOutput {
            image_emb: self.linear.forward(Tensor::from_data(x, device)),
            reading: None,
        })
    }
}

#[test]
fn no_passage_is_held_against_itself() {
    let passages = (0..10)
        .map(|i| Passage {
            input: i,
            text_emb: vec![1.0, i as f32, 0.5],
        })
        .collect();
    let init = |device: &Device| Noting {
        linear: LinearConfig::new(2, 3).init(device),
    };
    let config = AlignmentTrainingConfig {
        batch: 4,
        accumulation: 1,
        ..config(40)
    };
    let mut trainer =
        AlignmentTrainer::new(config, init, passages, &Device::default()).expect("it fits");
    (0..40).for_each(|_| drop(trainer.step().expect("finite")));
    let shown = SHOWN.lock().expect("no panic");
    assert_eq!(shown.len(), 40);
    let distinct = |passages: &[Vec<usize>]| {
        let all: std::collections::BTreeSet<usize> = passages.iter().flatten().copied().collect();
        all.len()
    };
    // Two batches are an epoch, in which each passage comes once.
    assert!(shown.chunks(2).all(|epoch| distinct(epoch) == 8));
    // The two that are left out are others each time.
    assert_eq!(distinct(&shown), 10);
}

#[test]
fn no_passages_are_an_error() {
    let device = Device::default();
    let model = JointModel {
        reader: ReaderModel::init(&device),
        head: head_config().init(&device),
    };
    let empty = DrawnPassage { rows: Vec::new() };
    for passages in [&[][..], &[&empty]] {
        let e = model.embed_images(passages, &device);
        assert!(matches!(e, Err(AlignError::Input { .. })));
    }
    let e = model.head.embed_images(&[], &device);
    assert!(matches!(e, Err(AlignError::Shape { .. })));
}

/// An encoder that is not Glyph's: brightness along the first row.
#[derive(Module, Debug)]
struct Columns {
    linear: Linear,
}

impl ImageTower for Columns {
    type Input = DrawnPassage;

    fn embed_images(
        &self,
        passages: &[&DrawnPassage],
        device: &Device,
    ) -> Result<TowerOutput, AlignError> {
        let mut values = Vec::new();
        for passage in passages {
            for x in 0..96 {
                let column = passage.rows[0].pixels.iter().skip(x).step_by(672);
                values.push(column.map(|&p| 255.0 - f32::from(p)).sum::<f32>() / 1000.0);
            }
        }
        let x = TensorData::new(values, [passages.len(), 96]);
        Ok(TowerOutput {
            image_emb: self.linear.forward(Tensor::from_data(x, device)),
            reading: None,
        })
    }
}

#[test]
fn a_foreign_encoder_trains_through_the_trait() {
    let typesetter = Typesetter::new(RenderConfig::builtin()).expect("the built-in style");
    let passages: Vec<Passage<DrawnPassage>> = texts()
        .iter()
        .map(|text| Passage {
            input: DrawnPassage::draw(&typesetter, text),
            text_emb: teacher(text),
        })
        .collect();
    let device = Device::default();
    let init = |d: &Device| Columns {
        linear: LinearConfig::new(96, 16).init(d),
    };
    let mut trainer =
        AlignmentTrainer::new(config(80), init, passages.clone(), &device).expect("it fits");
    let inputs: Vec<&DrawnPassage> = passages.iter().map(|p| &p.input).collect();
    let mean = |model: &Columns| -> f32 {
        let out = model.embed_images(&inputs, &device).expect("it fits");
        let out: Vec<f32> = out.image_emb.into_data().try_to_vec().expect("f32");
        let rows = out.chunks_exact(16).zip(&passages);
        let cosines = rows.map(|(row, p)| dot(row, &p.text_emb) / dot(row, row).sqrt());
        cosines.sum::<f32>() / passages.len() as f32
    };
    let before = mean(&trainer.model());
    (0..80).for_each(|_| drop(trainer.step().expect("finite")));
    let after = mean(&trainer.model());
    assert!(before < 0.3 && after > 0.7, "{before} {after}");
}

/// One step of the joint model moves what each loss reaches: alignment alone the encoder, the readout
/// and the head, reading alone not the head.
#[test]
fn alignment_reaches_the_encoder_and_reading_leaves_the_head() {
    let typesetter = Typesetter::new(RenderConfig::builtin()).expect("the built-in style");
    let passages: Vec<Passage<DrawnPassage>> = texts()[..4]
        .iter()
        .map(|text| Passage {
            input: DrawnPassage::draw(&typesetter, text),
            text_emb: teacher(text),
        })
        .collect();
    let moved = |loss: Option<AlignmentLossConfig>, reading_weight: f64| {
        let config = AlignmentTrainingConfig {
            steps: 2,
            batch: 4,
            weight_decay: 0.0,
            loss,
            reading_weight,
            ..AlignmentTrainingConfig::default()
        };
        let init = |device: &Device| JointModel {
            reader: ReaderModel::init(device),
            head: head_config().with_token_size(384).init(device),
        };
        let mut trainer = AlignmentTrainer::new(config, init, passages.clone(), &Device::default())
            .expect("it fits");
        let before = probes(&trainer.model());
        let report = trainer.step().expect("finite");
        let after = probes(&trainer.model());
        let moved: BTreeMap<&str, bool> = before
            .iter()
            .map(|(name, value)| (*name, after[name] != *value))
            .collect();
        (moved, report)
    };
    let (aligned, report) = moved(Some(AlignmentLossConfig::new()), 0.0);
    assert_eq!(aligned, BTreeMap::from([("encoder", true), ("head", true)]));
    assert_eq!(
        report.losses.keys().collect::<Vec<_>>(),
        ["info_nce", "reading", "semantic"]
    );
    let (read, _) = moved(None, 1.0);
    assert_eq!(read, BTreeMap::from([("encoder", true), ("head", false)]));
}

/// Images alone, from drawing to embedding: what is about the same lies nearer.
#[cfg(feature = "builtin-weights")]
#[test]
fn the_built_in_head_places_like_with_like() {
    let embedder = glyph_align::ImageEmbedder::builtin(&Device::default()).expect("it is embedded");
    let texts = [
        "The cat sleeps on the sofa.",
        "A kitten is asleep on the couch.",
        "Install the package with the package manager.",
        "How do I set up software from the archive?",
    ];
    let embeds = embedder
        .embed_texts(&texts)
        .expect("they are drawn and read");
    let row = |i: usize| &embeds[i * 384..(i + 1) * 384];
    let near = |i: usize, j: usize| dot(row(i), row(j));
    assert!((near(0, 0) - 1.0).abs() < 1e-3);
    for (a, b, other) in [(0, 1, 2), (1, 0, 3), (2, 3, 0), (3, 2, 1)] {
        assert!(near(a, b) > near(a, other) + 0.1, "{a} {b} {other}");
    }
}

/// Numbers that change with the weights of a part.
fn probes(model: &JointModel) -> BTreeMap<&'static str, Vec<f32>> {
    let device = Device::default();
    let pixels = Tensor::<3>::ones([1, 48, 392], &device);
    let encoder = model.reader.encoder.trunk(pixels);
    let mut out = BTreeMap::from([("encoder", encoder.into_data().try_to_vec().expect("f32"))]);
    let words = glyph_align::WordBatch::new(&[&PassageWords::of_text("stone", 512)], &device);
    let tokens = Tensor::<3>::ones([1, 3, 384], &device);
    let head = model.head.forward(words, Some(tokens)).expect("it fits");
    out.insert("head", head.into_data().try_to_vec().expect("f32"));
    out
}
