use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use glyph_decode::{DecodeError, FinishReason, Usage};
use glyph_render::Document;

use crate::writer::{WriteRequest, Writer, Written};
use crate::{Pipeline, PipelineError, Stage};

/// Says what a function makes of the request.
struct Says<F> {
    say: F,
    asked: Arc<Mutex<Vec<String>>>,
    schemas: Arc<Mutex<Vec<serde_json::Value>>>,
    finish_reason: FinishReason,
}

impl<F: Fn(&str) -> String + Send + Sync> Says<F> {
    fn new(say: F) -> Self {
        Self {
            say,
            asked: Arc::default(),
            schemas: Arc::default(),
            finish_reason: FinishReason::Eos(0),
        }
    }
}

impl<F: Fn(&str) -> String + Send + Sync> Writer for Says<F> {
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
        progress: &mut (dyn FnMut(f64) -> ControlFlow<()> + Send),
    ) -> Result<Written, DecodeError> {
        let mut usage = Usage::default();
        usage.prompt_tokens = self.count_tokens(request.user)?;
        self.asked
            .lock()
            .expect("no thread panicked")
            .push(request.user.to_owned());
        self.schemas
            .lock()
            .expect("no thread panicked")
            .extend(request.schema.cloned());
        let cancelled = progress(0.5).is_break();
        let text = (self.say)(request.user);
        usage.generated_tokens = self.count_tokens(&text)?;
        Ok(Written {
            text,
            finish_reason: if cancelled {
                FinishReason::Cancelled
            } else {
                self.finish_reason.clone()
            },
            usage,
        })
    }
}

fn document() -> Document {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/lighthouse.txt");
    Document::open(path).expect("the sample is readable")
}

fn pipeline(writer: impl Writer + 'static) -> Pipeline {
    Pipeline::builder()
        .writer(writer)
        .build()
        .expect("the embedded weights fit")
}

const WHO: &str = "Who built the lighthouse?";

#[test]
fn an_answer_is_checked_and_cited() {
    let writer = Says::new(|_| {
        "The engineer Isobel Tarrant built it [page 40]. She came from Norway by ship.".to_owned()
    });
    let asked = writer.asked.clone();
    let reply = pipeline(writer).ask(&document(), WHO).expect("it answers");
    let answer = reply.output;
    assert_eq!(
        answer.text,
        "The engineer Isobel Tarrant built it. [page 1]"
    );
    assert!(
        answer
            .evidence
            .iter()
            .any(|e| e.text.contains("Tarrant") && e.page == 1)
    );
    let writing = answer.writing.expect("a writer wrote");
    assert_eq!((writing.foreign_pages, writing.quoted), (vec![40], false));
    assert_eq!(writing.unsupported, ["She came from Norway by ship."]);
    assert!(writing.pages_given.contains(&1));
    let asked = asked.lock().expect("no thread panicked");
    // What the question is about comes first, with its page.
    let first = asked[0].lines().nth(1).expect("a passage");
    assert!(
        first.starts_with("[page 1] ") && first.contains("Tarrant"),
        "{first}"
    );
    assert_eq!(
        reply.tokens.writer.prompt,
        asked[0].split_whitespace().count()
    );
    assert!(reply.tokens.writer.output > 5);
}

#[test]
fn what_does_not_hold_falls_back_to_a_quotation() {
    let plain = Pipeline::builtin().expect("the embedded weights fit");
    let expected = plain.ask(&document(), WHO).expect("it answers").output;
    assert_eq!(expected.writing, None);
    for draft in ["It was built by Robert Stevenson in 1811.", "", "[page 1]"] {
        let reply = pipeline(Says::new(move |_| draft.to_owned())).ask(&document(), WHO);
        let answer = reply.expect("it answers").output;
        assert_eq!(answer.text, expected.text);
        assert_eq!(answer.evidence, expected.evidence);
        assert!(answer.writing.expect("a writer wrote").quoted);
    }
}

