//! 100 MB of text, page by page: pages per second, and the memory that it takes.

#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::print_stdout, reason = "criterion has no place for memory")]

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use glyph_benches::{Language, text};

const BYTES: usize = 100_000_000;

fn main() {
    // `cargo test --benches` only asks whether it builds.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    for (language, characters) in [(Language::English, BYTES), (Language::Chinese, BYTES / 3)] {
        let path = folder.join(format!("{} 100 MB", language.name()));
        std::fs::write(&path, text(language, characters)).expect("a file in the folder");
        for preset in ["builtin", "glyph-en"] {
            let started = Instant::now();
            let output = Command::new(env!("CARGO_BIN_EXE_first_page"))
                .arg(preset)
                .arg(&path)
                .arg("all")
                .output()
                .expect("the program runs");
            assert!(output.status.success(), "{output:?}");
            let line = String::from_utf8(output.stdout).expect("numbers");
            let fields: Vec<f64> = line
                .split_whitespace()
                .map(|field| field.parse().expect("a number"))
                .collect();
            println!(
                "stream/{}/{preset}: {} pages in {:.1} s, at most {:.0} MB held, text included",
                language.name(),
                fields[2],
                started.elapsed().as_secs_f64(),
                fields[3] * 1024.0 / 1e6
            );
        }
        let _ = std::fs::remove_file(&path);
    }
}
