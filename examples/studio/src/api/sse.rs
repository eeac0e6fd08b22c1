//! Events of a run as server-sent events.

use std::convert::Infallible;

use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::engine::CancelOnDrop;
use crate::error::ApiError;
use crate::task::{Event, Outcome};

/// An event with JSON data.
pub(super) fn event(name: &str, data: &impl Serialize) -> SseEvent {
    let data = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
    SseEvent::default().event(name).data(data)
}

/// What happened in a run.
pub(super) fn of(happened: &Event) -> SseEvent {
    match happened {
        Event::Progress(progress) => event("progress", progress),
        Event::Scan(scan) => event("scan", scan),
        Event::Draft { text, begins } => event("draft", &json!({ "text": text, "begins": begins })),
        Event::Delta(text) => event("delta", &json!({ "text": text })),
    }
}

/// How a run ended.
pub(super) fn end(ended: &Result<Outcome, ApiError>) -> SseEvent {
    match ended {
        Ok(outcome) => event("done", outcome),
        Err(error) if error.code == "cancelled" => event("cancelled", &error.body()),
        Err(error) => event("failed", &error.body()),
    }
}

/// Sends events as they come, until their sender is gone; `guard` is dropped when the stream is.
pub(super) fn respond(
    events: UnboundedReceiver<SseEvent>,
    guard: Option<CancelOnDrop>,
) -> Response {
    let stream = stream::unfold((events, guard), |(mut events, guard)| async move {
        let event = events.recv().await?;
        Some((Ok::<_, Infallible>(event), (events, guard)))
    });
    Sse::new(stream)
        .keep_alive(KeepAlive::default())
        .into_response()
}
