//! Text-level tasks over lines read back from page images.
//!
//! Everything here is a pure function over [`ReadLine`]s: nothing is rendered,
//! encoded or decoded. A document is first read *coarsely* (cheap, with a few
//! per cent of wrong characters); [`rank`], [`rank_keywords`] and
//! [`candidate_lines`] then choose the lines worth reading *finely*, and
//! [`answer`], [`summarize`] and [`extract`] work on what was read finely.

use thiserror::Error;

mod answer;
mod extract;
mod lines;
mod rank;
mod sentences;
mod summarize;
mod terms;
mod text;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod robustness;

pub use answer::{Answer, Evidence, answer};
pub use extract::{Extraction, ExtractionKind, candidate_lines, extract};
pub use lines::{BBox, ReadLine};
pub use rank::{rank, rank_keywords};
pub use sentences::{Sentence, sentences};
pub use summarize::{SummarySentence, summarize};

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
