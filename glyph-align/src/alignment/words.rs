//! The words of a passage as a readout tells them, hashed to rows of a table.
//!
//! As fastText does it (Bojanowski et al., arXiv 1607.04606): a word is the row of its whole and the
//! rows of its runs of four characters, so that words never seen, and words with a letter misread,
//! land near those they share letters with.

use std::ops::Range;

use glyph_decode::LineReading;
use serde::{Deserialize, Serialize};

/// Letters of a run of characters that has a row of its own.
const RUN: usize = 4;
/// Characters of a word that count; what is longer is cut, as base64 would else fill a passage.
const LONGEST: usize = 24;

/// A feature of a passage: a row of the table, and the word that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashedFeature {
    /// Row of the table.
    pub id: u32,
    /// Index of the word.
    pub word: u32,
}

/// What a passage's characters come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HashedWords {
    /// The characters of each word.
    pub words: Vec<Range<usize>>,
    /// Rows of the table.
    pub features: Vec<HashedFeature>,
}

impl HashedWords {
    /// Splits characters into words and hashes them to rows below `buckets`.
    ///
    /// Words are runs of letters and digits, in lower case; a character of full width is a word.
    pub fn new(chars: &[char], buckets: u32) -> Self {
        let mut out = Self::default();
        let mut at = 0;
        while at < chars.len() {
            let start = at;
            if !chars[at].is_alphanumeric() {
                at += 1;
                continue;
            }
            at += 1;
            if !is_wide(chars[start]) {
                while at < chars.len() && chars[at].is_alphanumeric() && !is_wide(chars[at]) {
                    at += 1;
                }
            }
            out.words.push(start..at.min(start + LONGEST));
        }
        let lower = |range: &Range<usize>| -> Vec<char> {
            chars[range.clone()]
                .iter()
                .flat_map(|c| c.to_lowercase())
                .collect()
        };
        let words: Vec<Vec<char>> = out.words.iter().map(lower).collect();
        for (i, word) in (0u32..).zip(&words) {
            let marked: Vec<char> = ['<'].iter().chain(word).chain(&['>']).copied().collect();
            let mut push = |kind: u8, part: &[char]| {
                let id = hash(kind, part) % buckets.max(1);
                out.features.push(HashedFeature { id, word: i });
            };
            push(0, &marked);
            if marked.len() > RUN {
                marked.windows(RUN).for_each(|run| push(1, run));
            }
        }
        out
    }

    /// How sure each feature is: the geometric mean of its characters' probabilities.
    pub fn weights(&self, probabilities: &[f32]) -> Vec<f32> {
        let word = |i: u32| {
            let own = &probabilities[self.words[i as usize].clone()];
            let sum: f32 = own.iter().map(|p| p.max(MIN_PROBABILITY).ln()).sum();
            sum / own.len().max(1) as f32
        };
        self.features.iter().map(|f| word(f.word).exp()).collect()
    }
}

/// Probabilities below this count as this.
pub(super) const MIN_PROBABILITY: f32 = 1e-4;

/// The hashed words of one passage, ready for a head.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PassageWords {
    /// Rows of the table.
    pub ids: Vec<u32>,
    /// How much each counts, from 0 to 1.
    pub weights: Vec<f32>,
}

impl PassageWords {
    /// The words of some characters and how probable each character is.
    pub fn new(chars: &[char], probabilities: &[f32], buckets: u32) -> Self {
        let hashed = HashedWords::new(chars, buckets);
        Self {
            weights: hashed.weights(probabilities),
            ids: hashed.features.iter().map(|f| f.id).collect(),
        }
    }

    /// The words of a text, as a reader that makes no mistake finds them in its image.
    pub fn of_text(text: &str, buckets: u32) -> Self {
        let chars: Vec<char> = text.chars().collect();
        Self::new(&chars, &vec![1.0; chars.len()], buckets)
    }

    /// The words of rows as a readout read them, in reading order. A word that goes on in the next
    /// row is one word.
    pub fn of_lines(lines: &[LineReading], buckets: u32) -> Self {
        let (mut chars, mut probabilities) = (Vec::new(), Vec::new());
        for line in lines {
            for (c, &p) in line.text.chars().zip(&line.confidences) {
                chars.push(c);
                probabilities.push(p);
            }
            if !line.continues {
                chars.push(' ');
                probabilities.push(1.0);
            }
        }
        Self::new(&chars, &probabilities, buckets)
    }
}

fn is_wide(c: char) -> bool {
    glyph_render::half_cells(c) == 2
}

/// FNV-1a over code points, stirred as MurmurHash3 ends, since the low bits of FNV are weak.
fn hash(kind: u8, part: &[char]) -> u32 {
    let mut h = 0x811c_9dc5u32;
    let mut byte = |b: u32| h = (h ^ b).wrapping_mul(0x0100_0193);
    byte(u32::from(kind));
    for &c in part {
        byte(u32::from(c) & 0xff);
        byte(u32::from(c) >> 8);
    }
    h ^= h >> 16;
    h = h.wrapping_mul(0x85eb_ca6b);
    h ^= h >> 13;
    h = h.wrapping_mul(0xc2b2_ae35);
    h ^ (h >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> HashedWords {
        HashedWords::new(&text.chars().collect::<Vec<_>>(), 1 << 16)
    }

    #[test]
    fn words_share_rows_with_words_they_share_letters_with() {
        let ids = |text: &str| -> Vec<u32> { words(text).features.iter().map(|f| f.id).collect() };
        let (a, b, c) = (ids("encoder"), ids("Encoders,"), ids("lighthouse"));
        let shared = |x: &[u32], y: &[u32]| x.iter().filter(|i| y.contains(i)).count();
        assert!(shared(&a, &b) >= 4, "{a:?} {b:?}");
        assert_eq!(shared(&a, &c), 0);
        assert_eq!(ids("ENCODER"), a);
        assert!(ids("... -- !").is_empty());
    }

    #[test]
    fn doubtful_words_count_less() {
        let chars: Vec<char> = "sure maybe".chars().collect();
        let mut p = vec![1.0; chars.len()];
        p[5..].fill(0.25);
        let hashed = HashedWords::new(&chars, 1 << 16);
        for (feature, weight) in hashed.features.iter().zip(hashed.weights(&p)) {
            let expected = [1.0, 0.25][feature.word as usize];
            assert!((weight - expected).abs() < 1e-6, "{feature:?} {weight}");
        }
    }
}
