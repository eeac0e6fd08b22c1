//! Joining lines into running text and splitting it into sentences.

use super::lines::{Adjacency, ReadLine};
use super::text::{half_cells, is_cjk, is_contents_row, is_heading, is_list_item, is_page_number};
use serde::Serialize;
use std::ops::Range;

mod split;
#[cfg(test)]
mod tests;

/// A sentence and the lines that it lies on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sentence {
    /// The text, joined over line ends.
    pub text: String,
    /// Indices of its lines in the slice that was given.
    pub lines: Range<usize>,
    /// Mean confidence of its lines, weighted by their share of the sentence.
    pub confidence: f32,
}

/// Lines that belong together, joined to running text.
pub(crate) struct Block {
    /// The running text.
    pub(crate) text: String,
    /// Where each line's part begins in `text`.
    pub(crate) starts: Vec<usize>,
    /// Index of the first line in the slice that was given.
    pub(crate) first: usize,
}

impl Block {
    /// The lines (indices in the slice that was given) that a byte range of
    /// the block's text lies on.
    pub(crate) fn lines_of(&self, bytes: &Range<usize>) -> Range<usize> {
        let begin = self.starts.partition_point(|&s| s <= bytes.start);
        let last = bytes.end.saturating_sub(1).max(bytes.start);
        let end = self.starts.partition_point(|&s| s <= last);
        self.first + begin.saturating_sub(1)..self.first + end
    }

    fn confidence(&self, bytes: &Range<usize>, lines: &[ReadLine]) -> f32 {
        let mut sum = 0.0;
        let mut weight = 0.0;
        for line in self.lines_of(bytes) {
            let own = line - self.first;
            let start = self.starts[own].max(bytes.start);
            let end = self
                .starts
                .get(own + 1)
                .map_or(bytes.end, |&next| next.min(bytes.end));
            let share = end.saturating_sub(start).max(1) as f32;
            sum += lines[line].confidence * share;
            weight += share;
        }
        if weight > 0.0 { sum / weight } else { 0.0 }
    }
}

/// Joins lines to running text and splits it into sentences.
///
/// Lines are joined with a space, or directly when the line `continues` or
/// when both sides are East Asian text. Blank rows, headings, list items and
/// lines that do not follow one another in the document end a sentence.
///
/// # Examples
///
/// ```
/// use glyph_pipeline::tasks::{ReadLine, sentences};
///
/// let line = |line, text: &str| ReadLine {
///     page: 1,
///     line,
///     text: text.to_owned(),
///     confidence: 0.9,
///     ..ReadLine::default()
/// };
/// let read = [line(1, "Dr. Ito paid 3.50 dollars. He"), line(2, "then left.")];
/// let found = sentences(&read);
/// assert_eq!(found[0].text, "Dr. Ito paid 3.50 dollars.");
/// assert_eq!(found[1].text, "He then left.");
/// assert_eq!(found[1].lines, 0..2);
/// ```
#[must_use]
pub fn sentences(lines: &[ReadLine]) -> Vec<Sentence> {
    sentences_in_blocks(lines)
        .into_iter()
        .map(|(sentence, _)| sentence)
        .collect()
}

/// The sentences of a text, without white space around.
pub(crate) fn split_sentences(text: &str) -> Vec<&str> {
    split::split(text)
        .into_iter()
        .map(|bytes| &text[bytes])
        .collect()
}

/// Like [`sentences`], each with the number of its block.
pub(crate) fn sentences_in_blocks(lines: &[ReadLine]) -> Vec<(Sentence, usize)> {
    let mut found = Vec::new();
    for (number, block) in blocks(lines, " ").iter().enumerate() {
        for bytes in split::split(&block.text) {
            found.push((
                Sentence {
                    text: block.text[bytes.clone()].to_owned(),
                    lines: block.lines_of(&bytes),
                    confidence: block.confidence(&bytes, lines),
                },
                number,
            ));
        }
    }
    found
}

/// Characters less probable than this were read with doubt.
const DOUBTFUL: f32 = 0.9;

