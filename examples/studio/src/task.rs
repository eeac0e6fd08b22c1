//! What is asked of a document, and what comes of it.

mod written;

use glyph_pipeline::render::BBox;
use glyph_pipeline::tasks::{Answer, Extraction, ExtractionKind, SummarySentence};
use glyph_pipeline::{StageSeconds, TokenAccount};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::style::Style;
pub use written::{JsonWritingOut, SectionOut, WrittenSummaryOut};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Answer a question.
    Ask,
    /// Summarise.
    Summarize,
    /// Extract key information.
    Extract,
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 3] = [Self::Ask, Self::Summarize, Self::Extract];

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Summarize => "summarize",
            Self::Extract => "extract",
        }
    }
}

/// What is asked of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Task {
    /// The document.
    pub document_id: String,
    /// What is to be done.
    pub mode: Mode,
    /// The question, for `ask`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// How many sentences, for `summarize`; 5 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentences: Option<usize>,
    /// Names of fields to look for, for `extract`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// A JSON schema that a writer is to fill in, for `extract`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub schema: Option<Value>,
    /// How the pages look that a vision-language writer sees. The built-in reader reads its own
    /// style whatever is given here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub render: Option<Style>,
    /// Vision tokens that the crops may cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_vision_tokens: Option<usize>,
    /// The model that writes; without one the document is quoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<String>,
}

/// Most characters of a question.
const MAX_QUESTION: usize = 20_000;
/// Most sentences of a summary.
const MAX_SENTENCES: usize = 100;
/// Most fields, and most characters of a field's name.
const MAX_FIELDS: usize = 100;

impl Task {
    /// Checks what can be checked before anything costly is done.
    ///
    /// # Errors
    /// The parameter that cannot be used.
    pub fn check(&self, writers: &[String]) -> Result<(), ApiError> {
        crate::document::check_id(&self.document_id)?;
        if self.mode == Mode::Ask {
            let question = self.question.as_deref().unwrap_or_default();
            let length = question.chars().count();
            if length > MAX_QUESTION {
                let message =
                    format!("question: expected at most {MAX_QUESTION} characters, found {length}");
                return Err(ApiError::invalid("question", message));
            }
            glyph_pipeline::tasks::check_question(question)
                .map_err(|error| ApiError::invalid("question", error.to_string()))?;
        }
        if let Some(sentences) = self.sentences
            && !(1..=MAX_SENTENCES).contains(&sentences)
        {
            let message = format!("sentences: expected 1 to {MAX_SENTENCES}, found {sentences}");
            return Err(ApiError::invalid("sentences", message));
        }
        if self.fields.len() > MAX_FIELDS || self.fields.iter().any(|f| f.len() > 400) {
            let message = "fields: expected at most 100 names of at most 400 bytes";
            return Err(ApiError::invalid("fields", message));
        }
        if let Some(writer) = &self.writer
            && !writers.contains(writer)
        {
            let known = match writers {
                [] => "none, since the server was started without".to_owned(),
                writers => writers.join(", "),
            };
            let message = format!(
                "writer: expected one of the server's ({known}), found {:?}",
                crate::document::shown(writer)
            );
            return Err(ApiError::invalid("writer", message));
        }
        if self.schema.is_some() && self.writer.is_none() {
            let message = "schema: a schema is filled in by a writer; name one";
            return Err(ApiError::invalid("schema", message));
        }
        if let Some(style) = &self.render {
            style.typesetter()?;
        }
        Ok(())
    }
}

/// A rectangle in pixels, its origin at the page's top left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Rect {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl From<BBox> for Rect {
    fn from(bbox: BBox) -> Self {
        Self {
            x: bbox.x,
            y: bbox.y,
            width: bbox.width,
            height: bbox.height,
        }
    }
}

/// A line that an answer was read from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceOut {
    /// The page, from 1.
    pub page: u32,
    /// The line on it, from 1.
    pub line: u32,
    /// The line as read.
    pub text: String,
    /// Where it is on the page in the built-in style.
    pub bbox: Rect,
    /// Mean probability of its characters.
    pub confidence: f32,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnswerOut {
    /// The answer, or that the pages do not seem to say.
    pub text: String,
    /// How far to trust it, 0 to 1.
    pub confidence: f32,
    /// The lines that it was read from.
    pub evidence: Vec<EvidenceOut>,
    /// Whether an answer was found.
    pub found: bool,
    /// How a model came to it; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub writing: Option<Value>,
}

