//! The cache on disk.
//!
//! Its layout is that of
//! <https://github.com/huggingface/huggingface_hub/blob/main/src/huggingface_hub/file_download.py>,
//! so that what Python fetched is found here and the other way round:
//!
//! ```text
//! models--org--name/blobs/ETAG             contents
//! models--org--name/snapshots/COMMIT/NAME  links to them
//! models--org--name/refs/BRANCH            the branch's commit
//! ```
//!
//! It is read here and not by the crate `hf-hub`, whose `Cache` leaves out `HF_HUB_CACHE`, commits
//! as revisions and indexes of shards, and which not every build has.

use std::fs;
use std::path::{Path, PathBuf};

use super::environment::Environment;
use super::files;
use super::id::HubId;
use crate::pretrained::{IncompleteCheckpoint, PretrainedError};

/// Checkpoints that were fetched from a hub, by Rust or by Python. Opens no connection.
#[derive(Debug, Clone)]
pub struct HubCache {
    dir: PathBuf,
    endpoint: String,
}

/// A revision of a repository that lies in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachedCheckpoint {
    /// `org/name`.
    pub repository: String,
    /// Its commit.
    pub commit: String,
    /// Branches and tags that were this commit when they were fetched last.
    pub revisions: Vec<String>,
    /// The folder with its files.
    pub folder: PathBuf,
    /// Bytes that its files take.
    pub bytes: u64,
    /// What it lacks to be a checkpoint that can be loaded.
    pub missing: Vec<String>,
}

impl HubCache {
    /// The cache of this user: `HF_HUB_CACHE`, `hub` in `HF_HOME`, or `huggingface/hub` in the
    /// user's cache folder.
    ///
    /// # Errors
    /// If the user has none of these.
    pub fn from_env() -> Result<Self, PretrainedError> {
        let environment = Environment::read();
        let dir = environment.cache.ok_or(PretrainedError::NoHubCache)?;
        Ok(Self {
            dir,
            endpoint: environment.endpoint,
        })
    }

    /// The cache in a folder, which need not exist.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            endpoint: Environment::read().endpoint,
        }
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of a checkpoint given as `org/name` or `org/name@revision`.
    ///
    /// # Errors
    /// If it is no id, or the checkpoint is not there as a whole.
    pub fn locate(&self, id: &str) -> Result<PathBuf, PretrainedError> {
        self.locate_because(id, "it was not fetched")
    }

    pub(in crate::pretrained) fn locate_because(
        &self,
        id: &str,
        reason: &str,
    ) -> Result<PathBuf, PretrainedError> {
        self.locate_id(&HubId::parse(id, None)?, reason)
    }

    pub(super) fn locate_id(&self, id: &HubId, reason: &str) -> Result<PathBuf, PretrainedError> {
        let folder = self.snapshot(id);
        let missing = files::missing(&folder);
        if missing.is_empty() {
            return Ok(folder);
        }
        Err(self.incomplete(id, folder, missing, reason))
    }

    pub(super) fn incomplete(
        &self,
        id: &HubId,
        dir: PathBuf,
        files: Vec<String>,
        reason: &str,
    ) -> PretrainedError {
        PretrainedError::Incomplete(Box::new(IncompleteCheckpoint {
            repository: id.repository.clone(),
            revision: id.revision.clone(),
            reason: reason.to_owned(),
            urls: files.iter().map(|f| id.url(&self.endpoint, f)).collect(),
            files,
            dir,
        }))
    }

    /// Where the files of a revision lie, or have to lie.
    pub(super) fn snapshot(&self, id: &HubId) -> PathBuf {
        let repository = self.dir.join(id.folder());
        // Where a branch has no commit yet, a folder of its own name counts, here as in Python's
        // `try_to_load_from_cache`: that is where files can be put by hand.
        let commit = fs::read_to_string(repository.join("refs").join(&id.revision));
        let commit = commit.ok().map(|commit| commit.trim().to_owned());
        let commit = commit.filter(|commit| super::id::is_file_name(commit));
        let snapshots = repository.join("snapshots");
        snapshots.join(commit.as_ref().unwrap_or(&id.revision))
    }

    /// Every revision of every model in the cache that has a `config.json`, by name; those of which
    /// only a part is there too.
    ///
    /// # Errors
    /// If there is a cache that cannot be read.
    pub fn checkpoints(&self) -> Result<Vec<CachedCheckpoint>, PretrainedError> {
        let mut found = Vec::new();
        for repository in entries(&self.dir)? {
            let name = file_name(&repository);
            let Some(name) = name.strip_prefix("models--") else {
                continue;
            };
            let mut refs = Vec::new();
            collect_refs(&repository.join("refs"), "", &mut refs)?;
            for folder in entries(&repository.join("snapshots"))? {
                if !folder.join(files::CONFIG).is_file() {
                    continue;
                }
                let commit = file_name(&folder);
                let revisions = refs.iter().filter(|(_, target)| *target == commit);
                let names = entries(&folder)?;
                let sizes = names.iter().filter_map(|file| fs::metadata(file).ok());
                found.push(CachedCheckpoint {
                    repository: name.replacen("--", "/", 1),
                    revisions: revisions.map(|(name, _)| name.clone()).collect(),
                    bytes: sizes.filter(fs::Metadata::is_file).map(|m| m.len()).sum(),
                    missing: files::missing(&folder),
                    commit,
                    folder,
                });
            }
        }
        found.sort_by(|a, b| (&a.repository, &a.commit).cmp(&(&b.repository, &b.commit)));
        Ok(found)
    }
}