#[test]
fn a_summary_goes_section_by_section() {
    let mut text = String::new();
    for part in 1..=4 {
        for i in 0..160 {
            text += &format!(
                "In part {part} the keeper number {} of the station {} wrote a long report about the \
                 weather of that year and sent it to the harbour office.\n\n",
                i * 7 + part,
                part * 1000 + i
            );
        }
    }
    // Says three sentences of the text again, with a made-up page.
    let writer = Says::new(|user| {
        let text: Vec<&str> = user.lines().skip(1).take(3).collect();
        format!("{} [page 9999]", text.join(" "))
    });
    let asked = writer.asked.clone();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = seen.clone();
    let pipeline = Pipeline::builder()
        .writer(writer)
        .progress(move |p| {
            if p.stage == Stage::Write {
                told.lock().expect("no thread panicked").push(p.fraction);
            }
            ControlFlow::Continue(())
        })
        .build()
        .expect("the embedded weights fit");
    let reply = pipeline
        .write_summary(&Document::from_text(&text))
        .expect("it writes");
    let summary = reply.output;
    assert!(summary.sections.len() >= 2, "{}", summary.sections.len());
    assert!(
        !summary.quoted && summary.text.contains("[page"),
        "{}",
        summary.text
    );
    for section in &summary.sections {
        assert!(section.first_page <= section.last_page && !section.quoted);
        assert!(!section.text.contains("9999"));
        for e in &section.evidence {
            assert!((section.first_page..=section.last_page).contains(&e.page));
        }
    }
    // One request a section, and one for all.
    assert_eq!(
        asked.lock().expect("no thread panicked").len(),
        summary.sections.len() + 1
    );
    let seen = seen.lock().expect("no thread panicked");
    assert!(seen.is_sorted() && seen.last() == Some(&1.0), "{seen:?}");
}

#[test]
fn writing_can_be_cancelled() {
    let pipeline = Pipeline::builder()
        .writer(Says::new(|_| "x".to_owned()))
        .progress(|p| match p.stage {
            Stage::Write => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        })
        .build()
        .expect("the embedded weights fit");
    let error = pipeline.ask(&document(), WHO).expect_err("it is cancelled");
    assert!(matches!(error, PipelineError::Cancelled { .. }), "{error}");
    let error = pipeline
        .write_summary(&document())
        .expect_err("it is cancelled");
    assert!(matches!(error, PipelineError::Cancelled { .. }), "{error}");
}

