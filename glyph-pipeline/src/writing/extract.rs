//! Key information as JSON of a given form.

mod fields;

use std::time::Instant;

use glyph_decode::FinishReason;
use glyph_render::Document;
use serde::Serialize;
use serde_json::Value;

use super::{Span, name_of};
use crate::pipeline::finish_scanned;
use crate::tasks;
use crate::writer::WriteRequest;
use crate::{Pipeline, PipelineError, Reply, Scan};

/// Tokens of the text that the information is taken from.
const TEXT_TOKENS: usize = 1200;
/// Tokens of the text that one field of several is taken from: a small model takes what is near.
const FIELD_TOKENS: usize = 160;
/// Tokens that the JSON may have.
const JSON_TOKENS: usize = 512;

const SYSTEM: &str = "You extract information from a text as JSON. Copy values from the text.";

/// Information that a language model took from a document.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct JsonExtraction {
    /// The information; it follows the schema.
    pub value: Value,
    /// Pages of the text that the model was given.
    pub pages_given: Vec<u32>,
    /// Texts and numbers in `value` that stand nowhere in what the model was given: it may have
    /// made them up.
    pub unsupported: Vec<String>,
    /// Whether `unsupported` was looked for. What a page writer says about the pages it sees is
    /// not held against anything.
    pub checked: bool,
    /// Name of the model.
    pub writer: String,
}

impl Pipeline {
    /// Lets the writer extract information as JSON that follows a JSON schema. What is looked for
    /// is told by the names, titles and descriptions in the schema.
    ///
    /// A page writer sees the pages, or the parts of them that
    /// [`max_vision_tokens`](crate::PipelineBuilder::max_vision_tokens) has room for.
    ///
    /// # Errors
    /// [`PipelineError::NoWriter`] without a writer, [`PipelineError::Unfinished`] if the JSON
    /// grew too long; else if the schema is none, a stage fails or the progress callback says stop.
    pub fn extract_json(
        &self,
        document: &Document,
        schema: &Value,
    ) -> Result<Reply<JsonExtraction>, PipelineError> {
        if let Some(writer) = &self.page_writer {
            return self.extract_json_from_pages(&**writer, document, schema);
        }
        // Said before anything costly is done.
        self.writer_for("an extraction by a schema")?;
        let scan = self.scan(document)?;
        self.extract_json_scanned(document, &scan, schema)
    }

    /// [`Pipeline::extract_json`] on a document that was scanned before. The scan is counted in
    /// tokens and seconds. A page writer is not asked.
    ///
    /// # Errors
    /// As [`Pipeline::extract_json`].
    pub fn extract_json_scanned(
        &self,
        document: &Document,
        scan: &Scan,
        schema: &Value,
    ) -> Result<Reply<JsonExtraction>, PipelineError> {
        let writer = self.writer_for("an extraction by a schema")?;
        let started = Instant::now();
        let mut fields = fields::fields(schema);
        let words_of: Vec<String> = fields.iter().map(schema_words).collect();
        let mut scores = vec![0.0f32; scan.lines.len()];
        for words in &words_of {
            for (score, own) in scores.iter_mut().zip(tasks::rank(words, &scan.lines)) {
                *score = score.max(own);
            }
        }
        // Dates, amounts and addresses seldom stand beside the name of their field.
        let least = scores.iter().copied().fold(1.0, f32::max) * 0.01;
        let names: Vec<String> = words_of
            .iter()
            .flat_map(|words| words.split(',').map(|w| w.trim().to_owned()))
            .collect();
        for (score, wanted) in scores
            .iter_mut()
            .zip(tasks::candidate_lines(&scan.lines, &names))
        {
            if wanted {
                *score = score.max(least);
            }
        }
        let choosing = started.elapsed().as_secs_f64();
        let mut read = self.crop(document, scan, &scores, 1)?;
        let (most, typed) = match fields.len() {
            1 => (TEXT_TOKENS, Vec::new()),
            _ => (FIELD_TOKENS, fields::typed(&read.output)),
        };
        let mut parts = Vec::new();
        let (mut pages_given, mut unsupported) = (Vec::new(), Vec::new());
        for (i, (field, words)) in fields.iter_mut().zip(&words_of).enumerate() {
            let offered = fields::offer(field, words, &typed, &read.output);
            let mut text = String::new();
            if offered.is_empty() {
                let mut passages = self.passages_for(writer, words, &read.output, most)?;
                // As in the document: what belongs together stands together.
                passages.sort_by_key(|p| p.sentences.first().map(|s| s.lines.start));
                for passage in &passages {
                    text += &passage.text();
                    text.push('\n');
                    pages_given.push(passage.page);
                }
            }
            for value in &offered {
                if !text.contains(&value.context) {
                    text += &value.context;
                    text.push('\n');
                }
                pages_given.push(value.page);
            }
            let request = WriteRequest {
                system: SYSTEM,
                user: &format!("Text:\n{text}\nWrite the JSON with these fields: {words}"),
                max_new_tokens: JSON_TOKENS,
                schema: Some(field),
                copy_from: offered.is_empty().then_some(text.as_str()),
            };
            let part = |i: usize| i as f64 / words_of.len() as f64;
            let span = Span {
                from: part(i),
                to: part(i + 1),
                ..Span::ALL
            };
            let written = self.write(writer, &request, span)?;
            read.tokens.writer.add(&written.usage);
            let own = parse_json(writer.name(), &written.text, &written.finish_reason)?;
            // What was offered stands there.
            if offered.is_empty() {
                collect_unsupported(&own, &plain(&text), &mut unsupported);
            }
            parts.push(own);
        }
        pages_given.sort_unstable();
        pages_given.dedup();
        let value = fields::join(parts);
        let output = JsonExtraction {
            value,
            pages_given,
            unsupported,
            checked: true,
            writer: writer.name().to_owned(),
        };
        Ok(finish_scanned(read, output, scan, started, choosing))
    }
}

