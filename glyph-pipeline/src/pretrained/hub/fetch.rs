//! Brings checkpoints from a hub into the cache.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::cache::{HubCache, make_parent};
use super::environment::Environment;
use super::files::{self, CONFIG, INDEX, WEIGHTS};
use super::id::HubId;
use super::listing::{Content, Listing, ListingFault, Remote, RemoteFile, head};
use crate::pretrained::PretrainedError;
use crate::pretrained::transfer::{Fault, Transfer, agent, io_error};

/// Times that a connection may fail without a byte before it is given up.
const RETRIES: u32 = 5;
/// Wait before the first retry; it doubles with each.
const BACKOFF: Duration = Duration::from_millis(250);
/// How often to look whether another process has finished.
const LOCK_POLL: Duration = Duration::from_millis(100);

/// How far a checkpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchProgress<'p> {
    /// The file that comes now.
    pub file: &'p str,
    /// Bytes of the checkpoint that are there.
    pub bytes: u64,
    /// Bytes of all its files.
    pub total: u64,
}

type Callback<'a> = dyn FnMut(FetchProgress<'_>) -> ControlFlow<()> + 'a;

/// Brings whole checkpoints (settings, tokenizer, weights in safetensors) from a hub by their id.
///
/// ```no_run
/// use glyph_pipeline::pretrained::Hub;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = Hub::from_env().fetch("zai-org/Glyph@main")?;
/// assert!(folder.join("config.json").is_file());
/// # Ok(())
/// # }
/// ```
///
/// Files go into the cache that the tools of Hugging Face share, so that what one of them has
/// fetched the others find. A download that breaks off goes on where it ended, in this call or in
/// the next. Sizes are checked, and of files in LFS, as weights are, SHA-256. Several processes may
/// fetch at once: each file comes once.
pub struct Hub<'a> {
    endpoint: String,
    cache: Option<PathBuf>,
    revision: Option<String>,
    token: Option<String>,
    offline: bool,
    retries: u32,
    progress: Box<Callback<'a>>,
}

impl fmt::Debug for Hub<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the token, which must not get into logs.
        f.debug_struct("Hub")
            .field("endpoint", &self.endpoint)
            .field("cache", &self.cache)
            .field("revision", &self.revision)
            .field("offline", &self.offline)
            .field("retries", &self.retries)
            .finish_non_exhaustive()
    }
}

impl<'a> Hub<'a> {
    /// The hub that the environment describes: `HF_ENDPOINT`, `HF_HUB_CACHE` or `HF_HOME`,
    /// `HF_TOKEN` or what a login left, and `HF_HUB_OFFLINE`.
    pub fn from_env() -> Self {
        let environment = Environment::read();
        Self {
            token: environment.find_token(),
            endpoint: environment.endpoint,
            cache: environment.cache,
            revision: None,
            offline: environment.offline,
            retries: RETRIES,
            progress: Box::new(|_| ControlFlow::Continue(())),
        }
    }

