//! Drawing: characters per second, against filling the same pages' memory.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use glyph_benches::{Language, text};
use glyph_render::{Document, Page, RenderConfig, Renderer, Typesetter};

const CHARACTERS: usize = 100_000;

fn styles() -> Vec<(&'static str, RenderConfig)> {
    let json = |json: &str| RenderConfig::from_json(json).expect("the keys exist");
    vec![
        ("595x842 9pt", json(r#"{"alignment": "LEFT"}"#)),
        (
            "794x1123 12pt",
            json(r#"{"dpi": 96, "font-size": 12, "alignment": "LEFT"}"#),
        ),
        (
            "794x1123 12pt justified",
            json(r#"{"dpi": 96, "font-size": 12}"#),
        ),
        ("builtin", RenderConfig::builtin()),
    ]
}

fn render(c: &mut Criterion) {
    for language in [Language::English, Language::Chinese] {
        let text = text(language, CHARACTERS);
        let document = Document::from_text(&text);
        for (name, config) in styles() {
            let typesetter = Typesetter::new(config).expect("a valid style");
            let pages: Vec<Page> = typesetter.render(&document).expect("pages");
            let mut group = c.benchmark_group(format!("render/{}/{name}", language.name()));
            group.sample_size(10);
            group.throughput(Throughput::Elements(text.chars().count() as u64));
            group.bench_function("one core", |b| {
                b.iter(|| {
                    for page in typesetter.pages(&document) {
                        black_box(page.expect("a page"));
                    }
                });
            });
            // Both keep all pages, so that they differ in the threads alone.
            let threads = std::thread::available_parallelism().map_or(1, usize::from);
            for (name, threads) in [("kept, one core", 1), ("kept, all cores", threads)] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                let pool = pool.expect("threads");
                group.bench_function(name, |b| {
                    b.iter(|| pool.install(|| black_box(typesetter.render(&document))));
                });
            }
            group.bench_function("fill memory", |b| {
                b.iter(|| {
                    for page in &pages {
                        black_box(vec![255u8; black_box(page.pixels.len())]);
                    }
                });
            });
            group.finish();
        }
    }
}

criterion_group!(benches, render);
criterion_main!(benches);
