//! Which passages are set larger.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use unicode_segmentation::UnicodeSegmentation;

use super::{NewlineMark, Prepared};
use crate::config::{Importance, Normalization, Scorer};
use crate::document::{Block, BlockKind, Document, is_cjk};

/// The class of large and of small passages.
const LARGE: u8 = 0;
const SMALL: u8 = 1;

/// The size classes of a document's unwrapped lines.
#[derive(Debug, Clone)]
pub(crate) struct SizeClasses {
    classes: Arc<[u8]>,
    /// By block, the index of its first line.
    starts: Vec<usize>,
}

/// Gives out the size classes of a block's unwrapped lines, one after the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClassCursor {
    classes: Option<Arc<[u8]>>,
    next: usize,
}

impl ClassCursor {
    pub(crate) fn next_line(&mut self) -> u8 {
        let class = self.classes.as_ref().and_then(|all| all.get(self.next));
        self.next += 1;
        class.copied().unwrap_or(LARGE)
    }
}

/// Lines of preformatted text between blank ones are one passage up to this many
/// bytes; in longer runs every line is one.
const GROUP: usize = 1_200;

/// The text between line breaks, those of UAX #14 that are mandatory.
fn unwrapped_lines(text: &str) -> impl Iterator<Item = &str> {
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
        let (line, after) = rest.split_at(end);
        rest = after;
        Some(line)
    })
}

/// Calls `each` with a block's passages and how many unwrapped lines each has.
fn passages(text: &str, kind: BlockKind, mut each: impl FnMut(&str, usize)) {
    let grouped = kind == BlockKind::Preformatted;
    let (mut start, mut end, mut lines) = (0, 0, 0usize);
    let mut flush = |group: &str, lines: usize| match lines {
        0 => {}
        _ if group.len() <= GROUP => each(group, lines),
        _ => unwrapped_lines(group).for_each(|line| each(line, 1)),
    };
    for line in unwrapped_lines(text) {
        end += line.len();
        lines += 1;
        if !grouped || line.trim().is_empty() {
            flush(&text[start..end], lines);
            (start, lines) = (end, 0);
        }
    }
    flush(&text[start..end], lines);
}

/// A scored passage.
struct Passage {
    bytes: usize,
    lines: usize,
    heading: bool,
    score: f32,
}