    /// Takes checkpoints from another hub, such as a mirror.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = url.into().trim_end_matches('/').to_owned();
        self
    }

    /// Keeps checkpoints in another folder, which is made if need be.
    #[must_use]
    pub fn cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache = Some(dir.into());
        self
    }

    /// The branch, tag or commit that counts where an id names none; `main` otherwise.
    #[must_use]
    pub fn revision(mut self, revision: impl Into<String>) -> Self {
        self.revision = Some(revision.into());
        self
    }

    /// Shows the hub who asks.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Whether to do without connections.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// How many times in a row a connection may fail without a byte before it is given up.
    #[must_use]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Is told how far a checkpoint is; stops it by returning [`ControlFlow::Break`].
    #[must_use]
    pub fn on_progress(
        mut self,
        callback: impl FnMut(FetchProgress<'_>) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.progress = Box::new(callback);
        self
    }

    /// The cache that checkpoints are brought into.
    ///
    /// # Errors
    /// If the user has no home folder and none was given.
    pub fn cache(&self) -> Result<HubCache, PretrainedError> {
        let dir = self.cache.clone().ok_or(PretrainedError::NoHubCache)?;
        Ok(HubCache::with_endpoint(dir, self.endpoint.clone()))
    }

    /// The folder of a checkpoint that was fetched. Opens no connection.
    ///
    /// # Errors
    /// If it is no id, or the checkpoint is not in the cache as a whole.
    pub fn locate(&self, id: &str) -> Result<PathBuf, PretrainedError> {
        let id = HubId::parse(id, self.revision.as_deref())?;
        self.cache()?.locate_id(&id, "it was not fetched")
    }

    /// Brings what the cache lacks of a checkpoint, given as `org/name` or `org/name@revision`, and
    /// gives its folder.
    ///
    /// Offline, or where the hub cannot be reached, what is in the cache is taken as it is.
    ///
    /// # Errors
    /// If it is no id, the hub does not have it, does not hand it out or cannot be reached and the
    /// cache does not have it as a whole, a file is another one than the hub says, or the disk
    /// refuses.
    pub fn fetch(&mut self, id: &str) -> Result<PathBuf, PretrainedError> {
        let id = HubId::parse(id, self.revision.as_deref())?;
        let cache = self.cache()?;
        if self.offline {
            return cache.locate_id(&id, "connections are forbidden");
        }
        let remote = |id: &HubId| {
            Remote::new(&self.endpoint, cache.dir(), self.token.clone(), id)
                .map_err(|fault| refusal(id, &self.endpoint, &self.endpoint, &fault))
        };
        let branch = remote(&id)?;
        let listing = match branch.list() {
            Ok(listing) => listing,
            Err(ListingFault::Malformed(error)) => return Err(error),
            Err(ListingFault::Fault(fault)) if fault.is_transient() => {
                let reason = format!("{}: {}", branch.listing_url(), fault.reason());
                return cache.locate_id(&id, &reason);
            }
            Err(ListingFault::Fault(fault)) => {
                return Err(refusal(&id, &self.endpoint, branch.listing_url(), &fault));
            }
        };
        // From here on all files are those of one commit, even if the branch moves.
        let pinned = id.at(&listing.commit);
        // An update that breaks off leaves the branch at the checkpoint that is there as a whole.
        if !files::missing(&cache.snapshot(&id)).is_empty() {
            cache.write_ref(&id, &listing.commit)?;
        }
        let fetch = Fetch {
            endpoint: &self.endpoint,
            token: self.token.as_deref(),
            retries: self.retries,
            agent: agent(),
            remote: remote(&pinned)?,
            folder: cache.snapshot(&pinned),
            cache: &cache,
            id: pinned,
        };
        fetch.run(&listing, &mut *self.progress)?;
        cache.write_ref(&id, &listing.commit)?;
        Ok(fetch.folder)
    }
}

/// A checkpoint on its way.
struct Fetch<'h> {
    endpoint: &'h str,
    token: Option<&'h str>,
    retries: u32,
    agent: ureq::Agent,
    cache: &'h HubCache,
    remote: Remote,
    /// The repository at its commit.
    id: HubId,
    /// Where the files get their names.
    folder: PathBuf,
}

/// A file that belongs to the checkpoint.
struct Wanted {
    name: String,
    content: Content,
}

impl Fetch<'_> {
    fn run(&self, listing: &Listing, progress: &mut Callback<'_>) -> Result<(), PretrainedError> {
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
            Err(fault) if fault.is_transient() => Err(self.incomplete(vec![name], &fault)),
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
            // Who held the lock before may have brought it.
            if !has_length(&blob, *bytes) {
                self.download(file, &blob, tell)?;
            }
            self.cache.link(&blob, &pointer)?;
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
        let (mut failures, mut most, mut anew) = (0, 0, false);
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
            match fault {
                // The part may have been spoilt, which a whole download would not be.
                Fault::Checksum { resumed: true, .. } if !anew => anew = true,
                fault if fault.is_transient() && failures < self.retries => {
                    thread::sleep(BACKOFF * (1 << failures.min(5)));
                    failures += 1;
                }
                fault => return Err(fault),
            }
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
            Fault::Checksum { found, .. } => PretrainedError::Checksum {
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
                self.incomplete(absent.map(|file| file.name.clone()).collect(), &fault)
            }
            fault => refusal(&self.id, self.endpoint, &url, &fault),
        }
    }

    fn incomplete(&self, files: Vec<String>, fault: &Fault) -> PretrainedError {
        let folder = self.folder.clone();
        self.cache
            .incomplete(&self.id, folder, files, &fault.reason())
    }
}

/// The error of a status that is the hub's last word.
fn refusal(id: &HubId, endpoint: &str, url: &str, fault: &Fault) -> PretrainedError {
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
