//! Confidences are calibrated, and what is doubtful in a coarse reading is read again.

use std::path::Path;

use burn::tensor::Device;
use glyph_pipeline::decode::{BuiltinReadout, CalibrationTable, CharacterKind, Charset, Readout};
use glyph_pipeline::encode::{BuiltinEncoder, Detail, EncoderInput, VisionEncoder};
use glyph_pipeline::render::{Document, RenderConfig, Typesetter};
use glyph_pipeline::tasks::ReadLine;
use glyph_pipeline::{Pipeline, Reply};

/// Rare Han: the hardest to read coarsely.
fn rare() -> String {
    let is_han = |c: &char| ('\u{4e00}'..='\u{9fff}').contains(c);
    let all: Vec<char> = Charset::builtin().chars().filter(is_han).collect();
    let rare = &all[all.len() - 1500..];
    (0..900).map(|i| rare[i * 7 % rare.len()]).collect()
}

fn read(text: &str, detail: Detail, below: f32) -> Reply<Vec<ReadLine>> {
    Pipeline::builder()
        .reread_below(below)
        .build()
        .expect("the embedded weights fit")
        .read(&Document::from_text(text), detail)
        .expect("it reads")
}

fn joined(reply: &Reply<Vec<ReadLine>>) -> String {
    reply.output.iter().map(|l| l.text.as_str()).collect()
}

#[test]
fn confidences_are_calibrated() {
    let device = Device::default();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/lighthouse.txt");
    let document = Document::open(path).expect("the sample is readable");
    let typesetter = Typesetter::new(RenderConfig::builtin()).expect("the built-in style");
    let page = typesetter.pages(&document).next().expect("a page");
    let page = page.expect("text renders");
    let encoder = BuiltinEncoder::new(&device).expect("the embedded weights fit");
    let calibrated = BuiltinReadout::new(&device).expect("the embedded weights fit");
    let raw = BuiltinReadout::new(&device)
        .expect("the embedded weights fit")
        .with_calibration(CalibrationTable::default());
    let table = CalibrationTable::builtin().expect("the embedded table is valid");
    for (detail, cells) in [(Detail::Local, 8), (Detail::Global, 32)] {
        let tokens = encoder
            .encode(EncoderInput::page(&page, detail))
            .expect("a page");
        let confidences = |readout: &BuiltinReadout| -> Vec<f32> {
            let lines = readout.read(&tokens).expect("tokens of its encoder");
            lines.into_iter().flat_map(|l| l.confidences).collect()
        };
        let (raw, calibrated) = (confidences(&raw), confidences(&calibrated));
        let calibration = table.of(cells, CharacterKind::Own);
        let mut changed = 0;
        for (raw, calibrated) in raw.iter().zip(&calibrated) {
            // A box without ink is blank for certain.
            if *raw < 1.0 {
                assert!((calibration.apply(*raw) - calibrated).abs() < 1e-5);
                changed += usize::from(raw != calibrated);
            }
        }
        assert!(changed > 100, "{detail:?}: {changed} of {}", raw.len());
    }
}

#[test]
fn doubtful_places_are_read_again() {
    let text = rare();
    let wrong = |reply: &Reply<Vec<ReadLine>>| {
        let read = joined(reply);
        assert_eq!(read.chars().count(), text.chars().count());
        read.chars()
            .zip(text.chars())
            .filter(|(a, b)| a != b)
            .count()
    };
    let coarse = read(&text, Detail::Global, 0.0);
    assert_eq!(
        (coarse.tokens.vision_local, coarse.tokens.vision_reread),
        (0, 0)
    );
    assert!(coarse.output.iter().all(|l| l.uncertain.is_empty()));

    let again = read(&text, Detail::Global, 0.95);
    assert!(
        wrong(&again) < wrong(&coarse),
        "{} of {}",
        wrong(&again),
        wrong(&coarse)
    );
    let tokens = again.tokens;
    assert_eq!(tokens.vision_global, coarse.tokens.vision_global);
    assert!(tokens.vision_reread > 0 && tokens.vision_reread == tokens.vision_local);
    let vision = (tokens.vision_global + tokens.vision_local) as f64;
    assert!((tokens.ratio - tokens.text as f64 / vision).abs() < 0.01);

    for line in &again.output {
        let marked = |at: usize| line.uncertain.iter().any(|u| u.range.contains(&at));
        for ((at, c), &p) in line.text.char_indices().zip(&line.confidences) {
            assert_eq!(marked(at), c != ' ' && p < 0.95, "{c} {p}");
        }
    }
}

#[test]
fn where_all_is_doubtful_the_reading_is_the_fine_one() {
    let text = "Plain words, 中文 among them, and 3f9a2c77-01bd.\n".repeat(3) + &rare();
    let fine = read(&text, Detail::Local, 2.0);
    let again = read(&text, Detail::Global, 2.0);
    assert_eq!(joined(&again), joined(&fine));
    // A coarse box with ink is doubtful, so every fine one is.
    assert_eq!(again.tokens.vision_reread, fine.tokens.vision_local);
    assert!(
        again
            .output
            .iter()
            .zip(&fine.output)
            .all(|(a, b)| a.bbox == b.bbox)
    );
}

/// Full-width characters that straddle two patches, as after an odd number of letters.
#[test]
fn fine_doubtful_characters_are_looked_at_a_second_time() {
    let rare: Vec<char> = rare().chars().collect();
    let text: String = (0..300)
        .flat_map(|i| {
            [
                rare[3 * i..3 * i + 3].iter().collect(),
                "abc".repeat(i % 2 + 1),
                " ".into(),
            ]
        })
        .collect();
    let expected = text.replace(' ', "");
    let wrong = |reply: &Reply<Vec<ReadLine>>| {
        strsim::levenshtein(&joined(reply).replace(' ', ""), &expected)
    };
    let once = read(&text, Detail::Local, 0.0);
    let twice = read(&text, Detail::Local, 0.9);
    assert_eq!(once.tokens.vision_reread, 0);
    assert!(twice.tokens.vision_reread > 0);
    let local = once.tokens.vision_local + twice.tokens.vision_reread;
    assert_eq!(twice.tokens.vision_local, local);
    assert!(
        wrong(&twice) < wrong(&once),
        "{} of {}",
        wrong(&twice),
        wrong(&once)
    );
    // What is surer now is less often marked.
    let marked = |reply: &Reply<Vec<ReadLine>>, below: f32| {
        let all = reply.output.iter().flat_map(|l| &l.confidences);
        all.filter(|p| **p < below).count()
    };
    assert!(marked(&twice, 0.9) < marked(&once, 0.9));
}

/// Looking a second time keeps the budget.
#[test]
fn crops_cost_no_more_than_their_budget() {
    let text = "At the station 沈洋 met 冯敏 and x沙溪 or xx纸岭.\n".repeat(30);
    let document = Document::from_text(&text);
    for budget in [100, 300] {
        let pipeline = Pipeline::builder()
            .reread_below(1.1)
            .max_vision_tokens(budget)
            .build()
            .expect("the embedded weights fit");
        let reply = pipeline.ask(&document, "Who met 冯敏?").expect("it reads");
        assert!(reply.tokens.vision_local > 0);
        assert!(reply.tokens.vision_local <= budget, "{:?}", reply.tokens);
    }
}
