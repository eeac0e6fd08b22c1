//! From the start of a process to its first page, and the memory that a book takes.

#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::print_stdout, reason = "criterion has no place for memory")]

use std::path::{Path, PathBuf};
use std::process::Command;

use criterion::{Criterion, criterion_group, criterion_main};
use glyph_benches::{Language, text};

/// A long novel.
const BOOK: usize = 1_000_000;

fn run(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_first_page"))
        .args(args)
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("numbers")
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file in the folder");
    path
}

fn cold_start(c: &mut Criterion) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    for language in [Language::English, Language::Chinese] {
        let short = write(&folder, language.name(), &text(language, 10_000));
        let short = short.to_str().expect("a path in UTF-8");
        let mut group = c.benchmark_group(format!("cold start/{}", language.name()));
        group.sample_size(10);
        for preset in ["builtin", "glyph-en"] {
            group.bench_function(preset, |b| b.iter(|| run(&[preset, short])));
        }
        group.finish();
        let name = format!("book {}", language.name());
        let book = write(&folder, &name, &text(language, BOOK));
        for preset in ["builtin", "glyph-en"] {
            let out = run(&[preset, book.to_str().expect("a path in UTF-8"), "all"]);
            let fields: Vec<&str> = out.split_whitespace().collect();
            println!(
                "memory/{}/{preset}: {} MiB for {} pages of {BOOK} characters",
                language.name(),
                fields[3].parse::<u64>().unwrap_or(0) / 1024,
                fields[2]
            );
        }
    }
}

criterion_group!(benches, cold_start);
criterion_main!(benches);
