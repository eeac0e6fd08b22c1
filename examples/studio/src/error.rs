//! What the API answers when it cannot do what it was asked.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use glyph_pipeline::PipelineError;
use glyph_pipeline::render::RenderError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::StoreError;

/// An error as clients see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The HTTP status.
    #[serde(skip, default = "internal")]
    pub status: u16,
    /// What kind of error it is, for programs.
    pub code: String,
    /// What was expected, what was found and where.
    pub message: String,
    /// The parameter that it is about.
    pub param: Option<String>,
}

fn internal() -> u16 {
    500
}

/// The body of every error.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
}

/// An error.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// What kind of error it is, for programs.
    pub code: String,
    /// What was expected, what was found and where.
    pub message: String,
    /// The parameter that it is about.
    pub param: Option<String>,
    /// The kind of error in the words of OpenAI's API.
    #[serde(rename = "type")]
    pub kind: String,
}

impl ApiError {
    /// An error with a status and a code.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self {
            status: status.as_u16(),
            code: code.to_owned(),
            message: message.into(),
            param: None,
        }
    }

    /// A parameter that cannot be used.
    pub fn invalid(param: &str, message: impl Into<String>) -> Self {
        Self {
            param: Some(param.to_owned()),
            ..Self::new(StatusCode::BAD_REQUEST, "invalid_parameter", message)
        }
    }

    /// Something that is not there.
    pub fn not_found(what: &str, id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is no {what} {id:?}"),
        )
    }

    /// Something that is too large.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// More work than there is room for at the moment.
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", message)
    }

    /// Something that is this server's fault. The cause is logged, not told.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "internal error");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the server could not do this; its log says why",
        )
    }

    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        self.status >= 500 || self.status == 429
    }

    fn kind(&self) -> &'static str {
        match self.status {
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        }
    }

    /// The body of the response.
    pub fn body(&self) -> ErrorBody {
        ErrorBody {
            error: ErrorDetail {
                code: self.code.clone(),
                message: self.message.clone(),
                param: self.param.clone(),
                kind: self.kind().to_owned(),
            },
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.body())).into_response();
        if status == StatusCode::TOO_MANY_REQUESTS {
            (response.headers_mut()).insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<PipelineError> for ApiError {
    fn from(error: PipelineError) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let code = match &error {
            PipelineError::Cancelled { .. } => "cancelled",
            PipelineError::NoText { .. } => "no_text",
            PipelineError::Task(_) => return Self::invalid("question", error.to_string()),
            PipelineError::NoWriter { .. } => return Self::invalid("writer", error.to_string()),
            PipelineError::TooManyVisionTokens { .. } => "too_many_vision_tokens",
            PipelineError::Document(_) => "document",
            PipelineError::Unfinished { .. } => "unfinished",
            _ => return Self::internal(error),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<RenderError> for ApiError {
    fn from(error: RenderError) -> Self {
        match &error {
            RenderError::InvalidOption { key, .. } => {
                Self::invalid(&format!("render.{key}"), error.to_string())
            }
            _ => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "render",
                error.to_string(),
            ),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::internal(error)
    }
}
