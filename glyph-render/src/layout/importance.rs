//! Which passages are set larger.

use std::collections::HashMap;
use std::sync::Arc;

use unicode_segmentation::UnicodeSegmentation;

use super::{NewlineMark, Prepared};
use crate::config::{Importance, Normalization, Scorer};
use crate::document::{Block, BlockKind, Document, is_cjk};

/// The class of large and of small passages.
const LARGE: u8 = 0;
const SMALL: u8 = 1;

/// The size classes of a document's passages.
#[derive(Debug, Clone)]
pub(crate) struct SizeClasses {
    classes: Arc<[u8]>,
    /// By block, the index of its first passage.
    starts: Vec<usize>,
}

/// Gives out the size classes of a block's passages, one after the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClassCursor {
    classes: Option<Arc<[u8]>>,
    next: usize,
}

impl ClassCursor {
    pub(crate) fn next_passage(&mut self) -> u8 {
        let class = self.classes.as_ref().and_then(|all| all.get(self.next));
        self.next += 1;
        class.copied().unwrap_or(LARGE)
    }
}

/// The text between line breaks, those of UAX #14 that are mandatory.
fn passages(text: &str) -> impl Iterator<Item = &str> {
    let newline = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = match rest.find(newline) {
            None => rest.len(),
            Some(at) if rest[at..].starts_with("\r\n") => at + 2,
            Some(at) => at + rest[at..].chars().next().map_or(1, char::len_utf8),
        };
        let (passage, after) = rest.split_at(end);
        rest = after;
        Some(passage)
    })
}

impl SizeClasses {
    /// Scores every passage and takes the best.
    pub(crate) fn new(
        document: &Document,
        importance: &Importance,
        mark: Option<&NewlineMark>,
        normalization: Normalization,
    ) -> Self {
        let mut starts = Vec::with_capacity(document.blocks.len());
        // Bytes of each passage, and whether it is a heading's.
        let mut sizes: Vec<(usize, bool)> = Vec::new();
        let prepared = |block: &Block, each: &mut dyn FnMut(&str, bool)| {
            if let Block::Text { kind, text, .. } = block {
                let heading = matches!(kind, BlockKind::Heading(_));
                let display = Prepared::new(text, *kind, mark, normalization);
                passages(&display.text).for_each(|passage| each(passage, heading));
            }
        };
        for block in &document.blocks {
            starts.push(sizes.len());
            prepared(block, &mut |passage, heading| {
                sizes.push((passage.trim().len(), heading));
            });
        }
        let mut scores: Vec<f32> = Vec::with_capacity(sizes.len());
        match &importance.scorer {
            Scorer::Callback(score) => {
                for block in &document.blocks {
                    prepared(block, &mut |passage, _| scores.push(score(passage)));
                }
            }
            Scorer::TfIdf | Scorer::Query(_) => {
                let query = match &importance.scorer {
                    Scorer::Query(query) => Some(query.as_str()),
                    _ => None,
                };
                let mut frequencies = Frequencies::default();
                for block in &document.blocks {
                    prepared(block, &mut |passage, _| frequencies.add(passage));
                }
                let only = query.map(|query| {
                    let mut words = HashMap::new();
                    terms(query, |term| *words.entry(term).or_insert(0) += 1);
                    words
                });
                for block in &document.blocks {
                    prepared(block, &mut |passage, _| {
                        scores.push(frequencies.score(passage, only.as_ref()));
                    });
                }
            }
        }
        let text: usize = (sizes.iter())
            .map(|(bytes, heading)| if *heading { 0 } else { *bytes })
            .sum();
        let mut left = (text as f64 * f64::from(importance.share)) as usize;
        let mut order: Vec<usize> = (0..sizes.len()).filter(|&i| !sizes[i].1).collect();
        // Where scores are equal the earlier passage wins; NaN comes last.
        let key = |i: usize| {
            if scores[i].is_nan() {
                f32::NEG_INFINITY
            } else {
                scores[i]
            }
        };
        order.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
        let mut classes = vec![SMALL; sizes.len()];
        for i in order {
            let bytes = sizes[i].0;
            if bytes > 0 && bytes <= left {
                left -= bytes;
                classes[i] = LARGE;
            }
        }
        for (class, (_, heading)) in classes.iter_mut().zip(&sizes) {
            if *heading {
                *class = LARGE;
            }
        }
        Self {
            classes: classes.into(),
            starts,
        }
    }

