//! Upload documents, list them, and have their text back.

pub(crate) mod receive;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Multipart, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use glyph_pipeline::render::{Inversion, InvertError, Inverter};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::document::{CHAT_KEPT, DocumentInfo, Shelf};
use crate::drawing::{Drawing, Job};
use crate::engine::CancelToken;
use crate::error::{ApiError, ErrorBody};
use crate::store::StoreError;
use crate::style::Style;

/// Documents that are listed at most.
const MAX_LISTED: usize = 1000;

/// An upload.
#[derive(ToSchema)]
#[allow(
    dead_code,
    reason = "describes the form; the handler reads it part by part"
)]
pub(super) struct Upload {
    /// One TXT, Markdown, PDF or DOCX file, or page images (PNG, JPEG) in order.
    #[schema(value_type = Vec<String>, format = Binary)]
    file: Vec<u8>,
    /// A name for the document.
    name: Option<String>,
}

/// Documents, the newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Documents {
    documents: Vec<DocumentInfo>,
}

/// Upload a document
#[utoipa::path(post, path = "/api/v1/documents", tag = "documents",
    request_body(content = Upload, content_type = "multipart/form-data"),
    responses((status = 201, description = "It is new", body = DocumentInfo),
        (status = 200, description = "It was there already", body = DocumentInfo),
        (status = 413, description = "It is too large", body = ErrorBody),
        (status = 415, description = "It is of another type", body = ErrorBody),
        (status = 422, description = "It cannot be read", body = ErrorBody)))]
pub(super) async fn upload(
    State(app): State<Arc<App>>,
    multipart: Multipart,
) -> Result<Response, ApiError> {
    let received = receive::multipart(&app, multipart).await?;
    let (info, is_new) = receive::keep(&app, received, Shelf::Documents).await?;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(info)).into_response())
}

/// All documents
#[utoipa::path(get, path = "/api/v1/documents", tag = "documents",
    responses((status = 200, body = Documents)))]
pub(super) async fn list(State(app): State<Arc<App>>) -> Result<Json<Documents>, ApiError> {
    Ok(Json(Documents {
        documents: all(&app).await?,
    }))
}

/// All documents, the newest first.
pub(super) async fn all(app: &App) -> Result<Vec<DocumentInfo>, ApiError> {
    let mut documents = Vec::new();
    for id in app.store.folders(Shelf::Documents.folder()).await? {
        match app.engine.listed(&id).await {
            Ok(Some(info)) => documents.push(info.info.clone()),
            // One that is being written or deleted is not there yet or any more.
            Ok(None) => {}
            Err(error) if error.status == 404 => {}
            Err(error) => return Err(error),
        }
    }
    documents.sort_by_key(|info| std::cmp::Reverse(info.created));
    documents.truncate(MAX_LISTED);
    Ok(documents)
}

/// A document
#[utoipa::path(get, path = "/api/v1/documents/{id}", tag = "documents",
    params(("id" = String, Path, description = "The document")),
    responses((status = 200, body = DocumentInfo),
        (status = 404, description = "There is none", body = ErrorBody)))]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<DocumentInfo>, ApiError> {
    Ok(Json(app.engine.info(&id).await?.info.clone()))
}

/// Delete a document
#[utoipa::path(delete, path = "/api/v1/documents/{id}", tag = "documents",
    params(("id" = String, Path, description = "The document")),
    responses((status = 204, description = "It is gone"),
        (status = 404, description = "There is none", body = ErrorBody)))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    remove(&app, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a document.
pub(super) async fn remove(app: &App, id: &str) -> Result<(), ApiError> {
    app.engine.info(id).await?;
    for shelf in [Shelf::Documents, Shelf::Chats] {
        // What is known goes first: a document without it does not exist.
        app.store.delete(&shelf.meta(id)).await?;
        app.store.delete(&shelf.content(id)).await?;
    }
    app.engine.forget(id);
    Ok(())
}

/// Deletes what is kept for a while only: what came with chats, and documents after `--keep-days`.
///
/// # Errors
/// If the store cannot be read or written.
pub async fn expire(app: &App) -> Result<(), StoreError> {
    let chats = app.store.expire(Shelf::Chats.folder(), CHAT_KEPT).await?;
    let documents = match app.settings.keep {
        Some(age) => app.store.expire(Shelf::Documents.folder(), age).await?,
        None => Vec::new(),
    };
    for id in chats.iter().chain(&documents) {
        app.engine.forget(id);
    }
    if chats.len() + documents.len() > 0 {
        tracing::info!(chats = chats.len(), documents = documents.len(), "expired");
    }
    Ok(())
}

/// The text of a document, as it is read from the pixels of its pages: exact to a byte
#[utoipa::path(get, path = "/api/v1/documents/{id}/text", tag = "documents",
    params(("id" = String, Path, description = "The document")),
    responses((status = 200, description = "The text", body = String, content_type = "text/plain"),
        (status = 404, description = "There is none", body = ErrorBody),
        (status = 422, description = "Its pages are images of others", body = ErrorBody)))]
pub(super) async fn text(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    app.engine.info(&id).await?;
    let style = Style::default();
    let job = Job::new(app.engine.clone(), &id, &style.id()?, style);
    let drawing = app.drawing.clone();
    let work = move |cancel: &CancelToken| read_back(&drawing, &job, cancel);
    let text = app.drawing.run(work).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}

/// Draws a document's pages and reads them, holding a few at a time.
fn read_back(drawing: &Drawing, job: &Job, cancel: &CancelToken) -> Result<String, ApiError> {
    let inverter = Inverter::of(&*drawing.typesetter(job)?);
    let mut texts = Vec::new();
    let mut foreign = None;
    drawing.each(job, cancel, |_, pages| {
        let read: Vec<_> = (pages.par_iter())
            .map(|page| inverter.page_text(page))
            .collect();
        for text in read {
            match text {
                Ok(text) => texts.push(text),
                // An image among pages of text.
                Err(error @ InvertError::NoCode { .. }) => {
                    foreign.get_or_insert(error);
                }
                Err(error) => return Err(no_code(&error)),
            }
        }
        Ok(())
    })?;
    if texts.is_empty() {
        return Err(no_code(&foreign.unwrap_or(InvertError::NoPages)));
    }
    Ok(Inversion::from_texts(&texts).document.text())
}

fn no_code(error: &InvertError) -> ApiError {
    ApiError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "no_code",
        error.to_string(),
    )
}
