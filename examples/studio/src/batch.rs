//! Runs one task on every document of a folder, and goes on where it was stopped.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc};

use crate::api::documents::receive::{self, Received};
use crate::app::{App, StartError};
use crate::document::Shelf;
use crate::engine::CancelToken;
use crate::error::ApiError;
use crate::queue::JobError;
use crate::settings::Settings;
use crate::task::{Mode, Outcome, Task};

/// What is done with each document.
#[derive(Debug, Clone, Args)]
pub struct BatchArgs {
    /// The folder; folders in it are read too, hidden files are not.
    pub folder: PathBuf,
    /// The file that a line of JSON is added to for each document; documents that have one already
    /// are left out.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Answer this question.
    #[arg(long, conflicts_with_all = ["summarize", "extract"])]
    pub question: Option<String>,
    /// Summarise in so many sentences.
    #[arg(long, value_name = "SENTENCES", num_args = 0..=1, default_missing_value = "5")]
    pub summarize: Option<usize>,
    /// Extract key information.
    #[arg(long, conflicts_with = "summarize")]
    pub extract: bool,
    /// A named field to look for; may be given several times. Implies --extract.
    #[arg(long = "field", value_name = "NAME", conflicts_with_all = ["question", "summarize"])]
    pub fields: Vec<String>,
    /// The model that writes: the name of a --writer.
    #[arg(long = "with", value_name = "NAME")]
    pub model: Option<String>,
    /// Documents at once [default: the number of cores].
    #[arg(long)]
    pub jobs: Option<usize>,
    /// Try documents again that failed before.
    #[arg(long)]
    pub retry_failed: bool,
}

/// Why a batch cannot be run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// Nothing is asked.
    #[error("expected --question, --summarize, --extract or --field, found none")]
    NothingAsked,
    /// A file or folder cannot be used.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A line of the output is of something else.
    #[error("{}, line {line}: expected a line that a batch wrote: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The engine cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The task cannot be run on any document.
    #[error(transparent)]
    Task(#[from] ApiError),
}

/// A line of the output.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    /// Relative to the folder, with `/`.
    path: String,
    /// Hash of the task, so that lines of another are not taken for this one's.
    task: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    document_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<Outcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<JobError>,
}

/// What every line begins with.
const BEGINS: &[u8] = b"{\"path\":\"";

/// How many documents came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Documents with a result.
    pub done: usize,
    /// Documents that failed.
    pub failed: usize,
    /// Documents that had a line already.
    pub skipped: usize,
}

/// Runs a batch. `tell` is called after each document with how many are done of how many.
///
/// # Errors
/// If the folder cannot be read, the output cannot be written, or the task makes no sense. What is
/// wrong with single documents stands in their lines.
pub async fn run(
    settings: Settings,
    args: BatchArgs,
    mut tell: impl FnMut(usize, usize),
) -> Result<Summary, BatchError> {
    let mode = match (
        &args.question,
        args.summarize,
        args.extract || !args.fields.is_empty(),
    ) {
        (Some(_), _, _) => Mode::Ask,
        (_, Some(_), _) => Mode::Summarize,
        (_, _, true) => Mode::Extract,
        _ => return Err(BatchError::NothingAsked),
    };
    let task = Task {
        document_id: "0".repeat(64),
        mode,
        question: args.question.clone(),
        sentences: args.summarize,
        fields: args.fields.clone(),
        schema: None,
        render: None,
        max_vision_tokens: None,
        writer: args.model.clone(),
    };
    let hash = serde_json::to_vec(&task).map_err(ApiError::internal)?;
    let hash = blake3::hash(&hash).to_hex()[..16].to_owned();
    // What can be wrong with the settings, the task and the folder is found before the output is
    // opened.
    let app = App::open(settings).await?;
    task.check(&app.engine.writers())?;
    let mut files = Vec::new();
    walk(&args.folder, &args.folder, &mut files)?;
    let (mut out, finished) = resume(&args.out, &hash, args.retry_failed)?;
    let own = std::fs::canonicalize(&args.out).ok();
    files.retain(|(_, path)| std::fs::canonicalize(path).ok() != own);
    let found = files.len();
    files.retain(|(name, _)| !finished.contains(name));
    let mut summary = Summary {
        skipped: found - files.len(),
        ..Summary::default()
    };

    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let room = Arc::new(Semaphore::new(args.jobs.unwrap_or(cores).max(1)));
    let (sender, mut lines) = mpsc::unbounded_channel();
    let total = files.len();
    tokio::spawn(async move {
        for (name, path) in files {
            let Ok(turn) = room.clone().acquire_owned().await else {
                return;
            };
            if sender.is_closed() {
                return;
            }
            let (app, task, sender, hash) =
                (app.clone(), task.clone(), sender.clone(), hash.clone());
            tokio::spawn(async move {
                let _turn = turn;
                let line = line(&app, task, name, &path, hash).await;
                let _ = sender.send(line);
            });
        }
    });
    let mut count = 0;
    while let Some(line) = lines.recv().await {
        count += 1;
        match line.error {
            Some(_) => summary.failed += 1,
            None => summary.done += 1,
        }
        let mut json = serde_json::to_vec(&line).map_err(ApiError::internal)?;
        json.push(b'\n');
        // One write a line: what is killed leaves whole lines, but for the last at most.
        out.write_all(&json).map_err(|source| BatchError::Io {
            path: args.out.clone(),
            source,
        })?;
        tell(count, total);
    }
    Ok(summary)
}