/// Writes a word at a time, for as long as it may.
struct WordByWord(&'static str);

impl Writer for WordByWord {
    fn name(&self) -> &str {
        "word by word"
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
        progress: &mut (dyn FnMut(f64) -> ControlFlow<()> + Send),
    ) -> Result<Written, DecodeError> {
        self.stream(request, progress, &mut |_| ControlFlow::Continue(()))
    }

    fn stream(
        &self,
        _: &WriteRequest<'_>,
        _: &mut (dyn FnMut(f64) -> ControlFlow<()> + Send),
        text: &mut (dyn FnMut(&str) -> ControlFlow<()> + Send),
    ) -> Result<Written, DecodeError> {
        let mut written = Written {
            text: String::new(),
            finish_reason: FinishReason::Eos(0),
            usage: Usage::default(),
        };
        for word in self.0.split_inclusive(' ') {
            written.text += word;
            if text(word).is_break() {
                written.finish_reason = FinishReason::Cancelled;
                break;
            }
        }
        Ok(written)
    }
}

/// What a pipeline's draft callback is told: pieces, and whether a text begins with them.
type Told = Arc<Mutex<Vec<(String, bool)>>>;

fn drafts(pipeline: &Pipeline) -> (Pipeline, Told) {
    let told = Told::default();
    let seen = told.clone();
    let pipeline = pipeline.with_draft(move |draft| {
        let piece = (draft.text.to_owned(), draft.begins);
        seen.lock().expect("no thread panicked").push(piece);
        ControlFlow::Continue(())
    });
    (pipeline, told)
}

#[test]
fn a_draft_is_told_as_it_is_written() {
    let written = "Isobel Tarrant built it. She came by ship.";
    let (streaming, told) = drafts(&pipeline(WordByWord(written)));
    let answer = streaming.ask(&document(), WHO).expect("it answers").output;
    let told = told.lock().expect("no thread panicked").clone();
    let words: Vec<&str> = told.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(words, written.split_inclusive(' ').collect::<Vec<_>>());
    // One text, which begins once, and is what was checked.
    assert!(told.iter().enumerate().all(|(i, (_, b))| *b == (i == 0)));
    assert_eq!(
        answer.writing.expect("a writer wrote").draft,
        words.concat()
    );

    // A writer that knows no pieces is told whole.
    let (whole, told) = drafts(&pipeline(Says::new(|_| "Tarrant built it.".to_owned())));
    whole.ask(&document(), WHO).expect("it answers");
    let told = told.lock().expect("no thread panicked").clone();
    assert_eq!(told, [("Tarrant built it.".to_owned(), true)]);
}

#[test]
fn whoever_reads_a_draft_can_stop_it() {
    let count = Arc::new(Mutex::new(0));
    for plain in [
        pipeline(WordByWord("one two three four")),
        pipeline(Says::new(|_| "x".to_owned())),
    ] {
        let counted = count.clone();
        let stopping = plain.with_draft(move |_| {
            *counted.lock().expect("no thread panicked") += 1;
            ControlFlow::Break(())
        });
        let error = stopping.ask(&document(), WHO).expect_err("it is stopped");
        assert!(matches!(error, PipelineError::Cancelled { .. }), "{error}");
    }
    assert_eq!(*count.lock().expect("no thread panicked"), 2);
}

#[test]
fn what_needs_a_writer_says_so() {
    let plain = Pipeline::builtin().expect("the embedded weights fit");
    let error = plain
        .write_summary(&document())
        .expect_err("no writer")
        .to_string();
    assert!(error.contains("writer"), "{error}");
}

#[cfg(feature = "json-schema")]
#[test]
fn extraction_gives_json_and_tells_what_is_nowhere() {
    use serde_json::json;
    let schema = json!({"type": "object", "properties": {
        "engineer": {"type": "string"}, "heightInMetres": {"type": "integer"},
        "colour": {"type": "string"}}});
    // Each field is asked for by itself.
    let writer = Says::new(|request| {
        let says = |words: &str| request.contains(&format!("fields: {words}"));
        let own = match () {
            () if says("engineer") => r#"{"engineer": "Isobel Tarrant"}"#,
            () if says("height in metres") => r#"{"heightInMetres": 41}"#,
            () => r#"{"colour": "purple"}"#,
        };
        own.to_owned()
    });
    let asked = writer.asked.clone();
    let reply = pipeline(writer)
        .extract_json(&document(), &schema)
        .expect("it extracts");
    assert_eq!(
        reply.output.value,
        json!({"engineer": "Isobel Tarrant", "heightInMetres": 41, "colour": "purple"})
    );
    assert_eq!(reply.output.unsupported, ["purple"]);
    assert_eq!(reply.output.pages_given, [1]);
    let asked = asked.lock().expect("no thread panicked").clone();
    assert_eq!(asked.len(), 3);
    let height = asked.iter().find(|a| a.contains("height in metres"));
    assert!(height.is_some_and(|a| a.contains("41 metres")), "{asked:?}");

    // A field whose value has a form is chosen among what has it.
    let typed = json!({"type": "object", "properties": {
        "email": {"type": "string"},
        "workBegins": {"type": "string", "format": "date"}}});
    let writer = Says::new(|_| r#"{"workBegins": "2024-06-03"}"#.to_owned());
    let schemas = writer.schemas.clone();
    pipeline(writer)
        .extract_json(&document(), &typed)
        .expect("it extracts");
    let schemas = schemas.lock().expect("no thread panicked").clone();
    let offered = |i: usize, name: &str| schemas[i]["properties"][name]["enum"].clone();
    assert_eq!(offered(0, "email"), json!(["works@corran-harbour.example"]));
    assert_eq!(offered(1, "workBegins"), json!(["2024-06-03"]));

    // What says more than which fields there are is asked for at once.
    let mut least = schema.clone();
    least["minProperties"] = json!(2);
    let writer = Says::new(|_| r#"{"engineer": "Isobel Tarrant", "colour": "grey"}"#.to_owned());
    let asked = writer.asked.clone();
    let reply = pipeline(writer)
        .extract_json(&document(), &least)
        .expect("it extracts");
    assert_eq!(reply.output.value["engineer"], "Isobel Tarrant");
    assert_eq!(asked.lock().expect("no thread panicked").len(), 1);

    let mut cut = Says::new(|_| r#"{"engineer": "Iso"#.to_owned());
    cut.finish_reason = FinishReason::Length;
    let error = pipeline(cut)
        .extract_json(&document(), &schema)
        .expect_err("cut off");
    assert!(error.to_string().contains("limit"), "{error}");
}
