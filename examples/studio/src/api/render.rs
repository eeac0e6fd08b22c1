//! Pages as images, and images of pages back to their text.

use std::io::{Cursor, Write};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Multipart, Path, Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use glyph_pipeline::render::{Document, Page};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::documents::receive;
use crate::app::App;
use crate::document::open::Inverted;
use crate::document::{Measure, shown};
use crate::error::{ApiError, ErrorBody};
use crate::style::{BUILTIN, Layout, Style};

/// Pages that are drawn at once.
const AT_ONCE: usize = 16;
/// Pixels of all pages that are drawn for one document.
const MAX_PIXELS: u64 = 8_000_000_000;

/// The pages of a document as PNG.
#[derive(Debug)]
pub struct Rendered {
    sizes: Vec<PageSize>,
    files: Vec<Vec<u8>>,
}

/// Size of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(super) struct PageSize {
    /// Its number, from 1.
    number: u32,
    /// Width in pixels.
    width: u32,
    /// Height in pixels.
    height: u32,
}

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
    let rendered = rendered(&app, &id, &render_id).await?;
    Ok(Json(RenderReply {
        render_id,
        pages: rendered.sizes.clone(),
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
    let rendered = rendered(&app, &id, render_id).await?;
    let file = number.checked_sub(1).and_then(|i| rendered.files.get(i));
    let mut response = file.ok_or_else(missing)?.clone().into_response();
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
    let rendered = rendered(&app, &id, render_id).await?;
    let packed = tokio::task::spawn_blocking(move || pack(&rendered)).await;
    let packed = packed
        .map_err(ApiError::internal)?
        .map_err(ApiError::internal)?;
    let headers = [
        (header::CONTENT_TYPE, "application/zip"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"pages.zip\"",
        ),
    ];
    Ok((headers, packed).into_response())
}

fn pack(rendered: &Rendered) -> Result<Vec<u8>, zip::result::ZipError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // PNG is compressed already.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (size, file) in rendered.sizes.iter().zip(&rendered.files) {
        zip.start_file(format!("page_{:04}.png", size.number), options)?;
        zip.write_all(file)?;
    }
    Ok(zip.finish()?.into_inner())
}

async fn rendered(app: &Arc<App>, id: &str, render_id: &str) -> Result<Arc<Rendered>, ApiError> {
    let info = app.engine.info(id).await?;
    let key = format!("{id} {render_id}");
    let kept = app.pages.get(&key);
    app.metrics.cache("pages", kept.is_some());
    if let Some(kept) = kept {
        return Ok(kept);
    }
    let style = style_of(app, render_id).await?;
    let layout = style.layout(&info.measure, info.info.text_tokens)?;
    let pixels = layout.pages * u64::from(layout.page_width) * u64::from(layout.page_height);
    if layout.pages > 4 * u64::from(app.settings.max_pages) || pixels > MAX_PIXELS {
        return Err(ApiError::too_large(format!(
            "about {} pages of {}x{} pixels in this style; take a smaller font or less dpi",
            layout.pages, layout.page_width, layout.page_height
        )));
    }
    // One at a time; who waited may find the pages drawn.
    let _turn = app.drawing.acquire().await.map_err(ApiError::internal)?;
    if let Some(kept) = app.pages.get(&key) {
        return Ok(kept);
    }
    let document = app.engine.document(id).await?;
    let drawn = tokio::task::spawn_blocking(move || draw(&document, &style)).await;
    let drawn = Arc::new(drawn.map_err(ApiError::internal)??);
    let weight = drawn.files.iter().map(Vec::len).sum();
    app.pages.put(&key, drawn.clone(), weight);
    Ok(drawn)
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

fn draw(document: &Document, style: &Style) -> Result<Rendered, ApiError> {
    let typesetter = style.typesetter()?;
    let mut pages = typesetter.pages(document);
    let mut out = Rendered {
        sizes: Vec::new(),
        files: Vec::new(),
    };
    loop {
        let some: Vec<Page> = pages.by_ref().take(AT_ONCE).collect::<Result<_, _>>()?;
        if some.is_empty() {
            return Ok(out);
        }
        let files = some.par_iter().map(Page::to_png);
        out.files.extend(files.collect::<Result<Vec<_>, _>>()?);
        out.sizes.extend(some.iter().map(|page| PageSize {
            number: page.number,
            width: page.width,
            height: page.height,
        }));
    }
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
