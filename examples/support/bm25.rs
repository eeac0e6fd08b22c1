//! BM25 over windows of lines: what a search engine without a model finds.

use std::collections::HashMap;
use std::ops::Range;

const K1: f64 = 1.2;
const B: f64 = 0.75;

/// An index of overlapping passages.
pub(crate) struct Bm25 {
    passages: Vec<Range<usize>>,
    lengths: Vec<f64>,
    /// Passages that hold a term, and how often.
    postings: HashMap<String, Vec<(usize, f64)>>,
    mean: f64,
}

impl Bm25 {
    /// Passages of `length` lines, each beginning half a passage after the one before.
    pub(crate) fn new(lines: &[&str], length: usize) -> Self {
        let step = (length / 2).max(1);
        let mut passages = Vec::new();
        let mut postings: HashMap<String, Vec<(usize, f64)>> = HashMap::new();
        let mut lengths = Vec::new();
        for start in (0..lines.len()).step_by(step) {
            let range = start..(start + length).min(lines.len());
            let mut counts: HashMap<String, f64> = HashMap::new();
            let terms = terms(&lines[range.clone()].concat());
            lengths.push(terms.len() as f64);
            for term in terms {
                *counts.entry(term).or_default() += 1.0;
            }
            for (term, n) in counts {
                postings.entry(term).or_default().push((passages.len(), n));
            }
            passages.push(range);
        }
        let mean = lengths.iter().sum::<f64>() / lengths.len().max(1) as f64;
        Self {
            passages,
            lengths,
            postings,
            mean,
        }
    }

    /// The best passages that do not overlap, best first, as ranges of lines.
    pub(crate) fn best(&self, question: &str, n: usize) -> Vec<Range<usize>> {
        let mut scores = vec![0.0; self.passages.len()];
        let mut asked = terms(question);
        asked.sort();
        asked.dedup();
        for term in asked {
            let Some(found) = self.postings.get(&term) else {
                continue;
            };
            let (df, all) = (found.len() as f64, self.passages.len() as f64);
            let idf = (1.0 + (all - df + 0.5) / (df + 0.5)).ln();
            for &(passage, tf) in found {
                let norm = K1 * (1.0 - B + B * self.lengths[passage] / self.mean);
                scores[passage] += idf * tf * (K1 + 1.0) / (tf + norm);
            }
        }
        let mut order: Vec<usize> = (0..scores.len()).filter(|&i| scores[i] > 0.0).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let mut best: Vec<Range<usize>> = Vec::new();
        for i in order {
            let own = &self.passages[i];
            if best
                .iter()
                .all(|b| b.end <= own.start || own.end <= b.start)
            {
                best.push(own.clone());
            }
            if best.len() == n {
                break;
            }
        }
        best
    }
}

/// Words in lower case; of Han, every two neighbours, as search engines index Chinese.
fn terms(text: &str) -> Vec<String> {
    let han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    let mut terms = Vec::new();
    let mut word = String::new();
    let mut before: Option<char> = None;
    for c in text.chars().chain([' ']) {
        if c.is_alphanumeric() && !han(c) {
            word.extend(c.to_lowercase());
        } else if !word.is_empty() {
            terms.push(std::mem::take(&mut word));
        }
        if han(c) {
            if let Some(first) = before {
                terms.push([first, c].iter().collect());
            }
            before = Some(c);
        } else if !c.is_whitespace() {
            before = None;
        }
    }
    terms
}