impl From<Answer> for AnswerOut {
    fn from(answer: Answer) -> Self {
        let evidence: Vec<EvidenceOut> = (answer.evidence.into_iter())
            .map(|e| EvidenceOut {
                page: e.page,
                line: e.line,
                text: e.text,
                bbox: e.bbox.into(),
                confidence: e.confidence,
            })
            .collect();
        Self {
            found: !evidence.is_empty() || answer.writing.as_ref().is_some_and(|w| !w.quoted),
            text: answer.text,
            confidence: answer.confidence,
            evidence,
            writing: answer
                .writing
                .and_then(|writing| serde_json::to_value(writing).ok()),
        }
    }
}

/// A sentence of a summary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SentenceOut {
    /// The sentence as read.
    pub text: String,
    /// The page that it begins on, from 1.
    pub page: u32,
    /// The line that it begins on, from 1.
    pub line: u32,
    /// Where it is on the page in the built-in style.
    pub bbox: Rect,
    /// Mean confidence of its lines.
    pub confidence: f32,
    /// How central it is.
    pub score: f32,
}

impl From<SummarySentence> for SentenceOut {
    fn from(sentence: SummarySentence) -> Self {
        Self {
            text: sentence.text,
            page: sentence.page,
            line: sentence.line,
            bbox: sentence.bbox.into(),
            confidence: sentence.confidence,
            score: sentence.score,
        }
    }
}

/// A value that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExtractionOut {
    /// `date`, `money`, `email`, `url`, `uuid`, `hex`, `code`, `iban`, `isbn`, `doi`, `phone` or
    /// `field`.
    pub kind: String,
    /// The field's name, for `field`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The value as read.
    pub value: String,
    /// The value in a uniform notation, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalized: Option<String>,
    /// The page that it begins on, from 1.
    pub page: u32,
    /// The line that it begins on, from 1.
    pub line: u32,
    /// Where it is on the page in the built-in style.
    pub bbox: Rect,
    /// The lowest confidence among its lines.
    pub confidence: f32,
    /// The text of its lines.
    pub context: String,
}

impl From<Extraction> for ExtractionOut {
    fn from(e: Extraction) -> Self {
        let (kind, field) = match e.kind {
            ExtractionKind::Field(name) => ("field".to_owned(), Some(name)),
            kind => {
                let name = serde_json::to_value(&kind).ok();
                let name = name.and_then(|name| Some(name.as_str()?.to_owned()));
                (name.unwrap_or_else(|| "other".to_owned()), None)
            }
        };
        Self {
            kind,
            field,
            value: e.value,
            normalized: e.normalized,
            page: e.page,
            line: e.line,
            bbox: e.bbox.into(),
            confidence: e.confidence,
            context: e.context,
        }
    }
}

/// A row of the scan, and how much it matters to the task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RowOut {
    /// The page, from 1.
    pub page: u32,
    /// The row on it, from 1.
    pub row: u32,
    /// Where it is.
    pub bbox: Rect,
    /// 0 to 1, the highest row having 1.
    pub score: f32,
}

/// The scan as a heat map.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScanOut {
    /// Pages that were scanned.
    pub pages: usize,
    /// Rows of text on them.
    pub row_count: usize,
    /// Width of a page in pixels.
    pub page_width: u32,
    /// Height of a page in pixels.
    pub page_height: u32,
    /// Rows that matter; the others are left out.
    pub rows: Vec<RowOut>,
    /// Whether the document had been scanned before.
    pub reused: bool,
}

/// A part of a page that was read finely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CropOut {
    /// The page, from 1.
    pub page: u32,
    /// Where it is.
    pub bbox: Rect,
}

/// Text tokens against vision tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TokensOut {
    /// Tokens of the document's text.
    pub text: usize,
    /// Tokenizer of `text`.
    pub tokenizer: String,
    /// Vision tokens of the scan.
    pub vision_global: usize,
    /// Vision tokens of the crops.
    pub vision_local: usize,
    /// Text tokens per vision token.
    pub ratio: f64,
    /// Tokens that a writer read.
    pub writer_prompt: usize,
    /// Tokens that a writer wrote.
    pub writer_output: usize,
}

