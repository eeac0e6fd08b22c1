//! The work of one fetch: what has to come, each file once, and what is said when it does not.

use std::fs::{self, File, TryLockError};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::cache::{HubCache, make_parent};
use super::fetch::{Callback, FetchProgress};
use super::files::{self, CONFIG, INDEX, WEIGHTS};
use super::id::HubId;
use super::listing::{Content, Listing, Remote, RemoteFile, head};
use crate::pretrained::PretrainedError;
use crate::pretrained::transfer::{Fault, Transfer, io_error};

/// Wait before the first retry; it doubles with each.
const BACKOFF: Duration = Duration::from_millis(250);
/// How often to look whether another process has finished.
const LOCK_POLL: Duration = Duration::from_millis(100);

/// A checkpoint on its way.
pub(super) struct Job<'h> {
    pub(super) endpoint: &'h str,
    pub(super) token: Option<&'h str>,
    pub(super) retries: u32,
    pub(super) agent: ureq::Agent,
    pub(super) cache: &'h HubCache,
    pub(super) remote: Remote,
    /// The repository at its commit.
    pub(super) id: HubId,
    /// Where the files get their names.
    pub(super) folder: PathBuf,
}

/// A file that belongs to the checkpoint.
struct Wanted {
    name: String,
    content: Content,
}

impl Job<'_> {
    /// Brings the files that the cache lacks.
    pub(super) fn run(
        &self,
        listing: &Listing,
        progress: &mut Callback<'_>,
    ) -> Result<(), PretrainedError> {
        let wanted = self.plan(listing)?;
        let total = wanted.iter().map(|file| file.content.bytes).sum();
        let mut before = 0;
        for (i, file) in wanted.iter().enumerate() {
            let mut tell = |bytes| {
                progress(FetchProgress {
                    file: &file.name,
                    bytes: before + bytes,
                    total,
                })
            };
            self.bring(file, &mut tell)
                .map_err(|fault| self.error(fault, &wanted[i..]))?;
            before += file.content.bytes;
        }
        Ok(())
    }

    /// What has to be there in the end: weights last, so that a folder that has them has all.
    fn plan(&self, listing: &Listing) -> Result<Vec<Wanted>, PretrainedError> {
        let lacks = |expected: String| PretrainedError::NoCheckpoint {
            repository: self.id.repository.clone(),
            revision: self.id.revision.clone(),
            expected,
            found: listing.names(),
        };
        if listing.find(CONFIG).is_none() {
            return Err(lacks(CONFIG.to_owned()));
        }
        let mut wanted = Vec::new();
        for file in listing.files.iter().filter(|f| files::is_small(&f.name)) {
            wanted.push(self.describe(file)?);
        }
        if let Some(weights) = listing.find(WEIGHTS) {
            wanted.push(self.describe(weights)?);
            return Ok(wanted);
        }
        let index = listing.find(INDEX);
        let index = index.ok_or_else(|| lacks(format!("{WEIGHTS} and no {INDEX}")))?;
        wanted.push(self.describe(index)?);
        // How much there is to report on stands in this one, so it comes without a report.
        let index = &wanted[wanted.len() - 1..];
        self.bring(&index[0], &mut |_| ControlFlow::Continue(()))
            .map_err(|fault| self.error(fault, index))?;
        for shard in files::shards(&self.folder.join(INDEX))? {
            let file = listing.find(&shard);
            wanted.push(self.describe(file.ok_or_else(|| lacks(shard.clone()))?)?);
        }
        Ok(wanted)
    }

    /// Size and checksum of a file, from the listing or from the server.
    fn describe(&self, file: &RemoteFile) -> Result<Wanted, PretrainedError> {
        let name = file.name.clone();
        if let Some(content) = file.content.clone() {
            return Ok(Wanted { name, content });
        }
        let url = self.remote.file_url(&name);
        match head(&self.agent, &url, self.token) {
            Ok(content) => Ok(Wanted { name, content }),
            Err(fault) if fault.is_transient() => Err(self.incomplete(vec![name], &url, &fault)),
            Err(fault) => Err(refusal(&self.id, self.endpoint, &url, &fault)),
        }
    }

    /// Brings a file unless it is there.
    fn bring(
        &self,
        file: &Wanted,
        tell: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        let Content { bytes, etag } = &file.content;
        let pointer = self.folder.join(&file.name);
        let blob = self.cache.blob(&self.id, etag);
        if !has_length(&pointer, *bytes) {
            let _lock = lock(self.cache.lock(&self.id, etag), &mut || tell(0))?;
            // Who held the lock before may have brought it, and reads it by now.
            if !has_length(&pointer, *bytes) {
                if !has_length(&blob, *bytes) {
                    self.download(file, &blob, tell)?;
                }
                self.cache.link(&blob, &pointer)?;
            }
        }
        match tell(*bytes) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Fault::Cancelled { bytes: *bytes }),
        }
    }

    fn download(
        &self,
        file: &Wanted,
        blob: &Path,
        tell: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        // The name that huggingface_hub gives it: each goes on with what the other left.
        let part = part(blob);
        make_parent(&part)?;
        let url = self.remote.file_url(&file.name);
        let transfer = Transfer {
            url: &url,
            token: self.token,
            part: &part,
            bytes: file.content.bytes,
            sha256: file.content.sha256(),
        };
        let (mut failures, mut most) = (0, 0);
        loop {
            let mut reached = most;
            let result = transfer.run(&self.agent, &mut |bytes| {
                reached = reached.max(bytes);
                tell(bytes)
            });
            let Err(fault) = result else { break };
            if reached > most {
                (most, failures) = (reached, 0);
            }
            if !fault.is_transient() || failures >= self.retries {
                return Err(fault);
            }
            thread::sleep(BACKOFF * (1 << failures.min(5)));
            failures += 1;
        }
        fs::rename(&part, blob).map_err(|e| Fault::Io(blob.to_owned(), e))
    }

    /// The error of the first of the files that have not come.
    fn error(&self, fault: Fault, left: &[Wanted]) -> PretrainedError {
        let file = &left[0];
        let url = self.remote.file_url(&file.name);
        match fault {
            Fault::Io(path, source) => io_error(&path, source),
            Fault::Cancelled { bytes } => PretrainedError::Cancelled { url, bytes },
            Fault::Checksum { found } => PretrainedError::Checksum {
                path: part(&self.cache.blob(&self.id, &file.content.etag)),
                source_url: url,
                expected: file.content.etag.clone(),
                found,
            },
            fault if fault.is_transient() => {
                let absent = left.iter().filter(|file| {
                    let path = self.folder.join(&file.name);
                    !has_length(&path, file.content.bytes)
                });
                self.incomplete(absent.map(|file| file.name.clone()).collect(), &url, &fault)
            }
            fault => refusal(&self.id, self.endpoint, &url, &fault),
        }
    }

    fn incomplete(&self, files: Vec<String>, url: &str, fault: &Fault) -> PretrainedError {
        let reason = format!("{url}: {}", fault.reason());
        let folder = self.folder.clone();
        self.cache.incomplete(&self.id, folder, files, &reason)
    }
}