/// What is needed to write into the cache.
#[cfg(feature = "hf-hub")]
impl HubCache {
    pub(super) fn with_endpoint(dir: PathBuf, endpoint: String) -> Self {
        Self { dir, endpoint }
    }

    pub(super) fn blob(&self, id: &HubId, etag: &str) -> PathBuf {
        self.dir.join(id.folder()).join("blobs").join(etag)
    }

    /// The file that who downloads a blob holds a lock on, Python too.
    pub(super) fn lock(&self, id: &HubId, etag: &str) -> PathBuf {
        let locks = self.dir.join(".locks").join(id.folder());
        locks.join(format!("{etag}.lock"))
    }

    /// Notes which commit a branch or tag is.
    pub(super) fn write_ref(&self, id: &HubId, commit: &str) -> Result<(), PretrainedError> {
        if id.revision == commit {
            return Ok(());
        }
        let refs = self.dir.join(id.folder()).join("refs");
        let path = refs.join(&id.revision);
        if fs::read_to_string(&path).is_ok_and(|old| old == commit) {
            return Ok(());
        }
        make_parent(&path).map_err(|(path, e)| io(&path, e))?;
        // In one step, for who reads it meanwhile.
        let new = self.dir.join(id.folder()).join(format!(
            "ref-{commit}-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        fs::write(&new, commit).map_err(|e| io(&new, e))?;
        fs::rename(&new, &path).map_err(|e| io(&path, e))
    }

    /// Gives a blob its name in a snapshot.
    pub(super) fn link(&self, blob: &Path, pointer: &Path) -> Result<(), FileError> {
        make_parent(pointer)?;
        match fs::remove_file(pointer) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err((pointer.to_owned(), e));
            }
            _ => {}
        }
        // Relative, so that the cache can be moved.
        #[cfg(unix)]
        let result = {
            let target = Path::new("../../blobs").join(file_name(blob));
            std::os::unix::fs::symlink(target, pointer)
        };
        // Symbolic links need a privilege elsewhere.
        #[cfg(not(unix))]
        let result = fs::hard_link(blob, pointer).or_else(|_| fs::copy(blob, pointer).map(|_| ()));
        match result {
            Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err((pointer.to_owned(), e)),
            _ => Ok(()),
        }
    }
}

/// A file and what the system says about it.
#[cfg(feature = "hf-hub")]
pub(super) type FileError = (PathBuf, std::io::Error);

#[cfg(feature = "hf-hub")]
pub(super) fn make_parent(path: &Path) -> Result<(), FileError> {
    match path.parent() {
        Some(parent) => fs::create_dir_all(parent).map_err(|e| (parent.to_owned(), e)),
        None => Ok(()),
    }
}

/// What a folder holds; nothing if there is no such folder.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, PretrainedError> {
    let error = |e| io(folder, e);
    match fs::read_dir(folder) {
        // Stray files, such as the `.DS_Store` of macOS, are no folders.
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound) => Ok(Vec::new()),
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(e) => Err(error(e)),
        Ok(entries) => entries.map(|e| Ok(e.map_err(error)?.path())).collect(),
    }
}

/// Names of refs, which may have slashes, with their commits.
fn collect_refs(
    folder: &Path,
    prefix: &str,
    refs: &mut Vec<(String, String)>,
) -> Result<(), PretrainedError> {
    for path in entries(folder)? {
        let name = format!("{prefix}{}", file_name(&path));
        if path.is_dir() {
            collect_refs(&path, &format!("{name}/"), refs)?;
        } else if let Ok(commit) = fs::read_to_string(&path) {
            refs.push((name, commit.trim().to_owned()));
        }
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn io(path: &Path, source: std::io::Error) -> PretrainedError {
    PretrainedError::Io {
        path: path.to_owned(),
        source,
    }
}
