//! One pass over a document's pages: render, encode, read, a few pages at a time.

use std::collections::BTreeMap;
use std::time::Instant;

use burn::tensor::{Int, Tensor, TensorData};
use glyph_decode::LineReading;
use glyph_encode::{Crop, Detail, EncoderInput, TokenPosition, VisionTokens};
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
    /// The rows of some crops, finely.
    Crops(&'a [Crop]),
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
            Pass::Crops(crops) => {
                for crop in crops {
                    wanted.entry(crop.page).or_default().push(crop);
                }
                wanted.keys().next_back().copied().unwrap_or(0)
            }
        };
        let crops = matches!(pass, Pass::Crops(_));
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
            Pass::Crops(_) => pages
                .iter()
                .flat_map(|page| {
                    let crops = crops.get(&page.number).into_iter().flatten();
                    crops.map(|crop| region(page, crop.bbox))
                })
                .collect(),
        };
        let tokens: Vec<VisionTokens> = inputs
            .into_par_iter()
            .map(|input| self.encoder.encode(input))
            .collect::<Result<_, _>>()?;
        reading.encode += encoding.elapsed().as_secs_f64();
        let decoding = Instant::now();
        let mut lines: Vec<Vec<LineReading>> = tokens
            .par_iter()
            .map(|tokens| self.readout.read(tokens))
            .collect::<Result<_, _>>()?;
        reading.readout += decoding.elapsed().as_secs_f64();
        reading.vision_tokens += tokens.iter().map(VisionTokens::len).sum::<usize>();
        if matches!(pass, Pass::Whole { reread: true, .. }) && self.reread_below > 0.0 {
            self.reread(pages, &tokens, &mut lines, &mut reading.reread)?;
        }
        let lines = lines.into_iter().flatten();
        reading
            .lines
            .extend(lines.map(|line| ReadLine::new(line, self.reread_below)));
        Ok(())
    }

    /// Encodes the places of doubtful characters finely, puts the new tokens in the place of the
    /// coarse ones, and reads those rows again.
    fn reread(
        &self,
        pages: &[Page],
        coarse: &[VisionTokens],
        lines: &mut [Vec<LineReading>],
        cost: &mut Reread,
    ) -> Result<(), PipelineError> {
        let encoding = Instant::now();
        let jobs: Vec<(&Page, &VisionTokens, &[LineReading])> = pages
            .iter()
            .zip(coarse)
            .zip(lines.iter())
            .map(|((page, tokens), lines)| (page, tokens, lines.as_slice()))
            .collect();
        let mixed: Vec<Option<VisionTokens>> = jobs
            .into_par_iter()
            .map(|(page, tokens, lines)| self.refine(page, tokens, lines))
            .collect::<Result<_, _>>()?;
        cost.encode += encoding.elapsed().as_secs_f64();
        let decoding = Instant::now();
        let again: Vec<Vec<LineReading>> = mixed
            .par_iter()
            .map(|tokens| {
                tokens
                    .as_ref()
                    .map_or(Ok(Vec::new()), |t| self.readout.read(t))
            })
            .collect::<Result<_, _>>()?;
        cost.readout += decoding.elapsed().as_secs_f64();
        for tokens in mixed.iter().flatten() {
            let fine = |p: &&TokenPosition| p.detail == Detail::Local;
            cost.tokens += tokens.positions.iter().filter(fine).count();
        }
        for (lines, again) in lines.iter_mut().zip(again) {
            let mut again: BTreeMap<u32, LineReading> =
                again.into_iter().map(|line| (line.row, line)).collect();
            for line in lines {
                if let Some(better) = again.remove(&line.row) {
                    *line = better;
                }
            }
        }
        Ok(())
    }

    /// The tokens of a page's doubtful rows, from left to right: coarse ones, and in the place of
    /// those that hold a doubtful character, fine ones. None where nothing is doubtful.
    fn refine(
        &self,
        page: &Page,
        coarse: &VisionTokens,
        lines: &[LineReading],
    ) -> Result<Option<VisionTokens>, PipelineError> {
        let mut doubtful: BTreeMap<u32, (BBox, Vec<std::ops::Range<u32>>)> = BTreeMap::new();
        for line in lines {
            let characters = line.text.chars().zip(&line.confidences).zip(&line.columns);
            let found: Vec<_> = characters
                .filter(|((c, p), _)| *c != ' ' && **p < self.reread_below)
                .map(|(_, columns)| columns.clone())
                .collect();
            if !found.is_empty() {
                doubtful.insert(line.row, (line.bbox, found));
            }
        }
        if doubtful.is_empty() {
            return Ok(None);
        }
        let (mut kept, mut replaced) = (Vec::new(), Vec::new());
        for (i, position) in coarse.positions.iter().enumerate() {
            if let Some((_, columns)) = doubtful.get(&position.row) {
                match columns.iter().any(|c| overlaps(c, position.bbox)) {
                    true => replaced.push(*position),
                    false => kept.push(i),
                }
            }
        }
        // Rows that follow one another are encoded together.
        let mut regions: Vec<(u32, BBox)> = Vec::new();
        for (&row, &(bbox, _)) in &doubtful {
            match regions.last_mut() {
                Some((last, region)) if *last + 1 == row => {
                    (*last, *region) = (row, region.union(bbox));
                }
                _ => regions.push((row, bbox)),
            }
        }
        let device = coarse.features.device();
        let mut parts = vec![coarse.clone()];
        for (_, bbox) in regions {
            parts.push(self.encoder.encode(region(page, bbox))?);
        }
        let all = VisionTokens::concat(&parts, self.encoder.hidden_size(), &device)?;
        let inside = |fine: &TokenPosition| {
            let middle = fine.bbox.x + fine.bbox.width / 2;
            replaced.iter().any(|own| {
                own.row == fine.row && (own.bbox.x..own.bbox.x + own.bbox.width).contains(&middle)
            })
        };
        let fine = (coarse.len()..all.len()).filter(|&i| inside(&all.positions[i]));
        let mut order: Vec<usize> = kept.into_iter().chain(fine).collect();
        order.sort_by_key(|&i| (all.positions[i].row, all.positions[i].bbox.x));
        let rows: Vec<i32> = order.iter().map(|&i| i as i32).collect();
        let rows = TensorData::new(rows, [order.len()]);
        Ok(Some(VisionTokens {
            features: all
                .features
                .select(0, Tensor::<1, Int>::from_data(rows, &device)),
            positions: order.into_iter().map(|i| all.positions[i]).collect(),
        }))
    }
}

fn region(page: &Page, bbox: BBox) -> EncoderInput<'_> {
    EncoderInput {
        page,
        region: Some(bbox),
        detail: Detail::Local,
    }
}

/// Whether a character lies in a token's box with more than a quarter of its width: boxes on pages
/// that were scaled are rounded.
fn overlaps(columns: &std::ops::Range<u32>, bbox: BBox) -> bool {
    let left = columns.start.max(bbox.x);
    let right = columns.end.min(bbox.x + bbox.width);
    right > left && 4 * (right - left) > columns.end - columns.start
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
