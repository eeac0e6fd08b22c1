//! Takes uploads in, and keeps what they were opened to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::extract::Multipart;
use axum::extract::multipart::{Field, MultipartError};
use axum::http::StatusCode;
use tempfile::TempDir;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use crate::app::App;
use crate::document::{DocumentInfo, Shelf, StoredInfo, is_markdown};
use crate::error::ApiError;

/// Files of one upload at most; more page images than a document may have pages are refused later.
const MAX_FILES: usize = 5000;
/// The folder that page images of one document are put into.
const PAGES: &str = "pages";
/// Time that an upload may take to arrive, at most.
const ARRIVAL: Duration = Duration::from_secs(600);

/// Files that a client sent, in a folder that is deleted with this value.
#[derive(Debug)]
pub(crate) struct Received {
    folder: TempDir,
    files: Vec<PathBuf>,
    name: Option<String>,
    bytes: u64,
    hasher: blake3::Hasher,
}

impl Received {
    /// Nothing yet.
    pub(crate) fn new(app: &App) -> Result<Self, ApiError> {
        let folder = tempfile::Builder::new()
            .prefix("upload-")
            .tempdir_in(app.uploads());
        Ok(Self {
            folder: folder.map_err(ApiError::internal)?,
            files: Vec::new(),
            name: None,
            bytes: 0,
            hasher: blake3::Hasher::new(),
        })
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The files' paths in the folder.
    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// An error in the client's words: files have names of their own in it, not those of this
    /// folder.
    pub(crate) fn in_own_names(&self, mut error: ApiError) -> ApiError {
        for (i, file) in self.files.iter().enumerate() {
            let Some(own) = file.file_name() else {
                continue;
            };
            let own = own.to_string_lossy();
            for inner in [file, &page_path(i, file)] {
                error.message = error.message.replace(&*inner.to_string_lossy(), &own);
            }
        }
        error
    }

    /// A name for the document.
    pub(crate) fn name(&mut self, name: &str) {
        let name = safe_name(name);
        if self.name.is_none() && !name.is_empty() {
            self.name = Some(name);
        }
    }

    /// Begins a file. What the client calls it is only used for its extension and in messages.
    async fn begin(&mut self, name: &str) -> Result<File, ApiError> {
        if self.files.len() == MAX_FILES {
            let message = format!("more than {MAX_FILES} files");
            return Err(ApiError::too_large(message));
        }
        let name = match safe_name(name) {
            name if name.is_empty() => "document".to_owned(),
            name => name,
        };
        // Numbered, so that page images stay in the order they came in.
        let part = PathBuf::from(format!("{:04}", self.files.len() + 1));
        let full = self.folder.path().join(&part);
        tokio::fs::create_dir(&full)
            .await
            .map_err(ApiError::internal)?;
        let path = part.join(name);
        let file = File::create(self.folder.path().join(&path)).await;
        self.hasher
            .update(if is_markdown(&path) { b"md\0" } else { b"\0" });
        self.files.push(path);
        file.map_err(ApiError::internal)
    }

    async fn append(&mut self, app: &App, file: &mut File, bytes: &[u8]) -> Result<(), ApiError> {
        self.bytes += bytes.len() as u64;
        let most = app.settings.max_upload_bytes;
        if self.bytes > most {
            let message = format!("an upload may have {most} bytes; this one has more");
            return Err(ApiError::too_large(message));
        }
        self.hasher.update(bytes);
        file.write_all(bytes).await.map_err(ApiError::internal)
    }

    async fn end(&mut self, mut file: File) -> Result<(), ApiError> {
        // Files of different lengths with the same bytes together are different documents.
        let length = file.metadata().await.map_or(0, |info| info.len());
        self.hasher.update(&length.to_le_bytes());
        file.flush().await.map_err(ApiError::internal)
    }

    /// A file that is in memory already.
    pub(crate) async fn add(
        &mut self,
        app: &App,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), ApiError> {
        let mut file = self.begin(name).await?;
        self.append(app, &mut file, bytes).await?;
        file.flush().await.map_err(ApiError::internal)?;
        self.end(file).await
    }

    async fn field(&mut self, app: &App, mut field: Field<'_>) -> Result<(), ApiError> {
        let name = field.file_name().unwrap_or_default().to_owned();
        let mut file = self.begin(&name).await?;
        while let Some(chunk) = field.chunk().await.map_err(multipart_error)? {
            self.append(app, &mut file, &chunk).await?;
        }
        file.flush().await.map_err(ApiError::internal)?;
        self.end(file).await
    }
}

/// Reads a form with the parts `file` and `name`.
pub(crate) async fn multipart(app: &App, form: Multipart) -> Result<Received, ApiError> {
    match tokio::time::timeout(ARRIVAL, parts(app, form)).await {
        Ok(received) => received,
        Err(_) => Err(ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "timeout",
            format!(
                "the upload took more than {} s to arrive",
                ARRIVAL.as_secs()
            ),
        )),
    }
}

async fn parts(app: &App, mut form: Multipart) -> Result<Received, ApiError> {
    let mut received = Received::new(app)?;
    while let Some(field) = form.next_field().await.map_err(multipart_error)? {
        match field.name() {
            Some("file") => received.field(app, field).await?,
            Some("name") => {
                let name = field.text().await.map_err(multipart_error)?;
                received.name(&name);
            }
            // As OpenAI's client sends it.
            Some("purpose") => {}
            other => {
                let other = crate::document::shown(other.unwrap_or_default());
                let message = format!("expected the parts `file` and `name`, found {other:?}");
                return Err(ApiError::invalid("file", message));
            }
        }
    }
    if received.files.is_empty() {
        let message = "expected a part `file` with the document, found none";
        return Err(ApiError::invalid("file", message));
    }
    Ok(received)
}

