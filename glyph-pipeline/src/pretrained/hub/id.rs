//! Ids of repositories.

use std::fmt;

use crate::pretrained::PretrainedError;

/// The branch that is meant where none is named.
const DEFAULT_REVISION: &str = "main";

/// A repository of models at a revision.
///
/// Both become parts of paths and of URLs, so only characters that are harmless there get in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HubId {
    /// `org/name`.
    pub(super) repository: String,
    /// Branch, tag or commit.
    pub(super) revision: String,
}

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repository, self.revision)
    }
}

impl HubId {
    /// Reads `org/name` or `org/name@revision`; where the id names no revision, `revision` counts.
    pub(super) fn parse(id: &str, revision: Option<&str>) -> Result<Self, PretrainedError> {
        let wrong = |found: String| PretrainedError::HubId {
            id: id.to_owned(),
            found,
        };
        let (repository, own) = match id.split_once('@') {
            Some((repository, revision)) => (repository, Some(revision)),
            None => (id, None),
        };
        let parts: Vec<&str> = repository.split('/').collect();
        if parts.len() != 2 {
            return Err(wrong(match parts.len() {
                1 => "no slash".to_owned(),
                n => format!("{} slashes", n - 1),
            }));
        }
        // The rules of huggingface_hub's `validate_repo_id`.
        for part in parts {
            if let Some(found) = fault(part) {
                return Err(wrong(found));
            }
            if part.contains("--") || part.starts_with('-') || part.ends_with(['.', '-']) {
                return Err(wrong(format!("{part:?}")));
            }
        }
        let revision = own.or(revision).unwrap_or(DEFAULT_REVISION);
        if let Some(found) = revision.split('/').find_map(fault) {
            return Err(wrong(format!("{found} in the revision {revision:?}")));
        }
        Ok(Self {
            repository: repository.to_owned(),
            revision: revision.to_owned(),
        })
    }

    /// The same repository at a commit.
    #[cfg(feature = "hf-hub")]
    pub(super) fn at(&self, commit: &str) -> Self {
        Self {
            repository: self.repository.clone(),
            revision: commit.to_owned(),
        }
    }

    /// Name of the repository's folder in the cache.
    pub(super) fn folder(&self) -> String {
        format!("models--{}", self.repository.replace('/', "--"))
    }

    /// Where a hub has a file.
    pub(super) fn url(&self, endpoint: &str, file: &str) -> String {
        let revision = self.revision.replace('/', "%2F");
        format!("{endpoint}/{}/resolve/{revision}/{file}", self.repository)
    }
}

/// Whether a name is an id of the hub, of a model that may exist or not.
pub(in crate::pretrained) fn is_id(name: &str) -> bool {
    HubId::parse(name, None).is_ok()
}

/// What keeps a word from being one part of a path and of a URL.
fn fault(part: &str) -> Option<String> {
    if part.is_empty() {
        return Some("an empty part".to_owned());
    }
    if part.len() > 128 {
        return Some(format!("a part of {} characters", part.len()));
    }
    let other = part
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !"._-".contains(*c));
    match other {
        Some(c) => Some(format!("the character {c:?}")),
        None if part.starts_with('.') || part.contains("..") => Some(format!("{part:?}")),
        None => None,
    }
}

/// Whether a word can be the name of a file in a folder.
pub(super) fn is_file_name(name: &str) -> bool {
    fault(name).is_none()
}

/// Whether a word is a commit.
#[cfg(feature = "hf-hub")]
pub(super) fn is_commit(word: &str) -> bool {
    word.len() == 40 && word.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_with_their_revision() {
        let id = |text, revision| HubId::parse(text, revision).expect("an id").to_string();
        assert_eq!(id("zai-org/Glyph", None), "zai-org/Glyph@main");
        assert_eq!(id("a/b.c_d@v1.0", None), "a/b.c_d@v1.0");
        assert_eq!(id("a/b@refs/pr/5", Some("dev")), "a/b@refs/pr/5");
        assert_eq!(id("a/b", Some("dev")), "a/b@dev");
        let pull = HubId::parse("a/b@refs/pr/5", None).expect("an id");
        assert_eq!(
            pull.url("https://hub", "config.json"),
            "https://hub/a/b/resolve/refs%2Fpr%2F5/config.json"
        );
        assert_eq!(pull.folder(), "models--a--b");
    }

    #[test]
    fn what_would_leave_the_folder_or_the_url_is_no_id() {
        for (text, found) in [
            ("gpt2", "no slash"),
            ("a/b/c", "2 slashes"),
            ("a/", "empty"),
            ("../b", ".."),
            ("a/b--c", "b--c"),
            ("a/b?c", "'?'"),
            ("a/b@", "empty"),
            ("a/b@../../etc", ".."),
            ("a/b@x\\y", "'\\\\'"),
            ("a/b@m ain", "' '"),
            ("a/b@/main", "empty"),
        ] {
            let error = HubId::parse(text, None).expect_err(text).to_string();
            assert!(
                error.contains(found) && error.contains("org/name"),
                "{error}"
            );
        }
        assert!(HubId::parse("a/b", Some("..")).is_err());
    }
}