/// The error of a status that is the hub's last word.
pub(super) fn refusal(id: &HubId, endpoint: &str, url: &str, fault: &Fault) -> PretrainedError {
    let (status, code) = match fault {
        Fault::Status { status, code } => (*status, code.as_deref()),
        _ => (0, None),
    };
    match (status, code) {
        (404, code) => PretrainedError::NotFound {
            what: match code {
                Some("RevisionNotFound") => {
                    format!("revision {} of {}", id.revision, id.repository)
                }
                Some("EntryNotFound") => format!("such file in {id}"),
                _ => format!("repository {id}"),
            },
            url: url.to_owned(),
        },
        // Without a token the hub does not tell private repositories from those that are not there.
        (401 | 403, code) => PretrainedError::Refused {
            repository: id.repository.clone(),
            status,
            reason: code.unwrap_or("no reason given").to_owned(),
            page: format!("{endpoint}/{}", id.repository),
        },
        _ => PretrainedError::Malformed {
            origin: url.to_owned(),
            expected: "status 200",
            found: fault.reason(),
        },
    }
}

/// Where a blob grows.
fn part(blob: &Path) -> PathBuf {
    let mut name = blob.as_os_str().to_owned();
    name.push(".incomplete");
    name.into()
}

fn has_length(path: &Path, bytes: u64) -> bool {
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() == bytes)
}

/// Waits until no other process holds the lock, and holds it until the file is dropped.
fn lock(path: PathBuf, waiting: &mut dyn FnMut() -> ControlFlow<()>) -> Result<File, Fault> {
    make_parent(&path)?;
    let error = |e| Fault::Io(path.clone(), e);
    let file = File::options()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&path)
        .map_err(error)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // Some network file systems have no locks; a lone process needs none.
            Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => {
                return Ok(file);
            }
            Err(TryLockError::Error(e)) => return Err(error(e)),
            Err(TryLockError::WouldBlock) => {}
        }
        if waiting().is_break() {
            return Err(Fault::Cancelled { bytes: 0 });
        }
        thread::sleep(LOCK_POLL);
    }
}
