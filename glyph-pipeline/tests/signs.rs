//! Letters and signs beyond ASCII are read where they stand in sentences, not only among each other:
//! currencies, units, dashes, and the alphabets of Europe.

use std::path::Path;

use glyph_pipeline::Pipeline;
use glyph_pipeline::encode::Detail;
use glyph_pipeline::render::Document;

#[test]
fn accents_currencies_and_units_are_read_in_context() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/signs.txt");
    let text = std::fs::read_to_string(&path).expect("the sample is there");
    let document = Document::open(path).expect("the sample is readable");
    let pipeline = Pipeline::builder()
        .build()
        .expect("the embedded weights fit");
    let reply = pipeline
        .read(&document, Detail::Local)
        .expect("it reads what it drew");
    let visible = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<Vec<_>>();
    let is_sign = |c: &char| !c.is_ascii() && !('\u{4e00}'..='\u{9fff}').contains(c);
    let (mut signs, mut wrong) = (0, Vec::new());
    assert_eq!(reply.output.len(), text.lines().count());
    for (drawn, read) in text.lines().zip(&reply.output) {
        let (drawn, read) = (visible(drawn), visible(&read.text));
        signs += drawn.iter().filter(|&c| is_sign(c)).count();
        // A full-width character that is read as two moves what follows.
        let moved = drawn.len() != read.len();
        for (i, c) in drawn.iter().enumerate().filter(|(_, c)| is_sign(c)) {
            if moved || read[i] != *c {
                wrong.push(format!("{c} as {}", read.get(i).unwrap_or(&' ')));
            }
        }
    }
    assert!(signs > 250, "{signs}");
    // All but 2 of 100.
    assert!(
        wrong.len() * 50 <= signs,
        "{} of {signs}: {wrong:?}",
        wrong.len()
    );
}
