//! What every request goes through: who may ask, how often, and what is told of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::error::ApiError;

/// Scripts, styles and pictures come from here; nothing else is loaded, and no one frames the page.
const CSP: &str = "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Checks a request, lets it through, and completes the response.
pub(super) async fn guard(
    State(app): State<Arc<App>>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map(|route| route.as_str().to_owned());
    let mut response = match admit(&app, &request, route.is_some()) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    let (seconds, status) = (started.elapsed().as_secs_f64(), response.status());
    if status.is_client_error() || status.is_server_error() {
        response = explain(response).await;
    }
    complete(response.headers_mut());
    let route = route.as_deref().unwrap_or("page");
    (app.metrics).request(method.as_str(), route, status.as_u16(), seconds);
    if route.starts_with("/api") || route.starts_with("/v1") {
        tracing::info!(%method, path, status = status.as_u16(), seconds, "request");
    } else {
        tracing::debug!(%method, path, status = status.as_u16(), seconds, "request");
    }
    response
}

/// What axum refuses by itself says why in plain text, or not at all; here it becomes an error as
/// all others are.
async fn explain(response: Response) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| !kind.as_bytes().starts_with(b"text/plain")) {
        return response;
    }
    let (head, body) = response.into_parts();
    let text = axum::body::to_bytes(body, 8 << 10)
        .await
        .unwrap_or_default();
    let (code, otherwise) = match head.status {
        StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "this is not possible here"),
        StatusCode::PAYLOAD_TOO_LARGE => ("too_large", "the body is too large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ("unknown_type", "the content type is not expected"),
        status if status.is_server_error() => ("internal", "the server could not do this"),
        _ => ("invalid_request", "the request is not understood"),
    };
    let message = match String::from_utf8_lossy(&text) {
        // What panicked is in the log.
        _ if head.status.is_server_error() => otherwise.to_owned(),
        text if text.is_empty() => otherwise.to_owned(),
        text => text.into_owned(),
    };
    let mut error = ApiError::new(head.status, code, message).into_response();
    if let Some(allow) = head.headers.get(header::ALLOW) {
        error.headers_mut().insert(header::ALLOW, allow.clone());
    }
    error
}

fn admit(app: &App, request: &Request<Body>, is_api: bool) -> Result<(), ApiError> {
    let headers = request.headers();
    check_host(app, headers)?;
    check_origin(request.method(), headers)?;
    if !is_api {
        return Ok(());
    }
    let path = request.uri().path();
    // Who watches over the server asks often, and has to know before anyone has a key.
    let open = ["/healthz", "/readyz", "/openapi.json", "/api/v1/config"];
    if open.contains(&path) {
        return Ok(());
    }
    let key = bearer(headers);
    if !app.keys.is_empty() {
        let key = key.map(|key| blake3::hash(key.as_bytes()));
        // Hashes are compared in constant time.
        if !key.is_some_and(|key| app.keys.contains(&key)) {
            return Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "expected one of the server's keys in the header `Authorization: Bearer KEY`",
            ));
        }
    }
    let client = match key.filter(|_| !app.keys.is_empty()) {
        Some(key) => blake3::hash(key.as_bytes()).to_hex().to_string(),
        None => {
            let address = request.extensions().get::<ConnectInfo<SocketAddr>>();
            address.map_or_else(String::new, |address| address.0.ip().to_string())
        }
    };
    if !app.rate.take(&client) {
        app.metrics.refused("rate");
        let most = app.settings.requests_per_minute;
        return Err(ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            format!("more than {most} requests a minute; wait a moment"),
        ));
    }
    Ok(())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

/// On loopback without keys, only names of this machine are answered to: a web page could
/// otherwise let its own name point here and read documents.
fn check_host(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    if !app.keys.is_empty() || !app.settings.address.ip().is_loopback() {
        return Ok(());
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let name = host.map(host_name).unwrap_or_default();
    let is_loopback = name
        .parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_loopback());
    let is_known =
        (app.settings.allowed_hosts.iter()).any(|known| known.eq_ignore_ascii_case(name));
    if is_loopback || is_known || name.eq_ignore_ascii_case("localhost") {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "host",
        format!(
            "expected localhost as the host, found {:?}; name others with --allowed-hosts",
            crate::document::shown(name)
        ),
    ))
}

/// The host of `HOST:PORT`, without the brackets of an IPv6 address.
fn host_name(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or_default();
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// What changes something is not done for the pages of others.
fn check_origin(method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    if method == Method::GET || method == Method::HEAD || method == Method::OPTIONS {
        return Ok(());
    }
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(origin), Some(host)) = (text(header::ORIGIN), text(header::HOST)) else {
        return Ok(());
    };
    match origin.split_once("://") {
        Some((_, from)) if from.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "origin",
            "expected a request of this server's own page, found one of another",
        )),
    }
}

fn complete(headers: &mut HeaderMap) {
    for (name, value) in [
        ("content-security-policy", CSP),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    (headers.entry(header::CACHE_CONTROL)).or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_lose_their_port() {
        for (host, name) in [
            ("localhost:8080", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]:80", "::1"),
            ("evil.example:8080", "evil.example"),
        ] {
            assert_eq!(host_name(host), name);
        }
    }

    #[test]
    fn foreign_pages_change_nothing() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("localhost:8080"));
        assert!(check_origin(&Method::POST, &headers).is_ok());
        headers.insert("origin", HeaderValue::from_static("http://localhost:8080"));
        assert!(check_origin(&Method::POST, &headers).is_ok());
        for foreign in ["https://evil.example", "null"] {
            headers.insert("origin", HeaderValue::from_static(foreign));
            assert!(check_origin(&Method::POST, &headers).is_err());
            assert!(check_origin(&Method::GET, &headers).is_ok());
        }
    }
}
