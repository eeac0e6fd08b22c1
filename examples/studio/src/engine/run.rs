//! One run, on the thread that calls.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use axum::http::StatusCode;
use glyph_pipeline::render::{CellLayout, Document};
use glyph_pipeline::tasks::{self, ReadLine};
use glyph_pipeline::{Draft, Pipeline, Progress, Reply, Scan, Stage};

use super::{CancelToken, Engine, Listener};
use crate::error::ApiError;
use crate::task::{
    CropOut, Event, Mode, Outcome, ProgressOut, RowOut, ScanOut, SecondsOut, StageName, Task,
    TokensOut,
};

/// Sentences of a summary, where a task does not say.
const SENTENCES: usize = 5;
/// Rows of a heat map at most, so that a book's does not outgrow its answer.
const MAX_ROWS: usize = 4000;
/// Words of the answer that are told at once.
const WORDS_AT_ONCE: usize = 3;
/// Parts that it is told in at most.
const MAX_PARTS: usize = 200;

/// What a task needs besides the document.
struct Run<'a> {
    engine: &'a Engine,
    task: &'a Task,
    document: &'a Document,
    listener: &'a Listener,
    deadline: Instant,
    cancel: &'a CancelToken,
}

impl Engine {
    pub(super) fn run_blocking(
        &self,
        task: &Task,
        document: &Document,
        listener: &Listener,
        cancel: &CancelToken,
    ) -> Result<Outcome, ApiError> {
        let run = Run {
            engine: self,
            task,
            document,
            listener,
            deadline: Instant::now() + self.settings.max_run,
            cancel,
        };
        let outcome = run.outcome().map_err(|error| run.explain(error))?;
        run.tell_text(&outcome);
        Ok(outcome)
    }
}