impl From<&TokenAccount> for TokensOut {
    fn from(tokens: &TokenAccount) -> Self {
        Self {
            text: tokens.text,
            tokenizer: tokens.tokenizer.to_owned(),
            vision_global: tokens.vision_global,
            vision_local: tokens.vision_local,
            ratio: tokens.ratio,
            writer_prompt: tokens.writer.prompt,
            writer_output: tokens.writer.output,
        }
    }
}

/// Wall seconds of each stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SecondsOut {
    /// Waiting for a turn.
    pub wait: f64,
    /// Reading the document from the store.
    pub open: f64,
    /// Typesetting the pages.
    pub render: f64,
    /// Encoding every page coarsely and reading it.
    pub scan: f64,
    /// Choosing what to read finely.
    pub select: f64,
    /// Encoding crops finely and reading them.
    pub crops: f64,
    /// Making the answer.
    pub answer: f64,
    /// All of it.
    pub total: f64,
}

impl SecondsOut {
    /// Without `scan`, which was done before.
    pub fn new(s: &StageSeconds, before: Option<&StageSeconds>) -> Self {
        let before = before.copied().unwrap_or_default();
        let less = |a: f64, b: f64| (a - b).max(0.0);
        let out = Self {
            wait: 0.0,
            open: 0.0,
            render: less(s.render, before.render),
            scan: less(s.scan + s.scan_readout, before.scan + before.scan_readout),
            select: s.select,
            crops: s.crops + s.crops_readout,
            answer: less(s.answer, before.answer),
            total: 0.0,
        };
        let total = out.render + out.scan + out.select + out.crops + out.answer;
        Self { total, ..out }
    }
}

/// What came of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Outcome {
    /// The answer, for `ask`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerOut>,
    /// The sentences, for `summarize` without a writer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Vec<SentenceOut>>,
    /// What a model wrote, for `summarize` with a writer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_summary: Option<WrittenSummaryOut>,
    /// The values, for `extract`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extraction: Option<Vec<ExtractionOut>>,
    /// Names of fields that were not found, for `extract`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_fields: Vec<String>,
    /// What a model filled the schema in with, for `extract`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub json: Option<Value>,
    /// How the model came to `json`, and what of it stands nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_writing: Option<JsonWritingOut>,
    /// Text tokens against vision tokens.
    pub tokens: TokensOut,
    /// Wall seconds.
    pub seconds: SecondsOut,
    /// What was read finely.
    pub crops: Vec<CropOut>,
    /// The heat map.
    pub scan: ScanOut,
}

/// Characters of a result that stand in lists.
const LINE: usize = 200;

impl Outcome {
    /// The beginning of what people read of it, in one line.
    pub fn line(&self) -> String {
        let text = self.text();
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(LINE) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }

    /// What people read of it.
    pub fn text(&self) -> String {
        if let Some(answer) = &self.answer {
            return answer.text.clone();
        }
        if let Some(json) = &self.json {
            return format!("{json:#}");
        }
        if let Some(summary) = &self.written_summary {
            return summary.text.clone();
        }
        if let Some(summary) = &self.summary {
            let lines: Vec<&str> = summary.iter().map(|s| s.text.as_str()).collect();
            return lines.join("\n");
        }
        let values = self.extraction.iter().flatten();
        let lines: Vec<String> = values
            .map(|e| format!("{}: {}", e.field.as_ref().unwrap_or(&e.kind), e.value))
            .collect();
        lines.join("\n")
    }
}

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StageName {
    /// Pages are drawn.
    Render,
    /// Pages are read coarsely.
    Scan,
    /// What matters is chosen.
    Select,
    /// It is read finely.
    Crops,
    /// The answer is made.
    Answer,
    /// A model writes.
    Write,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProgressOut {
    /// The stage.
    pub stage: StageName,
    /// Share of the stage that is done, 0 to 1.
    pub fraction: f64,
    /// Pages done.
    pub pages: usize,
}

/// What is told of a run while it goes on.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// How far it is.
    Progress(ProgressOut),
    /// The heat map.
    Scan(ScanOut),
    /// More of what a model writes, as it comes; what it comes to is told in [`Event::Delta`]s.
    Draft {
        /// The new part.
        text: String,
        /// Whether a text begins with it; what was told before is then another, or a dropped one.
        begins: bool,
    },
    /// More of the answer's text.
    Delta(String),
}
