//! What a long run tells while it goes on.

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
