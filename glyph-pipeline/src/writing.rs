//! Tasks that a language model does with what was read.

use std::ops::ControlFlow;

use glyph_decode::{DecodeError, FinishReason};

use crate::tasks::{self, Answer, Checked, Evidence, Passage, ReadLine, Writing, mean_confidence};
use crate::writer::{WriteRequest, Writer, Written};
use crate::{Pipeline, PipelineError, Progress, Reply, Stage, TokenCounter};

#[cfg(feature = "json-schema")]
mod extract;
mod summarize;
#[cfg(test)]
mod tests;

#[cfg(feature = "json-schema")]
pub use extract::JsonExtraction;
#[cfg(feature = "json-schema")]
pub(crate) use extract::{parse_json, schema_words};
pub use summarize::{SectionSummary, WrittenSummary};

/// Tokens of the passages that a question comes with. Small models answer better from a few good
/// sentences than from pages of them, and a prompt is read in a second or two.
const PASSAGE_TOKENS: usize = 400;
/// Tokens that an answer may have.
const ANSWER_TOKENS: usize = 96;

const ANSWER_SYSTEM: &str = "You answer questions about a document. Answer in one short sentence, \
     using only the words of the text.";

impl Pipeline {
    /// Lets the writer answer from the lines that were read finely. `quotation` is the answer that
    /// the built-in mode gives; it stays if the writer says nothing that holds.
    pub(crate) fn write_answer(
        &self,
        writer: &dyn Writer,
        question: &str,
        quotation: Answer,
        read: &mut Reply<Vec<ReadLine>>,
    ) -> Result<Answer, PipelineError> {
        let passages = self.passages_for(writer, question, &read.output, PASSAGE_TOKENS)?;
        let mut user = String::from("Text:\n");
        for passage in &passages {
            user += &format!("[page {}] {}\n", passage.page, passage.text());
        }
        user += &format!("\nQuestion: {question}");
        let request = WriteRequest {
            system: ANSWER_SYSTEM,
            user: &user,
            max_new_tokens: ANSWER_TOKENS,
            schema: None,
            copy_from: None,
        };
        let written = self.write(writer, &request, Span::ALL)?;
        read.tokens.writer.add(&written.usage);
        let checked = tasks::check(&written.text, &passages, question);
        let mut pages_given: Vec<u32> = passages.iter().map(|p| p.page).collect();
        pages_given.sort_unstable();
        pages_given.dedup();
        let writing = Writing {
            writer: writer.name().to_owned(),
            pages_given,
            draft: written.text,
            thinking: None,
            checked: true,
            unsupported: checked.unsupported.clone(),
            foreign_pages: checked.foreign_pages.clone(),
            quoted: checked.supported.is_empty(),
            finish_reason: name_of(&written.finish_reason),
        };
        Ok(compose(
            &checked,
            &passages,
            quotation,
            writing,
            &read.output,
        ))
    }

    /// Passages about `question` that fit the writer's context.
    fn passages_for(
        &self,
        writer: &dyn Writer,
        question: &str,
        lines: &[ReadLine],
        most: usize,
    ) -> Result<Vec<Passage>, PipelineError> {
        // Half of the context is left to instructions, the question and the answer.
        let budget = most.min(writer.context_length() / 2);
        let failed = std::cell::RefCell::new(None);
        let passages = tasks::passages(question, lines, budget, &|text| {
            writer.count_tokens(text).unwrap_or_else(|error| {
                failed.replace(Some(error));
                usize::MAX
            })
        });
        match failed.into_inner() {
            Some(error) => Err(error.into()),
            None => Ok(passages),
        }
    }

    /// Runs a request and tells the progress callback; `span` is the part of the whole task that
    /// the request is.
    fn write(
        &self,
        writer: &dyn Writer,
        request: &WriteRequest<'_>,
        span: Span,
    ) -> Result<Written, PipelineError> {
        let mut tell = |share: f64| match &self.progress {
            Some(callback) => callback(Progress {
                stage: Stage::Write,
                pages: span.pages,
                fraction: span.from + share.clamp(0.0, 1.0) * (span.to - span.from),
            }),
            None => ControlFlow::Continue(()),
        };
        let mut begins = true;
        let mut draft = |text: &str| self.tell_draft(text, &mut begins);
        let written = writer.stream(request, &mut tell, &mut draft)?;
        if written.finish_reason == FinishReason::Cancelled {
            return Err(PipelineError::Cancelled { pages: span.pages });
        }
        if tell(1.0).is_break() {
            return Err(PipelineError::Cancelled { pages: span.pages });
        }
        Ok(written)
    }

    fn writer_for(&self, task: &'static str) -> Result<&dyn Writer, PipelineError> {
        self.writer
            .as_deref()
            .ok_or(PipelineError::NoWriter { task })
    }
}

/// A part of a task: from and to which share of it a request runs.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: f64,
    to: f64,
    /// Pages that the task is about so far.
    pages: usize,
}

impl Span {
    const ALL: Self = Self {
        from: 0.0,
        to: 1.0,
        pages: 0,
    };
}

/// The answer from what is left of a draft.
fn compose(
    checked: &Checked,
    passages: &[Passage],
    quotation: Answer,
    writing: Writing,
    lines: &[ReadLine],
) -> Answer {
    if checked.supported.is_empty() {
        return Answer {
            writing: Some(writing),
            ..quotation
        };
    }
    let sentences: Vec<_> = passages.iter().flat_map(|p| &p.sentences).collect();
    let mut indices: Vec<usize> = Vec::new();
    for supported in &checked.supported {
        for sentence in &supported.sentences {
            for line in sentences[*sentence].lines.clone() {
                if !indices.contains(&line) {
                    indices.push(line);
                }
            }
        }
    }
    let read: Vec<ReadLine> = indices.iter().map(|i| lines[*i].clone()).collect();
    let support: f32 = checked.supported.iter().map(|s| s.support).sum();
    Answer {
        text: checked.text(),
        confidence: mean_confidence(&read) * support / checked.supported.len() as f32,
        evidence: read.into_iter().map(Evidence::from).collect(),
        unanswered: None,
        writing: Some(writing),
    }
}

/// Why a text ended, in words.
pub(crate) fn name_of(reason: &FinishReason) -> String {
    match reason {
        FinishReason::Eos(_) => "the model ended".to_owned(),
        FinishReason::Stop(stop) => format!("it reached {stop:?}"),
        FinishReason::Complete => "the schema was fulfilled".to_owned(),
        FinishReason::Length => "it reached the limit of tokens".to_owned(),
        FinishReason::ContextFull => "the context was full".to_owned(),
        FinishReason::Loop { period, .. } => format!("it repeated its last {period} tokens"),
        FinishReason::Cancelled => "it was cancelled".to_owned(),
        other => format!("{other:?}"),
    }
}

/// Tokens of a text by the writer's tokenizer, or by the built-in one where that fails.
fn tokens_of(writer: &dyn Writer, text: &str) -> usize {
    let count: Result<usize, DecodeError> = writer.count_tokens(text);
    count.unwrap_or_else(|_| TokenCounter.count(text))
}
