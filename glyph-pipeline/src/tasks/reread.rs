//! Sentences chosen on a coarse read, as read finely.

use std::collections::{HashMap, HashSet};

use super::sentences::sentences;
use super::{ReadLine, SummarySentence};

/// Replaces the text of sentences that were chosen among `coarse` lines by what `fine` lines of
/// the same rows say. A sentence whose rows were not read finely is left out.
pub(crate) fn reread(
    chosen: &[SummarySentence],
    coarse: &[ReadLine],
    fine: &[ReadLine],
) -> Vec<SummarySentence> {
    let at: HashMap<(u32, u32), usize> = fine
        .iter()
        .enumerate()
        .map(|(i, l)| ((l.page, l.line), i))
        .collect();
    chosen
        .iter()
        .filter_map(|sentence| {
            let rows = &coarse[sentence.lines.clone()];
            let rows: Vec<ReadLine> = rows
                .iter()
                .filter_map(|l| at.get(&(l.page, l.line)))
                .map(|&i| fine[i].clone())
                .collect();
            let wanted = pairs(&sentence.text);
            let best = sentences(&rows)
                .into_iter()
                .max_by(|a, b| overlap(&wanted, &a.text).total_cmp(&overlap(&wanted, &b.text)))?;
            Some(SummarySentence {
                text: best.text,
                confidence: best.confidence,
                ..sentence.clone()
            })
        })
        .collect()
}

fn pairs(text: &str) -> HashSet<(char, char)> {
    text.chars().zip(text.chars().skip(1)).collect()
}

/// Share of character pairs that two texts have in common (Dice).
fn overlap(wanted: &HashSet<(char, char)>, text: &str) -> f64 {
    let found = pairs(text);
    2.0 * wanted.intersection(&found).count() as f64 / (wanted.len() + found.len()).max(1) as f64
}
