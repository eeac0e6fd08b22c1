//! Checkpoints by their id on a hub: the cache on disk that the tools of Hugging Face share, and,
//! with the feature `hf-hub`, the way into it.

mod cache;
mod environment;
#[cfg(feature = "hf-hub")]
mod fetch;
mod files;
mod id;
#[cfg(feature = "hf-hub")]
mod job;
#[cfg(feature = "hf-hub")]
mod listing;
#[cfg(all(test, feature = "hf-hub"))]
mod tests;

pub use cache::{CachedCheckpoint, HubCache};
pub(super) use environment::Environment;
#[cfg(feature = "hf-hub")]
pub use fetch::{FetchProgress, Hub};
pub(super) use files::{INDEX, WEIGHTS};
pub(super) use id::is_id;
