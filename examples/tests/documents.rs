//! Documents of other programs through the examples: a real DOCX, and scanned PDFs.
#![allow(clippy::unwrap_used)]

mod support;

use glyph_pipeline::render::{Document, Page, RenderConfig, Renderer, Typesetter};
use support::run;

const QUESTION: &str = "Who built the lighthouse?";

fn sample() -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/samples/lighthouse.txt"
    );
    std::fs::read_to_string(path).unwrap()
}

fn ask(path: &std::path::Path) -> serde_json::Value {
    let path = path.to_str().unwrap();
    let run = run("ask", &[path, QUESTION, "--no-cache", "--json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    serde_json::from_str(&run.stdout).unwrap()
}

/// A PDF whose pages are images and nothing else, at a resolution in dots per inch.
fn scanned(pages: &[Page], dpi: f32) -> Vec<u8> {
    let mut out = b"%PDF-1.4\n".to_vec();
    let mut offsets = Vec::new();
    let mut object = |out: &mut Vec<u8>, head: String, stream: Option<&[u8]>| {
        offsets.push(out.len());
        out.extend(format!("{} 0 obj\n{head}\n", offsets.len()).bytes());
        if let Some(stream) = stream {
            out.extend(b"stream\n");
            out.extend(stream);
            out.extend(b"\nendstream\n");
        }
        out.extend(b"endobj\n");
    };
    let kids: String = (0..pages.len())
        .map(|i| format!("{} 0 R ", 3 * i + 5))
        .collect();
    object(
        &mut out,
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        None,
    );
    let tree = format!("<< /Type /Pages /Kids [{kids}] /Count {} >>", pages.len());
    object(&mut out, tree, None);
    for (i, page) in pages.iter().enumerate() {
        let (width, height) = (
            page.width as f32 * 72.0 / dpi,
            page.height as f32 * 72.0 / dpi,
        );
        let image = format!(
            "<< /Type /XObject /Subtype /Image /Width {} /Height {} /ColorSpace /DeviceGray \
             /BitsPerComponent 8 /Length {} >>",
            page.width,
            page.height,
            page.pixels.len()
        );
        object(&mut out, image, Some(&page.pixels));
        let content = format!("q {width} 0 0 {height} 0 0 cm /Im Do Q");
        let head = format!("<< /Length {} >>", content.len());
        object(&mut out, head, Some(content.as_bytes()));
        let resources = format!("/Resources << /XObject << /Im {} 0 R >> >>", 3 * i + 3);
        let page = format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] {resources} \
             /Contents {} 0 R >>",
            3 * i + 4
        );
        object(&mut out, page, None);
    }
    let start = out.len();
    out.extend(format!("xref\n0 {}\n0000000000 65535 f \n", offsets.len() + 1).bytes());
    for offset in &offsets {
        out.extend(format!("{offset:010} 00000 n \n").bytes());
    }
    let size = offsets.len() + 1;
    out.extend(
        format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n").bytes(),
    );
    out
}

fn pages(config: RenderConfig) -> Vec<Page> {
    let document = Document::from_text(&sample());
    Typesetter::new(config).unwrap().render(&document).unwrap()
}

/// Pages without text are drawn at 150 dpi, so this one comes out as the reader knows it.
#[test]
fn a_scan_in_the_built_in_style_is_answered_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.pdf");
    std::fs::write(&path, scanned(&pages(RenderConfig::builtin()), 150.0)).unwrap();
    let reply = ask(&path);
    assert!(
        reply["answer"].as_str().unwrap().contains("Isobel Tarrant"),
        "{reply:#}"
    );
    assert_eq!(reply["evidence"][0]["page"], 1);
}

/// Other fonts and sizes are read too, letter by letter.
#[test]
fn a_scan_in_another_style_is_answered_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scan.pdf");
    let json = r#"{"dpi": 150, "font-size": 11, "alignment": "LEFT", "invertible": false}"#;
    let config = RenderConfig::from_json(json).unwrap();
    std::fs::write(&path, scanned(&pages(config), 150.0)).unwrap();
    let reply = ask(&path);
    let answer = reply["answer"].as_str().unwrap();
    // Its capital I may be read as an l.
    assert!(answer.contains("sobel Tarrant"), "{reply:#}");
    assert!(reply["confidence"].as_f64().unwrap() > 0.8, "{reply:#}");
}

/// Written by python-docx from the English sample, with a heading, a list and a table added;
/// `tools/fuzz_seeds.py` makes it.
#[test]
fn a_word_document_is_answered_from() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lighthouse.docx");
    let reply = ask(std::path::Path::new(path));
    assert!(
        reply["answer"].as_str().unwrap().contains("Isobel Tarrant"),
        "{reply:#}"
    );
    let run = run(
        "ask",
        &[path, "What does the keeper's house measure?", "--no-cache"],
    );
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("12 by 9 metres"), "{run:?}");
}
