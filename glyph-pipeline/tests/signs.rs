//! Letters and signs beyond ASCII are read where they stand in sentences, not only among each other:
//! currencies, units, dashes, and the alphabets of Europe.

use std::path::Path;

use glyph_pipeline::Pipeline;
use glyph_pipeline::encode::Detail;
use glyph_pipeline::render::Document;

/// Reads a text of `tests/data`; how many of its characters beyond ASCII and Han there are, and which
/// of them were misread as what.
fn misread(name: &str) -> (usize, Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name);
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
    (signs, wrong)
}

/// Sentences full of signs, none of which stands there often: letters apart, they are the hardest to
/// tell from each other.
#[test]
fn accents_currencies_and_units_are_read_in_context() {
    let (signs, wrong) = misread("signs.txt");
    assert!(signs > 250, "{signs}");
    let worst = signs / 16;
    assert!(
        wrong.len() <= worst,
        "{} of {signs}: {wrong:?}",
        wrong.len()
    );
}

/// Sentences in fourteen languages; only of Russian, Greek, Czech and Romanian was text trained on.
#[test]
fn alphabets_of_europe_are_read() {
    let (letters, wrong) = misread("alphabets.txt");
    assert!(letters > 600, "{letters}");
    let worst = letters / 16;
    assert!(
        wrong.len() <= worst,
        "{} of {letters}: {wrong:?}",
        wrong.len()
    );
}
