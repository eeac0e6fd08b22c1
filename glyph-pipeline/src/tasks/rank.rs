//! How relevant each line of a coarse read is to a question.

use super::lines::{Adjacency, ReadLine};
use super::terms::{Hit, Query, Stream, hits};

mod keywords;
#[cfg(test)]
mod tests;

pub use keywords::rank_keywords;

const K1: f32 = 1.2;
const B: f32 = 0.5;
/// What an occurrence in a neighbouring line counts for.
const NEIGHBOUR: f32 = 0.5;
/// Lines above and below in which a word that the window lacks still counts: the rest of a
/// paragraph, or its heading.
const REACH: usize = 8;
/// What it counts for beside the window; less the further away.
const FAR: f32 = 0.5;
/// How much of that goes into the score, besides the coverage.
const FAR_SCORE: f32 = 0.6;

/// Scores every line's relevance to a question, to choose what to read finely.
///
/// The score is BM25 over overlapping windows of three lines, raised by the
/// share of the question that a window covers, by words of the question that
/// stand next to one another, and a little by words that stand within eight
/// lines. Words match by stem, two also where they are written as one, and
/// also when a few of their letters differ, since a coarse read has wrong
/// characters. Lines with
/// nothing of the question nearby score 0; scores of different questions are
/// not comparable.
#[must_use]
pub fn rank(question: &str, lines: &[ReadLine]) -> Vec<f32> {
    let query = Query::new(question);
    if query.is_empty() || lines.is_empty() {
        return vec![0.0; lines.len()];
    }
    let stream = Stream::of_lines(lines);
    let found = hits(&query, &stream);
    let rarity = rarities(&query, &found, stream.line_count());
    let adjacency = Adjacency::new(lines);
    let mut scorer = Scorer {
        query: &query,
        stream: &stream,
        rarity: &rarity,
        average: (stream.len() as f32 / lines.len() as f32).max(1.0),
        frequency: vec![0.0; query.terms.len()],
        best: vec![0.0; query.terms.len()],
        far: vec![0.0; query.terms.len()],
    };
    let starts = line_starts(&found, lines.len());
    let mut scores = vec![0.0; lines.len()];
    for (index, score) in scores.iter_mut().enumerate() {
        let near = |a: usize, b: usize| {
            adjacency.holds(&lines[a], &lines[b])
                || lines[a].page == lines[b].page && lines[b].line <= lines[a].line + 2
        };
        let from = match index.checked_sub(1) {
            Some(before) if near(before, index) => before,
            _ => index,
        };
        let to = if index + 1 < lines.len() && near(index, index + 1) {
            index + 1
        } else {
            index
        };
        let window = &found[starts[from]..starts[to + 1]];
        if !window.is_empty() {
            let around = index.saturating_sub(REACH)..(index + REACH + 1).min(lines.len());
            let around = &found[starts[around.start]..starts[around.end]];
            *score = scorer.window(window, around, index, from..to + 1);
        }
    }
    scores
}

/// Where each line's hits begin; one more than there are lines.
fn line_starts(found: &[Hit], lines: usize) -> Vec<usize> {
    let mut starts = Vec::with_capacity(lines + 1);
    let mut at = 0;
    for line in 0..=lines {
        while at < found.len() && found[at].line < line {
            at += 1;
        }
        starts.push(at);
    }
    starts
}

/// Each term's weight times its inverse document frequency over lines.
pub(crate) fn rarities(query: &Query, found: &[Hit], lines: usize) -> Vec<f32> {
    let mut frequency = vec![0.0_f32; query.terms.len()];
    let mut seen = vec![usize::MAX; query.terms.len()];
    for hit in found {
        if seen[hit.term] != hit.line {
            seen[hit.term] = hit.line;
            frequency[hit.term] += hit.weight;
        }
    }
    let total = lines as f32;
    query
        .terms
        .iter()
        .zip(frequency)
        .map(|(term, df)| term.weight * (1.0 + (total - df + 0.5).max(0.5) / (df + 0.5)).ln())
        .collect()
}

struct Scorer<'a> {
    query: &'a Query,
    stream: &'a Stream,
    rarity: &'a [f32],
    average: f32,
    frequency: Vec<f32>,
    best: Vec<f32>,
    far: Vec<f32>,
}

impl Scorer<'_> {
    fn window(
        &mut self,
        window: &[Hit],
        around: &[Hit],
        centre: usize,
        lines: std::ops::Range<usize>,
    ) -> f32 {
        self.frequency.fill(0.0);
        self.best.fill(0.0);
        self.far.fill(0.0);
        let mut inside = false;
        for hit in window {
            let own = hit.line == centre;
            inside |= own;
            self.frequency[hit.term] += hit.weight * if own { 1.0 } else { NEIGHBOUR };
            let held = hit.weight * if own { 1.0 } else { 0.6 };
            self.best[hit.term] = self.best[hit.term].max(held);
        }
        // Only a line with a word of the question is about it.
        for hit in around.iter().filter(|_| inside) {
            let distance = hit.line.abs_diff(centre) as f32;
            let held = hit.weight * FAR * (1.0 - distance / (REACH + 1) as f32);
            self.far[hit.term] = self.far[hit.term].max(held);
        }
        let tokens = self.stream.starts[lines.end] - self.stream.starts[lines.start];
        let length = tokens as f32 / lines.len() as f32 / self.average;
        let norm = K1 * (1.0 - B + B * length);
        let (mut score, mut covered, mut total) = (0.0, 0.0, 0.0);
        for (term, &rarity) in self.rarity.iter().enumerate() {
            let tf = self.frequency[term];
            score += rarity * tf * (K1 + 1.0) / (tf + norm);
            if tf == 0.0 {
                score += rarity * self.far[term] * FAR_SCORE;
            }
            covered += rarity * self.best[term].max(self.far[term]);
            total += rarity;
        }
        score += 0.8 * self.neighbours(window, centre);
        let coverage = covered / f32::max(total, f32::MIN_POSITIVE);
        score * (0.4 + coverage * coverage) * if inside { 1.0 } else { 0.5 }
    }

    /// What pairs of terms that stand together, as in the question, add.
    fn neighbours(&self, window: &[Hit], centre: usize) -> f32 {
        let mut sum = 0.0;
        for &(a, b) in &self.query.pairs {
            let mut best = 0.0_f32;
            for first in window.iter().filter(|h| h.term == a) {
                let close = window
                    .iter()
                    .filter(|h| h.term == b && h.at >= first.at && h.at <= first.at + 3);
                for second in close {
                    // Two terms that are one word here stand at the same place.
                    let gap = (second.at - first.at).max(1) as f32;
                    let own = first.line == centre || second.line == centre;
                    let here = if own { 1.0 } else { NEIGHBOUR };
                    best = best.max(first.weight * second.weight * here / gap.sqrt());
                }
            }
            sum += best * f32::midpoint(self.rarity[a], self.rarity[b]);
        }
        sum
    }
}
