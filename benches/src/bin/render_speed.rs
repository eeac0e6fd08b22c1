//! How fast pages are drawn, next to filling their memory: `render_speed FILE DPI FONT_SIZE`.
//!
//! One line per measure, tab-separated: name, characters per second, pages per second, KiB per
//! page. Times are processor time of the process. `render_vs_peers.sh` joins them with the peers'.

#![allow(clippy::print_stdout, reason = "a command-line program prints")]

use std::hint::black_box;
use std::time::Instant;

use glyph_benches::cpu_seconds;
use glyph_render::{Document, Inverter, Page, RenderConfig, Typesetter};

/// How long each measure runs at least.
const SECONDS: f64 = 0.5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [path, dpi, size] = args.as_slice() else {
        return Err("expected FILE DPI FONT_SIZE".into());
    };
    let text = std::fs::read_to_string(path)?;
    let characters = text.chars().count() as f64;
    let document = Document::from_text(&text);
    let json = format!(
        r#"{{"dpi": {dpi}, "font-size": {size}, "alignment": "LEFT", "margin-x": 10, "margin-y": 10}}"#
    );
    for (style, config) in [
        ("flow", RenderConfig::from_json(&json)?),
        ("builtin", RenderConfig::builtin()),
    ] {
        let typesetter = Typesetter::new(config)?;
        // The first run fills the glyph atlas.
        let pages: Vec<Page> = typesetter.pages(&document).collect::<Result<_, _>>()?;
        let count = pages.len() as f64;
        let bytes: usize = pages.iter().map(|page| page.pixels.len()).sum();
        let report = |name: &str, seconds: f64, bytes: f64| {
            println!(
                "glyph {style}: {name}\t{:.0}\t{:.1}\t{:.1}",
                characters / seconds,
                count / seconds,
                bytes / 1024.0 / count
            );
        };
        let seconds = measure(|| {
            for page in &pages {
                black_box(vec![255u8; black_box(page.pixels.len())]);
            }
            Ok(())
        })?;
        report("fill one page at a time", seconds, bytes as f64);
        let seconds = measure(|| {
            for page in typesetter.pages(&document) {
                black_box(page?);
            }
            Ok(())
        })?;
        report("draw one page at a time", seconds, bytes as f64);
        let seconds = measure(|| {
            let all: Vec<Vec<u8>> = pages
                .iter()
                .map(|page| vec![255u8; black_box(page.pixels.len())])
                .collect();
            black_box(all);
            Ok(())
        })?;
        report("fill all pages", seconds, bytes as f64);
        let seconds = measure(|| {
            let all: Vec<Page> = typesetter.pages(&document).collect::<Result<_, _>>()?;
            black_box(all);
            Ok(())
        })?;
        report("draw all pages", seconds, bytes as f64);
        let inverter = Inverter::of(&typesetter);
        let seconds = measure(|| {
            black_box(inverter.invert(&pages)?);
            Ok(())
        })?;
        report("invert", seconds, bytes as f64);
        let mut encoded = 0;
        let seconds = measure(|| {
            encoded = 0;
            for page in &pages {
                encoded += black_box(page.to_png()?).len();
            }
            Ok(())
        })?;
        report("encode PNG", seconds, encoded as f64);
    }
    Ok(())
}

/// Seconds that one call takes: processor time where it can be had, else wall time.
fn measure(
    mut run: impl FnMut() -> Result<(), Box<dyn std::error::Error>>,
) -> Result<f64, Box<dyn std::error::Error>> {
    run()?;
    let (wall, start) = (Instant::now(), cpu_seconds());
    let mut runs = 0;
    while runs == 0 || wall.elapsed().as_secs_f64() < SECONDS {
        run()?;
        runs += 1;
    }
    let seconds = match (start, cpu_seconds()) {
        (Some(start), Some(end)) => end - start,
        _ => wall.elapsed().as_secs_f64(),
    };
    Ok(seconds / f64::from(runs))
}
