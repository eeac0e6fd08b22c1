//! Summaries of whole books: each section alone, then the sections' summaries together.

use std::ops::Range;
use std::time::Instant;

use glyph_encode::{CropBudget, plan_crops};
use glyph_render::Document;
use serde::Serialize;

use super::{Span, tokens_of};
use crate::pipeline::{finish_scanned, region_scores};
use crate::tasks::{self, Passage, PassageSentence, ReadLine, SummarySentence};
use crate::writer::{WriteRequest, Writer};
use crate::{Pipeline, PipelineError, Reply, Scan};

/// Rows of text in a section, about 12 pages: 100 to 200 of its tokens are then written from.
const SECTION_ROWS: usize = 600;
/// Sentences of a section that its summary is written from.
const SECTION_SENTENCES: usize = 6;
/// Tokens that a section's summary may have.
const SECTION_TOKENS: usize = 80;
/// Tokens that the whole summary may have.
const SUMMARY_TOKENS: usize = 160;
/// Tokens of section summaries that are written together from; more are first summarised in groups.
const REDUCE_TOKENS: usize = 700;

/// Sentences below which a summary of several sections says too little.
const ENOUGH_SENTENCES: usize = 3;
/// Sentences of sections that are then added.
const SPREAD_SENTENCES: usize = 5;

const SYSTEM: &str = "You summarize texts in a few plain sentences, using only what the text says.";

/// A summary that a language model wrote.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WrittenSummary {
    /// The summary of the whole document, each sentence with its pages.
    pub text: String,
    /// The summaries of its sections, in order.
    pub sections: Vec<SectionSummary>,
    /// Whether little or nothing of the model's summary of the whole held, so that `text` joins
    /// what the sections say.
    pub quoted: bool,
    /// Whether what the model wrote was held against what was read. What a page writer says about
    /// the pages it sees is not.
    pub checked: bool,
    /// Name of the model.
    pub writer: String,
}

/// The summary of a section.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SectionSummary {
    /// Its first page.
    pub first_page: u32,
    /// Its last page.
    pub last_page: u32,
    /// The summary, each sentence with its pages.
    pub text: String,
    /// The sentences of the document that it was written from.
    pub evidence: Vec<SummarySentence>,
    /// Whether nothing that the model wrote stood there, so that `text` quotes the document.
    pub quoted: bool,
}

impl Pipeline {
    /// Lets the writer summarise a document of any length.
    ///
    /// The document is cut into sections. Of each the most central sentences are chosen on the
    /// scan and read finely, and the writer says in its words what they say; then it does the same
    /// with the sections' summaries, in groups where they are many. Sentences that the document
    /// does not say are left out, and each that stays cites its pages.
    ///
    /// A page writer takes the place of both: it sees as many pages at a time as it has room for,
    /// or as [`max_vision_tokens`](crate::PipelineBuilder::max_vision_tokens) allows, and then
    /// joins what it said about them; nothing checks that, and [`WrittenSummary::checked`] says so.
    ///
    /// # Errors
    /// [`PipelineError::NoWriter`] without a writer; else if a stage fails or the progress callback
    /// says stop; [`PipelineError::TooManyVisionTokens`] if one page alone has no room.
    pub fn write_summary(
        &self,
        document: &Document,
    ) -> Result<Reply<WrittenSummary>, PipelineError> {
        if let Some(writer) = &self.page_writer {
            return self.summarize_from_pages(&**writer, document);
        }
        // Said before anything costly is done.
        self.writer_for("a written summary")?;
        let scan = self.scan(document)?;
        self.write_summary_scanned(document, &scan)
    }

