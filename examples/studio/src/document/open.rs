//! Opening uploads in a process of their own.
//!
//! A hostile file may want all memory, all time, or find a mistake in a decoder. So each upload is
//! opened by a child process with limits of memory and time; what it dies of is an error of that
//! one request. The child is this program again, with the hidden command `child`.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use axum::http::StatusCode;
use glyph_pipeline::TokenCounter;
use glyph_pipeline::render::{
    Block, BlockKind, Document, DocumentError, InvertError, Inverter, Limits, OpenOptions, Page,
    RenderConfig, Typesetter,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use super::{Measure, SectionInfo, content};
use crate::error::ApiError;
use crate::settings::Settings;

/// The file that a child leaves the opened document in.
const CONTENT: &str = ".content";
/// Headings that are told of a document.
const MAX_SECTIONS: usize = 1000;

/// What a child is asked.
#[derive(Debug, Serialize, Deserialize)]
struct Task {
    what: What,
    limits: Bounds,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// Open a file, or a folder of page images, named relative to the current folder.
    Open { path: PathBuf, name: String },
    /// Turn page images back into text.
    Invert { paths: Vec<PathBuf> },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Bounds {
    file_bytes: u64,
    pages: u32,
    pixels: u64,
    memory: u64,
    seconds: u64,
}

/// A document that was opened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Opened {
    /// `text`, `markdown`, `pdf`, `docx` or `images`.
    pub kind: String,
    /// Characters of its text.
    pub chars: u64,
    /// Tokens of its text.
    pub text_tokens: u64,
    /// Its headings.
    pub sections: Vec<SectionInfo>,
    /// What layouts are estimated from.
    pub measure: Measure,
    /// About how many pages it has in the built-in style.
    pub pages: u64,
    /// The document, see [`content`].
    #[serde(skip)]
    pub content: Vec<u8>,
}

/// Text that was read from the pixels of pages.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Inverted {
    /// The text.
    pub text: String,
    /// Whether it is exact.
    pub intact: bool,
    /// What is wrong with the pages.
    pub damage: Vec<String>,
}

/// Opens uploads, a few at a time.
#[derive(Debug)]
pub struct Opener {
    program: PathBuf,
    bounds: Bounds,
    time: Duration,
    room: Semaphore,
}

impl Opener {
    /// An opener with the limits of the settings.
    ///
    /// # Errors
    /// If this program does not know where its own file is.
    pub fn new(settings: &Settings) -> std::io::Result<Self> {
        Ok(Self {
            program: std::env::current_exe()?,
            bounds: Bounds {
                file_bytes: settings.max_upload_bytes,
                pages: settings.max_pages,
                pixels: settings.max_pixels,
                memory: settings.parse_bytes,
                seconds: settings.parse_time.as_secs().max(1),
            },
            time: settings.parse_time,
            room: Semaphore::new(settings.runs.max(2)),
        })
    }

    /// Opens a file of `folder`, or the folder of page images there.
    ///
    /// # Errors
    /// What is wrong with the file, or that it takes too much.
    pub async fn open(&self, folder: &Path, path: &Path, name: &str) -> Result<Opened, ApiError> {
        let what = What::Open {
            path: path.to_owned(),
            name: name.to_owned(),
        };
        let mut opened: Opened = self.run(folder, what).await?;
        let content = tokio::fs::read(folder.join(CONTENT)).await;
        opened.content = content.map_err(ApiError::internal)?;
        Ok(opened)
    }

    /// Turns page images of `folder` back into text.
    ///
    /// # Errors
    /// That they carry no code, what is wrong with the files, or that they take too much.
    pub async fn invert(&self, folder: &Path, paths: Vec<PathBuf>) -> Result<Inverted, ApiError> {
        self.run(folder, What::Invert { paths }).await
    }

    async fn run<T: DeserializeOwned>(&self, folder: &Path, what: What) -> Result<T, ApiError> {
        let _room = self.room.acquire().await.map_err(ApiError::internal)?;
        let task = Task {
            what,
            limits: self.bounds.clone(),
        };
        let task = serde_json::to_vec(&task).map_err(ApiError::internal)?;
        let mut child = Command::new(&self.program)
            .arg("child")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(ApiError::internal)?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(&task).await.map_err(ApiError::internal)?;
        }
        // A child that is late is dropped, and so killed.
        let output = match tokio::time::timeout(self.time, child.wait_with_output()).await {
            Ok(output) => output.map_err(ApiError::internal)?,
            Err(_) => {
                return Err(refused(
                    "timeout",
                    format!("opening it took more than {} s", self.time.as_secs()),
                ));
            }
        };
        if !output.status.success() {
            tracing::warn!(status = %output.status, "the process that opened an upload died");
            let most = self.bounds.memory >> 20;
            return Err(refused(
                "too_costly",
                format!("it could not be opened within {most} MB of memory"),
            ));
        }
        let answer: Result<T, Failure> =
            serde_json::from_slice(&output.stdout).map_err(ApiError::internal)?;
        answer.map_err(|failure| {
            let status = StatusCode::from_u16(failure.status);
            ApiError::new(
                status.unwrap_or(StatusCode::UNPROCESSABLE_ENTITY),
                &failure.code,
                failure.message,
            )
        })
    }
}

fn refused(code: &str, message: String) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
}

/// Why a child could not do what it was asked.
#[derive(Debug, Serialize, Deserialize)]
struct Failure {
    status: u16,
    code: String,
    message: String,
}

