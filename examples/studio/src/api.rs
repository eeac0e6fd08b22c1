//! The HTTP API.

pub mod documents;
mod guard;
mod jobs;
mod linger;
mod openai;
mod ops;
pub mod render;
mod request;
mod sse;
pub mod tasks;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::assets;

/// Largest body of a request that is not an upload.
const MAX_BODY: usize = 1 << 20;

/// The head of the OpenAPI document; paths and schemas come from the handlers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Glyph Studio",
        description = "Answers from documents longer than a model's context, read as page images."
    ),
    components(schemas(crate::error::ErrorBody)),
    tags(
        (name = "documents", description = "Upload, pages, and back to the text"),
        (name = "tasks", description = "Ask, summarise and extract, now"),
        (name = "jobs", description = "The same in the queue"),
        (name = "openai", description = "Compatible with OpenAI's API"),
        (name = "operations", description = "Configuration, health and metrics"),
    )
)]
struct ApiDoc;

/// All routes of the API with their description. There is no other way to a handler, so the
/// description lacks none and has none too many.
pub fn documented(app: &Arc<App>) -> (Router<Arc<App>>, utoipa::openapi::OpenApi) {
    let upload = usize::try_from(app.settings.max_upload_bytes).unwrap_or(usize::MAX);
    // Parts have heads of their own, and base64 takes a third more.
    let multipart = upload.saturating_add(MAX_BODY);
    let uploads = OpenApiRouter::new()
        .routes(routes!(documents::upload, documents::list))
        .routes(routes!(render::invert))
        .routes(routes!(openai::files::upload, openai::files::list))
        .layer(DefaultBodyLimit::max(multipart));
    let chats = OpenApiRouter::new()
        .routes(routes!(openai::chat))
        .layer(DefaultBodyLimit::max(upload / 3 * 4 + MAX_BODY));
    let (router, mut api) = OpenApiRouter::with_openapi(ApiDoc::openapi())
        .routes(routes!(documents::get, documents::delete))
        .routes(routes!(documents::text))
        .routes(routes!(render::layout))
        .routes(routes!(render::render))
        .routes(routes!(render::page))
        .routes(routes!(render::archive))
        .routes(routes!(tasks::ask))
        .routes(routes!(tasks::summarize))
        .routes(routes!(tasks::extract))
        .routes(routes!(jobs::submit, jobs::list))
        .routes(routes!(jobs::get, jobs::delete))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(jobs::result))
        .routes(routes!(jobs::events))
        .routes(routes!(openai::models))
        .routes(routes!(openai::files::get, openai::files::delete))
        .routes(routes!(ops::config))
        .routes(routes!(ops::openapi))
        .routes(routes!(ops::health))
        .routes(routes!(ops::ready))
        .routes(routes!(ops::metrics))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .merge(uploads)
        .merge(chats)
        .split_for_parts();
    api.info.version = env!("CARGO_PKG_VERSION").to_owned();
    (router, api)
}

/// The whole server: the API, and the page at all other paths.
pub fn router(app: &Arc<App>) -> Router {
    let (router, _) = documented(app);
    router
        .fallback(assets::serve)
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .layer(middleware::map_request(linger::linger))
        .with_state(app.clone())
}