    /// [`Pipeline::write_summary`] of a document that was scanned before. The scan is counted in
    /// tokens and seconds. A page writer is not asked.
    ///
    /// # Errors
    /// As [`Pipeline::write_summary`].
    pub fn write_summary_scanned(
        &self,
        document: &Document,
        scan: &Scan,
    ) -> Result<Reply<WrittenSummary>, PipelineError> {
        let writer = self.writer_for("a written summary")?;
        let started = Instant::now();
        let sections = sections(&scan.lines);
        let chosen: Vec<(Range<usize>, Vec<SummarySentence>)> = sections
            .into_iter()
            .map(|rows| {
                let mut chosen = tasks::summarize(&scan.lines[rows.clone()], SECTION_SENTENCES);
                for sentence in &mut chosen {
                    let own = &mut sentence.lines;
                    *own = own.start + rows.start..own.end + rows.start;
                }
                (rows, chosen)
            })
            .collect();
        let mut scores = vec![0.0; scan.lines.len()];
        for sentence in chosen.iter().flat_map(|(_, chosen)| chosen) {
            scores[sentence.lines.clone()].fill(1.0);
        }
        let crops = plan_crops(&region_scores(scan, &scores), &CropBudget::UNLIMITED);
        let choosing = started.elapsed().as_secs_f64();
        let mut read = self.read_crops(document, scan, crops)?;

        // Reading is one part in ten of the writing's progress bar for the last step.
        let count = chosen.len().max(1) as f64;
        let mut summaries = Vec::new();
        for (i, (rows, chosen)) in chosen.iter().enumerate() {
            let mut evidence = tasks::reread(chosen, &scan.lines, &read.output);
            // A row of a table of contents whose leaders were lost looks like a sentence.
            evidence.retain(|s| {
                let text = s.text.trim().trim_end_matches(['.', ' ']);
                tasks::is_prose(&s.text) && !tasks::is_heading(text)
            });
            if evidence.is_empty() {
                continue;
            }
            let (first, last) = (&scan.lines[rows.start], &scan.lines[rows.end - 1]);
            let span = Span {
                from: 0.9 * i as f64 / count,
                to: 0.9 * (i + 1) as f64 / count,
                pages: last.page as usize,
            };
            let passages: Vec<Passage> = evidence.iter().map(Passage::from).collect();
            let (text, quoted) =
                self.condense(writer, &passages, SECTION_TOKENS, 2, span, &mut read)?;
            summaries.push(SectionSummary {
                first_page: first.page,
                last_page: last.page,
                text: text.text,
                evidence,
                quoted,
            });
        }
        if summaries.is_empty() {
            return Err(PipelineError::Unfinished {
                writer: writer.name().to_owned(),
                what: "summary",
                reason: "the document has no full sentence to write from".to_owned(),
            });
        }
        let (text, quoted) = self.reduce(writer, &summaries, scan.pages, &mut read)?;
        let output = WrittenSummary {
            text,
            sections: summaries,
            quoted,
            checked: true,
            writer: writer.name().to_owned(),
        };
        Ok(finish_scanned(read, output, scan, started, choosing))
    }

    /// One summary from those of the sections.
    fn reduce(
        &self,
        writer: &dyn Writer,
        summaries: &[SectionSummary],
        pages: usize,
        read: &mut Reply<Vec<ReadLine>>,
    ) -> Result<(String, bool), PipelineError> {
        if let [only] = summaries {
            return Ok((only.text.clone(), only.quoted));
        }
        let span = Span {
            from: 0.9,
            to: 1.0,
            pages,
        };
        let mut passages: Vec<Passage> = summaries
            .iter()
            .map(|summary| summary_passage(&summary.text, summary.first_page))
            .collect();
        let sections = passages.clone();
        loop {
            let groups = group(writer, &passages);
            let last = groups.len() == 1;
            let mut next = Vec::new();
            let mut any_quoted = false;
            for range in groups {
                let group = &passages[range];
                let most = if last { SUMMARY_TOKENS } else { SECTION_TOKENS };
                let (condensed, quoted) =
                    self.condense(writer, group, most, if last { 6 } else { 2 }, span, read)?;
                any_quoted |= quoted;
                if last {
                    let few = condensed.passage.sentences.len() < ENOUGH_SENTENCES;
                    if few && sections.len() > 2 {
                        return Ok((spread(&condensed.passage, &sections), true));
                    }
                    return Ok((condensed.text, quoted));
                }
                next.push(condensed.passage);
            }
            if next.len() >= passages.len() {
                // Nothing grew shorter: say it as it is rather than try for ever.
                let text: Vec<String> = next.iter().map(Passage::text).collect();
                return Ok((text.join(" "), any_quoted));
            }
            passages = next;
        }
    }

