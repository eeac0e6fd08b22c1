//! Font sizes: one, or two by importance.

use std::fmt;
use std::sync::Arc;

/// How large text is set, in points.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FontSize {
    /// All text has this size.
    Points(f32),
    /// Important passages are larger than the rest.
    ByImportance(Importance),
}

impl FontSize {
    /// The largest size in points, which `line_height` belongs to.
    pub fn points(&self) -> f32 {
        match self {
            Self::Points(points) => *points,
            Self::ByImportance(importance) => importance.large,
        }
    }

    /// The sizes in points by size class, the largest first.
    pub fn classes(&self) -> Vec<f32> {
        match self {
            Self::Points(points) => vec![*points],
            Self::ByImportance(importance) => vec![importance.large, importance.small],
        }
    }

    /// Whether the size is this many points for all text.
    pub fn is(&self, points: f32) -> bool {
        matches!(self, Self::Points(found) if *found == points)
    }
}

impl From<f32> for FontSize {
    fn from(points: f32) -> Self {
        Self::Points(points)
    }
}

impl Default for FontSize {
    fn default() -> Self {
        Self::Points(9.0)
    }
}

/// Which passages are set larger, and how large.
///
/// A passage is a block's text between two line breaks, so a paragraph, an item or
/// a row of a table; in preformatted text it is the lines between two blank ones,
/// or a single line where those are very long. Headings are always large.
/// Passages are taken by falling score until they hold `share` of the text.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Importance {
    /// Size of the important passages in points.
    pub large: f32,
    /// Size of the rest in points, no more than `large`.
    pub small: f32,
    /// The share of the text, 0 to 1 in bytes, that may be large. Headings are not
    /// counted.
    pub share: f32,
    /// How important a passage is.
    pub scorer: Scorer,
}

impl Importance {
    /// A fifth of the text at `large` points, the rest at `small`, scored by TF-IDF.
    pub fn new(large: f32, small: f32) -> Self {
        Self {
            large,
            small,
            share: 0.2,
            scorer: Scorer::TfIdf,
        }
    }

    /// The same with another share.
    #[must_use]
    pub fn share(mut self, share: f32) -> Self {
        self.share = share;
        self
    }

    /// The same with another scorer.
    #[must_use]
    pub fn scorer(mut self, scorer: Scorer) -> Self {
        self.scorer = scorer;
        self
    }
}

/// A passage's text to its importance.
pub type ScoreCallback = Arc<dyn Fn(&str) -> f32 + Send + Sync>;

/// How important a passage is; only the order of the scores counts.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Scorer {
    /// The mean over its words of `(1 + ln tf) ln(passages / df)`: words that are
    /// rare in the document count. Han characters count in pairs.
    #[default]
    TfIdf,
    /// The same over the words that the query has too: for documents that are
    /// rendered to answer one question.
    Query(String),
    /// A function of the passage's text. NaN is the lowest score.
    Callback(ScoreCallback),
}

impl Scorer {
    /// A scorer that calls a function.
    pub fn callback(score: impl Fn(&str) -> f32 + Send + Sync + 'static) -> Self {
        Self::Callback(Arc::new(score))
    }
}

impl PartialEq for Scorer {
    /// Callbacks are equal where they are the same.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::TfIdf, Self::TfIdf) => true,
            (Self::Query(a), Self::Query(b)) => a == b,
            (Self::Callback(a), Self::Callback(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl fmt::Debug for Scorer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TfIdf => f.write_str("TfIdf"),
            Self::Query(query) => f.debug_tuple("Query").field(query).finish(),
            Self::Callback(_) => f.write_str("Callback(..)"),
        }
    }
}
