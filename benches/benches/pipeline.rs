//! The pipeline's stages with the built-in model on the CPU.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use glyph_benches::{Language, text};
use glyph_pipeline::Pipeline;
use glyph_pipeline::encode::{Detail, EncoderInput};
use glyph_render::Document;

fn pipeline(c: &mut Criterion) {
    let pipeline = Pipeline::builtin().expect("the built-in stages");
    for language in [Language::English, Language::Chinese] {
        let document = Document::from_text(&text(language, 20_000));
        let pages = pipeline.render(&document).expect("pages");
        let scan = pipeline.scan(&document).expect("a scan");
        let mut group = c.benchmark_group(format!("pipeline/{}", language.name()));
        group.sample_size(10);
        group.throughput(Throughput::Elements(pages.len() as u64));
        group.bench_function("scan", |b| b.iter(|| black_box(pipeline.scan(&document))));
        group.bench_function("encode a page coarsely", |b| {
            b.iter(|| {
                let input = EncoderInput::page(&pages[0], Detail::Global);
                black_box(pipeline.encode(input))
            });
        });
        group.bench_function("encode a page finely", |b| {
            b.iter(|| {
                let input = EncoderInput::page(&pages[0], Detail::Local);
                black_box(pipeline.encode(input))
            });
        });
        let tokens = pipeline.encode(EncoderInput::page(&pages[0], Detail::Local));
        let tokens = tokens.expect("tokens");
        group.bench_function("read out a page", |b| {
            b.iter(|| black_box(pipeline.decode(&tokens)));
        });
        let scores: Vec<f32> = (0..scan.lines.len())
            .map(|i| (i % 12 == 0).into())
            .collect();
        group.bench_function("crops", |b| {
            b.iter(|| black_box(pipeline.crop(&document, &scan, &scores, 1)));
        });
        let question = match language {
            Language::English => "Who built the lighthouse?",
            Language::Chinese => "谁种了茶树？",
        };
        group.bench_function("ask", |b| {
            b.iter(|| black_box(pipeline.ask(&document, question)));
        });
        group.finish();
    }
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
