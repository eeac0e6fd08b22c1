//! Text-level tasks over lines read back from page images.
//!
//! Everything here is a pure function over [`ReadLine`]s: nothing is rendered,
//! encoded or decoded. A document is first read *coarsely* (cheap, with a few
//! per cent of wrong characters); [`rank`], [`rank_keywords`] and
//! [`candidate_lines`] then choose the lines worth reading *finely*, and
//! [`answer`], [`summarize`] and [`extract`] work on what was read finely.

use thiserror::Error;

mod answer;
mod citations;
mod extract;
mod lines;
mod passages;
mod rank;
mod reread;
mod sentences;
mod summarize;
mod support;
mod terms;
mod text;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod robustness;

pub use answer::{Answer, Evidence, Unanswered, Writing, answer};
pub(crate) use citations::{Checked, check, cite};
pub use extract::{Extraction, ExtractionKind, candidate_lines, extract};
pub use glyph_render::BBox;
pub(crate) use lines::mean_confidence;
pub use lines::{ReadLine, UncertainText};
pub(crate) use passages::{Passage, PassageSentence, passages};
pub use rank::{rank, rank_keywords};
pub(crate) use reread::reread;
pub(crate) use sentences::split_sentences;
pub use sentences::{Sentence, sentences};
pub(crate) use summarize::is_prose;
pub use summarize::{SummarySentence, summarize};
pub(crate) use terms::{is_stop_word, stem};
pub(crate) use text::is_heading;

/// Why a task could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TaskError {
    /// The question holds no letter, digit or ideograph to look for.
    #[error("the question contains no word to look for: {question:?}")]
    EmptyQuestion {
        /// The question as it was given.
        question: String,
    },
}

/// Checks that a question holds a word, before anything costly is done.
///
/// # Errors
/// [`TaskError::EmptyQuestion`] when it does not.
pub fn check_question(question: &str) -> Result<(), TaskError> {
    if question.chars().any(char::is_alphanumeric) {
        Ok(())
    } else {
        Err(TaskError::EmptyQuestion {
            question: question.to_owned(),
        })
    }
}
