//! The most central sentences of a document.

use super::lines::{BBox, ReadLine};
use super::sentences::{Sentence, sentences_in_blocks};
use super::text::{
    half_cells, is_code, is_contents_row, is_heading, is_mostly_han, is_page_number, is_title_case,
};
use serde::Serialize;
use std::ops::Range;

mod graph;
#[cfg(test)]
mod tests;

/// A sentence chosen for a summary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SummarySentence {
    /// The sentence as read.
    pub text: String,
    /// The page it begins on, counted from 1.
    pub page: u32,
    /// The row it begins on, counted from 1.
    pub line: u32,
    /// Mean confidence of its lines.
    pub confidence: f32,
    /// The rectangle around its lines on the page that it begins on.
    pub bbox: BBox,
    /// How central it is; the most central sentence of the document has about 1.
    pub score: f32,
    /// Indices of its lines in the slice that was given.
    pub lines: Range<usize>,
}

/// How much a candidate's likeness to sentences already chosen counts against it.
const REDUNDANCY: f32 = 0.7;

/// Chooses the `n` most central sentences, in document order.
///
/// Sentences vote for those that share their rarer words (as in TextRank, over
/// a sparse graph); early sentences and those of a common length are preferred, and a
/// sentence that repeats what is already chosen is held back. Headings, rows
/// of tables of contents, page numbers, code and fragments are left out.
#[must_use]
pub fn summarize(lines: &[ReadLine], n: usize) -> Vec<SummarySentence> {
    if n == 0 {
        return Vec::new();
    }
    let all = sentences_in_blocks(lines);
    let mut usable: Vec<(&Sentence, bool)> = Vec::new();
    let mut last_block = usize::MAX;
    for (sentence, block) in &all {
        let opens = *block != last_block;
        if is_prose(&sentence.text) {
            usable.push((sentence, opens));
            last_block = *block;
        }
    }
    let vectors = graph::Vectors::new(usable.iter().map(|(s, _)| s.text.as_str()));
    let mut scores = vectors.centrality();
    let total = usable.len().max(1) as f32;
    for (index, (sentence, opens)) in usable.iter().enumerate() {
        let place = index as f32 / total;
        let position = 1.0 + 0.25 * (-8.0 * place).exp() + if *opens { 0.08 } else { 0.0 };
        scores[index] *=
            position * length_prior(&sentence.text) * (0.5 + 0.5 * sentence.confidence);
    }
    let highest = scores.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    for score in &mut scores {
        *score /= highest;
    }
    let mut chosen = select(&vectors, &scores, n);
    chosen.sort_unstable();
    chosen
        .into_iter()
        .map(|index| {
            let sentence = usable[index].0;
            let first = &lines[sentence.lines.start];
            SummarySentence {
                text: sentence.text.clone(),
                page: first.page,
                line: first.line,
                confidence: sentence.confidence,
                bbox: lines[sentence.lines.clone()]
                    .iter()
                    .filter(|line| line.page == first.page)
                    .fold(first.bbox, |sum, line| sum.union(line.bbox)),
                score: scores[index],
                lines: sentence.lines.clone(),
            }
        })
        .collect()
}

/// Greedy selection by maximal marginal relevance.
fn select(vectors: &graph::Vectors, scores: &[f32], n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    // Only the head of the ranking can win; this bounds the work.
    order.truncate((n * 8).max(200));
    let mut likeness = vec![0.0_f32; order.len()];
    let mut taken = vec![false; order.len()];
    let mut chosen = Vec::new();
    while chosen.len() < n {
        let best = (0..order.len())
            .filter(|&i| !taken[i] && likeness[i] < 0.8)
            .map(|i| (i, scores[order[i]] - REDUNDANCY * likeness[i]))
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        let Some((best, _)) = best else {
            break;
        };
        taken[best] = true;
        chosen.push(order[best]);
        for i in (0..order.len()).filter(|&i| !taken[i]) {
            let cosine = vectors.cosine(order[i], order[best]);
            likeness[i] = likeness[i].max(cosine);
        }
    }
    chosen
}

/// Whether a sentence can stand in a summary.
pub(crate) fn is_prose(text: &str) -> bool {
    let text = text.trim();
    let han = is_mostly_han(text);
    let ends = text
        .trim_end_matches(['"', '”', '’', '」', '』', ')', '）', '\''])
        .ends_with(['.', '!', '。', '！', '；', '…', '?', '？']);
    let long_enough = if han {
        text.chars().count() >= 8
    } else {
        text.split_whitespace().count() >= 5
    };
    let (mut letters, mut rest) = (0, 0);
    for c in text.chars().filter(|c| !c.is_whitespace()) {
        if c.is_alphabetic() {
            letters += 1;
        } else {
            rest += 1;
        }
    }
    long_enough
        && (ends || half_cells(text) > 120)
        && letters >= 2 * rest
        && half_cells(text) <= 900
        && !is_page_number(text)
        && !is_contents_row(text)
        && !is_heading(text)
        && !is_title_case(text)
        && !is_code(text)
}

/// Prefers sentences of a length that says something and can be quoted.
fn length_prior(text: &str) -> f32 {
    let words = if is_mostly_han(text) {
        text.chars().count() as f32 / 1.8
    } else {
        text.split_whitespace().count() as f32
    };
    match words {
        w if w < 8.0 => 0.5 + 0.5 * w / 8.0,
        w if w <= 35.0 => 1.0,
        w => (35.0 / w).max(0.3),
    }
}
