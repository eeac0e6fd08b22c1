//! Writes sample pages.
#![allow(clippy::unwrap_used)]
use glyph_render::{Document, RenderConfig, Typesetter};
fn main() {
    let text = std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap();
    let document = Document::from_text(&text);
    for (i, json) in std::env::args().skip(2).enumerate() {
        let typesetter = Typesetter::new(RenderConfig::from_json(&json).unwrap()).unwrap();
        let page = typesetter.pages(&document).next().unwrap().unwrap();
        let (w, h) = (page.width, page.height);
        let image = image::GrayImage::from_raw(w, h, page.pixels).unwrap();
        image::imageops::resize(&image, 3 * w, 3 * h, image::imageops::FilterType::Nearest)
            .save(format!("/tmp/look_{i}.png"))
            .unwrap();
    }
}
