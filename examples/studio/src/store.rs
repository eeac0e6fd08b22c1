//! Documents, results and features, in a folder or in an S3-compatible store that all hosts share.
//!
//! ```text
//! documents/ID/meta.json       what is known of a document
//! documents/ID/content         the document as it was opened: see `document::content`
//! chats/ID/…                   the same of what came with a chat; it is deleted after a while
//! renders/ID.json              the parameters of styled pages
//! jobs/ID/ATTEMPT.json         what an attempt at a job gave
//! features/KEY                 an encoded page: see `engine`
//! ```
//!
//! A name is written once, or again with the same content, so that a job which runs twice leaves
//! what it would have left once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why something cannot be stored or had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The place cannot be used.
    #[error("store {url:?}: {reason}")]
    Open {
        /// The URL or folder.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// An object cannot be read or written.
    #[error("store: {path}: {source}")]
    Object {
        /// Its name.
        path: String,
        /// What is wrong.
        source: object_store::Error,
    },
    /// An object holds something else than expected.
    #[error("store: {path} is damaged: {reason}")]
    Damaged {
        /// Its name.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

/// Where documents and results are.
#[derive(Debug, Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    prefix: String,
    is_folder: bool,
}

impl Store {
    /// Opens `s3://BUCKET/PREFIX`, `file://FOLDER` or a folder, which is made if missing. Access
    /// to S3 is taken from the usual variables (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL` …).
    ///
    /// # Errors
    /// If the place cannot be used.
    pub fn open(url: &str) -> Result<Self, StoreError> {
        let fail = |reason: String| StoreError::Open {
            url: url.to_owned(),
            reason,
        };
        if let Some(rest) = url.strip_prefix("s3://") {
            return Self::s3(rest).map_err(fail);
        }
        let folder = url.strip_prefix("file://").unwrap_or(url);
        if folder.contains("://") {
            return Err(fail("expected a folder or s3://BUCKET/PREFIX".to_owned()));
        }
        std::fs::create_dir_all(folder).map_err(|error| fail(error.to_string()))?;
        let objects =
            LocalFileSystem::new_with_prefix(folder).map_err(|error| fail(error.to_string()))?;
        Ok(Self {
            // Without it the folders of what is deleted would stay.
            objects: Arc::new(objects.with_automatic_cleanup(true)),
            prefix: String::new(),
            is_folder: true,
        })
    }

    #[cfg(feature = "s3")]
    fn s3(place: &str) -> Result<Self, String> {
        // Where another part of the process chose one already, that one stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let objects = object_store::aws::AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_allow_http(true)
            .build()
            .map_err(|error| error.to_string())?;
        let prefix = prefix.trim_matches('/');
        Ok(Self {
            objects: Arc::new(objects),
            prefix: match prefix {
                "" => String::new(),
                prefix => format!("{prefix}/"),
            },
            is_folder: false,
        })
    }

    #[cfg(not(feature = "s3"))]
    fn s3(_: &str) -> Result<Self, String> {
        Err("this build lacks the feature s3; build with --features s3".to_owned())
    }

    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.is_folder
    }

    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}{name}", self.prefix))
    }

    /// The bytes of an object, or none where it is not there.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let fail = |source| StoreError::Object {
            path: name.to_owned(),
            source,
        };
        match self.objects.get(&self.path(name)).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(fail)?.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(fail(source)),
        }
    }

    /// Writes an object; readers see it as a whole or not at all.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), StoreError> {
        let put = self.objects.put(&self.path(name), bytes.into()).await;
        put.map(|_| ()).map_err(|source| StoreError::Object {
            path: name.to_owned(),
            source,
        })
    }

    /// An object that is JSON.
    ///
    /// # Errors
    /// If the store cannot be read or the object is not what was expected.
    pub async fn get_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let Some(bytes) = self.get(name).await? else {
            return Ok(None);
        };
        let value = serde_json::from_slice(&bytes).map_err(|error| StoreError::Damaged {
            path: name.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Some(value))
    }

    /// Writes an object as JSON.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn put_json(&self, name: &str, value: &impl Serialize) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(value).map_err(|error| StoreError::Damaged {
            path: name.to_owned(),
            reason: error.to_string(),
        })?;
        self.put(name, bytes).await
    }

    /// Deletes an object; one that is not there is deleted already.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn delete(&self, name: &str) -> Result<(), StoreError> {
        match self.objects.delete(&self.path(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(StoreError::Object {
                path: name.to_owned(),
                source,
            }),
        }
    }

    /// Deletes all objects under `folder`.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    pub async fn delete_folder(&self, folder: &str) -> Result<(), StoreError> {
        for object in self.under(folder).await? {
            match self.objects.delete(&object.location).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(source) => {
                    return Err(StoreError::Object {
                        path: object.location.to_string(),
                        source,
                    });
                }
            }
        }
        Ok(())
    }

    /// Deletes the folders directly under `folder` in which nothing was written for `age`, and
    /// tells their names.
    ///
    /// # Errors
    /// If the store cannot be read or written.
    pub async fn expire(&self, folder: &str, age: Duration) -> Result<Vec<String>, StoreError> {
        let Some(before) = chrono::Duration::from_std(age)
            .ok()
            .and_then(|age| chrono::Utc::now().checked_sub_signed(age))
        else {
            return Ok(Vec::new());
        };
        let depth = self.path(folder).parts().count();
        let mut written: HashMap<String, chrono::DateTime<chrono::Utc>> = HashMap::new();
        for object in self.under(folder).await? {
            if let Some(name) = object.location.parts().nth(depth) {
                let last = written.entry(name.as_ref().to_owned());
                let last = last.or_insert(object.last_modified);
                *last = (*last).max(object.last_modified);
            }
        }
        let old = written.into_iter().filter(|(_, last)| *last < before);
        let old: Vec<String> = old.map(|(name, _)| name).collect();
        for name in &old {
            self.delete_folder(&format!("{folder}/{name}")).await?;
        }
        Ok(old)
    }

    async fn under(&self, folder: &str) -> Result<Vec<ObjectMeta>, StoreError> {
        let list = self.objects.list(Some(&self.path(folder)));
        list.try_collect()
            .await
            .map_err(|source| StoreError::Object {
                path: folder.to_owned(),
                source,
            })
    }

    /// The names of the folders directly under `folder`.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn folders(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let path = self.path(folder);
        let list = self.objects.list_with_delimiter(Some(&path)).await;
        let list = list.map_err(|source| StoreError::Object {
            path: folder.to_owned(),
            source,
        })?;
        let names = list.common_prefixes.iter();
        Ok(names
            .filter_map(|path| Some(path.filename()?.to_owned()))
            .collect())
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn check(&self) -> Result<(), StoreError> {
        let list = self.objects.list(Some(&self.path("renders")));
        let mut list = std::pin::pin!(list);
        let first = list.try_next().await;
        first.map(|_| ()).map_err(|source| StoreError::Object {
            path: "renders".to_owned(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn objects_come_back_and_names_stay_inside() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store").display().to_string()).unwrap();
        assert_eq!(store.get("documents/a/meta.json").await.unwrap(), None);
        store
            .put("documents/a/meta.json", b"1".to_vec())
            .await
            .unwrap();
        store.put("documents/../../b", b"2".to_vec()).await.unwrap();
        assert!(!folder.path().join("b").exists());
        assert_eq!(
            store.get("documents/a/meta.json").await.unwrap().unwrap(),
            b"1"
        );
        assert!(
            store
                .folders("documents")
                .await
                .unwrap()
                .contains(&"a".to_owned())
        );
        store.delete("documents/a/meta.json").await.unwrap();
        store.delete("documents/a/meta.json").await.unwrap();
        assert_eq!(store.get("documents/a/meta.json").await.unwrap(), None);
        assert!(Store::open("ftp://x").is_err());
    }
    #[tokio::test]
    async fn folders_are_deleted_when_nothing_was_written_in_them_for_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("store");
        let store = Store::open(&root.display().to_string()).unwrap();
        for name in ["chats/a/x", "chats/a/y", "chats/b/x", "documents/a/x"] {
            store.put(name, b"1".to_vec()).await.unwrap();
        }
        let hour = Duration::from_secs(3600);
        assert!(store.expire("chats", hour).await.unwrap().is_empty());
        // One of a's objects is new.
        for name in ["chats/a/x", "chats/b/x"] {
            let file = std::fs::File::options().write(true).open(root.join(name));
            let long_ago = std::time::SystemTime::now() - 2 * hour;
            file.unwrap().set_modified(long_ago).unwrap();
        }
        assert_eq!(store.expire("chats", hour).await.unwrap(), ["b"]);
        assert_eq!(store.folders("chats").await.unwrap(), ["a"]);
        assert!(!root.join("chats/b").exists());
        store.delete_folder("chats/a").await.unwrap();
        assert!(store.folders("chats").await.unwrap().is_empty());
        assert!(store.get("documents/a/x").await.unwrap().is_some());
        assert!(
            store
                .expire("chats", Duration::MAX)
                .await
                .unwrap()
                .is_empty()
        );
    }
}
