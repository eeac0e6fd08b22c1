//! One pass over a document's pages: render, encode, read, a few pages at a time.

mod again;

use std::collections::BTreeMap;
use std::time::Instant;

use glyph_decode::LineReading;
use glyph_encode::{Crop, Detail, EncoderInput, VisionTokens};
use glyph_render::{BBox, Document, Page};
use rayon::prelude::*;

use crate::tasks::ReadLine;
use crate::{Pipeline, PipelineError, Progress, Stage};

/// Pages that are in memory at once: bounds memory whatever the document's length.
const PAGES_AT_ONCE: usize = 16;

/// What a pass reads.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pass<'a> {
    /// Every row; with `reread`, what is doubtful a second time.
    Whole { detail: Detail, reread: bool },
    /// The rows of some crops, finely; a second look may cost `spare` tokens.
    Crops { crops: &'a [Crop], spare: usize },
}

/// Rows of text that a pass has read.
#[derive(Default)]
pub(crate) struct Reading {
    pub(crate) lines: Vec<ReadLine>,
    pub(crate) vision_tokens: usize,
    pub(crate) reread: Reread,
    pub(crate) pages: usize,
    pub(crate) render: f64,
    pub(crate) encode: f64,
    pub(crate) readout: f64,
}

/// What reading again cost: tokens and seconds.
#[derive(Default)]
pub(crate) struct Reread {
    pub(crate) tokens: usize,
    pub(crate) encode: f64,
    pub(crate) readout: f64,
}

impl Pipeline {
    /// Reads pages, or of pages only the crops, a few pages at a time on all cores.
    pub(crate) fn read_pages(
        &self,
        document: &Document,
        pass: Pass<'_>,
    ) -> Result<Reading, PipelineError> {
        let mut wanted: BTreeMap<u32, Vec<&Crop>> = BTreeMap::new();
        let last = match pass {
            Pass::Whole { .. } => u32::MAX,
            Pass::Crops { crops, .. } => {
                for crop in crops {
                    wanted.entry(crop.page).or_default().push(crop);
                }
                wanted.keys().next_back().copied().unwrap_or(0)
            }
        };
        let crops = matches!(pass, Pass::Crops { .. });
        let mut reading = Reading::default();
        let mut pages = self.renderer.pages(document);
        let mut chunk: Vec<Page> = Vec::with_capacity(PAGES_AT_ONCE);
        loop {
            let drawing = Instant::now();
            chunk.clear();
            let mut ended = false;
            while chunk.len() < PAGES_AT_ONCE {
                match pages.next() {
                    Some(page) => {
                        let page = page?;
                        ended = page.number >= last;
                        reading.pages += 1;
                        if !crops || wanted.contains_key(&page.number) {
                            chunk.push(page);
                        }
                    }
                    None => ended = true,
                }
                if ended {
                    break;
                }
            }
            reading.render += drawing.elapsed().as_secs_f64();
            self.read_chunk(&chunk, pass, &wanted, &mut reading)?;
            if let (Some(callback), Some(page)) = (&self.progress, chunk.last()) {
                let stage = if crops { Stage::Crops } else { Stage::Scan };
                let fraction = if ended { 1.0 } else { fraction(document, page) };
                if callback(Progress {
                    stage,
                    pages: reading.pages,
                    fraction,
                })
                .is_break()
                {
                    return Err(PipelineError::Cancelled {
                        pages: reading.pages,
                    });
                }
            }
            if ended {
                return Ok(reading);
            }
        }
    }

    fn read_chunk(
        &self,
        pages: &[Page],
        pass: Pass<'_>,
        crops: &BTreeMap<u32, Vec<&Crop>>,
        reading: &mut Reading,
    ) -> Result<(), PipelineError> {
        let encoding = Instant::now();
        let inputs: Vec<EncoderInput<'_>> = match pass {
            Pass::Whole { detail, .. } => pages
                .iter()
                .map(|page| EncoderInput::page(page, detail))
                .collect(),
            Pass::Crops { .. } => pages
                .iter()
                .flat_map(|page| {
                    let crops = crops.get(&page.number).into_iter().flatten();
                    crops.map(|crop| region(page, crop.bbox))
                })
                .collect(),
        };
        let tokens: Vec<VisionTokens> = inputs
            .par_iter()
            .map(|&input| self.encoder.encode(input))
            .collect::<Result<_, _>>()?;
        reading.encode += encoding.elapsed().as_secs_f64();
        let decoding = Instant::now();
        let mut lines: Vec<Vec<LineReading>> = tokens
            .par_iter()
            .map(|tokens| self.readout.read(tokens))
            .collect::<Result<_, _>>()?;
        reading.readout += decoding.elapsed().as_secs_f64();
        reading.vision_tokens += tokens.iter().map(VisionTokens::len).sum::<usize>();
        let (reread, spare) = match pass {
            Pass::Whole { reread, detail } if reread || detail == Detail::Local => {
                (reread, usize::MAX)
            }
            Pass::Whole { .. } => (false, 0),
            Pass::Crops { spare, .. } => (false, spare),
        };
        if reread && self.reread_below > 0.0 {
            self.reread(pages, &tokens, &mut lines, &mut reading.reread)?;
        }
        if spare > 0 && self.reread_below > 0.0 {
            self.look_again(&inputs, &mut lines, spare, &mut reading.reread)?;
        }
        let lines = lines.into_iter().flatten();
        reading
            .lines
            .extend(lines.map(|line| ReadLine::new(line, self.reread_below)));
        Ok(())
    }
}

fn region(page: &Page, bbox: BBox) -> EncoderInput<'_> {
    EncoderInput {
        page,
        region: Some(bbox),
        detail: Detail::Local,
    }
}

/// Share of the document that lies before the end of a page.
fn fraction(document: &Document, page: &Page) -> f64 {
    let blocks = document.blocks.len().max(1) as f64;
    let Some(line) = page.lines.last() else {
        return (f64::from(page.number) / blocks).min(1.0);
    };
    let within = match document.blocks.get(line.source_block) {
        Some(glyph_render::Block::Text { text, .. }) => {
            line.source.end as f64 / text.len().max(1) as f64
        }
        _ => 1.0,
    };
    ((line.source_block as f64 + within) / blocks).min(1.0)
}
