//! Documents as files of OpenAI's API.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Multipart, Path, State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::documents::{self, receive};
use crate::app::App;
use crate::document::{DocumentInfo, Shelf, check_id, shown};
use crate::error::{ApiError, ErrorBody};

/// What the id of a file begins with; the document's follows.
const PREFIX: &str = "file-";

/// A file.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct File {
    id: String,
    object: &'static str,
    bytes: u64,
    created_at: i64,
    filename: String,
    purpose: &'static str,
    status: &'static str,
}

/// All files.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Files {
    object: &'static str,
    data: Vec<File>,
    has_more: bool,
}

/// A file that was deleted.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Deleted {
    id: String,
    object: &'static str,
    deleted: bool,
}

impl From<DocumentInfo> for File {
    fn from(info: DocumentInfo) -> Self {
        Self {
            id: format!("{PREFIX}{}", info.id),
            object: "file",
            bytes: info.bytes,
            created_at: info.created.timestamp(),
            filename: info.name,
            purpose: "user_data",
            status: "processed",
        }
    }
}

/// The id of the document that is a file.
pub(super) fn document_id(file: &str) -> Result<&str, ApiError> {
    let id = file.strip_prefix(PREFIX);
    let id = id.filter(|id| check_id(id).is_ok());
    id.ok_or_else(|| ApiError::not_found("file", &shown(file)))
}

/// Upload a file
#[utoipa::path(post, path = "/v1/files", tag = "openai",
    request_body(content = documents::Upload, content_type = "multipart/form-data"),
    responses((status = 200, body = File),
        (status = 413, description = "It is too large", body = ErrorBody),
        (status = 415, description = "It is of another type", body = ErrorBody),
        (status = 422, description = "It cannot be read", body = ErrorBody)))]
pub(in crate::api) async fn upload(
    State(app): State<Arc<App>>,
    multipart: Multipart,
) -> Result<Json<File>, ApiError> {
    let received = receive::multipart(&app, multipart).await?;
    let (info, _) = receive::keep(&app, received, Shelf::Documents).await?;
    Ok(Json(info.into()))
}

/// All files
#[utoipa::path(get, path = "/v1/files", tag = "openai", responses((status = 200, body = Files)))]
pub(in crate::api) async fn list(State(app): State<Arc<App>>) -> Result<Json<Files>, ApiError> {
    let documents = documents::all(&app).await?;
    Ok(Json(Files {
        object: "list",
        data: documents.into_iter().map(File::from).collect(),
        has_more: false,
    }))
}

/// A file
#[utoipa::path(get, path = "/v1/files/{id}", tag = "openai",
    params(("id" = String, Path, description = "The file")),
    responses((status = 200, body = File),
        (status = 404, description = "There is none", body = ErrorBody)))]
pub(in crate::api) async fn get(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<File>, ApiError> {
    let info = app.engine.info(document_id(&id)?).await?;
    Ok(Json(info.info.clone().into()))
}

/// Delete a file
#[utoipa::path(delete, path = "/v1/files/{id}", tag = "openai",
    params(("id" = String, Path, description = "The file")),
    responses((status = 200, body = Deleted),
        (status = 404, description = "There is none", body = ErrorBody)))]
pub(in crate::api) async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<Json<Deleted>, ApiError> {
    documents::remove(&app, document_id(&id)?).await?;
    Ok(Json(Deleted {
        id,
        object: "file",
        deleted: true,
    }))
}
