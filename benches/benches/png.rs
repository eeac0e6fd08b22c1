//! Pages to PNG and back, in pages per second.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use glyph_benches::{Language, text};
use glyph_render::{Document, Page, RenderConfig, Typesetter};

fn png(c: &mut Criterion) {
    for language in [Language::English, Language::Chinese] {
        let document = Document::from_text(&text(language, 50_000));
        let json = r#"{"dpi": 96, "font-size": 12, "alignment": "LEFT"}"#;
        let config = RenderConfig::from_json(json).expect("the keys exist");
        let typesetter = Typesetter::new(config).expect("a valid style");
        let page = typesetter.pages(&document).next().expect("a page");
        let page = page.expect("a page");
        let bytes = page.to_png().expect("a file");
        let mut group = c.benchmark_group(format!(
            "png/{}/794x1123, {} KiB",
            language.name(),
            bytes.len() / 1024
        ));
        group.throughput(Throughput::Elements(1));
        group.bench_function("write", |b| b.iter(|| black_box(page.to_png())));
        group.bench_function("read", |b| {
            b.iter(|| black_box(Page::from_image_bytes("page", &bytes)));
        });
        group.finish();
    }
}

criterion_group!(benches, png);
criterion_main!(benches);
