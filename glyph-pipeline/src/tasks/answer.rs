//! The sentences that answer a question.

use super::TaskError;
use super::lines::{BBox, ReadLine, UncertainText, mean_confidence};
use super::rank::rarities;
use super::sentences::{Sentence, sentences_in_blocks};
use super::terms::{Hit, Kind, Query, Stream, asked, hits};
use super::text::{is_heading, is_mostly_han};
use needs::{Around, Needs, Text};
use question::Asked;
use serde::Serialize;

mod needs;
mod question;
#[cfg(test)]
mod tests;

/// Below this mean confidence an answer says that its reading is uncertain.
const UNCERTAIN: f32 = 0.6;
/// The share of the question's weight that a sentence has to cover.
const ENOUGH: f32 = 0.34;

/// What the pages say in reply to a question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The sentences that answer, as read; or a plain statement that the pages
    /// do not seem to say.
    pub text: String,
    /// The lines that the answer was read from; empty when there is none.
    pub evidence: Vec<Evidence>,
    /// How far to trust the answer, 0 to 1: the mean confidence of the reading,
    /// lowered when the sentence covers only part of the question.
    pub confidence: f32,
    /// Why there is no answer; `None` where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unanswered: Option<Unanswered>,
    /// How a language model came to the answer; `None` without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writing: Option<Writing>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unanswered {
    /// What was read does not say.
    NotFound,
    /// Most of what was read is not legible, so that the pages may say it all the same.
    Illegible,
}

/// How a language model came to an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Writing {
    /// Name of the model.
    pub writer: String,
    /// Pages of the passages that it was given.
    pub pages_given: Vec<u32>,
    /// What it wrote, word for word.
    pub draft: String,
    /// What it thought before that, where it is a model that thinks aloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<String>,
    /// Whether the draft was held against what was read. What a vision-language model writes from
    /// pictures is not.
    pub checked: bool,
    /// Sentences that were left out, since the passages do not say so.
    pub unsupported: Vec<String>,
    /// Pages that it cited and that it was not given; the citations were taken out.
    pub foreign_pages: Vec<u32>,
    /// Whether nothing of the draft was left, so that the answer quotes the document instead.
    pub quoted: bool,
    /// Why the draft ended.
    pub finish_reason: String,
}

/// A line that an answer was read from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    /// The page, counted from 1.
    pub page: u32,
    /// The row on the page, counted from 1.
    pub line: u32,
    /// The whole line as read.
    pub text: String,
    /// Mean probability of the line's characters.
    pub confidence: f32,
    /// Where the line lies on its page.
    pub bbox: BBox,
    /// Characters of the line that may be wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uncertain: Vec<UncertainText>,
}

impl From<ReadLine> for Evidence {
    fn from(line: ReadLine) -> Self {
        Self {
            page: line.page,
            line: line.line,
            text: line.text,
            confidence: line.confidence,
            bbox: line.bbox,
            uncertain: line.uncertain,
        }
    }
}

struct Candidate {
    sentence: Sentence,
    /// Share of the question's weight found in the sentence or beside it.
    coverage: f32,
    score: f32,
    acceptable: bool,
}

/// Chooses the sentences among finely read lines that best answer a question.
///
/// Lines may come from several crops; text that is not adjacent in the
/// document is never joined. The answer quotes the best sentence, and at most
/// two more that score nearly as high and add something. When no sentence
/// holds enough of what is asked about, the answer says so and has no
/// evidence; nothing is made up.
///
/// # Errors
///
/// [`TaskError::EmptyQuestion`] when the question holds no word.
pub fn answer(question: &str, lines: &[ReadLine]) -> Result<Answer, TaskError> {
    let query = Query::new(question);
    if query.is_empty() {
        return Err(TaskError::EmptyQuestion {
            question: question.to_owned(),
        });
    }
    let candidates = candidates(&asked(question), &query, lines);
    let mut order: Vec<usize> = (0..candidates.len())
        .filter(|&i| candidates[i].acceptable)
        .collect();
    order.sort_by(|&a, &b| candidates[b].score.total_cmp(&candidates[a].score));
    let chinese = is_mostly_han(question);
    let Some((&best, others)) = order.split_first() else {
        let (text, why) = if !lines.is_empty() && mean_confidence(lines) < UNCERTAIN {
            (illegible(chinese), Unanswered::Illegible)
        } else {
            (nothing_found(chinese), Unanswered::NotFound)
        };
        return Ok(Answer {
            text: text.to_owned(),
            evidence: Vec::new(),
            confidence: 0.0,
            unanswered: Some(why),
            writing: None,
        });
    };
    let mut chosen = vec![best];
    for &other in others {
        let nearly = candidates[other].score >= 0.88 * candidates[best].score
            && candidates[other].coverage >= 0.95 * candidates[best].coverage;
        if chosen.len() == 3 || !nearly {
            break;
        }
        let adds = chosen.iter().all(|&own| {
            similarity(
                &candidates[own].sentence.text,
                &candidates[other].sentence.text,
            ) < 0.7
        });
        if adds {
            chosen.push(other);
        }
    }
    Ok(compose(&chosen, &candidates, lines, chinese))
}

