//! The same decoder on a text as tokens, and on its pages, as in Glyph's figure of the speed-up
//! (arXiv 2510.17800, figure 5).

use std::path::Path;
use std::time::Instant;

use burn::tensor::{DType, Device};
use glyph_decode::{LanguageModel as _, VisionLanguageModel};
use glyph_pipeline::TokenCounter;
use glyph_pipeline::render::Document;

use crate::Result;
use crate::document::see;
use crate::timing::{median, prompt, read, rounds, write};

pub(crate) fn run(
    folder: &str,
    device: &Device,
    dtype: DType,
    text: &Path,
    lengths: &[usize],
) -> Result<()> {
    let text = std::fs::read_to_string(text)?;
    let model = VisionLanguageModel::open(folder, Some(dtype), device)?;
    for &length in lengths {
        let excerpt = excerpt(&text, length)?;
        let document = Document::from_text(excerpt);
        let mut cache = model.new_cache(length + 256)?;
        let ids = prompt(length);
        let rounds = rounds(length);
        let (text_ms, (next, _)) = median(rounds, || {
            cache.clear();
            read(&model, &ids, &mut cache)
        })?;
        let (text_decode, _) = write(&model, next, &mut cache)?;
        // The encoder's time is paid as well; it is told alone, since pages can be kept encoded.
        let mut pages = 0;
        let (pages_ms, ()) = median(rounds, || {
            cache.clear();
            pages = see(&model, folder, &document, &mut cache)?;
            read(&model, &[1], &mut cache)?;
            Ok(())
        })?;
        let tokens = cache.len();
        let (pages_decode, _) = write(&model, 1, &mut cache)?;
        let started = Instant::now();
        cache.clear();
        read(&model, &prompt(tokens), &mut cache)?;
        let kept_ms = started.elapsed().as_secs_f64() * 1e3;
        println!("compression {length} text prefill\t{text_ms:.1}\t{length} tokens");
        println!(
            "compression {length} pages encode and prefill\t{pages_ms:.1}\t{tokens} tokens, {pages} pages"
        );
        println!(
            "compression {length} pages prefill alone\t{kept_ms:.1}\t{:.2} times",
            text_ms / kept_ms
        );
        println!("compression {length} text decode\t{text_decode:.2}\t");
        println!(
            "compression {length} pages decode\t{pages_decode:.2}\t{:.2} times",
            text_decode / pages_decode
        );
    }
    Ok(())
}

/// The beginning of a text that has so many tokens.
fn excerpt(text: &str, tokens: usize) -> Result<&str> {
    // Bytes of a token are about the same everywhere: the first guess is near.
    let sample = &text[..text.floor_char_boundary(100_000)];
    let bytes = sample.len() as f64 / TokenCounter.count(sample).max(1) as f64;
    let end = (bytes * tokens as f64) as usize;
    if end > text.len() {
        return Err(format!("the text has {} bytes, {end} are needed", text.len()).into());
    }
    Ok(&text[..text.floor_char_boundary(end)])
}
