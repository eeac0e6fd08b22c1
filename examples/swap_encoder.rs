//! Swaps a stage: an encoder of one's own that reads white text on black pages.
//! `cargo run --release --example swap_encoder`

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use anyhow::Result;
use glyph_pipeline::encode::{
    BuiltinEncoder, Detail, EncodeError, EncoderInput, Page, TokenGrid, VisionEncoder, VisionTokens,
};
use glyph_pipeline::render::{Document, PageIter, RenderConfig, RenderError, Renderer, Typesetter};
use glyph_pipeline::{DeviceSpec, Pipeline};

fn invert(mut page: Page) -> Page {
    page.pixels.iter_mut().for_each(|p| *p = 255 - *p);
    page
}

/// A renderer that draws white on black, as a dark theme does.
struct DarkRenderer(Typesetter);

impl Renderer for DarkRenderer {
    fn render(&self, document: &Document) -> Result<Vec<Page>, RenderError> {
        self.pages(document).collect()
    }

    fn pages<'a>(&'a self, document: &'a Document) -> PageIter<'a> {
        Box::new(self.0.pages(document).map(|page| page.map(invert)))
    }
}

/// An encoder that turns dark pages light before the built-in one looks at them.
struct DarkModeEncoder(BuiltinEncoder);

impl VisionEncoder for DarkModeEncoder {
    fn encode(&self, input: EncoderInput<'_>) -> Result<VisionTokens, EncodeError> {
        let ink: u64 = input.page.pixels.iter().map(|&p| u64::from(p)).sum();
        if ink / (input.page.pixels.len() as u64).max(1) > 127 {
            return self.0.encode(input);
        }
        self.0.encode(EncoderInput {
            page: &invert(input.page.clone()),
            ..input
        })
    }

    fn token_grid(&self, height: u32, width: u32, detail: Detail) -> TokenGrid {
        self.0.token_grid(height, width, detail)
    }

    fn hidden_size(&self) -> usize {
        self.0.hidden_size()
    }

    fn fingerprint(&self) -> String {
        format!("dark-mode-{}", self.0.fingerprint())
    }
}

fn main() -> Result<()> {
    let device = DeviceSpec::Cpu.resolve()?.device;
    let pipeline = Pipeline::builder()
        .device(&device)
        .renderer(DarkRenderer(Typesetter::new(RenderConfig::builtin())?))
        .encoder(DarkModeEncoder(BuiltinEncoder::new(&device)?))
        .build()?;
    let text =
        "The bridge opens at nine. The bridge keeper is called Mara Holt. It closes at dusk.";
    let reply = pipeline.ask_text(text, "Who is the bridge keeper?")?;
    println!("{}", reply.output.text);
    anyhow::ensure!(
        reply.output.text.contains("Mara Holt"),
        "the dark page was not read"
    );
    Ok(())
}
