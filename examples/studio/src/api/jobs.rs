//! Jobs in the queue.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::TryRecvError;
use tokio::sync::mpsc;
use utoipa::{IntoParams, ToSchema};

use super::request::task_request;
use super::sse;
use crate::app::App;
use crate::document::shown;
use crate::error::{ApiError, ErrorBody};
use crate::queue::{Changed, Job, JobState, Priority, Record};
use crate::task::{Event, Mode, Outcome};

/// Jobs that are listed at most.
const MAX_LISTED: u32 = 500;
/// Between two looks at a job whose events are sent.
const LOOK: Duration = Duration::from_millis(150);

task_request! {
    /// A task for the queue.
    JobRequest {
        /// What is to be done.
        mode: Mode,
        /// Which jobs come first.
        #[serde(default)]
        priority: Priority,
    }
}

/// Jobs, the newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Jobs {
    jobs: Vec<Job>,
}

/// Which jobs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct JobsQuery {
    /// Only those in this state; `dead` is the list of dead letters.
    #[serde(default)]
    state: Option<JobState>,
    /// At most so many; 50 by default, 500 at most.
    #[serde(default)]
    limit: Option<u32>,
    /// Only those older than this job.
    #[serde(default)]
    before: Option<String>,
}

/// Queue a job
#[utoipa::path(post, path = "/api/v1/jobs", tag = "jobs", request_body = JobRequest,
    responses((status = 202, description = "It is queued", body = Job),
        (status = 400, description = "A parameter cannot be used", body = ErrorBody),
        (status = 404, description = "There is no such document", body = ErrorBody),
        (status = 429, description = "Too many jobs are queued", body = ErrorBody)))]
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    Json(request): Json<JobRequest>,
) -> Result<Response, ApiError> {
    let (mode, priority) = (request.mode, request.priority);
    let task = request.into_task(mode);
    task.check(&app.engine.writers())?;
    let info = app.engine.info(&task.document_id).await?;
    let queued = app.queue.counts().await?;
    let queued = queued.get(&JobState::Queued).copied().unwrap_or(0);
    let most = app.settings.max_queued;
    if queued >= most {
        app.metrics.refused("queue");
        return Err(ApiError::busy(format!(
            "{most} jobs are queued already; try again later"
        )));
    }
    let name = info.info.name.clone();
    let record = app.queue.submit(task, name, priority).await?;
    Ok((StatusCode::ACCEPTED, Json(Job::from(record))).into_response())
}

/// Jobs, the newest first, without their results
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", params(JobsQuery),
    responses((status = 200, body = Jobs)))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<JobsQuery>,
) -> Result<Json<Jobs>, ApiError> {
    let limit = query.limit.unwrap_or(50).clamp(1, MAX_LISTED);
    let records = app
        .queue
        .list(query.state, limit, query.before.as_deref())
        .await?;
    Ok(Json(Jobs {
        jobs: records.into_iter().map(Job::from).collect(),
    }))
}

fn check_id(id: &str) -> Result<(), ApiError> {
    match id.parse::<ulid::Ulid>() {
        // What is not in the same letters is another text, though it is the same number.
        Ok(parsed) if parsed.to_string() == id => Ok(()),
        _ => Err(ApiError::not_found("job", &shown(id))),
    }
}

async fn record(app: &App, id: &str) -> Result<Record, ApiError> {
    check_id(id)?;
    let record = app.queue.get(id).await?;
    record.ok_or_else(|| ApiError::not_found("job", id))
}

async fn with_result(app: &App, record: Record) -> Result<Job, ApiError> {
    let result = app.queue.result(&record).await?;
    Ok(Job {
        result,
        ..Job::from(record)
    })
}

fn changed(id: &str, what: &str, changed: Changed) -> Result<Record, ApiError> {
    match changed {
        Changed::Done(record) => Ok(record),
        Changed::Missing => Err(ApiError::not_found("job", id)),
        Changed::Refused(record) => Err(ApiError::new(
            StatusCode::CONFLICT,
            "state",
            format!("a job that is {} cannot be {what}", record.state.name()),
        )),
    }
}