impl SizeClasses {
    /// Scores every passage and takes the best.
    pub(crate) fn new(
        document: &Document,
        importance: &Importance,
        mark: Option<&NewlineMark>,
        normalization: Normalization,
    ) -> Self {
        let visit = |block: &Block, each: &mut dyn FnMut(&str, usize, BlockKind)| {
            if let Block::Text { kind, text, .. } = block {
                let display = Prepared::new(text, *kind, mark, normalization);
                passages(&display.text, *kind, |passage, lines| {
                    each(passage, lines, *kind)
                });
            }
        };
        let mut frequencies = Frequencies::default();
        if !matches!(importance.scorer, Scorer::Callback(_)) {
            for block in &document.blocks {
                visit(block, &mut |passage, _, _| frequencies.add(passage));
            }
        }
        let query = match &importance.scorer {
            Scorer::Query(query) => {
                let mut words = HashSet::new();
                terms(query, |term| {
                    words.insert(term);
                });
                Some(words)
            }
            _ => None,
        };
        let mut found: Vec<Passage> = Vec::new();
        let mut starts = Vec::with_capacity(document.blocks.len());
        let mut line = 0;
        for block in &document.blocks {
            starts.push(line);
            visit(block, &mut |passage, lines, kind| {
                line += lines;
                found.push(Passage {
                    bytes: passage.trim().len(),
                    lines,
                    heading: matches!(kind, BlockKind::Heading(_)),
                    score: match &importance.scorer {
                        Scorer::Callback(score) => score(passage),
                        _ => frequencies.score(passage, query.as_ref()),
                    },
                });
            });
        }
        Self {
            classes: choose(&found, importance.share).into(),
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

/// The class of every unwrapped line: headings, and passages by falling score until
/// they hold `share` of the text, are large.
fn choose(passages: &[Passage], share: f32) -> Vec<u8> {
    let body = || passages.iter().enumerate().filter(|(_, p)| !p.heading);
    let text: usize = body().map(|(_, passage)| passage.bytes).sum();
    let mut left = (text as f64 * f64::from(share)) as usize;
    let mut order: Vec<usize> = body().map(|(i, _)| i).collect();
    // Where scores are equal the earlier passage wins; NaN comes last.
    let key = |i: usize| match passages[i].score {
        score if score.is_nan() => f32::NEG_INFINITY,
        score => score,
    };
    order.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
    let mut large: Vec<bool> = passages.iter().map(|passage| passage.heading).collect();
    for i in order {
        let bytes = passages[i].bytes;
        if bytes > 0 && bytes <= left {
            left -= bytes;
            large[i] = true;
        }
    }
    let classes = passages.iter().zip(large).flat_map(|(passage, large)| {
        std::iter::repeat_n(if large { LARGE } else { SMALL }, passage.lines)
    });
    classes.collect()
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

/// The natural logarithm in units of 2^-16: its last bits are not the same on every machine, and
/// passages are ranked by it.
fn ln(value: f64) -> i64 {
    (value.ln() * 65_536.0).round() as i64
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
    fn score(&self, passage: &str, query: Option<&HashSet<u64>>) -> f32 {
        let mut found = Vec::new();
        terms(passage, |term| found.push(term));
        found.sort_unstable();
        let (mut sum, mut count) = (0i64, 0usize);
        for group in found.chunk_by(|a, b| a == b) {
            if query.is_some_and(|query| !query.contains(&group[0])) {
                continue;
            }
            count += 1;
            let df = self.by_term.get(&group[0]).copied().unwrap_or(1);
            let idf = ln(f64::from(self.passages) / f64::from(df));
            sum += ((65_536 + ln(group.len() as f64)) * idf) >> 16;
        }
        let sum = sum as f32;
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

    fn classes(lines: &[&str], importance: &Importance) -> Vec<u8> {
        let blocks = lines.iter();
        let blocks = blocks.map(|text| Block::text(BlockKind::Paragraph, *text, None));
        let document = Document {
            blocks: blocks.collect(),
            ..Document::default()
        };
        SizeClasses::new(&document, importance, None, Normalization::None)
            .classes
            .to_vec()
    }

    #[test]
    fn lines_end_at_mandatory_breaks() {
        let text = "a\r\nb\rc\n\nd\u{2028}e";
        let found: Vec<_> = unwrapped_lines(text).collect();
        assert_eq!(found, ["a\r\n", "b\r", "c\n", "\n", "d\u{2028}", "e"]);
        let mandatory = unicode_linebreak::linebreaks(text)
            .filter(|(_, kind)| *kind == unicode_linebreak::BreakOpportunity::Mandatory);
        assert_eq!(mandatory.count(), found.len());
    }

    #[test]
    fn preformatted_passages_end_at_blank_lines() {
        let mut found = Vec::new();
        let long = "x".repeat(GROUP);
        let text = format!("a\nb\n\nc\n{long}\nd");
        passages(&text, BlockKind::Preformatted, |passage, lines| {
            found.push((passage.len(), lines));
        });
        assert_eq!(found, [(5, 3), (2, 1), (GROUP + 1, 1), (1, 1)]);
        found.clear();
        passages("a\n\nb", BlockKind::Paragraph, |passage, lines| {
            found.push((passage.len(), lines));
        });
        assert_eq!(found, [(2, 1), (1, 1), (1, 1)]);
    }

    #[test]
    fn rare_words_make_a_passage_important() {
        let mut lines = vec!["the weather is the same as the day before"; 9];
        lines.insert(4, "code zebra-4711 opens vault seventeen");
        let tenth = Importance::new(12.0, 8.0).share(0.1);
        let found = classes(&lines, &tenth);
        assert_eq!(found, [1, 1, 1, 1, 0, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn scores_are_whole_numbers() {
        // 65,536 ln 2 = 45,426.09...
        assert_eq!((ln(2.0), ln(1.0)), (45_426, 0));
        let mut frequencies = Frequencies::default();
        for passage in ["one two two", "two three", "three four"] {
            frequencies.add(passage);
        }
        let query = HashSet::from([hash("two".chars())]);
        let score = frequencies.score("one two two", Some(&query));
        // (1 + ln 2) ln (3 / 2) = 0.6865...
        assert_eq!(score, 44_991.0);
    }

    #[test]
    fn queries_and_callbacks_choose() {
        let text = &["一 北京 的 天气", "二 上海 的 天气", "three: Paris"];
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
