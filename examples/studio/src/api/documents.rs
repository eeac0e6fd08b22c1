//! Upload documents, list them, and have their text back.

pub(crate) mod receive;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Multipart, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use glyph_pipeline::render::Inverter;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::document::{self, DocumentInfo};
use crate::error::{ApiError, ErrorBody};
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
    let (info, is_new) = receive::keep(&app, received).await?;
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
    for id in app.store.folders("documents").await? {
        // One that is being written or deleted is not there yet or any more.
        match app.engine.info(&id).await {
            Ok(info) => documents.push(info.info.clone()),
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
    // What is known goes first: a document without it does not exist.
    (app.store.delete(&format!("documents/{id}/meta.json"))).await?;
    app.store.delete(&format!("documents/{id}/content")).await?;
    app.engine.forget(id);
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
    document::check_id(&id)?;
    let document = app.engine.document(&id).await?;
    let _turn = app.drawing.acquire().await.map_err(ApiError::internal)?;
    let read = tokio::task::spawn_blocking(move || {
        let typesetter = Style::default().typesetter()?;
        let mut pages = Vec::new();
        for page in typesetter.pages(&document) {
            pages.push(page?);
        }
        let inversion = Inverter::of(&typesetter).invert(&pages);
        let inversion = inversion.map_err(|error| {
            ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "no_code",
                error.to_string(),
            )
        })?;
        Ok::<_, ApiError>(inversion.document.text())
    })
    .await;
    let text = read.map_err(ApiError::internal)??;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response())
}
