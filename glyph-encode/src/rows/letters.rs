//! A strip cut into letters.

use super::line::Strip;
use super::segmenter::{ColumnScores, Segmenter};

/// Ink of a column, in pixels of full ink, below which it is blank.
const BLANK: f32 = 0.12;
/// Ink of a whole letter, in pixels of full ink, below which the first one of a line is the edge of
/// the next: a full stop has twice as much.
const EDGE: f32 = 2.0;
/// Columns without ink that are a space whatever the network says.
const SURELY_SPACE: usize = 17;

/// A letter, or what is taken for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letter {
    /// First column of its ink in the strip.
    pub from: usize,
    /// Column after its last one.
    pub to: usize,
    /// Whether it is full-width.
    pub wide: bool,
    /// Whether a space lies before it.
    pub space: bool,
}

/// The letters of a strip, from left to right.
pub fn letters(segmenter: &Segmenter, strip: &Strip) -> Vec<Letter> {
    let scores = segmenter.columns(strip);
    let ink: Vec<f32> = (0..strip.columns)
        .map(|x| strip.column(x).iter().sum())
        .collect();
    let blank: Vec<bool> = ink.iter().map(|&ink| ink < BLANK).collect();
    let mut out: Vec<Letter> = Vec::new();
    let (mut start, mut space) = (0, false);
    let mut cuts = cuts(&scores);
    if let Some(&(at, _)) = cuts.first()
        && !blank[at - 1]
        && !blank[at]
        && ink[..at].iter().sum::<f32>() < EDGE
    {
        cuts.remove(0);
    }
    for (at, end) in cuts.into_iter().chain([(strip.columns, 0..0)]) {
        if let Some(mut letter) = letter(&scores, &blank, start, at) {
            let gap = out.last().map_or(0, |last| letter.from - last.to);
            letter.space = !out.is_empty() && (space || gap >= SURELY_SPACE);
            out.push(letter);
            space = false;
        }
        let n = end.len().max(1) as f32;
        space |= end.map(|x| scores[x].space).sum::<f32>() / n > 0.5;
        start = at;
    }
    out
}

/// Where letters end: one place for each run of columns that may be one, with the run.
fn cuts(scores: &[ColumnScores]) -> Vec<(usize, std::ops::Range<usize>)> {
    let mut out = Vec::new();
    let mut x = 1;
    while x < scores.len() {
        if scores[x].cut <= 0.5 {
            x += 1;
            continue;
        }
        let from = x;
        while x < scores.len() && scores[x].cut > 0.5 {
            x += 1;
        }
        let best = (from..x).max_by(|&a, &b| scores[a].cut.total_cmp(&scores[b].cut));
        out.push((best.unwrap_or(from), from..x));
    }
    out
}

/// The ink between two cuts, if there is any.
fn letter(scores: &[ColumnScores], blank: &[bool], from: usize, to: usize) -> Option<Letter> {
    let first = (from..to).find(|&x| !blank[x])?;
    let last = (from..to).rfind(|&x| !blank[x])?;
    let wide = scores[first..=last].iter().map(|s| s.wide).sum::<f32>();
    Some(Letter {
        from: first,
        to: last + 1,
        wide: wide > 0.5 * (last + 1 - first) as f32,
        space: false,
    })
}