fn multipart_error(error: MultipartError) -> ApiError {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(error.body_text()),
        _ => ApiError::invalid("file", error.body_text()),
    }
}

/// Opens what was received and keeps it, if it is not there already; whether it is new.
pub(crate) async fn keep(
    app: &App,
    received: Received,
    shelf: Shelf,
) -> Result<(DocumentInfo, bool), ApiError> {
    let id = received.hasher.finalize().to_hex().to_string();
    if let Some(info) = there(app, &id, shelf).await? {
        return Ok((info, false));
    }
    let folder = received.folder.path();
    let (path, first) = match &received.files[..] {
        [file] => (file.clone(), file),
        files => (gather(folder, files).await?, &files[0]),
    };
    let first = first.file_name().unwrap_or_default();
    let name = match &received.name {
        Some(name) => name.clone(),
        None => first.to_string_lossy().into_owned(),
    };
    let opened = app.opener.open(folder, &path, &name).await;
    let opened = opened.map_err(|error| received.in_own_names(error))?;
    let info = DocumentInfo {
        id: id.clone(),
        name,
        kind: opened.kind,
        bytes: received.bytes,
        chars: opened.chars,
        text_tokens: opened.text_tokens,
        pages_estimate: opened.pages,
        sections: opened.sections,
        created: chrono::Utc::now(),
    };
    let stored = StoredInfo {
        info: info.clone(),
        measure: opened.measure,
    };
    // What is known comes last: a document that has it is whole.
    app.store.put(&shelf.content(&id), opened.content).await?;
    app.store.put_json(&shelf.meta(&id), &stored).await?;
    app.metrics.uploaded(&info.kind);
    Ok((info, true))
}

/// What is known of a document that is there already; where it is kept for a while only, that
/// begins anew.
async fn there(app: &App, id: &str, shelf: Shelf) -> Result<Option<DocumentInfo>, ApiError> {
    // As the store has it: another host may have deleted what this one remembers.
    let listed = Shelf::Documents.meta(id);
    if let Some(stored) = app.store.get_json::<StoredInfo>(&listed).await? {
        if shelf == Shelf::Documents && app.settings.keep.is_some() {
            app.store.put_json(&listed, &stored).await?;
        }
        return Ok(Some(stored.info));
    }
    let stored: Option<StoredInfo> = match shelf {
        Shelf::Documents => None,
        Shelf::Chats => app.store.get_json(&shelf.meta(id)).await?,
    };
    match &stored {
        Some(stored) => app.store.put_json(&shelf.meta(id), stored).await?,
        None => app.engine.forget(id),
    }
    Ok(stored.map(|stored| stored.info))
}

/// Puts page images into one folder, named so that their order stays.
async fn gather(folder: &Path, files: &[PathBuf]) -> Result<PathBuf, ApiError> {
    tokio::fs::create_dir(folder.join(PAGES))
        .await
        .map_err(ApiError::internal)?;
    for (i, file) in files.iter().enumerate() {
        let extension = file.extension().unwrap_or_default().to_ascii_lowercase();
        if !["png", "jpg", "jpeg"]
            .iter()
            .any(|known| extension == *known)
        {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let message = format!(
                "several files are the pages of one document, so each has to be a PNG or JPEG \
                 image; found {name:?}"
            );
            return Err(ApiError::invalid("file", message));
        }
        let moved = tokio::fs::rename(folder.join(file), folder.join(page_path(i, file))).await;
        moved.map_err(ApiError::internal)?;
    }
    Ok(PathBuf::from(PAGES))
}

/// Where a page image lies that is the `i`th of several, from 0.
fn page_path(i: usize, file: &Path) -> PathBuf {
    let extension = file.extension().unwrap_or_default().to_ascii_lowercase();
    Path::new(PAGES).join(format!("{:05}.{}", i + 1, extension.to_string_lossy()))
}

/// A file name without anything that means something to a file system, 100 characters at most.
fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let kept = last.chars().filter(|c| {
        !c.is_control() && !"<>:\"|?*".contains(*c) && !('\u{202a}'..='\u{202e}').contains(c)
    });
    let kept: String = kept.collect();
    let kept = kept.trim_start_matches(['.', ' ']).trim_end();
    let length = kept.chars().count();
    // The end is kept, where the extension is, and few bytes, as file systems count those.
    let mut kept: String = kept.chars().skip(length.saturating_sub(100)).collect();
    while kept.len() > 200 {
        kept.remove(0);
    }
    kept.trim_start_matches(['.', ' ']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::safe_name;

    #[test]
    fn names_stay_in_their_folder() {
        for (name, safe) in [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\x\\y.docx", "y.docx"),
            ("..", ""),
            (".hidden", "hidden"),
            ("a\0b\n.txt", "ab.txt"),
            ("茶园.txt", "茶园.txt"),
        ] {
            assert_eq!(safe_name(name), safe, "{name:?}");
        }
        let long = format!("{}.pdf", "字".repeat(500));
        assert!(safe_name(&long).ends_with(".pdf") && safe_name(&long).len() <= 200);
    }
}
