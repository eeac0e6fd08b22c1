//! Key information as JSON of a given form.

use std::time::Instant;

use glyph_decode::FinishReason;
use glyph_render::Document;
use serde::Serialize;
use serde_json::Value;

use super::{Span, name_of};
use crate::pipeline::finish;
use crate::tasks;
use crate::writer::WriteRequest;
use crate::{Pipeline, PipelineError, Reply};

/// Tokens of the text that the information is taken from.
const TEXT_TOKENS: usize = 1200;
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
        let writer = self.writer_for("an extraction by a schema")?;
        let started = Instant::now();
        let scan = self.scan(document)?;
        let choosing = Instant::now();
        let words = schema_words(schema);
        let mut scores = tasks::rank(&words, &scan.lines);
        // Dates, amounts and addresses seldom stand beside the name of their field.
        let least = scores.iter().copied().fold(1.0, f32::max) * 0.01;
        let fields: Vec<String> = words.split(',').map(|w| w.trim().to_owned()).collect();
        for (score, wanted) in scores
            .iter_mut()
            .zip(tasks::candidate_lines(&scan.lines, &fields))
        {
            if wanted {
                *score = score.max(least);
            }
        }
        let choosing = choosing.elapsed().as_secs_f64();
        let mut read = self.crop(document, &scan, &scores, 1)?;
        let mut passages = self.passages_for(writer, &words, &read.output, TEXT_TOKENS)?;
        // As in the document: what belongs together stands together.
        passages.sort_by_key(|p| p.sentences.first().map(|s| s.lines.start));
        let mut text = String::new();
        for passage in &passages {
            text += &passage.text();
            text.push('\n');
        }
        let user = format!("Text:\n{text}\nWrite the JSON with these fields: {words}");
        let request = WriteRequest {
            system: SYSTEM,
            user: &user,
            max_new_tokens: JSON_TOKENS,
            schema: Some(schema),
            copy_from: Some(&text),
        };
        let written = self.write(writer, &request, Span::ALL)?;
        read.tokens.writer.add(&written.usage);
        let value = parse_json(writer.name(), &written.text, &written.finish_reason)?;
        let mut pages_given: Vec<u32> = passages.iter().map(|p| p.page).collect();
        pages_given.dedup();
        let mut unsupported = Vec::new();
        collect_unsupported(&value, &plain(&text), &mut unsupported);
        let output = JsonExtraction {
            value,
            pages_given,
            unsupported,
            checked: true,
            writer: writer.name().to_owned(),
        };
        Ok(finish(read, output, started, choosing))
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
