//! The part of what was read that a language model gets to see.

use std::collections::HashSet;

use super::lines::ReadLine;
use super::rank::rank;
use super::sentences::sentences_in_blocks;
use super::support::Words;
use super::text::{is_contents_row, is_page_number};

/// Sentences that follow one another in the document.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Passage {
    /// The page of its first line.
    pub(crate) page: u32,
    /// Its sentences.
    pub(crate) sentences: Vec<PassageSentence>,
}

/// A sentence and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PassageSentence {
    pub(crate) text: String,
    /// The page of its first line.
    pub(crate) page: u32,
    /// Indices of its lines in the slice that was given.
    pub(crate) lines: std::ops::Range<usize>,
}

impl Passage {
    /// Its sentences as running text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for sentence in &self.sentences {
            if !text.is_empty() && !text.ends_with(['。', '！', '？', '；']) {
                text.push(' ');
            }
            text += sentence.text.trim();
        }
        text
    }
}

/// Chooses the sentences that a question is about, the best first, as far as the budget goes.
///
/// Sentences next to a good one come along, since answers often stand beside the words that are
/// asked for. What was said already is left out. `cost` tells what a sentence costs.
pub(crate) fn passages(
    question: &str,
    lines: &[ReadLine],
    budget: usize,
    cost: &dyn Fn(&str) -> usize,
) -> Vec<Passage> {
    let found = sentences_in_blocks(lines);
    let line_scores = rank(question, lines);
    let own: Vec<f32> = found
        .iter()
        .map(|(s, _)| {
            line_scores[s.lines.clone()]
                .iter()
                .copied()
                .fold(0.0, f32::max)
        })
        .collect();
    let beside = |i: usize, j: Option<usize>| match j {
        Some(j) if j < found.len() && found[j].1 == found[i].1 => 0.5 * own[j],
        _ => 0.0,
    };
    let scores: Vec<f32> = (0..found.len())
        .map(|i| {
            own[i]
                .max(beside(i, i.checked_sub(1)))
                .max(beside(i, Some(i + 1)))
        })
        .collect();
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
    let mut said = HashSet::new();
    let mut left = budget;
    let mut chosen = Vec::new();
    for i in order {
        let text = found[i].0.text.trim();
        if is_page_number(text) || is_contents_row(text) || !said.insert(text.to_lowercase()) {
            continue;
        }
        let cost = cost(text);
        if cost > left {
            // What is cut off may be what matters; a shorter sentence may still fit.
            continue;
        }
        left -= cost;
        chosen.push(i);
    }
    chosen.sort_unstable();
    let mut runs: Vec<(f32, Passage)> = Vec::new();
    let mut last = None;
    for i in chosen {
        let (sentence, block) = &found[i];
        let page = lines[sentence.lines.start].page;
        let goes_on = last == Some((i.wrapping_sub(1), *block, page));
        last = Some((i, *block, page));
        if !goes_on {
            runs.push((
                0.0,
                Passage {
                    page,
                    sentences: Vec::new(),
                },
            ));
        }
        if let Some((score, passage)) = runs.last_mut() {
            *score = score.max(scores[i]);
            passage.sentences.push(PassageSentence {
                text: sentence.text.clone(),
                page,
                lines: sentence.lines.clone(),
            });
        }
    }
    runs.sort_by(|a, b| b.0.total_cmp(&a.0));
    runs.into_iter().map(|(_, passage)| passage).collect()
}

/// The words of each sentence of the passages, in order.
pub(crate) fn sentence_words(passages: &[Passage]) -> (Vec<&PassageSentence>, Vec<Words>) {
    let sentences: Vec<&PassageSentence> = passages.iter().flat_map(|p| &p.sentences).collect();
    let words = sentences.iter().map(|s| Words::of(&s.text)).collect();
    (sentences, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::fixtures::{line, page};

    fn count(text: &str) -> usize {
        text.split_whitespace().count()
    }

    #[test]
    fn the_best_passage_comes_first_within_the_budget() {
        let mut lines = page(&["The tower is old.", "", "Many boats pass."]);
        lines.push(line(
            7,
            1,
            "The lamp was made in Glasgow. It weighs two tonnes.",
        ));
        let found = passages("Where was the lamp made?", &lines, 12, &count);
        assert_eq!(found[0].page, 7);
        assert_eq!(
            found[0].text(),
            "The lamp was made in Glasgow. It weighs two tonnes."
        );
        assert!(found.iter().map(|p| count(&p.text())).sum::<usize>() <= 12);
        assert!(passages("Where?", &lines, 0, &count).is_empty());
    }

    #[test]
    fn what_is_said_twice_is_given_once() {
        let lines = [
            line(1, 5, "The lamp is green."),
            line(2, 5, "The lamp is green."),
            line(3, 9, "- 3 -"),
            line(3, 60, "- 3 -"),
        ];
        let found = passages("What colour is the lamp?", &lines, 99, &count);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].page, 1);
    }
}
