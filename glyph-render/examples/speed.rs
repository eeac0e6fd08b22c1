//! Measures drawing and inversion: `cargo run --release -p glyph-render --example speed`.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a command-line program"
)]
use std::hint::black_box;
use std::time::Instant;

use glyph_render::{Document, Inverter, Page, RenderConfig, Renderer, Typesetter};

const ENGLISH: &str = "The lighthouse stood at the far end of the island, where the path gave out among the rocks; nobody in the village could say who had built it, or when. In winter the keeper walked there twice a day. ";
const CHINESE: &str = "灯塔立在岛的尽头，小路在岩石间消失的地方；村里没有人说得出是谁、在什么时候建造了它。冬天，守塔人每天要走两趟。";

fn best<T>(mut f: impl FnMut() -> T) -> (f64, T) {
    let mut best = f64::MAX;
    let mut out = None;
    for _ in 0..7 {
        let start = Instant::now();
        out = Some(black_box(f()));
        best = best.min(start.elapsed().as_secs_f64());
    }
    (best, out.unwrap())
}

fn main() {
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build_global()
        .unwrap();
    for (name, json) in [
        ("builtin", r#"{"preset": "builtin"}"#),
        (
            "glyph-en 72 dpi 9 pt",
            r#"{"preset": "glyph-en", "auto-crop-width": false}"#,
        ),
        ("justified 96 dpi 12 pt", r#"{"dpi": 96, "font-size": 12}"#),
    ] {
        for (language, text) in [("English", ENGLISH), ("Chinese", CHINESE)] {
            let text = text.repeat(400_000 / text.len());
            let chars = text.chars().count() as f64;
            let document = Document::from_text(&text);
            for invertible in [false, true] {
                let mut config = RenderConfig::from_json(json).unwrap();
                config.invertible = invertible;
                let start = Instant::now();
                let typesetter = Typesetter::new(config).unwrap();
                let first = typesetter.pages(&document).next();
                let cold = start.elapsed().as_secs_f64();
                black_box(first);
                let (draw, pages) = best(|| typesetter.render(&document).unwrap());
                let n = pages.len() as f64;
                let (stream, _) = best(|| {
                    typesetter
                        .pages(&document)
                        .map(|p| p.unwrap().pixels[9] as usize)
                        .sum::<usize>()
                });
                let size = pages[0].pixels.len();
                let (fill, _) = best(|| {
                    (0..pages.len())
                        .map(|_| vec![255u8; size])
                        .collect::<Vec<_>>()
                });
                let (cached, _) = best(|| {
                    (0..pages.len())
                        .map(|_| black_box(vec![255u8; size])[9] as usize)
                        .sum::<usize>()
                });
                print!(
                    "{name}, {language}, codes {invertible}: first page {:.1} ms; {n} pages; keep all: draw {:.1} M char/s, {:.0} pages/s, fill {:.0} pages/s, ratio {:.2}; one at a time: {:.1} M char/s, ratio {:.1}",
                    cold * 1e3,
                    chars / draw / 1e6,
                    n / draw,
                    n / fill,
                    draw / fill,
                    chars / stream / 1e6,
                    stream / cached
                );
                if invertible {
                    let inverter = Inverter::default();
                    let start = Instant::now();
                    inverter.invert(&pages[..1]).unwrap();
                    let cold = start.elapsed().as_secs_f64();
                    let (time, inversion) = best(|| inverter.invert(&pages).unwrap());
                    assert_eq!(inversion.into_document().unwrap().blocks, document.blocks);
                    print!(
                        "; invert first {:.1} ms, then {:.1} M char/s",
                        cold * 1e3,
                        chars / time / 1e6
                    );
                }
                println!();
            }
        }
    }
    let _: Option<Page> = None;
}