async fn line(app: &Arc<App>, task: Task, path: String, file: &Path, hash: String) -> Line {
    let (document_id, ended) = match keep(app, &path, file).await {
        Ok(id) => {
            let task = Task {
                document_id: id.clone(),
                ..task
            };
            let cancel = CancelToken::default();
            let run = app.engine.run(task, Arc::new(|_| {}), cancel, None).await;
            (Some(id), run)
        }
        Err(error) => (None, Err(error)),
    };
    let error = ended.as_ref().err().map(JobError::from);
    Line {
        path,
        task: hash,
        document_id,
        result: ended.ok(),
        error,
    }
}

async fn keep(app: &App, name: &str, file: &Path) -> Result<String, ApiError> {
    let length = tokio::fs::metadata(file).await.map_or(0, |info| info.len());
    let most = app.settings.max_upload_bytes;
    if length > most {
        return Err(ApiError::too_large(format!(
            "{length} bytes, over the limit of {most}"
        )));
    }
    let bytes = tokio::fs::read(file).await.map_err(|error| {
        let status = axum::http::StatusCode::UNPROCESSABLE_ENTITY;
        ApiError::new(status, "document", format!("{name}: {error}"))
    })?;
    let mut received = Received::new(app)?;
    received.add(app, name, &bytes).await?;
    Ok(receive::keep(app, received, Shelf::Documents).await?.0.id)
}

/// All files under a folder by their relative names, sorted.
fn walk(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) -> Result<(), BatchError> {
    let fail = |source| BatchError::Io {
        path: folder.to_owned(),
        source,
    };
    let entries = std::fs::read_dir(folder).map_err(fail)?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(fail)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        // Links are not followed, so there are no rounds.
        let kind = entry.file_type().map_err(fail)?;
        if kind.is_dir() {
            walk(root, &path, files)?;
        } else if kind.is_file() {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            let parts = relative.iter().map(|part| part.to_string_lossy());
            files.push((parts.collect::<Vec<_>>().join("/"), path));
        }
    }
    Ok(())
}

/// Opens the output to add to it, and tells which documents it has of this task. A last line that
/// was cut off is taken away; a file of something else stays as it is.
fn resume(
    path: &Path,
    task: &str,
    retry_failed: bool,
) -> Result<(std::fs::File, HashSet<String>), BatchError> {
    let fail = |source| BatchError::Io {
        path: path.to_owned(),
        source,
    };
    let mut file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(fail)?;
    let mut reader = BufReader::new(&file);
    let mut finished = HashSet::new();
    let (mut whole, mut number) = (0u64, 0);
    let mut text = Vec::new();
    loop {
        text.clear();
        let length = reader.read_until(b'\n', &mut text).map_err(fail)?;
        if length == 0 {
            break;
        }
        if text.last() != Some(&b'\n') {
            // A batch that was killed leaves the beginning of a line; who named a wrong file
            // leaves something else, which is not ours to cut.
            let begins = text.starts_with(BEGINS) || BEGINS.starts_with(&text);
            if number == 0 && !begins {
                return Err(BatchError::Line {
                    path: path.to_owned(),
                    line: 1,
                    reason: "it is something else, and has no line break at its end".to_owned(),
                });
            }
            file.set_len(whole).map_err(fail)?;
            break;
        }
        number += 1;
        let line: Line = serde_json::from_slice(&text).map_err(|error| BatchError::Line {
            path: path.to_owned(),
            line: number,
            reason: error.to_string(),
        })?;
        whole += length as u64;
        if line.task == task && (line.error.is_none() || !retry_failed) {
            finished.insert(line.path);
        }
    }
    file.seek(SeekFrom::End(0)).map_err(fail)?;
    Ok((file, finished))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_line_is_taken_away_and_others_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.jsonl");
        let failed = r#"{"path":"b","task":"t","error":{"code":"document","message":"m"}}"#;
        let lines = format!(
            "{{\"path\":\"a\",\"task\":\"t\"}}\n{failed}\n{{\"path\":\"c\",\"task\":\"u\"}}\n"
        );
        std::fs::write(&path, format!("{lines}{{\"path\":\"d\",\"ta")).unwrap();
        let (_, finished) = resume(&path, "t", false).unwrap();
        assert_eq!(finished, ["a", "b"].map(str::to_owned).into());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), lines);
        let (_, finished) = resume(&path, "t", true).unwrap();
        assert_eq!(finished, ["a"].map(str::to_owned).into());
        // Killed in its very first line.
        std::fs::write(&path, "{\"pa").unwrap();
        let (_, finished) = resume(&path, "t", false).unwrap();
        assert!(finished.is_empty());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }

    #[test]
    fn a_file_of_something_else_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        for text in [
            "no json\n",
            "one line without an end",
            "{\"name\": 1}",
            "a\nb",
            "\n",
        ] {
            std::fs::write(&path, text).unwrap();
            let error = resume(&path, "t", false).unwrap_err();
            assert!(
                matches!(&error, BatchError::Line { line: 1, .. }),
                "{text:?}: {error}"
            );
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn lines_begin_as_is_looked_for() {
        let line = Line {
            path: "a".to_owned(),
            task: "t".to_owned(),
            document_id: None,
            result: None,
            error: None,
        };
        assert!(serde_json::to_vec(&line).unwrap().starts_with(BEGINS));
    }
}