fn nothing_found(chinese: bool) -> &'static str {
    if chinese {
        "所读的页面似乎没有提到这个问题的答案。"
    } else {
        "The pages do not seem to say."
    }
}

/// What is said where no sentence answers, but the pages may hold more than could be read.
fn illegible(chinese: bool) -> &'static str {
    if chinese {
        "识别结果不确定：页面上的文字大多无法辨认，因此没有找到答案。"
    } else {
        "The reading is uncertain: most of what was read is not legible, and no answer was found in it."
    }
}

fn compose(
    chosen: &[usize],
    candidates: &[Candidate],
    lines: &[ReadLine],
    chinese: bool,
) -> Answer {
    let mut quoted = String::new();
    let mut indices: Vec<usize> = Vec::new();
    for &index in chosen {
        let sentence = &candidates[index].sentence;
        if !quoted.is_empty() && !is_mostly_han(&sentence.text) {
            quoted.push(' ');
        }
        quoted.push_str(&sentence.text);
        for line in sentence.lines.clone() {
            if !indices.contains(&line) {
                indices.push(line);
            }
        }
    }
    let read: Vec<ReadLine> = indices.iter().map(|&i| lines[i].clone()).collect();
    let reading = mean_confidence(&read);
    let coverage = candidates[chosen[0]].coverage.min(1.0);
    let text = match (reading < UNCERTAIN, chinese) {
        (false, _) => quoted,
        (true, false) => format!("The reading is uncertain; what was read is: “{quoted}”"),
        (true, true) => format!("识别结果不确定，读到的内容是：“{quoted}”"),
    };
    Answer {
        text,
        evidence: read.into_iter().map(Evidence::from).collect(),
        confidence: reading * (0.5 + 0.5 * coverage),
        unanswered: None,
        writing: None,
    }
}

/// Scores every sentence.
fn candidates(question: &str, query: &Query, lines: &[ReadLine]) -> Vec<Candidate> {
    let found = sentences_in_blocks(lines);
    let stream = Stream::of_texts(found.iter().map(|(s, _)| s.text.as_str()));
    let all = hits(query, &stream);
    let rarity = weights(query, &all, found.len());
    let total = rarity.iter().sum::<f32>().max(f32::MIN_POSITIVE);
    let matched = best_weights(query, &all, found.len());
    let asked = Asked::of(question);
    let needs = Needs::of(question, asked);
    let texts: Vec<Text> = found.iter().map(|(s, _)| Text::of(s, lines)).collect();
    let mut from = 0;
    let mut result = Vec::with_capacity(found.len());
    for (index, (sentence, block)) in found.iter().enumerate() {
        let to = from + all[from..].iter().take_while(|h| h.line == index).count();
        let own = &all[from..to];
        from = to;
        let near = |other: usize| is_near(&found, lines, index, other);
        let before = index.checked_sub(1).filter(|&i| near(i));
        let after = Some(index + 1).filter(|&i| i < found.len() && near(i) && found[i].1 == *block);
        // "She was born in 1902" is about whom the sentence before names.
        let refers =
            if *block == before.map_or(usize::MAX, |i| found[i].1) && refers_back(&sentence.text) {
                0.85
            } else {
                0.0
            };
        let (mut inside, mut context) = (0.0, 0.0);
        for (term, &weight) in rarity.iter().enumerate() {
            let own = matched[index][term];
            let beside = |i: Option<usize>, share: f32| i.map_or(0.0, |i| matched[i][term] * share);
            let around = beside(before, 0.5).max(beside(after, 0.2));
            let here = own.max(beside(before, refers));
            inside += weight * here;
            context += weight * here.max(around);
        }
        let coverage = context / total;
        let mut score = 0.75 * inside / total + 0.25 * coverage;
        score += 0.2 * together(query, own);
        score += asked.fitness(&sentence.text, query);
        score += shape(&sentence.text);
        score += 0.04 * (sentence.confidence - 0.8);
        let acceptable = inside > 0.0
            && coverage >= ENOUGH
            && inside / total >= 0.2
            && holds_object(query, &matched, index, before, asked)
            && !is_heading(&sentence.text)
            && needs.met(&texts[index], &around(&found, &texts, index, before, after));
        result.push(Candidate {
            sentence: sentence.clone(),
            coverage,
            score,
            acceptable,
        });
    }
    result
}

/// Most sentences up to the heading above one.
const HEADING_ABOVE: usize = 12;

/// What stands around a sentence and may say what it is about.
fn around<'a>(
    found: &[(Sentence, usize)],
    texts: &'a [Text],
    index: usize,
    before: Option<usize>,
    after: Option<usize>,
) -> Around<'a> {
    let block = found[index].1;
    let earlier = (0..index).rev();
    let heading = earlier
        .clone()
        .take(HEADING_ABOVE)
        .find(|&i| is_heading(&found[i].0.text));
    let mut own: Vec<usize> = earlier.take_while(|&i| found[i].1 == block).collect();
    own.extend(before);
    own.extend(heading);
    Around {
        refers: refers_back(&found[index].0.text),
        before: own.into_iter().map(|i| &texts[i]).collect(),
        after: after.map(|i| &texts[i]),
    }
}

