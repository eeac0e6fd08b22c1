//! Key information that a vision-language model takes from pages.

use std::time::Instant;

use glyph_render::Document;
use serde_json::Value;

use super::answer_tokens;
use crate::page_writer::{PageWriter, ViewRequest};
use crate::pipeline::finish;
use crate::writing::{parse_json, schema_words};
use crate::{JsonExtraction, Pipeline, PipelineError, Reply};

impl Pipeline {
    /// Lets the page writer fill in JSON from pictures of the pages.
    pub(crate) fn extract_json_from_pages(
        &self,
        writer: &dyn PageWriter,
        document: &Document,
        schema: &Value,
    ) -> Result<Reply<JsonExtraction>, PipelineError> {
        let started = Instant::now();
        let words = schema_words(schema);
        let task = format!("Write what the pages say as JSON with these fields: {words}");
        let shown = self.show(writer, document, &words, &task)?;
        let mut request = ViewRequest::new(&shown.views, &task, answer_tokens(writer));
        request.schema = Some(schema);
        let written = self.write_from_pages(writer, &request, shown.views.len(), |done| done)?;
        let output = JsonExtraction {
            value: parse_json(writer.name(), &written.text, &written.finish_reason)?,
            pages_given: shown.pages(),
            unsupported: Vec::new(),
            checked: false,
            writer: writer.name().to_owned(),
        };
        let reply = shown.account(document, &written);
        Ok(finish(reply, output, started, 0.0))
    }
}
