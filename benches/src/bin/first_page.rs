//! Renders the first page of a text and, with `all`, the others, in a process of its own:
//! `first_page builtin|glyph-en|… FILE [all]`. Prints the milliseconds from the start of `main`
//! to the first page (wall, then processor time), the pages, the peak memory in KiB, and the
//! pages' ink.

#![allow(clippy::print_stdout, reason = "a command-line program prints")]

use std::time::Instant;

use glyph_render::{Document, RenderConfig, Typesetter};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let started = Instant::now();
    let mut args = std::env::args().skip(1);
    let (preset, path) = (args.next(), args.next());
    let all = args.next().is_some();
    let preset = preset.ok_or("expected a preset and a file")?;
    let text = std::fs::read_to_string(path.ok_or("expected a file")?)?;
    let document = Document::from(text);
    let typesetter = Typesetter::new(RenderConfig::preset(&preset)?)?;
    let mut pages = typesetter.pages(&document);
    let mut ink = 0u64;
    let mut sum = |page: &glyph_render::Page| {
        ink += page.pixels.iter().map(|&p| u64::from(255 - p)).sum::<u64>();
    };
    sum(&pages.next().ok_or("the text is empty")??);
    let first = started.elapsed();
    let cpu = glyph_benches::cpu_seconds().unwrap_or(0.0);
    let mut count = 1;
    if all {
        for page in pages {
            sum(&page?);
            count += 1;
        }
    }
    let memory = glyph_benches::peak_memory().unwrap_or(0) / 1024;
    println!(
        "{:.2} {:.2} {count} {memory} {ink}",
        1000.0 * first.as_secs_f64(),
        1000.0 * cpu
    );
    Ok(())
}