/// Term weights: rarity among the sentences read, but a term found nowhere
/// weighs no more than the rarest that was found.
fn weights(query: &Query, all: &[Hit], sentences: usize) -> Vec<f32> {
    // The crops were chosen for the question, so that its words are frequent
    // in them; a floor keeps them from counting for nothing.
    let mut rarity = rarities(query, all, sentences.max(20));
    let present: Vec<bool> = (0..rarity.len())
        .map(|t| all.iter().any(|h| h.term == t))
        .collect();
    let unit = |t: usize| rarity[t] / query.terms[t].weight;
    let highest = (0..rarity.len())
        .filter(|&t| present[t])
        .map(unit)
        .fold(0.0, f32::max);
    for (term, weight) in rarity.iter_mut().enumerate() {
        let own = query.terms[term].weight;
        *weight = (*weight / own).clamp(0.3 * highest, highest.max(0.1)) * own;
    }
    rarity
}

/// For each sentence, how well each term is matched in it.
fn best_weights(query: &Query, all: &[Hit], sentences: usize) -> Vec<Vec<f32>> {
    let mut matched = vec![vec![0.0_f32; query.terms.len()]; sentences];
    for hit in all {
        let own = &mut matched[hit.line][hit.term];
        *own = own.max(hit.weight);
    }
    matched
}

/// Whether a sentence begins with a pronoun.
pub(super) fn refers_back(text: &str) -> bool {
    let first = text
        .split(|c: char| !c.is_alphanumeric())
        .find(|word| !word.is_empty())
        .unwrap_or_default();
    let pronouns = [
        "He", "She", "It", "They", "His", "Her", "Its", "Their", "This", "These",
    ];
    pronouns.contains(&first)
        || ["他", "她", "它", "其", "该", "这"]
            .iter()
            .any(|own| first.starts_with(own))
}

/// Whether two sentences stand together in the document.
fn is_near(found: &[(Sentence, usize)], lines: &[ReadLine], index: usize, other: usize) -> bool {
    if found[index].1 == found[other].1 {
        return true;
    }
    let (early, late) = (index.min(other), index.max(other));
    let last = &lines[found[early].0.lines.end - 1];
    let first = &lines[found[late].0.lines.start];
    last.page == first.page && first.line <= last.line + 2
}

/// The share of the question's neighbouring pairs that stand together here.
fn together(query: &Query, own: &[Hit]) -> f32 {
    if query.pairs.is_empty() {
        return 0.0;
    }
    let mut sum = 0.0;
    for &(a, b) in &query.pairs {
        let mut best = 0.0_f32;
        for first in own.iter().filter(|h| h.term == a) {
            for second in own.iter().filter(|h| h.term == b && h.at > first.at) {
                let gap = (second.at - first.at) as f32;
                best = best.max(first.weight * second.weight / gap);
            }
        }
        sum += best;
    }
    sum / query.pairs.len() as f32
}

/// Whether the sentence is about what the question asks about: the names in
/// the question and the words after its last "of" or "for".
fn holds_object(
    query: &Query,
    matched: &[Vec<f32>],
    index: usize,
    before: Option<usize>,
    asked: Asked,
) -> bool {
    let (mut all, mut held) = (0.0, 0.0);
    for (term, own) in query.terms.iter().enumerate() {
        if own.kind == Kind::Word && (own.object || own.named) {
            let beside = before.map_or(0.0, |i| matched[i][term]);
            let best = if asked == Asked::Number {
                matched[index][term]
            } else {
                matched[index][term].max(beside)
            };
            all += own.weight;
            held += if best >= 0.3 { own.weight } else { 0.0 };
        }
    }
    // A number for one thing of two is not the number that was asked for.
    let needed = if asked == Asked::Number { 0.6 } else { 0.45 };
    all == 0.0 || held >= needed * all
}

/// Whether the sentence is of a shape that can answer: neither a question nor
/// a fragment nor endless.
fn shape(text: &str) -> f32 {
    let mut score = 0.0;
    if text
        .trim_end_matches(['"', '”', '’', '」'])
        .ends_with(['?', '？'])
    {
        score -= 0.25;
    }
    let long = if is_mostly_han(text) {
        text.chars().count() / 2
    } else {
        text.split_whitespace().count()
    };
    if long < 3 {
        score -= 0.1;
    }
    if long > 60 {
        score -= 0.1;
    }
    score
}

/// The share of words (or ideographs) that two sentences have in common.
fn similarity(a: &str, b: &str) -> f32 {
    let words = |text: &str| {
        let stream = Stream::of_texts(std::iter::once(text));
        let mut all: Vec<String> = (0..stream.len())
            .filter_map(|at| stream.token(at))
            .map(|token| match token {
                Ok(word) => stream.words[word as usize].clone(),
                Err(c) => c.to_string(),
            })
            .collect();
        all.sort();
        all.dedup();
        all
    };
    let (a, b) = (words(a), words(b));
    let common = a.iter().filter(|w| b.binary_search(w).is_ok()).count();
    common as f32 / a.len().min(b.len()).max(1) as f32
}
