//! Who says how well a style is read.

use anyhow::Result;
use burn::tensor::Device;
use glyph_examples::{edit_distance, single_spaced};
use glyph_pipeline::encode::Detail;
use glyph_pipeline::render::{Document, RenderConfig, Renderer, Typesetter};
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

/// The model that ships with Glyph.
pub(crate) struct Reader {
    device: Device,
}

impl Reader {
    pub(crate) fn new(args: &PipelineArgs) -> Result<Self> {
        Ok(Self {
            device: args.device.resolve()?.device,
        })
    }
}

impl StyleObjective for Reader {
    fn name(&self) -> &'static str {
        "the built-in reader"
    }

    fn accuracy(&mut self, config: &RenderConfig, text: &str) -> Result<f64> {
        let document = Document::from_text(text);
        let typesetter = Typesetter::new(config.clone())?;
        let pages = typesetter.render(&document)?;
        let builder = Pipeline::builder().device(&self.device);
        let pipeline = builder.renderer(typesetter).build()?;
        let lines = match pipeline.read(&document, Detail::Local) {
            Ok(reply) => reply.output,
            Err(PipelineError::NoText { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let (mut all, mut wrong) = (0, 0);
        for page in &pages {
            let drawn = page
                .lines
                .iter()
                .map(|line| text[line.source.clone()].trim());
            let drawn = single_spaced(&drawn.collect::<Vec<_>>().join(" "));
            let read = lines.iter().filter(|line| line.page == page.number);
            let read = read.map(|line| line.text.as_str()).collect::<Vec<_>>();
            let read = single_spaced(&read.join(" "));
            let count = drawn.chars().count();
            all += count;
            wrong += edit_distance(&drawn, &read).min(count);
        }
        Ok(1.0 - wrong as f64 / all.max(1) as f64)
    }
}
