//! What a long run tells while it goes on.

use std::ops::ControlFlow;

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Pages are rendered, encoded coarsely and read.
    Scan,
    /// Crops are encoded finely and read.
    Crops,
    /// A language model writes.
    Write,
}

/// How far a stage is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// The stage.
    pub stage: Stage,
    /// Pages done.
    pub pages: usize,
    /// Share of the document that is done, 0 to 1.
    pub fraction: f64,
}

/// More of a text that a writer writes, as it is made.
///
/// It is a draft: a language model's is checked against what was read, and what the task returns
/// may say less, quote the document instead, or cite pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Draft<'a> {
    /// The new part; whole characters.
    pub text: &'a str,
    /// Whether a text begins with it: an answer is one text, a summary is written in several.
    pub begins: bool,
}

pub(crate) type ProgressCallback = dyn Fn(Progress) -> ControlFlow<()> + Send + Sync;
pub(crate) type DraftCallback = dyn Fn(Draft<'_>) -> ControlFlow<()> + Send + Sync;