    /// Lets the writer say shorter what passages say; quotes their first sentences, `fallback` of
    /// them, if nothing that it says stands there.
    fn condense(
        &self,
        writer: &dyn Writer,
        passages: &[Passage],
        max_new_tokens: usize,
        fallback: usize,
        span: Span,
        read: &mut Reply<Vec<ReadLine>>,
    ) -> Result<(Condensed, bool), PipelineError> {
        let text: Vec<String> = passages.iter().map(Passage::text).collect();
        let user = format!(
            "Text:\n{}\n\nSummarize the text in two or three sentences.",
            text.join("\n")
        );
        let request = WriteRequest {
            system: SYSTEM,
            user: &user,
            max_new_tokens,
            schema: None,
            copy_from: None,
        };
        let written = self.write(writer, &request, span)?;
        read.tokens.writer.add(&written.usage);
        // A sentence that the limit cut off says something else than was meant.
        let draft = whole_sentences(&written.text);
        let checked = tasks::check(draft, passages, "");
        if checked.supported.is_empty() {
            let first = passages.iter().filter_map(|p| p.sentences.first());
            let sentences: Vec<PassageSentence> = first.take(fallback).cloned().collect();
            let text = quote(&sentences.iter().collect::<Vec<_>>());
            let page = sentences.first().map_or(1, |s| s.page);
            return Ok((
                Condensed {
                    text,
                    passage: Passage { page, sentences },
                },
                true,
            ));
        }
        let sentences: Vec<PassageSentence> = checked
            .supported
            .iter()
            .map(|s| PassageSentence {
                text: s.text.clone(),
                page: s.pages.first().copied().unwrap_or(1),
                lines: 0..0,
            })
            .collect();
        Ok((
            Condensed {
                text: checked.text(),
                passage: Passage {
                    page: sentences[0].page,
                    sentences,
                },
            },
            false,
        ))
    }
}

/// What was said of the whole, and the first sentences of passages at even distances, in order.
fn spread(said: &Passage, passages: &[Passage]) -> String {
    let step = passages.len().div_ceil(SPREAD_SENTENCES).max(1);
    let first = passages
        .iter()
        .step_by(step)
        .filter_map(|p| p.sentences.first());
    let mut sentences: Vec<&PassageSentence> = said.sentences.iter().chain(first).collect();
    sentences.sort_by_key(|s| s.page);
    sentences.dedup_by(|a, b| a.text == b.text);
    quote(&sentences)
}

/// Sentences as they are, each with its page and without the mark of a list.
fn quote(sentences: &[&PassageSentence]) -> String {
    let cited: Vec<String> = sentences
        .iter()
        .map(|s| {
            let text = s.text.trim().trim_start_matches(['-', '+', '*', '•', ' ']);
            format!("{text}{}", tasks::cite(&[s.page]))
        })
        .collect();
    cited.join(" ")
}

/// Something said shorter.
struct Condensed {
    /// With citations.
    text: String,
    /// Without them, to be condensed again.
    passage: Passage,
}

impl From<&SummarySentence> for Passage {
    fn from(sentence: &SummarySentence) -> Self {
        Self {
            page: sentence.page,
            sentences: vec![PassageSentence {
                text: sentence.text.clone(),
                page: sentence.page,
                lines: sentence.lines.clone(),
            }],
        }
    }
}

