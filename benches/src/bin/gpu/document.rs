//! A question to a document of 50 pages, from its text to the answer.

use std::path::Path;
use std::time::Instant;

use burn::tensor::{DType, Device};
use glyph_decode::{
    KvCache, LanguageModel as _, LogitsFor, PixelValues, Segment, VisionLanguageModel,
};
use glyph_encode::preprocess::{ImagePreprocessor, page_to_rgb};
use glyph_pipeline::Pipeline;
use glyph_pipeline::render::{Document, RenderConfig, Renderer as _, Typesetter};

use crate::Result;
use crate::timing::read;

/// Characters that are about 100,000 tokens.
const CHARACTERS: usize = 420_000;
/// Tokens of an answer.
const ANSWER: usize = 64;

pub(crate) fn run(text: &Path, device: &Device, model: Option<(&str, DType)>) -> Result<()> {
    let text: String = std::fs::read_to_string(text)?
        .chars()
        .take(CHARACTERS)
        .collect();
    let document = Document::from_text(&text);
    let Some((folder, dtype)) = model else {
        let pipeline = Pipeline::builder().device(device).build()?;
        // The first question compiles kernels.
        for name in ["first", "second"] {
            let started = Instant::now();
            let reply = pipeline.ask(&document, "What is said about the keyboard?")?;
            let ms = started.elapsed().as_secs_f64() * 1e3;
            let tokens = reply.tokens.vision_global + reply.tokens.vision_local;
            println!("built-in document {name}\t{ms:.0}\t{tokens} vision tokens");
        }
        return Ok(());
    };
    let model = VisionLanguageModel::open(folder, Some(dtype), device)?;
    for name in ["first", "second"] {
        let started = Instant::now();
        let mut cache = model.new_cache(model.config().context_length)?;
        let pages = see(&model, folder, &document, &mut cache)?;
        let seen = cache.len();
        let (mut next, _) = read(&model, &[1, 2, 3], &mut cache)?;
        for _ in 0..ANSWER {
            next = read(&model, &[next], &mut cache)?.0;
        }
        let ms = started.elapsed().as_secs_f64() * 1e3;
        println!("checkpoint document {name}\t{ms:.0}\t{pages} pages, {seen} vision tokens");
    }
    Ok(())
}

/// Draws a document in Glyph's style, encodes its pages one by one and reads them into the cache in
/// chunks, as a session does. Gives how many there were; ends before the page that the cache has no
/// room for.
pub(crate) fn see(
    model: &VisionLanguageModel,
    folder: &str,
    document: &Document,
    cache: &mut KvCache,
) -> Result<usize> {
    let config = std::fs::read_to_string(Path::new(folder).join("preprocessor_config.json"))?;
    let preprocessor = ImagePreprocessor::from_json(&config)?;
    let typesetter = Typesetter::new(RenderConfig::preset("glyph-en")?)?;
    let mut pages = 0;
    let (mut waiting, mut tokens) = (Vec::new(), 0);
    for page in typesetter.render(document)? {
        let picture = PixelValues::new(&preprocessor, &page_to_rgb(&page)?)?;
        let image = model.encode_images(&[picture])?.remove(0);
        let new = image.embeds.dims()[0];
        if cache.len() + tokens + new + ANSWER + 64 > cache.capacity() {
            break;
        }
        tokens += new;
        waiting.push(Segment::Image(image));
        if tokens >= model.prefill_chunk() {
            model.forward_segments(&waiting, cache, LogitsFor::None)?;
            waiting.clear();
            tokens = 0;
        }
        pages += 1;
    }
    if !waiting.is_empty() {
        model.forward_segments(&waiting, cache, LogitsFor::None)?;
    }
    Ok(pages)
}
