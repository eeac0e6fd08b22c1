//! Prints a sample text: `sample_text english|chinese CHARACTERS`.

#![allow(clippy::print_stdout, reason = "a command-line program prints")]

use glyph_benches::{Language, text};

fn main() {
    let mut args = std::env::args().skip(1);
    let language = match args.next().as_deref() {
        Some("chinese") => Language::Chinese,
        _ => Language::English,
    };
    let characters = args.next().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    print!("{}", text(language, characters));
}