/// A section's summary as a passage: its sentences with the pages that they cite.
fn summary_passage(text: &str, first_page: u32) -> Passage {
    let mut sentences = Vec::new();
    let mut waiting: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("[page") {
        let end = rest[at..].find(']').map_or(rest.len(), |e| at + e + 1);
        let page = rest[at..end]
            .split(|c: char| !c.is_ascii_digit())
            .find_map(|n| n.parse().ok())
            .unwrap_or(first_page);
        waiting.extend(
            tasks::split_sentences(&rest[..at])
                .iter()
                .map(|s| (*s).to_owned()),
        );
        sentences.extend(waiting.drain(..).map(|text| PassageSentence {
            text,
            page,
            lines: 0..0,
        }));
        rest = &rest[end..];
    }
    Passage {
        page: first_page,
        sentences,
    }
}

/// Cuts the lines into sections of about the same length, at a heading or between paragraphs
/// where one is near.
fn sections(lines: &[ReadLine]) -> Vec<Range<usize>> {
    let count = lines.len().div_ceil(SECTION_ROWS).max(1);
    let size = lines.len().div_ceil(count).max(1);
    let slack = size / 6;
    let mut found = Vec::new();
    let mut from = 0;
    for i in 1..=count {
        let target = (i * size).min(lines.len());
        let to = if i == count {
            lines.len()
        } else {
            (target.saturating_sub(slack)..(target + slack).min(lines.len()))
                .filter(|at| *at > from)
                .max_by_key(|at| {
                    let heading = usize::from(tasks::is_heading(&lines[*at].text));
                    let (before, here) = (&lines[at - 1], &lines[*at]);
                    let gap = usize::from(!before.is_row_before(here));
                    (2 * heading + gap, usize::MAX - at.abs_diff(target))
                })
                .unwrap_or(target)
        };
        if to > from {
            found.push(from..to);
        }
        from = to;
    }
    found
}

/// Neighbouring passages that together are not too long to be written from, at least two each.
fn group(writer: &dyn Writer, passages: &[Passage]) -> Vec<Range<usize>> {
    let budget = REDUCE_TOKENS.min(writer.context_length() / 2);
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut sum = 0;
    for (i, passage) in passages.iter().enumerate() {
        let tokens = tokens_of(writer, &passage.text());
        match found.last_mut() {
            Some(range) if sum + tokens <= budget || range.len() < 2 => {
                range.end = i + 1;
                sum += tokens;
            }
            _ => {
                found.push(i..i + 1);
                sum = tokens;
            }
        }
    }
    found
}

/// A text without a last sentence that has no end, unless it is the only one.
fn whole_sentences(text: &str) -> &str {
    let text = text.trim();
    match text.rfind(['.', '!', '?', '。', '！', '？']) {
        Some(at) => {
            let end = at + text[at..].chars().next().map_or(1, char::len_utf8);
            let closes = text[end..]
                .chars()
                .take_while(|c| "\"'”’)]」』）".contains(*c));
            let end = end + closes.map(char::len_utf8).sum::<usize>();
            &text[..end]
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::fixtures::line;

    #[test]
    fn sections_cover_all_lines_and_begin_at_headings() {
        let lines: Vec<ReadLine> = (0..1500u32)
            .map(|i| {
                let text = if i == 520 {
                    "2. The second part"
                } else {
                    "words and more words"
                };
                line(i / 50 + 1, i % 50 + 1, text)
            })
            .collect();
        let found = sections(&lines);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0], 0..520);
        assert_eq!((found[0].end, found[2].end), (found[1].start, 1500));
        assert_eq!(sections(&lines[..7]), vec![Range { start: 0, end: 7 }]);
        assert!(sections(&[]).is_empty());
    }

    #[test]
    fn a_cut_sentence_goes_and_citations_come_back() {
        assert_eq!(
            whole_sentences("One. Two \"three.\" Fo"),
            "One. Two \"three.\""
        );
        assert_eq!(whole_sentences("no end"), "no end");
        let passage = summary_passage("A is b. C is d. [page 3] E is f. [pages 7, 8]", 1);
        let got: Vec<_> = passage
            .sentences
            .iter()
            .map(|s| (s.text.as_str(), s.page))
            .collect();
        assert_eq!(got, [("A is b.", 3), ("C is d.", 3), ("E is f.", 7)]);
    }
}
