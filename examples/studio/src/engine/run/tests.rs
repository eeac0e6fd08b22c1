//! Runs with a model that says what the test wants.

use std::sync::Mutex;

use glyph_pipeline::decode::{DecodeError, FinishReason, Usage};
use glyph_pipeline::{WriteRequest, Writer, Written};
use serde_json::{Value, json};

use super::*;
use crate::engine::WriterPipeline;
use crate::metrics::Metrics;
use crate::settings::Options;
use crate::store::Store;

const TEXT: &str = include_str!("../../../../../docs/samples/lighthouse.txt");

struct Says;

impl Writer for Says {
    fn name(&self) -> &str {
        "says"
    }

    fn context_length(&self) -> usize {
        2048
    }

    fn count_tokens(&self, text: &str) -> Result<usize, DecodeError> {
        Ok(text.split_whitespace().count())
    }

    fn write(
        &self,
        request: &WriteRequest<'_>,
        _: &mut (dyn FnMut(f64) -> ControlFlow<()> + Send),
    ) -> Result<Written, DecodeError> {
        let text = match request.schema {
            Some(_) => r#"{"colour": "purple"}"#,
            None => "A dragon ate the moon.",
        };
        Ok(Written {
            text: text.to_owned(),
            finish_reason: FinishReason::Complete,
            usage: Usage::default(),
        })
    }
}

fn task(more: Value) -> Task {
    let mut task = json!({"document_id": "0".repeat(64), "writer": "says"});
    let Value::Object(more) = more else {
        panic!("expected an object, found {more}");
    };
    task.as_object_mut().unwrap().extend(more);
    serde_json::from_value(task).unwrap()
}

/// What a model wrote comes with what is known of how far it holds, and the scan is made once.
#[test]
fn what_is_written_says_how_far_it_can_be_trusted() {
    let data = tempfile::tempdir().unwrap();
    let options = Options {
        data: Some(data.path().to_owned()),
        device: Some("cpu".to_owned()),
        cache_mb: Some(0),
        writers: Some(vec!["says".to_owned()]),
        ..Options::default()
    };
    let settings = options.settings().unwrap();
    let store = Store::open(&settings.store).unwrap();
    let engine = Engine::new(&settings, store, Metrics::default()).unwrap();
    let writer = WriterPipeline {
        pipeline: Pipeline::builder().writer(Says).build().unwrap(),
        sees_pages: false,
    };
    engine
        .writers
        .lock()
        .unwrap()
        .insert("says".to_owned(), writer);
    let document = Document::from_text(TEXT);
    let scanned = Arc::new(Mutex::new(0));
    let run = |task: &Task| {
        let scanned = scanned.clone();
        let listener: Listener = Arc::new(move |event| {
            if let Event::Progress(now) = event
                && now.stage == StageName::Scan
            {
                *scanned.lock().unwrap() += 1;
            }
        });
        let cancel = CancelToken::default();
        engine.run_blocking(task, &document, &listener, &cancel)
    };

    let outcome = run(&task(json!({"mode": "summarize"}))).unwrap();
    let summary = outcome.written_summary.clone().unwrap();
    // The dragon is on no page, so that the pages are quoted.
    assert!(summary.checked && summary.quoted, "{summary:?}");
    assert_eq!(summary.writer, "says");
    assert!(!summary.text.contains("dragon"), "{summary:?}");
    let section = &summary.sections[0];
    assert!(section.quoted && section.first_page == 1, "{section:?}");
    let evidence = &section.evidence[0];
    assert!(evidence.line > 0 && evidence.bbox.width > 0, "{evidence:?}");
    assert_eq!(outcome.summary, None);
    assert_eq!(outcome.text(), summary.text);
    let scans = *scanned.lock().unwrap();
    assert!(scans > 0);

    let schema = json!({"type": "object", "properties": {"colour": {"type": "string"}}});
    let outcome = run(&task(json!({"mode": "extract", "schema": schema}))).unwrap();
    assert_eq!(outcome.json, Some(json!({"colour": "purple"})));
    let writing = outcome.json_writing.unwrap();
    assert!(writing.checked, "{writing:?}");
    assert_eq!(writing.unsupported, ["purple"]);
    assert_eq!(writing.pages_given, [1]);
    // Neither this nor another summary scans again.
    let again = run(&task(json!({"mode": "summarize"}))).unwrap();
    assert_eq!(again.written_summary, Some(summary));
    assert!(again.scan.reused);
    assert_eq!(*scanned.lock().unwrap(), scans);
}
