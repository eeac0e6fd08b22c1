//! Who says how well a style is read.

use anyhow::Result;
use glyph_pipeline::encode::Detail;
use glyph_pipeline::render::{
    Block, Document, Page, PageImage, RenderConfig, Renderer, Typesetter,
};
use glyph_pipeline::{Pipeline, PipelineError};

use super::cli::PipelineArgs;

/// Judges styles. A remote model is one that renders `text` with `config`, sends the pages,
/// and compares what comes back.
pub(crate) trait StyleObjective {
    /// For tables and plots.
    fn name(&self) -> &'static str;

    /// The share of `text`, 0 to 1, that is read right from pages in this style.
    fn accuracy(&mut self, config: &RenderConfig, text: &str) -> Result<f64>;
}

/// The model that ships with Glyph, which was trained on the built-in style alone.
pub(crate) struct Reader {
    pipeline: Pipeline,
}

impl Reader {
    pub(crate) fn new(args: &PipelineArgs) -> Result<Self> {
        Ok(Self {
            pipeline: args.builder()?.build()?,
        })
    }

    /// What is read from one page: its rows are found by their ink, as on any page image.
    fn read(&self, page: &Page) -> Result<String> {
        let image = PageImage {
            name: format!("page {}", page.number),
            width: page.width,
            height: page.height,
            pixels: page.pixels.clone(),
            metadata: Vec::new(),
        };
        let document = Document {
            title: None,
            blocks: vec![Block::Page(image)],
        };
        match self.pipeline.read(&document, Detail::Local) {
            Ok(reply) => {
                let lines: Vec<&str> = reply.output.iter().map(|line| line.text.as_str()).collect();
                Ok(lines.join(" "))
            }
            Err(PipelineError::NoText { .. }) => Ok(String::new()),
            Err(error) => Err(error.into()),
        }
    }
}

impl StyleObjective for Reader {
    fn name(&self) -> &'static str {
        "the built-in reader"
    }

    fn accuracy(&mut self, config: &RenderConfig, text: &str) -> Result<f64> {
        let document = Document::from_text(text);
        let pages = Typesetter::new(config.clone())?.render(&document)?;
        let (mut all, mut wrong) = (0, 0);
        for page in &pages {
            let lines = page
                .lines
                .iter()
                .map(|line| text[line.source.clone()].trim());
            let drawn = words(&lines.collect::<Vec<_>>().join(" "));
            let read = words(&self.read(page)?);
            all += drawn.len();
            wrong += distance(&drawn, &read).min(drawn.len());
        }
        Ok(1.0 - wrong as f64 / all.max(1) as f64)
    }
}

/// Characters with single spaces between words.
fn words(text: &str) -> Vec<char> {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().collect()
}

/// Edit distance.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (diagonal + usize::from(x != y))
                .min(row[j] + 1)
                .min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[b.len()]
}
