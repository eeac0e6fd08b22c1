//! Configuration, health and metrics.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::{ApiError, ErrorBody};
use crate::style::{Preset, Style, presets};
use crate::task::Mode;

/// What a page has to know of the server.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Config {
    version: String,
    model: BuiltinModel,
    writers: Vec<WriterInfo>,
    presets: Vec<Preset>,
    modes: Vec<String>,
    defaults: Defaults,
    limits: Limits,
    auth_required: bool,
}

/// The built-in model.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct BuiltinModel {
    name: String,
    languages: Vec<String>,
}

/// A model that may write.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct WriterInfo {
    id: String,
    /// `text`, which is given what was read, or `vision`, which is shown the pages.
    kind: String,
}

/// What a page begins with.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct Defaults {
    render: Style,
}

/// What an upload and a run may cost.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct Limits {
    max_upload_bytes: u64,
    max_pages: u32,
    max_pixels: u64,
    max_seconds: u64,
}

/// What this server can do
#[utoipa::path(get, path = "/api/v1/config", tag = "operations",
    responses((status = 200, body = Config)))]
pub(super) async fn config(State(app): State<Arc<App>>) -> Result<Json<Config>, ApiError> {
    let settings = &app.settings;
    let writers = app.engine.writers().into_iter();
    Ok(Json(Config {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        model: BuiltinModel {
            name: crate::MODEL.to_owned(),
            languages: vec!["en".to_owned(), "zh".to_owned()],
        },
        writers: writers
            .map(|id| WriterInfo {
                kind: app.engine.writer_kind(&id).to_owned(),
                id,
            })
            .collect(),
        presets: presets()?,
        modes: Mode::ALL.map(|mode| mode.name().to_owned()).to_vec(),
        defaults: Defaults {
            render: Style {
                preset: "glyph-en".to_owned(),
                font_size: Some(12.0),
                dpi: Some(96.0),
                max_tokens_per_page: Some(8192),
                ..Style::default()
            },
        },
        limits: Limits {
            max_upload_bytes: settings.max_upload_bytes,
            max_pages: settings.max_pages,
            max_pixels: settings.max_pixels,
            max_seconds: settings.max_run.as_secs(),
        },
        auth_required: !app.keys.is_empty(),
    }))
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "operations",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub(super) async fn openapi(State(app): State<Arc<App>>) -> Json<utoipa::openapi::OpenApi> {
    Json(super::documented(&app).1)
}

/// Whether the process lives
#[utoipa::path(get, path = "/healthz", tag = "operations",
    responses((status = 200, description = "It does", body = String)))]
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// Whether requests can be served: the store and the queue answer, and the server is not stopping
#[utoipa::path(get, path = "/readyz", tag = "operations",
    responses((status = 200, description = "They can", body = String),
        (status = 503, description = "They cannot", body = ErrorBody)))]
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, ApiError> {
    let not =
        |code: &str, message: String| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message);
    if *app.stopping.borrow() {
        return Err(not("stopping", "the server is stopping".to_owned()));
    }
    (app.store.check().await).map_err(|error| not("store", error.to_string()))?;
    (app.queue.check().await).map_err(|error| not("queue", error.to_string()))?;
    Ok("ready\n")
}

/// Counters and histograms for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "operations",
    responses((status = 200, description = "OpenMetrics text", body = String)))]
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], app.metrics.encode()).into_response()
}
