//! The page, embedded in the program. A debug build reads it from the source folder instead, so
//! that a change shows at the next reload.

use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::error::ApiError;

#[derive(RustEmbed)]
#[folder = "assets/"]
struct Assets;

/// The page's files at every path that is not the API's.
pub async fn serve(request: Request<Body>) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let path = if path.is_empty() { "index.html" } else { path };
    let is_read = request.method() == "GET" || request.method() == "HEAD";
    let found = Assets::get(path).filter(|_| is_read && !path.split('/').any(|p| p == ".."));
    let Some(file) = found else {
        let path = crate::document::shown(request.uri().path());
        return ApiError::not_found("page", &path).into_response();
    };
    let tag = blake3::Hash::from(file.metadata.sha256_hash()).to_hex();
    let tag = format!("\"{}\"", &tag[..32]);
    let same = request.headers().get(header::IF_NONE_MATCH);
    if same.is_some_and(|found| found.as_bytes() == tag.as_bytes()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let kind = file.metadata.mimetype();
    let kind = match kind.starts_with("text/") || kind == "application/javascript" {
        true => format!("{kind}; charset=utf-8"),
        false => kind.to_owned(),
    };
    let mut response = Body::from(file.data.into_owned()).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::ETAG, tag),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}
