//! Encoded features in the store that all hosts share, with a copy on this one.

use std::io;

use glyph_pipeline::encode::{FeatureCache, FeatureStore};
use tokio::runtime::Handle;

use crate::store::Store;

/// Features of pages: of this host, else of the store.
#[derive(Debug)]
pub(super) struct Features {
    local: FeatureCache,
    store: Store,
    /// What the store's futures run on. Pages are encoded on threads that may wait.
    runtime: Option<Handle>,
}

impl Features {
    /// Keeps features in `store`, with a copy in `local`.
    pub(super) fn new(local: FeatureCache, store: Store) -> Self {
        Self {
            local,
            store,
            runtime: Handle::try_current().ok(),
        }
    }
}

fn name(key: &str) -> String {
    format!("features/{key}")
}

impl FeatureStore for Features {
    fn load(&self, key: &str) -> Option<Vec<u8>> {
        if let Some(bytes) = self.local.load(key) {
            return Some(bytes);
        }
        // A store that does not answer costs time, as a page that was never encoded does.
        let found = self.runtime.as_ref()?.block_on(self.store.get(&name(key)));
        let bytes = found.ok()??;
        let _ = self.local.store(key, &bytes);
        Some(bytes)
    }

    fn store(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        self.local.store(key, bytes)?;
        match &self.runtime {
            Some(runtime) => runtime
                .block_on(self.store.put(&name(key), bytes.to_vec()))
                .map_err(io::Error::other),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_one_host_encodes_the_other_finds() {
        let folder = tempfile::tempdir().unwrap();
        let shared = Store::open(&folder.path().join("shared").display().to_string()).unwrap();
        let host = |name: &str| {
            let local = FeatureCache::open(folder.path().join(name), 1 << 20).unwrap();
            Features::new(local, shared.clone())
        };
        let (one, other) = (host("one"), host("other"));
        let key = "00ff".repeat(10);
        let found = tokio::task::spawn_blocking(move || {
            assert_eq!(other.load(&key), None);
            one.store(&key, b"tokens").unwrap();
            let found = other.load(&key);
            assert_eq!(other.local.load(&key), found);
            found
        });
        assert_eq!(found.await.unwrap().as_deref(), Some(&b"tokens"[..]));
    }
}