impl Failure {
    fn new(status: StatusCode, code: &str, message: impl ToString) -> Self {
        Self {
            status: status.as_u16(),
            code: code.to_owned(),
            message: message.to_string(),
        }
    }
}

impl From<DocumentError> for Failure {
    fn from(error: DocumentError) -> Self {
        let (status, code) = match &error {
            DocumentError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            DocumentError::UnknownType { .. } | DocumentError::OldWord { .. } => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unknown_type")
            }
            _ => (StatusCode::UNPROCESSABLE_ENTITY, "document"),
        };
        // Who uploads knows nothing of the fields of a struct.
        let message = error.to_string();
        let message = message.split(", or raise `").next().unwrap_or_default();
        Self::new(status, code, message)
    }
}

impl From<InvertError> for Failure {
    fn from(error: InvertError) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "no_code", error)
    }
}

/// The command `child`: reads a task from standard input and writes what came of it to standard
/// output.
///
/// # Errors
/// If standard input or output cannot be used.
pub fn child() -> std::io::Result<()> {
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input)?;
    let task: Task = serde_json::from_slice(&input)?;
    // Where there are no such limits, the parent's time limit remains.
    let bounds = &task.limits;
    let _ = rlimit::setrlimit(rlimit::Resource::AS, bounds.memory, bounds.memory);
    let cpu = bounds.seconds.saturating_mul(4);
    let _ = rlimit::setrlimit(rlimit::Resource::CPU, cpu, cpu);
    let _ = rlimit::setrlimit(rlimit::Resource::CORE, 0, 0);
    let out = std::io::stdout().lock();
    match &task.what {
        What::Open { path, name } => serde_json::to_writer(out, &open(path, name, bounds))?,
        What::Invert { paths } => serde_json::to_writer(out, &invert(paths, bounds))?,
    }
    Ok(())
}

fn open(path: &Path, name: &str, bounds: &Bounds) -> Result<Opened, Failure> {
    let mut limits = Limits::default();
    limits.max_file_bytes = bounds.file_bytes;
    limits.max_pages = bounds.pages;
    limits.max_image_pixels = bounds.pixels;
    // The rest is for what they are drawn from.
    limits.max_total_pixels = bounds.memory / 2;
    let options = OpenOptions {
        limits,
        ..OpenOptions::default()
    };
    let mut document = Document::open_with(path, &options)?;
    let measure = Measure::of(&document);
    let budget = Typesetter::new(RenderConfig::builtin()).and_then(|t| t.page_budget());
    let budget = budget
        .map_err(|error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error))?;
    let pages = measure.estimate(&budget).pages;
    if pages > u64::from(bounds.pages) {
        return Err(Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!(
                "about {pages} pages, over the limit of {}; split it",
                bounds.pages
            ),
        ));
    }
    let text = document.text();
    let opened = Opened {
        kind: kind(path, &document).to_owned(),
        chars: text.chars().count() as u64,
        text_tokens: TokenCounter.count(&text) as u64,
        sections: sections(&document),
        measure,
        pages,
        content: Vec::new(),
    };
    document.title.get_or_insert_with(|| name.to_owned());
    let content = content::encode(&document)
        .map_err(|reason| Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "document", reason))?;
    std::fs::write(CONTENT, content)
        .map_err(|error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error))?;
    Ok(opened)
}

fn sections(document: &Document) -> Vec<SectionInfo> {
    let headings = document.blocks.iter().filter_map(|block| match block {
        Block::Text {
            kind: BlockKind::Heading(level),
            text,
            ..
        } => Some(SectionInfo {
            title: text.chars().take(200).collect(),
            level: *level,
        }),
        _ => None,
    });
    headings.take(MAX_SECTIONS).collect()
}

fn kind(path: &Path, document: &Document) -> &'static str {
    if document.is_images() && path.is_dir() {
        return "images";
    }
    let mut head = [0; 4];
    let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut head));
    let head = &head[..read.unwrap_or(0)];
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    if head.starts_with(b"PK") {
        "docx"
    } else if head.starts_with(b"%PDF") || extension == "pdf" {
        "pdf"
    } else if document.is_images() {
        "images"
    } else if super::is_markdown(path) {
        "markdown"
    } else {
        "text"
    }
}

fn invert(paths: &[PathBuf], bounds: &Bounds) -> Result<Inverted, Failure> {
    let mut pages = Vec::with_capacity(paths.len());
    let mut pixels = 0u64;
    for path in paths {
        let name = path.display().to_string();
        let fail = |error: &dyn std::fmt::Display| {
            Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "document", error)
        };
        let bytes = std::fs::read(path).map_err(|error| fail(&error))?;
        let page = Page::from_image_bytes(&name, &bytes).map_err(|error| fail(&error))?;
        pixels += page.pixels.len() as u64;
        if pixels > bounds.pixels.saturating_mul(10) {
            return Err(Failure::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                format!(
                    "{pixels} pixels so far, over the limit of {} for all pages; send fewer",
                    bounds.pixels.saturating_mul(10)
                ),
            ));
        }
        pages.push(page);
    }
    let inversion = Inverter::default().invert(&pages)?;
    Ok(Inverted {
        text: inversion.document.text(),
        intact: inversion.is_exact(),
        damage: inversion.damage.iter().map(ToString::to_string).collect(),
    })
}
