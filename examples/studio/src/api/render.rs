//! Pages as images, and images of pages back to their text.

use std::io::{BufWriter, Seek, Write};
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Multipart, Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use utoipa::{IntoParams, ToSchema};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::documents::receive;
use crate::app::App;
use crate::document::open::Inverted;
use crate::document::{Measure, shown};
use crate::drawing::{AT_ONCE, Drawing, Drawn, Job, PageSize};
use crate::engine::CancelToken;
use crate::error::{ApiError, ErrorBody};
use crate::style::{BUILTIN, Layout, Style};

/// Pixels of all pages that are drawn for one document.
const MAX_PIXELS: u64 = 8_000_000_000;

/// What a layout is asked for.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LayoutRequest {
    /// How the pages look.
    #[serde(default)]
    render: Style,
    /// The document; a page of prose where absent.
    #[serde(default)]
    document_id: Option<String>,
}

/// Pages that were drawn.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct RenderReply {
    /// Names the style in the addresses of pages.
    render_id: String,
    /// The pages.
    pages: Vec<PageSize>,
    /// What they come to.
    layout: Layout,
}

/// Which style.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RenderQuery {
    /// `render_id` of a rendering, or `builtin`, which is the default.
    #[serde(default)]
    render: Option<String>,
}

/// What pages of a style come to, before any is drawn
#[utoipa::path(post, path = "/api/v1/layout", tag = "documents", request_body = LayoutRequest,
    responses((status = 200, body = Layout),
        (status = 400, description = "A parameter cannot be used", body = ErrorBody)))]
pub(super) async fn layout(
    State(app): State<Arc<App>>,
    Json(request): Json<LayoutRequest>,
) -> Result<Json<Layout>, ApiError> {
    Ok(Json(
        layout_of(&app, &request.render, request.document_id.as_deref()).await?,
    ))
}

async fn layout_of(app: &App, style: &Style, id: Option<&str>) -> Result<Layout, ApiError> {
    match id {
        Some(id) => {
            let info = app.engine.info(id).await?;
            style.layout(&info.measure, info.info.text_tokens)
        }
        // A token is about 4.4 letters of English.
        None => {
            let measure = Measure::sample();
            let tokens = (measure.cells() as f64 / 4.4) as u64;
            style.layout(&measure, tokens)
        }
    }
}

/// Draw the pages of a document in a style
#[utoipa::path(post, path = "/api/v1/documents/{id}/render", tag = "documents",
    params(("id" = String, Path, description = "The document")), request_body = Style,
    responses((status = 200, body = RenderReply),
        (status = 400, description = "A parameter cannot be used", body = ErrorBody),
        (status = 404, description = "There is no such document", body = ErrorBody),
        (status = 413, description = "The pages are too large", body = ErrorBody)))]
pub(super) async fn render(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Json(style): Json<Style>,
) -> Result<Json<RenderReply>, ApiError> {
    let layout = layout_of(&app, &style, Some(&id)).await?;
    let render_id = style.id()?;
    if render_id != BUILTIN {
        let name = format!("renders/{render_id}.json");
        app.store.put_json(&name, &style).await?;
    }
    let sizes = sizes(&app, &id, &render_id).await?;
    Ok(Json(RenderReply {
        render_id,
        pages: sizes.to_vec(),
        layout,
    }))
}

/// A page as PNG
///
/// `builtin` is the style that answers are computed on: evidence and heat map are in its pixels.
#[utoipa::path(get, path = "/api/v1/documents/{id}/pages/{file}", tag = "documents",
    params(("id" = String, Path, description = "The document"),
        ("file" = String, Path, description = "Number of the page and `.png`: `1.png`"), RenderQuery),
    responses((status = 200, description = "The page", body = Vec<u8>, content_type = "image/png"),
        (status = 404, description = "There is no such page", body = ErrorBody)))]
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Path((id, file)): Path<(String, String)>,
    Query(query): Query<RenderQuery>,
) -> Result<Response, ApiError> {
    let number = file
        .strip_suffix(".png")
        .and_then(|n| n.parse::<usize>().ok());
    let missing = || ApiError::not_found("page", &shown(&file));
    let number = number.ok_or_else(missing)?;
    let render_id = query.render.as_deref().unwrap_or(BUILTIN);
    let place = number.checked_sub(1).ok_or_else(missing)?;
    let group = group(&app, &id, render_id, place / AT_ONCE).await?;
    let drawn = group.get(place % AT_ONCE).ok_or_else(missing)?;
    let mut response = drawn.png.clone().into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/png"));
    // A document's id is its content's hash and a style's its parameters': it never changes.
    let cache = HeaderValue::from_static("private, max-age=86400, immutable");
    headers.insert(header::CACHE_CONTROL, cache);
    Ok(response)
}

/// All pages as PNG in a ZIP file
#[utoipa::path(get, path = "/api/v1/documents/{id}/pages.zip", tag = "documents",
    params(("id" = String, Path, description = "The document"), RenderQuery),
    responses((status = 200, description = "The pages", body = Vec<u8>, content_type = "application/zip"),
        (status = 404, description = "There is no such document", body = ErrorBody)))]
