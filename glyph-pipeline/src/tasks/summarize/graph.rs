//! Sparse sentence vectors and their centrality.

use super::super::terms::{Stream, is_stop_word, stem};
use std::collections::HashMap;

/// Terms in more sentences than this join too much to tell anything apart.
const COMMON: usize = 250;
/// Neighbours kept for each sentence.
const NEIGHBOURS: usize = 24;
const DAMPING: f32 = 0.85;

/// Sparse unit vectors, one for each sentence.
pub(super) struct Vectors {
    rows: Vec<Vec<(u32, f32)>>,
    frequency: Vec<u32>,
}

impl Vectors {
    /// Weighs the terms of each sentence by frequency and rarity.
    pub(super) fn new<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let stream = Stream::of_texts(texts);
        let mut stems: HashMap<&str, u32> = HashMap::new();
        let mut next = 0;
        let of_word: Vec<Option<u32>> = stream
            .words
            .iter()
            .map(|word| {
                if is_stop_word(word) || word.chars().count() < 2 {
                    return None;
                }
                Some(*stems.entry(stem(word)).or_insert_with(|| {
                    next += 1;
                    next - 1
                }))
            })
            .collect();
        let mut bigrams: HashMap<(char, char), u32> = HashMap::new();
        let mut rows: Vec<Vec<(u32, f32)>> = Vec::with_capacity(stream.line_count());
        for line in 0..stream.line_count() {
            let (from, to) = (
                stream.starts[line] as usize,
                stream.starts[line + 1] as usize,
            );
            let mut terms: Vec<u32> = Vec::new();
            for at in from..to {
                match stream.token(at) {
                    Some(Ok(word)) => terms.extend(of_word[word as usize]),
                    Some(Err(c)) if at + 1 < to => {
                        if let Some(Err(d)) = stream.token(at + 1) {
                            terms.push(*bigrams.entry((c, d)).or_insert_with(|| {
                                next += 1;
                                next - 1
                            }));
                        }
                    }
                    _ => {}
                }
            }
            terms.sort_unstable();
            let mut row: Vec<(u32, f32)> = Vec::new();
            for term in terms {
                match row.last_mut() {
                    Some(last) if last.0 == term => last.1 += 1.0,
                    _ => row.push((term, 1.0)),
                }
            }
            rows.push(row);
        }
        let mut frequency = vec![0_u32; next as usize];
        for (term, _) in rows.iter().flatten() {
            frequency[*term as usize] += 1;
        }
        let total = rows.len() as f32;
        for row in &mut rows {
            for (term, weight) in row.iter_mut() {
                let rarity = (1.0 + total / frequency[*term as usize] as f32).ln();
                *weight = (1.0 + weight.ln()) * rarity;
            }
            normalise(row);
        }
        Self { rows, frequency }
    }

    /// The likeness of two sentences, 0 to 1.
    pub(super) fn cosine(&self, a: usize, b: usize) -> f32 {
        let (mut a, mut b) = (
            self.rows[a].iter().peekable(),
            self.rows[b].iter().peekable(),
        );
        let mut sum = 0.0;
        while let (Some(&&(x, v)), Some(&&(y, w))) = (a.peek(), b.peek()) {
            match x.cmp(&y) {
                std::cmp::Ordering::Less => drop(a.next()),
                std::cmp::Ordering::Greater => drop(b.next()),
                std::cmp::Ordering::Equal => {
                    sum += v * w;
                    a.next();
                    b.next();
                }
            }
        }
        sum
    }

    /// How central each sentence is: PageRank over the graph of likeness,
    /// drawn towards sentences that hold the document's frequent terms.
    pub(super) fn centrality(&self) -> Vec<f32> {
        let count = self.rows.len();
        if count == 0 {
            return Vec::new();
        }
        let prior = self.closeness_to_whole();
        let edges = self.neighbours();
        let out: Vec<f32> = edges
            .iter()
            .map(|own| own.iter().map(|(_, w)| w).sum())
            .collect();
        let mut rank = prior.clone();
        for _ in 0..25 {
            let mut next: Vec<f32> = prior.iter().map(|p| (1.0 - DAMPING) * p).collect();
            let mut loose = 0.0;
            for (from, own) in edges.iter().enumerate() {
                if out[from] <= 0.0 {
                    loose += rank[from];
                    continue;
                }
                for &(to, weight) in own {
                    next[to as usize] += DAMPING * rank[from] * weight / out[from];
                }
            }
            for (value, p) in next.iter_mut().zip(&prior) {
                *value += DAMPING * loose * p;
            }
            rank = next;
        }
        // Both views count: votes of like sentences, and the document's theme.
        rank.iter()
            .zip(&prior)
            .map(|(r, p)| (r * p).sqrt() * count as f32)
            .collect()
    }

    /// Each sentence's cosine with the sum of all, as a distribution.
    fn closeness_to_whole(&self) -> Vec<f32> {
        let mut whole = vec![0.0_f32; self.frequency.len()];
        for (term, weight) in self.rows.iter().flatten() {
            whole[*term as usize] += weight;
        }
        let mut prior: Vec<f32> = self
            .rows
            .iter()
            .map(|row| row.iter().map(|(t, w)| w * whole[*t as usize]).sum())
            .collect();
        let sum = prior.iter().sum::<f32>().max(f32::MIN_POSITIVE);
        let even = 1.0 / prior.len() as f32;
        for value in &mut prior {
            *value = 0.8 * *value / sum + 0.2 * even;
        }
        prior
    }

    /// For each sentence its most alike ones, through an inverted index.
    fn neighbours(&self) -> Vec<Vec<(u32, f32)>> {
        let mut index: Vec<Vec<(u32, f32)>> = vec![Vec::new(); self.frequency.len()];
        for (sentence, row) in self.rows.iter().enumerate() {
            for &(term, weight) in row {
                let frequency = self.frequency[term as usize] as usize;
                if frequency > 1 && frequency <= COMMON {
                    index[term as usize].push((sentence as u32, weight));
                }
            }
        }
        let mut sums = vec![0.0_f32; self.rows.len()];
        let mut touched: Vec<u32> = Vec::new();
        let mut edges = Vec::with_capacity(self.rows.len());
        for (sentence, row) in self.rows.iter().enumerate() {
            for &(term, weight) in row {
                for &(other, own) in &index[term as usize] {
                    if other as usize != sentence {
                        if sums[other as usize] == 0.0 {
                            touched.push(other);
                        }
                        sums[other as usize] += weight * own;
                    }
                }
            }
            let mut own: Vec<(u32, f32)> = touched
                .drain(..)
                .map(|other| (other, std::mem::take(&mut sums[other as usize])))
                .filter(|(_, weight)| *weight > 0.05)
                .collect();
            if own.len() > NEIGHBOURS {
                own.select_nth_unstable_by(NEIGHBOURS, |a, b| b.1.total_cmp(&a.1));
                own.truncate(NEIGHBOURS);
            }
            edges.push(own);
        }
        edges
    }
}

fn normalise(row: &mut [(u32, f32)]) {
    let length = row.iter().map(|(_, w)| w * w).sum::<f32>().sqrt();
    if length > 0.0 {
        for (_, weight) in row {
            *weight /= length;
        }
    }
}