impl Run<'_> {
    fn outcome(&self) -> Result<Outcome, ApiError> {
        self.cancel.check()?;
        let mut sees_pages = false;
        let mut pipeline = self.engine.pipeline.clone();
        if let Some(id) = &self.task.writer {
            let writer = self.engine.writer(id)?;
            (pipeline, sees_pages) = (writer.pipeline, writer.sees_pages);
        }
        let pipeline = self.listening(pipeline);
        if sees_pages && self.task.mode == Mode::Ask {
            return self.ask_from_pages(&pipeline);
        }
        let (scan, reused) = self.scan(&pipeline)?;
        self.progress(StageName::Select, 0.0, scan.pages);
        let scores = self.scores(&scan.lines);
        let map = heat_map(&scan, &scores, reused);
        (self.listener)(Event::Scan(map.clone()));
        let before = reused.then_some(&scan.seconds);
        let mut outcome = match self.task.mode {
            Mode::Ask => {
                let question = self.task.question.as_deref().unwrap_or_default();
                let reply = pipeline.ask_scanned(self.document, &scan, question)?;
                let mut outcome = outcome(&reply, before);
                outcome.answer = Some(reply.output.into());
                outcome
            }
            Mode::Summarize if self.task.writer.is_some() => {
                // Who sees the pages does so without the scan.
                let (reply, before) = match sees_pages {
                    true => (pipeline.write_summary(self.document)?, None),
                    false => {
                        let reply = pipeline.write_summary_scanned(self.document, &scan)?;
                        (reply, before)
                    }
                };
                let mut outcome = outcome(&reply, before);
                outcome.written_summary = Some(reply.output.into());
                outcome
            }
            Mode::Summarize => {
                let sentences = self.task.sentences.unwrap_or(SENTENCES);
                let reply = pipeline.summarize_scanned(self.document, &scan, sentences)?;
                let mut outcome = outcome(&reply, before);
                outcome.summary = Some(reply.output.into_iter().map(Into::into).collect());
                outcome
            }
            Mode::Extract => match &self.task.schema {
                Some(schema) => {
                    let (reply, before) = match sees_pages {
                        true => (pipeline.extract_json(self.document, schema)?, None),
                        false => {
                            let document = self.document;
                            let reply = pipeline.extract_json_scanned(document, &scan, schema)?;
                            (reply, before)
                        }
                    };
                    let mut outcome = outcome(&reply, before);
                    outcome.json_writing = Some((&reply.output).into());
                    outcome.json = Some(reply.output.value);
                    outcome
                }
                None => {
                    let fields = &self.task.fields;
                    let reply = pipeline.extract_scanned(self.document, &scan, fields)?;
                    let mut outcome = outcome(&reply, before);
                    let found: Vec<crate::task::ExtractionOut> =
                        reply.output.into_iter().map(Into::into).collect();
                    let missing = fields
                        .iter()
                        .filter(|name| !found.iter().any(|e| e.field.as_ref() == Some(*name)));
                    outcome.missing_fields = missing.cloned().collect();
                    outcome.extraction = Some(found);
                    outcome
                }
            },
        };
        outcome.scan = map;
        Ok(outcome)
    }

    /// Lets a vision-language model look at the pages as the task wants them drawn.
    fn ask_from_pages(&self, pipeline: &Pipeline) -> Result<Outcome, ApiError> {
        let pipeline = match &self.task.render {
            Some(style) => pipeline.with_view_renderer(style.typesetter()?),
            None => pipeline.clone(),
        };
        let question = self.task.question.as_deref().unwrap_or_default();
        let reply = pipeline.ask(self.document, question)?;
        let mut outcome = outcome(&reply, None);
        outcome.answer = Some(reply.output.into());
        Ok(outcome)
    }

    /// The document's scan: the same for all tasks, so it is kept.
    fn scan(&self, pipeline: &Pipeline) -> Result<(Arc<Scan>, bool), ApiError> {
        let id = &self.task.document_id;
        let kept = self.engine.scans.get(id);
        self.engine.metrics.cache("scans", kept.is_some());
        if let Some(scan) = kept {
            return Ok((scan, true));
        }
        self.progress(StageName::Render, 0.0, 0);
        let scan = Arc::new(pipeline.scan(self.document)?);
        let weight = scan.lines.len();
        self.engine.scans.put(id, scan.clone(), weight);
        Ok((scan, false))
    }

    /// What each row of the scan is worth to the task.
    fn scores(&self, lines: &[ReadLine]) -> Vec<f32> {
        let wanted = |wanted: bool| if wanted { 1.0 } else { 0.0 };
        match self.task.mode {
            Mode::Ask => tasks::rank(self.task.question.as_deref().unwrap_or_default(), lines),
            Mode::Extract => tasks::candidate_lines(lines, &self.task.fields)
                .into_iter()
                .map(wanted)
                .collect(),
            Mode::Summarize => {
                let mut scores = vec![0.0; lines.len()];
                let sentences = self.task.sentences.unwrap_or(SENTENCES);
                for sentence in tasks::summarize(lines, sentences) {
                    scores[sentence.lines].fill(sentence.score);
                }
                scores
            }
        }
    }

    /// The pipeline, which tells how far it is and stops when it should.
    fn listening(&self, pipeline: Pipeline) -> Pipeline {
        let (listener, cancel, deadline) =
            (self.listener.clone(), self.cancel.clone(), self.deadline);
        let pipeline = match self.task.max_vision_tokens {
            Some(tokens) => pipeline.with_max_vision_tokens(Some(tokens)),
            None => pipeline,
        };
        let told = listener.clone();
        let stop = cancel.clone();
        let pipeline = pipeline.with_draft(move |draft: Draft<'_>| {
            told(Event::Draft {
                text: draft.text.to_owned(),
                begins: draft.begins,
            });
            match stop.is_cancelled() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        pipeline.with_progress(move |progress: Progress| {
            let stage = match progress.stage {
                Stage::Scan => StageName::Scan,
                Stage::Crops => StageName::Crops,
                _ => StageName::Write,
            };
            listener(Event::Progress(ProgressOut {
                stage,
                fraction: progress.fraction,
                pages: progress.pages,
            }));
            match cancel.is_cancelled() || Instant::now() > deadline {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
    }

    fn progress(&self, stage: StageName, fraction: f64, pages: usize) {
        (self.listener)(Event::Progress(ProgressOut {
            stage,
            fraction,
            pages,
        }));
    }

    /// Tells the text in parts.
    fn tell_text(&self, outcome: &Outcome) {
        self.progress(StageName::Answer, 1.0, outcome.scan.pages);
        let text = outcome.text();
        let words: Vec<&str> = text.split_inclusive(char::is_whitespace).collect();
        let parts: Vec<String> = match words.len() {
            // Chinese has no spaces between words.
            0..=3 => {
                let characters: Vec<char> = text.chars().collect();
                characters.chunks(4).map(|c| c.iter().collect()).collect()
            }
            _ => words.chunks(WORDS_AT_ONCE).map(|w| w.concat()).collect(),
        };
        let group = parts.len().div_ceil(MAX_PARTS).max(1);
        for part in parts.chunks(group) {
            (self.listener)(Event::Delta(part.concat()));
        }
    }

    /// A run that was stopped says why.
    fn explain(&self, error: ApiError) -> ApiError {
        if error.code == "cancelled" && !self.cancel.is_cancelled() {
            let seconds = self.engine.settings.max_run.as_secs();
            return ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "timeout",
                format!("the run took more than {seconds} s: {error}"),
            );
        }
        error
    }
}

fn heat_map(scan: &Scan, scores: &[f32], reused: bool) -> ScanOut {
    let highest = scores.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let mut rows: Vec<RowOut> = (scan.lines.iter().zip(scores))
        .filter(|(_, score)| **score > 0.0)
        .map(|(line, score)| RowOut {
            page: line.page,
            row: line.line,
            bbox: line.bbox.into(),
            score: (1000.0 * score / highest).round() / 1000.0,
        })
        .filter(|row| row.score > 0.0)
        .collect();
    if rows.len() > MAX_ROWS {
        rows.sort_by(|a, b| b.score.total_cmp(&a.score));
        rows.truncate(MAX_ROWS);
        rows.sort_by_key(|row| (row.page, row.row));
    }
    let (page_width, page_height) = CellLayout::BUILTIN_PAGE;
    ScanOut {
        pages: scan.pages,
        row_count: scan.lines.len(),
        page_width,
        page_height,
        rows,
        reused,
    }
}

fn outcome<T>(reply: &Reply<T>, before: Option<&glyph_pipeline::StageSeconds>) -> Outcome {
    Outcome {
        answer: None,
        summary: None,
        written_summary: None,
        extraction: None,
        missing_fields: Vec::new(),
        json: None,
        json_writing: None,
        tokens: TokensOut::from(&reply.tokens),
        seconds: SecondsOut::new(&reply.seconds, before),
        crops: (reply.crops.iter())
            .map(|crop| CropOut {
                page: crop.page,
                bbox: crop.bbox.into(),
            })
            .collect(),
        scan: ScanOut::default(),
    }
}

#[cfg(test)]
mod tests;