pub(super) async fn archive(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<RenderQuery>,
) -> Result<Response, ApiError> {
    let render_id = query.render.as_deref().unwrap_or(BUILTIN);
    let job = job(&app, &id, render_id).await?;
    check(&app, &id, render_id).await?;
    let (drawing, folder) = (app.drawing.clone(), app.uploads());
    let work = move |cancel: &CancelToken| pack(&drawing, &job, &folder, cancel);
    let packed = app.drawing.run(work).await?;
    let length = packed.metadata().map_err(ApiError::internal)?.len();
    let packed = tokio::fs::File::from_std(packed);
    let headers = [
        (header::CONTENT_TYPE, "application/zip".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"pages.zip\"".to_owned(),
        ),
    ];
    let body = Body::from_stream(stream::try_unfold(packed, |mut file| async move {
        let mut bytes = vec![0; 1 << 16];
        let length = file.read(&mut bytes).await?;
        bytes.truncate(length);
        Ok::<_, std::io::Error>((length > 0).then_some((bytes, file)))
    }));
    Ok((headers, body).into_response())
}

/// All pages in a file that is nowhere else, so that they need no memory and go with it.
fn pack(
    drawing: &Drawing,
    job: &Job,
    folder: &std::path::Path,
    cancel: &CancelToken,
) -> Result<std::fs::File, ApiError> {
    let file = tempfile::tempfile_in(folder).map_err(ApiError::internal)?;
    let mut zip = ZipWriter::new(BufWriter::new(file));
    // PNG is compressed already.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    drawing.draw_all(job, cancel, |page| {
        let name = format!("page_{:04}.png", page.size.number);
        zip.start_file(name, options).map_err(ApiError::internal)?;
        zip.write_all(&page.png).map_err(ApiError::internal)
    })?;
    let file = zip.finish().map_err(ApiError::internal)?;
    let mut file = file.into_inner().map_err(ApiError::internal)?;
    file.rewind().map_err(ApiError::internal)?;
    Ok(file)
}

/// What is to be drawn, where there is such a document and such a style.
async fn job(app: &App, id: &str, render_id: &str) -> Result<Job, ApiError> {
    app.engine.info(id).await?;
    let style = style_of(app, render_id).await?;
    Ok(Job::new(app.engine.clone(), id, render_id, style))
}

/// Refuses what would be too much to draw.
async fn check(app: &App, id: &str, render_id: &str) -> Result<(), ApiError> {
    let style = style_of(app, render_id).await?;
    let layout = layout_of(app, &style, Some(id)).await?;
    let pixels = layout.pages * u64::from(layout.page_width) * u64::from(layout.page_height);
    if layout.pages > 4 * u64::from(app.settings.max_pages) || pixels > MAX_PIXELS {
        return Err(ApiError::too_large(format!(
            "about {} pages of {}x{} pixels in this style; take a smaller font or less dpi",
            layout.pages, layout.page_width, layout.page_height
        )));
    }
    Ok(())
}

/// The sizes of all pages.
async fn sizes(app: &App, id: &str, render_id: &str) -> Result<Arc<Vec<PageSize>>, ApiError> {
    let job = job(app, id, render_id).await?;
    let kept = app.drawing.sizes(&job);
    app.metrics.cache("pages", kept.is_some());
    if let Some(kept) = kept {
        return Ok(kept);
    }
    check(app, id, render_id).await?;
    let drawing = app.drawing.clone();
    let work = move |cancel: &CancelToken| drawing.measure(&job, cancel);
    app.drawing.run(work).await
}

/// A group of pages.
async fn group(
    app: &App,
    id: &str,
    render_id: &str,
    index: usize,
) -> Result<Arc<Vec<Drawn>>, ApiError> {
    let job = job(app, id, render_id).await?;
    let kept = app.drawing.group(&job, index);
    app.metrics.cache("pages", kept.is_some());
    if let Some(kept) = kept {
        return Ok(kept);
    }
    check(app, id, render_id).await?;
    let drawing = app.drawing.clone();
    let work = move |_: &CancelToken| drawing.draw_group(&job, index);
    app.drawing.run(work).await
}

async fn style_of(app: &App, render_id: &str) -> Result<Style, ApiError> {
    if render_id == BUILTIN {
        return Ok(Style::default());
    }
    let missing = || ApiError::not_found("rendering", &shown(render_id));
    if render_id.len() != 16 || !render_id.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(missing());
    }
    let name = format!("renders/{render_id}.json");
    app.store.get_json(&name).await?.ok_or_else(missing)
}

/// Page images.
#[derive(ToSchema)]
#[allow(
    dead_code,
    reason = "describes the form; the handler reads it part by part"
)]
pub(super) struct Pages {
    /// PNG files of pages, in any order.
    #[schema(value_type = Vec<String>, format = Binary)]
    file: Vec<u8>,
}

/// Turn page images back into their text
#[utoipa::path(post, path = "/api/v1/invert", tag = "documents",
    request_body(content = Pages, content_type = "multipart/form-data"),
    responses((status = 200, body = Inverted),
        (status = 413, description = "They are too large", body = ErrorBody),
        (status = 422, description = "They carry no text", body = ErrorBody)))]
pub(super) async fn invert(
    State(app): State<Arc<App>>,
    multipart: Multipart,
) -> Result<Json<Inverted>, ApiError> {
    let received = receive::multipart(&app, multipart).await?;
    let files = received.files().to_vec();
    let inverted = app.opener.invert(received.folder(), files).await;
    Ok(Json(
        inverted.map_err(|error| received.in_own_names(error))?,
    ))
}