/// What a model wrote under a schema.
pub(crate) fn parse_json(
    writer: &str,
    text: &str,
    reason: &FinishReason,
) -> Result<Value, PipelineError> {
    let unfinished = |reason: String| PipelineError::Unfinished {
        writer: writer.to_owned(),
        what: "JSON",
        reason,
    };
    match reason {
        FinishReason::Complete | FinishReason::Eos(_) => {
            serde_json::from_str(text).map_err(|error| unfinished(error.to_string()))
        }
        other => Err(unfinished(name_of(other))),
    }
}

/// The words of a schema that tell what is wanted: names of properties, titles, descriptions.
pub(crate) fn schema_words(schema: &Value) -> String {
    let mut words = String::new();
    collect_words(schema, &mut words);
    words
}

fn collect_words(schema: &Value, words: &mut String) {
    let mut add = |text: &str| {
        for part in text.split(|c: char| c == '_' || c == '-' || c.is_whitespace()) {
            if !part.is_empty() {
                if !words.is_empty() {
                    words.push(' ');
                }
                *words += part;
            }
        }
        words.push(',');
    };
    let Value::Object(object) = schema else {
        return;
    };
    for key in ["title", "description"] {
        if let Some(Value::String(text)) = object.get(key) {
            add(text);
        }
    }
    if let Some(Value::Object(properties)) = object.get("properties") {
        for (name, schema) in properties {
            let mut own = String::new();
            for c in name.chars() {
                if c.is_uppercase() && own.ends_with(char::is_lowercase) {
                    own.push(' ');
                }
                own.extend(c.to_lowercase());
            }
            if !words.is_empty() {
                words.push(' ');
            }
            *words += &own.replace(['_', '-'], " ");
            words.push(',');
            collect_words(schema, words);
        }
    }
    for key in ["items", "anyOf", "oneOf", "allOf", "$defs"] {
        match object.get(key) {
            Some(Value::Array(all)) => all.iter().for_each(|s| collect_words(s, words)),
            Some(Value::Object(all)) if key == "$defs" => {
                all.values().for_each(|s| collect_words(s, words));
            }
            Some(schema @ Value::Object(_)) => collect_words(schema, words),
            _ => {}
        }
    }
}

/// A text as it is compared: lower case, no marks, single blanks.
fn plain(text: &str) -> String {
    let kept = text
        .chars()
        .filter(|c| !matches!(c, ',' | '\'' | '"' | '“' | '”'))
        .flat_map(char::to_lowercase)
        .collect::<String>();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn collect_unsupported(value: &Value, text: &str, found: &mut Vec<String>) {
    match value {
        Value::String(s) if !text.contains(&plain(s)) => found.push(s.clone()),
        Value::Number(n) if !text.contains(&n.to_string()) => found.push(n.to_string()),
        Value::Array(all) => all.iter().for_each(|v| collect_unsupported(v, text, found)),
        Value::Object(all) => all
            .values()
            .for_each(|v| collect_unsupported(v, text, found)),
        _ => {}
    }
}