/// A job, with its result
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs",
    params(("id" = String, Path, description = "The job")),
    responses((status = 200, body = Job),
        (status = 404, description = "There is none", body = ErrorBody)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Job>, ApiError> {
    let record = record(&app, &id).await?;
    Ok(Json(with_result(&app, record).await?))
}

/// Delete a job that is at its end
#[utoipa::path(delete, path = "/api/v1/jobs/{id}", tag = "jobs",
    params(("id" = String, Path, description = "The job")),
    responses((status = 204, description = "It is gone"),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "It is queued or runs: cancel it first", body = ErrorBody)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    check_id(&id)?;
    changed(&id, "deleted", app.queue.delete(&id).await?)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Cancel a job
#[utoipa::path(post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs",
    params(("id" = String, Path, description = "The job")),
    responses((status = 200, body = Job),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "It is at its end", body = ErrorBody)))]
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Job>, ApiError> {
    check_id(&id)?;
    let record = changed(&id, "cancelled", app.queue.cancel(&id).await?)?;
    Ok(Json(record.into()))
}

/// Queue a job again that failed, is dead or was cancelled
#[utoipa::path(post, path = "/api/v1/jobs/{id}/retry", tag = "jobs",
    params(("id" = String, Path, description = "The job")),
    responses((status = 200, body = Job),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 409, description = "It is queued, runs or is done", body = ErrorBody)))]
pub(super) async fn retry(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Job>, ApiError> {
    check_id(&id)?;
    let record = changed(&id, "tried again", app.queue.retry(&id).await?)?;
    Ok(Json(record.into()))
}

/// The result of a job as a file
#[utoipa::path(get, path = "/api/v1/jobs/{id}/result.json", tag = "jobs",
    params(("id" = String, Path, description = "The job")),
    responses((status = 200, body = Outcome),
        (status = 404, description = "There is none, or none yet", body = ErrorBody)))]
pub(super) async fn result(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let record = record(&app, &id).await?;
    let outcome = app.queue.result(&record).await?;
    let outcome = outcome.ok_or_else(|| ApiError::not_found("result of job", &id))?;
    let name = format!("attachment; filename=\"{id}.json\"");
    Ok(([(header::CONTENT_DISPOSITION, name)], Json(outcome)).into_response())
}

/// Events of a job until its end
///
/// `job` when its state changes, `progress`, `scan` (the heat map), `draft` (what a model writes,
/// where the job runs in this process), `delta` (parts of the answer), then `done` with the job
/// and its result, `failed` (also where it is dead) or `cancelled`.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/events", tag = "jobs",
    params(("id" = String, Path, description = "The job")),
    responses((status = 200, description = "Events", body = String, content_type = "text/event-stream"),
        (status = 404, description = "There is none", body = ErrorBody)))]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    record(&app, &id).await?;
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        if let Err(error) = follow(&app, &id, &sender).await {
            let _ = sender.send(sse::event("failed", &error.body()));
        }
    });
    Ok(sse::respond(receiver, None))
}

/// Sends what happens to a job. Where it runs in this process all events are there; of a job that
/// runs elsewhere the record tells how far it is, and its result the rest.
async fn follow(
    app: &App,
    id: &str,
    out: &mpsc::UnboundedSender<axum::response::sse::Event>,
) -> Result<(), ApiError> {
    let mut told = None;
    let mut local = None;
    let mut has_scan = false;
    let mut has_text = false;
    while !out.is_closed() && !*app.stopping.borrow() {
        if local.is_none() {
            local = app.worker.events(id);
        }
        if let Some(events) = &mut local {
            loop {
                match events.try_recv() {
                    Ok(event) => {
                        has_scan |= matches!(*event, Event::Scan(_));
                        has_text |= matches!(*event, Event::Delta(_));
                        let _ = out.send(sse::of(&event));
                    }
                    Err(TryRecvError::Lagged(_)) => {}
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Closed) => {
                        local = None;
                        break;
                    }
                }
            }
        }
        let record = record(app, id).await?;
        if record.state.is_final() && local.is_none() {
            let state = record.state;
            let error = record.error.clone();
            let job = with_result(app, record).await?;
            if let Some(result) = &job.result {
                if !has_scan {
                    let _ = out.send(sse::of(&Event::Scan(result.scan.clone())));
                }
                if !has_text {
                    let _ = out.send(sse::of(&Event::Delta(result.text())));
                }
            }
            let last = match (state, error) {
                (JobState::Done, _) => sse::event("done", &job),
                (JobState::Cancelled, _) => sse::event("cancelled", &job),
                (_, _) => sse::event("failed", &job),
            };
            let _ = out.send(last);
            return Ok(());
        }
        if local.is_none() {
            let now = (record.state, record.progress.clone());
            if told.as_ref() != Some(&now) {
                let _ = out.send(sse::event("job", &Job::from(record)));
                if let Some(progress) = &now.1 {
                    let _ = out.send(sse::of(&Event::Progress(progress.clone())));
                }
                told = Some(now);
            }
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