/// For each character of a sentence, whether it was read with doubt. Where lines do not tell their
/// characters' probabilities, those of the whole line.
pub(crate) fn doubts(sentence: &Sentence, lines: &[ReadLine]) -> Vec<bool> {
    let own = &lines[sentence.lines.clone()];
    let mut text: Vec<char> = Vec::new();
    let mut doubts: Vec<bool> = Vec::new();
    for (index, line) in own.iter().enumerate() {
        if index > 0 && !joined_directly(&own[index - 1], line) {
            text.push(' ');
            doubts.push(false);
        }
        let lead = line.text.chars().take_while(|c| c.is_whitespace()).count();
        let known = line.confidences.len() == line.text.chars().count();
        for (at, c) in line.text.trim().chars().enumerate() {
            let probability = match known {
                true => line.confidences[lead + at],
                false => line.confidence,
            };
            text.push(c);
            doubts.push(probability < DOUBTFUL && !c.is_whitespace());
        }
    }
    let wanted: Vec<char> = sentence.text.chars().collect();
    let from = text
        .windows(wanted.len().max(1))
        .position(|part| part == wanted);
    match from {
        Some(from) => doubts[from..from + wanted.len()].to_vec(),
        None => vec![false; wanted.len()],
    }
}

/// Joins lines into blocks (paragraphs, headings, list items); `space` goes
/// where a line end stands for white space.
pub(crate) fn blocks(lines: &[ReadLine], space: &str) -> Vec<Block> {
    let adjacency = Adjacency::new(lines);
    let mut found: Vec<Block> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let text = line.text.trim();
        let open = index
            .checked_sub(1)
            .filter(|&before| !breaks(lines, before, &adjacency))
            .and_then(|before| found.last_mut().map(|block| (block, &lines[before])));
        if let Some((block, before)) = open {
            block.text.push_str(if joined_directly(before, line) {
                ""
            } else {
                space
            });
            block.starts.push(block.text.len());
            block.text.push_str(text);
        } else {
            found.push(Block {
                text: text.to_owned(),
                starts: vec![0],
                first: index,
            });
        }
    }
    found
}

/// Joins rows that directly follow one another, with a line feed where a line
/// end is not known to continue a word.
pub(crate) fn runs(lines: &[ReadLine]) -> Vec<Block> {
    let adjacency = Adjacency::new(lines);
    let mut found: Vec<Block> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let open = index
            .checked_sub(1)
            .map(|before| &lines[before])
            .filter(|before| adjacency.holds(before, line))
            .and_then(|before| found.last_mut().map(|block| (block, before.continues)));
        if let Some((block, continues)) = open {
            block.text.push_str(if continues { "" } else { "\n" });
            block.starts.push(block.text.len());
            block.text.push_str(line.text.trim_end());
        } else {
            found.push(Block {
                text: line.text.trim_end().to_owned(),
                starts: vec![0],
                first: index,
            });
        }
    }
    found
}

/// Whether nothing stands between the text of two adjacent lines.
fn joined_directly(before: &ReadLine, after: &ReadLine) -> bool {
    if before.text.trim_end().is_empty() || after.text.trim_start().is_empty() {
        return true;
    }
    before.continues && !before.text.ends_with(char::is_whitespace)
        || meet_directly(&before.text, &after.text)
}

/// Whether East Asian text goes on from one line to the next, so that no space stands between.
fn meet_directly(before: &str, after: &str) -> bool {
    before.trim_end().ends_with(is_cjk) && after.trim_start().starts_with(is_cjk)
}

/// The text of lines, line feeds between them, on one line.
pub(crate) fn on_one_line(text: &str) -> String {
    let mut lines = text.split('\n');
    let mut joined = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        if !meet_directly(&joined, line) {
            joined.push(' ');
        }
        joined.push_str(line);
    }
    joined
}

/// Whether running text ends between the line at `before` and the next one.
fn breaks(lines: &[ReadLine], before: usize, adjacency: &Adjacency) -> bool {
    let (line, next) = (&lines[before], &lines[before + 1]);
    if !adjacency.holds(line, next) {
        return true;
    }
    if line.continues {
        return false;
    }
    let (text, after) = (line.text.trim(), next.text.trim());
    let turns = line.page != next.page;
    let next_turns = lines
        .get(before + 2)
        .is_none_or(|later| later.page != next.page);
    let starts_page = before
        .checked_sub(1)
        .is_none_or(|earlier| lines[earlier].page != line.page);
    if is_heading(text)
        || is_heading(after)
        || is_list_item(after)
        || is_contents_row(text)
        || is_contents_row(after)
        || is_page_number(text) && (turns || starts_page)
        || is_page_number(after) && (turns || next_turns)
    {
        return true;
    }
    // A short line without a closing mark before a capitalised one: a heading,
    // an address, a form; prose fills its lines. A list item's or a
    // paragraph's last line usually has its mark, which ends the sentence.
    let width = half_cells(text);
    let fills = |l: &ReadLine| half_cells(l.text.trim());
    let around = fills(next).max(before.checked_sub(1).map_or(0, |b| fills(&lines[b])));
    let starts_anew = after.starts_with(|c: char| c.is_uppercase() || is_cjk(c));
    starts_anew && width * 10 < around.max(40) * 6
}
