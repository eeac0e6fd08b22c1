//! What a model wrote, and how far it can be trusted.

use glyph_pipeline::{JsonExtraction, SectionSummary, WrittenSummary};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::SentenceOut;

/// A summary that a model wrote. How sure it is of it is not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WrittenSummaryOut {
    /// The summary, its sentences with their pages.
    pub text: String,
    /// The model.
    pub writer: String,
    /// Whether what it wrote was held against the pages. What a model writes that sees them is not.
    pub checked: bool,
    /// Whether little or nothing that the model wrote of the whole stands on the pages, so that
    /// `text` joins what the sections say.
    pub quoted: bool,
    /// The summaries of the sections, in order.
    pub sections: Vec<SectionOut>,
}

/// The summary of a section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SectionOut {
    /// Its first page, from 1.
    pub first_page: u32,
    /// Its last page.
    pub last_page: u32,
    /// The summary, its sentences with their pages.
    pub text: String,
    /// Whether nothing that the model wrote stands on the pages, so that `text` quotes them.
    pub quoted: bool,
    /// The sentences that it was written from; none where the model saw the pages.
    pub evidence: Vec<SentenceOut>,
}

impl From<WrittenSummary> for WrittenSummaryOut {
    fn from(summary: WrittenSummary) -> Self {
        Self {
            text: summary.text,
            writer: summary.writer,
            checked: summary.checked,
            quoted: summary.quoted,
            sections: summary.sections.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<SectionSummary> for SectionOut {
    fn from(section: SectionSummary) -> Self {
        Self {
            first_page: section.first_page,
            last_page: section.last_page,
            text: section.text,
            quoted: section.quoted,
            evidence: section.evidence.into_iter().map(Into::into).collect(),
        }
    }
}

/// How a model filled in a schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JsonWritingOut {
    /// The model.
    pub writer: String,
    /// Pages of the text that it was given.
    pub pages_given: Vec<u32>,
    /// Whether `unsupported` was looked for. What a model writes that sees the pages is held
    /// against nothing.
    pub checked: bool,
    /// Texts and numbers in `json` that stand nowhere in what the model was given: it may have
    /// made them up.
    pub unsupported: Vec<String>,
}

impl From<&JsonExtraction> for JsonWritingOut {
    fn from(extraction: &JsonExtraction) -> Self {
        Self {
            writer: extraction.writer.clone(),
            pages_given: extraction.pages_given.clone(),
            checked: extraction.checked,
            unsupported: extraction.unsupported.clone(),
        }
    }
}
