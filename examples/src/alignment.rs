//! What the examples of alignment share: sentences, what the teacher and the reader make of them.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use glyph_align::{ImageEmbedder, PassageWords, SentenceEncoder, TeacherCache, sentences};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Bytes of a passage.
const BYTES: std::ops::Range<usize> = 20..200;

/// The sentences of a text file.
///
/// # Errors
/// If it cannot be read or has none.
pub fn sentences_of(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let found = sentences(&text, BYTES);
    ensure!(!found.is_empty(), "{}: no sentences", path.display());
    Ok(found)
}

/// The lines of a text file, each a passage.
///
/// # Errors
/// As [`sentences_of`].
pub fn lines_of(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let lines = text.lines().filter(|l| !l.trim().is_empty());
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    ensure!(!lines.is_empty(), "{}: no lines", path.display());
    Ok(lines)
}

fn bar(what: &'static str, texts: usize) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{msg:10} {bar:30} {pos}/{len} {eta}")?;
    Ok(ProgressBar::new(texts as u64)
        .with_style(style)
        .with_message(what))
}

/// A text encoder, whose embeddings are kept in a folder.
pub struct Teacher {
    encoder: SentenceEncoder,
    cache: TeacherCache,
}

impl Teacher {
    /// Loads all-MiniLM-L6-v2, or another BERT, from its folder.
    ///
    /// # Errors
    /// If it cannot be loaded.
    pub fn open(folder: &Path, cache: &Path, device: &burn::tensor::Device) -> Result<Self> {
        let weights = folder.join("model.safetensors");
        let bytes = std::fs::read(&weights).with_context(|| weights.display().to_string())?;
        let end = &bytes[bytes.len().saturating_sub(1 << 16)..];
        Ok(Self {
            encoder: SentenceEncoder::open(folder, device)?,
            cache: TeacherCache::new(cache, format!("{} {:016x}", bytes.len(), fnv(end))),
        })
    }

    /// Width of an embedding.
    pub fn width(&self) -> usize {
        self.encoder.model().hidden_size()
    }

    /// Embeddings of some texts, row after row.
    ///
    /// # Errors
    /// If they cannot be computed or kept.
    pub fn embed(&self, texts: &[String]) -> Result<Vec<f32>> {
        let bar = bar("teacher", texts.len())?;
        let out = self
            .cache
            .embed(&self.encoder, texts, |done| bar.set_position(done as u64))?;
        bar.finish_and_clear();
        Ok(out)
    }
}

/// A passage as it was read from its image.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ReadPassage {
    text: String,
    confidences: Vec<f32>,
}

/// What the encoder and the readout of `embedder` read in images of the texts, kept in `cache`.
///
/// # Errors
/// If a passage cannot be drawn, encoded or read, or the file be written.
pub fn read_images(
    embedder: &ImageEmbedder,
    texts: &[String],
    cache: &Path,
) -> Result<Vec<PassageWords>> {
    std::fs::create_dir_all(cache).with_context(|| cache.display().to_string())?;
    let bar = bar("images", texts.len())?;
    let mut out = Vec::new();
    for chunk in texts.chunks(2048) {
        let key = format!("{embedder:?}\n{}", chunk.join("\n"));
        let path = cache.join(format!("read-{:016x}.json", fnv(key.as_bytes())));
        let passages: Vec<ReadPassage> = match std::fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).with_context(|| path.display().to_string())?
            }
            Err(_) => {
                let read = chunk
                    .par_iter()
                    .map(|text| read_image(embedder, text))
                    .collect::<Result<Vec<_>>>()?;
                std::fs::write(&path, serde_json::to_vec(&read)?)
                    .with_context(|| path.display().to_string())?;
                read
            }
        };
        out.extend(passages.iter().map(|p| {
            let chars: Vec<char> = p.text.chars().collect();
            PassageWords::new(&chars, &p.confidences, embedder.head().buckets())
        }));
        bar.set_position(out.len() as u64);
    }
    bar.finish_and_clear();
    Ok(out)
}

fn read_image(embedder: &ImageEmbedder, text: &str) -> Result<ReadPassage> {
    let mut passage = ReadPassage {
        text: String::new(),
        confidences: Vec::new(),
    };
    for line in embedder.read(&embedder.draw(text)?)? {
        passage.text.push_str(&line.text);
        passage.confidences.extend(&line.confidences);
        if !line.continues {
            passage.text.push(' ');
            passage.confidences.push(1.0);
        }
    }
    Ok(passage)
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
