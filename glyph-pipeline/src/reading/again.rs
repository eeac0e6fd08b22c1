//! Doubtful places once more: finely where they were read coarsely, and then with patches that
//! begin elsewhere.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Instant;

use burn::tensor::{Int, Tensor, TensorData};
use glyph_decode::LineReading;
use glyph_encode::{Detail, EncoderInput, TokenPosition, VisionTokens};
use glyph_render::{BBox, Page};
use rayon::prelude::*;

use super::{Reread, region};
use crate::{Pipeline, PipelineError};

/// Rows with doubtful characters: where the row lies, and which columns of the page they take.
type Doubtful = BTreeMap<u32, (BBox, Vec<Range<u32>>)>;

impl Pipeline {
    /// What of some lines of one page is read with less confidence than `reread_below`.
    fn doubtful(&self, lines: &[LineReading]) -> Doubtful {
        let mut doubtful = Doubtful::new();
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
        doubtful
    }

    /// Encodes doubtful places with patches that begin elsewhere, if the encoder can, and takes of
    /// each doubtful character the surer reading. A full-width character that straddled two patches
    /// is whole in one then, and read as well as others. Costs `spare` tokens at most.
    pub(super) fn look_again(
        &self,
        inputs: &[EncoderInput<'_>],
        lines: &mut [Vec<LineReading>],
        spare: usize,
        cost: &mut Reread,
    ) -> Result<(), PipelineError> {
        let encoding = Instant::now();
        let mut tokens: Vec<Option<VisionTokens>> = inputs
            .par_iter()
            .zip(&*lines)
            .map(|(input, lines)| self.staggered(input.page, lines))
            .collect::<Result<_, _>>()?;
        for tokens in &mut tokens {
            let more = tokens.as_ref().map_or(0, VisionTokens::len);
            match cost.tokens + more <= spare {
                true => cost.tokens += more,
                false => *tokens = None,
            }
        }
        cost.encode += encoding.elapsed().as_secs_f64();
        let decoding = Instant::now();
        let again = self.read_all(&tokens)?;
        cost.readout += decoding.elapsed().as_secs_f64();
        cost.tokens += tokens
            .iter()
            .flatten()
            .map(VisionTokens::len)
            .sum::<usize>();
        for (lines, again) in lines.iter_mut().zip(again) {
            let again: BTreeMap<u32, LineReading> =
                again.into_iter().map(|line| (line.row, line)).collect();
            for line in lines {
                if let Some(second) = again.get(&line.row) {
                    self.take_surer(line, second);
                }
            }
        }
        Ok(())
    }

    /// The tokens of other patches that hold a doubtful character of these lines.
    fn staggered(
        &self,
        page: &Page,
        lines: &[LineReading],
    ) -> Result<Option<VisionTokens>, PipelineError> {
        let doubtful = self.doubtful(lines);
        let mut parts = Vec::new();
        for bbox in regions(&doubtful) {
            let Some(tokens) = self.encoder.encode_staggered(region(page, bbox))? else {
                return Ok(None);
            };
            let holds: Vec<usize> = (0..tokens.len())
                .filter(|&i| {
                    let position = tokens.positions[i];
                    let columns = doubtful.get(&position.row).map(|(_, columns)| columns);
                    columns.is_some_and(|c| c.iter().any(|c| overlaps(c, position.bbox)))
                })
                .collect();
            if !holds.is_empty() {
                parts.push(select(&tokens, &holds));
            }
        }
        let Some(first) = parts.first() else {
            return Ok(None);
        };
        let device = first.features.device();
        let tokens = VisionTokens::concat(&parts, self.encoder.hidden_size(), &device)?;
        Ok(Some(tokens))
    }

    /// Takes what a second reading of the line is surer of.
    fn take_surer(&self, line: &mut LineReading, second: &LineReading) {
        let others: Vec<(char, f32, &Range<u32>)> = second
            .text
            .chars()
            .zip(&second.confidences)
            .zip(&second.columns)
            .map(|((c, &p), columns)| (c, p, columns))
            .filter(|(c, ..)| !matches!(*c, ' ' | char::REPLACEMENT_CHARACTER))
            .collect();
        let own = line.text.chars().zip(&mut line.confidences);
        line.text = own
            .zip(&line.columns)
            .map(|((c, p), columns)| {
                let doubtful = c != ' ' && *p < self.reread_below;
                let other = others
                    .iter()
                    .find(|(.., o)| doubtful && same_place(columns, o));
                match other {
                    Some(&(c, surer, _)) if surer > *p => {
                        *p = surer;
                        c
                    }
                    _ => c,
                }
            })
            .collect();
    }

    fn read_all(
        &self,
        tokens: &[Option<VisionTokens>],
    ) -> Result<Vec<Vec<LineReading>>, PipelineError> {
        let read = |tokens: &Option<VisionTokens>| match tokens {
            Some(tokens) => self.readout.read(tokens),
            None => Ok(Vec::new()),
        };
        Ok(tokens.par_iter().map(read).collect::<Result<_, _>>()?)
    }

    /// Encodes the places of doubtful characters finely, puts the new tokens in the place of the
    /// coarse ones, and reads those rows again.
    pub(super) fn reread(
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
        let again = self.read_all(&mixed)?;
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
        let doubtful = self.doubtful(lines);
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
        let device = coarse.features.device();
        let mut parts = vec![coarse.clone()];
        for bbox in regions(&doubtful) {
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
        Ok(Some(select(&all, &order)))
    }
}

/// Boxes around doubtful rows; rows that follow one another, the next below the one before, share
/// one. In another column it lies elsewhere, and one box would hold both columns.
fn regions(doubtful: &Doubtful) -> Vec<BBox> {
    let mut regions: Vec<(u32, BBox)> = Vec::new();
    for (&row, &(bbox, _)) in doubtful {
        match regions.last_mut() {
            Some((last, region)) if *last + 1 == row && is_below(*region, bbox) => {
                (*last, *region) = (row, region.union(bbox));
            }
            _ => regions.push((row, bbox)),
        }
    }
    regions.into_iter().map(|(_, bbox)| bbox).collect()
}

fn is_below(region: BBox, next: BBox) -> bool {
    let left = region.x.max(next.x);
    let right = (region.x + region.width).min(next.x + next.width);
    next.y >= region.y + region.height && left < right
}

/// Some of the tokens, in this order.
fn select(tokens: &VisionTokens, order: &[usize]) -> VisionTokens {
    let rows: Vec<i32> = order.iter().map(|&i| i as i32).collect();
    let rows = TensorData::new(rows, [order.len()]);
    let rows = Tensor::<1, Int>::from_data(rows, &tokens.features.device());
    VisionTokens {
        features: tokens.features.clone().select(0, rows),
        positions: order.iter().map(|&i| tokens.positions[i]).collect(),
    }
}

/// Whether two readings' columns are those of one character; boxes on pages that were scaled are
/// rounded.
fn same_place(a: &Range<u32>, b: &Range<u32>) -> bool {
    let common = a.end.min(b.end).saturating_sub(a.start.max(b.start));
    10 * common >= 7 * (a.end - a.start).max(b.end - b.start)
}

/// Whether a character lies in a token's box with more than a quarter of its width: boxes on pages
/// that were scaled are rounded.
fn overlaps(columns: &Range<u32>, bbox: BBox) -> bool {
    let left = columns.start.max(bbox.x);
    let right = columns.end.min(bbox.x + bbox.width);
    right > left && 4 * (right - left) > columns.end - columns.start
}