    pub(crate) fn block(&self, block: usize) -> ClassCursor {
        ClassCursor {
            classes: Some(Arc::clone(&self.classes)),
            next: self.starts[block],
        }
    }
}

/// Calls `each` with the hashes of a passage's words in lower case, and of its
/// pairs of Han characters.
fn terms(passage: &str, mut each: impl FnMut(u64)) {
    for word in passage.unicode_words() {
        let mut han = word.chars().filter(|&c| is_cjk(c)).peekable();
        if han.peek().is_none() {
            each(hash(word.chars().flat_map(char::to_lowercase)));
        }
    }
    let mut before: Option<char> = None;
    for c in passage.chars() {
        let han = c.is_alphabetic() && is_cjk(c);
        if let (Some(before), true) = (before, han) {
            each(hash([before, c].into_iter()));
        }
        before = han.then_some(c);
    }
}

/// FNV-1a over code points: the same on every machine.
fn hash(chars: impl Iterator<Item = char>) -> u64 {
    chars.fold(0xcbf2_9ce4_8422_2325, |hash, c| {
        (hash ^ u64::from(u32::from(c))).wrapping_mul(0x100_0000_01b3)
    })
}

/// In how many passages each term is.
#[derive(Debug, Default)]
struct Frequencies {
    passages: u32,
    by_term: HashMap<u64, u32>,
}

impl Frequencies {
    fn add(&mut self, passage: &str) {
        self.passages += 1;
        let mut seen = Vec::new();
        terms(passage, |term| seen.push(term));
        seen.sort_unstable();
        seen.dedup();
        for term in seen {
            *self.by_term.entry(term).or_insert(0) += 1;
        }
    }

    /// The mean over distinct terms of `(1 + ln tf) ln(passages / df)`; with a
    /// query, over its terms alone.
    fn score(&self, passage: &str, query: Option<&HashMap<u64, i32>>) -> f32 {
        let mut found = Vec::new();
        terms(passage, |term| found.push(term));
        found.sort_unstable();
        let (mut sum, mut count) = (0.0, 0usize);
        for group in found.chunk_by(|a, b| a == b) {
            if query.is_some_and(|query| !query.contains_key(&group[0])) {
                continue;
            }
            count += 1;
            let df = self.by_term.get(&group[0]).copied().unwrap_or(1);
            let idf = (self.passages as f32 / df as f32).ln();
            sum += (1.0 + (group.len() as f32).ln()) * idf;
        }
        // A query's score is a sum, so that passages with more of it win.
        match query {
            Some(_) => sum,
            None if count == 0 => 0.0,
            // One rare word does not make a passage: three are the least.
            None => sum / count.max(3) as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(text: &str, importance: &Importance) -> Vec<u8> {
        let document = Document::from_text(text);
        SizeClasses::new(&document, importance, None, Normalization::None)
            .classes
            .to_vec()
    }

    #[test]
    fn passages_end_at_mandatory_breaks() {
        let text = "a\r\nb\rc\n\nd\u{2028}e";
        let found: Vec<_> = passages(text).collect();
        assert_eq!(found, ["a\r\n", "b\r", "c\n", "\n", "d\u{2028}", "e"]);
        let mandatory = unicode_linebreak::linebreaks(text)
            .filter(|(_, kind)| *kind == unicode_linebreak::BreakOpportunity::Mandatory);
        assert_eq!(mandatory.count(), found.len());
    }

    #[test]
    fn rare_words_make_a_passage_important() {
        let mut lines = vec!["the weather is the same as the day before"; 9];
        lines.insert(4, "code zebra-4711 opens vault seventeen");
        let tenth = Importance::new(12.0, 8.0).share(0.1);
        let found = classes(&lines.join("\n"), &tenth);
        assert_eq!(found, [1, 1, 1, 1, 0, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn queries_and_callbacks_choose() {
        let text = "一 北京 的 天气\n二 上海 的 天气\nthree: Paris";
        let half = |scorer| Importance::new(12.0, 8.0).share(0.5).scorer(scorer);
        let query = half(Scorer::Query("上海天气如何".to_owned()));
        assert_eq!(classes(text, &query), [1, 0, 1]);
        let callback = half(Scorer::callback(|text| {
            if text.contains("Paris") {
                1.0
            } else {
                f32::NAN
            }
        }));
        assert_eq!(classes(text, &callback)[2], 0);
        let all = Importance::new(12.0, 8.0).share(1.0);
        assert_eq!(classes(text, &all), [0, 0, 0]);
    }
}
