//! Ask, summarise and extract, now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;

use super::request::task_request;
use super::sse;
use crate::app::App;
use crate::engine::{CancelToken, Listener};
use crate::error::{ApiError, ErrorBody};
use crate::task::{Event, Mode, Outcome, Task};

task_request! {
    /// What is asked of a document; the mode is in the address.
    TaskRequest {
        /// Whether events are sent while it runs.
        #[serde(default)]
        stream: bool,
        /// May be given as for jobs; the address says it here.
        #[serde(default)]
        mode: Option<Mode>,
    }
}

impl TaskRequest {
    fn task(self, mode: Mode) -> Result<Task, ApiError> {
        if let Some(found) = self.mode.filter(|found| *found != mode) {
            let message = format!("mode: expected {}, found {}", mode.name(), found.name());
            return Err(ApiError::invalid("mode", message));
        }
        Ok(self.into_task(mode))
    }
}

/// Answer a question about a document
///
/// With `stream` the response is a stream of events: `progress`, `scan` (the heat map), `draft`
/// (what a model writes, as it comes), `delta` (parts of the answer), and `done` with the result, `failed` or `cancelled` at its end.
#[utoipa::path(post, path = "/api/v1/ask", tag = "tasks", request_body = TaskRequest,
    responses((status = 200, body = Outcome),
        (status = 400, description = "A parameter cannot be used", body = ErrorBody),
        (status = 404, description = "There is no such document", body = ErrorBody),
        (status = 422, description = "The document has no text to read", body = ErrorBody),
        (status = 429, description = "Too many requests wait", body = ErrorBody)))]
pub(super) async fn ask(
    State(app): State<Arc<App>>,
    Json(request): Json<TaskRequest>,
) -> Result<Response, ApiError> {
    now(app, request, Mode::Ask).await
}

/// Summarise a document
///
/// Events as for `ask`.
#[utoipa::path(post, path = "/api/v1/summarize", tag = "tasks", request_body = TaskRequest,
    responses((status = 200, body = Outcome),
        (status = 400, description = "A parameter cannot be used", body = ErrorBody),
        (status = 404, description = "There is no such document", body = ErrorBody),
        (status = 422, description = "The document has no text to read", body = ErrorBody),
        (status = 429, description = "Too many requests wait", body = ErrorBody)))]
pub(super) async fn summarize(
    State(app): State<Arc<App>>,
    Json(request): Json<TaskRequest>,
) -> Result<Response, ApiError> {
    now(app, request, Mode::Summarize).await
}

/// Extract key information from a document
///
/// Events as for `ask`.
#[utoipa::path(post, path = "/api/v1/extract", tag = "tasks", request_body = TaskRequest,
    responses((status = 200, body = Outcome),
        (status = 400, description = "A parameter cannot be used", body = ErrorBody),
        (status = 404, description = "There is no such document", body = ErrorBody),
        (status = 422, description = "The document has no text to read", body = ErrorBody),
        (status = 429, description = "Too many requests wait", body = ErrorBody)))]
pub(super) async fn extract(
    State(app): State<Arc<App>>,
    Json(request): Json<TaskRequest>,
) -> Result<Response, ApiError> {
    now(app, request, Mode::Extract).await
}

async fn now(app: Arc<App>, request: TaskRequest, mode: Mode) -> Result<Response, ApiError> {
    let streams = request.stream;
    let task = request.task(mode)?;
    if !streams {
        let outcome = run(&app, task, Arc::new(|_| {})).await?;
        return Ok(Json(outcome).into_response());
    }
    // Mistakes are told by the status, before the stream begins.
    task.check(&app.engine.writers())?;
    app.engine.info(&task.document_id).await?;
    let (sender, receiver) = mpsc::unbounded_channel();
    let cancel = CancelToken::default();
    // Who closes the stream does not want the answer any more.
    let guard = cancel.on_drop();
    let listener = sender.clone();
    tokio::spawn(async move {
        let listener: Listener = Arc::new(move |event: Event| {
            let _ = listener.send(sse::of(&event));
        });
        let ended = app.engine.run_now(task, listener, cancel).await;
        refused(&app, &ended);
        let _ = sender.send(sse::end(&ended));
    });
    Ok(sse::respond(receiver, Some(guard)))
}

/// Runs a task for a request, and stops it when the request is given up.
pub(super) async fn run(
    app: &Arc<App>,
    task: Task,
    listener: Listener,
) -> Result<Outcome, ApiError> {
    let cancel = CancelToken::default();
    let guard = cancel.on_drop();
    let ended = app.engine.run_now(task, listener, cancel).await;
    guard.disarm();
    refused(app, &ended);
    ended
}

fn refused(app: &App, ended: &Result<Outcome, ApiError>) {
    if ended.as_ref().is_err_and(|error| error.code == "busy") {
        app.metrics.refused("turn");
    }
}
