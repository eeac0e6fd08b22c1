//! Brings checkpoints from a hub into the cache.

use std::fmt;
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::cache::HubCache;
use super::environment::Environment;
use super::files;
use super::id::HubId;
use super::job::{Job, refusal};
use super::listing::{ListingFault, Remote};
use crate::pretrained::PretrainedError;
use crate::pretrained::transfer::agent;

/// Times that a connection may fail without a byte before it is given up.
const RETRIES: u32 = 5;

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

pub(super) type Callback<'a> = dyn FnMut(FetchProgress<'_>) -> ControlFlow<()> + 'a;

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
        let job = Job {
            endpoint: &self.endpoint,
            token: self.token.as_deref(),
            retries: self.retries,
            agent: agent(),
            remote: remote(&pinned)?,
            folder: cache.snapshot(&pinned),
            cache: &cache,
            id: pinned,
        };
        job.run(&listing, &mut *self.progress)?;
        cache.write_ref(&id, &listing.commit)?;
        Ok(job.folder)
    }
}
