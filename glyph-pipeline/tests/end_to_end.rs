//! The whole line on real input, with the shipped weights.

use std::ops::ControlFlow;
use std::path::Path;

use glyph_pipeline::encode::Detail;
use glyph_pipeline::render::{BBox, Document, Page, RenderConfig, Typesetter};
use glyph_pipeline::{Pipeline, PipelineError};

fn sample(name: &str) -> Document {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name);
    Document::open(path).expect("the sample is readable")
}

fn pipeline() -> Pipeline {
    Pipeline::builtin().expect("the embedded weights fit")
}

#[test]
fn page_images_give_the_same_answer_as_the_document() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let document = sample("lighthouse.txt");
    let typesetter = Typesetter::new(RenderConfig::builtin()).expect("the built-in style");
    for page in typesetter.pages(&document) {
        let page = page.expect("text renders");
        page.write_png(dir.path().join(format!("page_{:04}.png", page.number)))
            .expect("the folder is writable");
    }
    let images = Document::open(dir.path()).expect("a folder of pages");
    assert!(
        images.is_images() && images.text().is_empty(),
        "no text comes with the images"
    );
    let pipeline = pipeline();
    for question in [
        "Who built the lighthouse?",
        "What does Dr. Osei recommend?",
        "When does work begin?",
    ] {
        let from_text = pipeline.ask(&document, question).expect("it answers");
        let from_images = pipeline.ask(&images, question).expect("it answers");
        assert_eq!(from_text.output, from_images.output);
        assert_eq!(from_text.tokens, from_images.tokens);
        assert_eq!(from_text.crops, from_images.crops);
        assert!(!from_text.output.evidence.is_empty());
    }
}

#[test]
fn words_come_from_pixels() {
    let document = sample("lighthouse.txt");
    let typesetter = Typesetter::new(RenderConfig::builtin()).expect("the built-in style");
    let mut pages: Vec<Page> = typesetter
        .pages(&document)
        .collect::<Result<_, _>>()
        .expect("text renders");
    let pipeline = pipeline();
    let read = pipeline
        .read(&document, Detail::Local)
        .expect("it reads")
        .output;
    // Wipe the row that names the builder: the answer must go with it.
    let row = read
        .iter()
        .find(|l| l.text.contains("Tarrant"))
        .expect("the name is read");
    wipe(&mut pages[row.page as usize - 1], row.bbox);
    let dir = tempfile::tempdir().expect("a temporary folder");
    for page in &pages {
        page.write_png(dir.path().join(format!("page_{:04}.png", page.number)))
            .expect("the folder is writable");
    }
    let images = Document::open(dir.path()).expect("a folder of pages");
    let reply = pipeline
        .ask(&images, "Who built the lighthouse?")
        .expect("it answers");
    assert!(
        !reply.output.text.contains("Tarrant"),
        "{}",
        reply.output.text
    );
}

fn wipe(page: &mut Page, bbox: BBox) {
    for y in bbox.y..bbox.y + bbox.height {
        for x in bbox.x..(bbox.x + bbox.width).min(page.width) {
            page.pixels[(y * page.width + x) as usize] = 255;
        }
    }
}

#[test]
fn coarser_ratios_cost_less_and_read_less() {
    let document = sample("lighthouse.txt");
    let visible = |text: &str| -> Vec<char> {
        let ink = |c: &char| !c.is_whitespace();
        text.chars().filter(ink).collect()
    };
    let drawn = visible(&document.text());
    let mut cheapest = usize::MAX;
    for (size, right) in [(4, 0.999), (8, 0.99), (16, 0.995), (24, 0.99), (48, 0.99)] {
        let pipeline = Pipeline::builder()
            .merge_sizes(4, size)
            .reread_below(0.0)
            .build()
            .expect("a ratio of the built-in model");
        let reply = pipeline.read(&document, Detail::Global).expect("it reads");
        let text: String = reply.output.iter().map(|l| l.text.as_str()).collect();
        let read = visible(&text);
        let wrong = read.iter().zip(&drawn).filter(|(a, b)| a != b).count();
        assert!(
            wrong as f64 <= (1.0 - right) * drawn.len() as f64,
            "{size} patches: {wrong} of {} wrong",
            drawn.len()
        );
        assert!(reply.tokens.vision_global < cheapest, "{size} patches");
        cheapest = reply.tokens.vision_global;
    }
    let error = Pipeline::builder()
        .merge_sizes(4, 5)
        .build()
        .expect_err("no such ratio");
    assert!(error.to_string().contains("[4, 8, 16, 24, 48]"), "{error}");
}

#[test]
fn tokens_are_counted_as_they_are_made() {
    let document = sample("lighthouse.txt");
    let pipeline = pipeline();
    let scan = pipeline.scan(&document).expect("it reads");
    let reply = pipeline
        .ask(&document, "How tall is the tower?")
        .expect("it answers");
    assert_eq!(reply.tokens.vision_global, scan.vision_tokens);
    assert!(
        reply.output.text.contains("41 metres"),
        "{}",
        reply.output.text
    );
    let vision = reply.tokens.vision_global + reply.tokens.vision_local;
    assert!((reply.tokens.ratio - reply.tokens.text as f64 / vision as f64).abs() < 0.01);
}

#[test]
fn the_cache_gives_the_same_answer_and_survives_damage() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let document = sample("lighthouse.txt");
    let ask = || {
        let pipeline = Pipeline::builder()
            .cache(dir.path(), 1 << 30)
            .build()
            .expect("a pipeline");
        pipeline
            .ask(&document, "When does work begin?")
            .expect("it answers")
            .output
    };
    let first = ask();
    assert!(first.text.contains("3 June 2024"), "{}", first.text);
    assert_eq!(first, ask());
    for entry in std::fs::read_dir(dir.path()).expect("the cache's folder") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("readable");
        std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("writable");
    }
    assert_eq!(first, ask());
}

#[test]
fn bad_questions_and_empty_documents_are_errors() {
    let pipeline = pipeline();
    assert!(matches!(
        pipeline.ask_text("Some text.", "?!"),
        Err(PipelineError::Task(_))
    ));
    assert!(matches!(
        pipeline.ask_text(" \n ", "What?"),
        Err(PipelineError::NoText { .. })
    ));
}

#[test]
fn a_run_can_be_cancelled() {
    let pipeline = Pipeline::builder()
        .progress(|_| ControlFlow::Break(()))
        .build()
        .expect("a pipeline");
    assert!(matches!(
        pipeline.ask_text("Some text.", "What?"),
        Err(PipelineError::Cancelled { .. })
    ));
}
