//! What a hub says about a repository: its commit, its files, their sizes and checksums.

use std::fmt::Write as _;
use std::path::Path;

use hf_hub::api::sync::{ApiBuilder, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};
use serde::Deserialize;
use ureq::http::Uri;
use ureq::http::header::{CONTENT_LENGTH, ETAG, HeaderMap, LOCATION};

use super::id::{HubId, is_commit, is_file_name};
use crate::pretrained::PretrainedError;
use crate::pretrained::transfer::{CONNECT, Fault, SILENCE};

/// Bytes of a listing; the longest there are have some ten thousand files.
const LISTING_BYTES: u64 = 64 << 20;
/// Redirects that are followed in search of a checksum.
const REDIRECTS: usize = 5;

/// A repository at a commit.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) commit: String,
    pub(super) files: Vec<RemoteFile>,
}

/// A file of a repository, as far as the hub describes it.
#[derive(Debug, Clone)]
pub(super) struct RemoteFile {
    pub(super) name: String,
    /// Its size and the name of its blob in the cache, if the listing has both.
    pub(super) content: Option<Content>,
}

/// What identifies the content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) bytes: u64,
    /// Name of its blob in the cache.
    pub(super) etag: String,
}

impl Content {
    /// Its SHA-256, which is the ETag of files in LFS; that of others is the object of Git.
    pub(super) fn sha256(&self) -> Option<&str> {
        let hexadecimal = self.etag.bytes().all(|b| b.is_ascii_hexdigit());
        (self.etag.len() == 64 && hexadecimal).then_some(&*self.etag)
    }
}

/// Why there is no listing.
#[derive(Debug)]
pub(super) enum ListingFault {
    Fault(Fault),
    Malformed(PretrainedError),
}

/// A repository on a hub.
///
/// The crate `hf-hub` knows the hub's addresses and lists repositories. What it downloads is not
/// checked against a checksum and cannot be cancelled, a server that knows no ranges spoils what
/// is resumed, and odd headers make it panic: so files come by [`Transfer`].
///
/// [`Transfer`]: crate::pretrained::transfer::Transfer
pub(super) struct Remote {
    /// Not to be printed: it has the token.
    api: ApiRepo,
    url: String,
}

impl Remote {
    pub(super) fn new(
        endpoint: &str,
        cache: &Path,
        token: Option<String>,
        id: &HubId,
    ) -> Result<Self, Fault> {
        // `ApiBuilder::new` panics for a user without a home.
        let api = ApiBuilder::from_cache(Cache::new(cache.to_owned()))
            .with_endpoint(endpoint.to_owned())
            .with_token(token)
            .with_progress(false)
            .with_user_agent("glyph", env!("CARGO_PKG_VERSION"))
            .build()
            .map_err(|e| Fault::Network(e.to_string()))?;
        let repo = Repo::with_revision(id.repository.clone(), RepoType::Model, id.revision.clone());
        Ok(Self {
            url: format!("{endpoint}/api/{}", repo.api_url()),
            api: api.repo(repo),
        })
    }

    /// Address of the listing.
    pub(super) fn listing_url(&self) -> &str {
        &self.url
    }

    /// Address of a file.
    pub(super) fn file_url(&self, name: &str) -> String {
        self.api.url(name)
    }

    /// Asks for the listing.
    pub(super) fn list(&self) -> Result<Listing, ListingFault> {
        // `ApiRepo::info` leaves out sizes and checksums, and knows no timeout.
        let response = self
            .api
            .info_request()
            .query("blobs", "true")
            .config()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .build()
            .call();
        let network = |e: ureq::Error| ListingFault::Fault(Fault::Network(e.to_string()));
        let mut response = response.map_err(network)?;
        if response.status().as_u16() != 200 {
            return Err(ListingFault::Fault(Fault::status(&response)));
        }
        let body = response.body_mut().with_config().limit(LISTING_BYTES);
        let text = body.read_to_string().map_err(network)?;
        Listing::parse(&text).map_err(|found| {
            ListingFault::Malformed(PretrainedError::Malformed {
                origin: self.url.clone(),
                expected: "a listing of files",
                found,
            })
        })
    }
}

impl Listing {
    /// Reads the hub's JSON, <https://huggingface.co/docs/hub/api>.
    fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Info {
            sha: String,
            siblings: Vec<Sibling>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Sibling {
            rfilename: String,
            size: Option<u64>,
            blob_id: Option<String>,
            lfs: Option<Lfs>,
        }
        #[derive(Deserialize)]
        struct Lfs {
            size: u64,
            sha256: String,
        }
        let info: Info = serde_json::from_str(text).map_err(|e| e.to_string())?;
        // The commit becomes the name of a folder.
        if !is_commit(&info.sha) {
            return Err(format!("the commit {:?}", info.sha));
        }
        let files = info.siblings.into_iter().map(|sibling| {
            let content = match (sibling.lfs, sibling.size, sibling.blob_id) {
                (Some(lfs), _, _) => Some((lfs.size, lfs.sha256)),
                (None, Some(size), Some(blob)) => Some((size, blob)),
                _ => None,
            };
            RemoteFile {
                name: sibling.rfilename,
                content: content
                    .filter(|(_, etag)| is_file_name(etag))
                    .map(|(bytes, etag)| Content { bytes, etag }),
            }
        });
        Ok(Self {
            commit: info.sha,
            files: files.collect(),
        })
    }

    /// The file of a name.
    pub(super) fn find(&self, name: &str) -> Option<&RemoteFile> {
        self.files.iter().find(|file| file.name == name)
    }

    /// Names of files for people, not too many.
    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.files.iter().map(|file| &*file.name).take(12).collect();
        let mut text = match names.len() {
            0 => "no files".to_owned(),
            _ => names.join(", "),
        };
        if self.files.len() > names.len() {
            let _ = write!(text, " and {} more", self.files.len() - names.len());
        }
        text
    }
}

/// Asks the server about one file, for hubs whose listings say less.
///
/// Of a file in LFS the first answer, a redirect to a store, has the checksum in `X-Linked-Etag`
/// and the size in `X-Linked-Size`; the store knows neither for certain. As `get_hf_file_metadata`
/// of huggingface_hub, redirects are only followed within the hub.
pub(super) fn head(agent: &ureq::Agent, url: &str, token: Option<&str>) -> Result<Content, Fault> {
    let mut url = url.to_owned();
    for _ in 0..REDIRECTS {
        let mut request = agent.head(&url).config().max_redirects(0).build();
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let response = request.call().map_err(|e| Fault::Network(e.to_string()))?;
        let status = response.status();
        if !status.is_success() && !status.is_redirection() {
            return Err(Fault::status(&response));
        }
        if let Some(content) = content(response.headers(), status.is_success()) {
            return Ok(content);
        }
        let location = text(response.headers(), LOCATION.as_str());
        match location.filter(|location| location.starts_with('/') && !location.starts_with("//")) {
            Some(path) => url = origin(&url) + path,
            None => break,
        }
    }
    let reason = format!("{url} states neither size nor ETag");
    Err(Fault::Network(reason))
}

fn content(headers: &HeaderMap, last: bool) -> Option<Content> {
    // The length of a redirect is that of its own text.
    let own = |name| text(headers, name).filter(|_| last);
    let etag = text(headers, "X-Linked-Etag").or_else(|| own(ETAG.as_str()))?;
    let etag = etag.trim_start_matches("W/").trim_matches('"');
    let bytes = text(headers, "X-Linked-Size").or_else(|| own(CONTENT_LENGTH.as_str()))?;
    let bytes = bytes.parse().ok()?;
    is_file_name(etag).then(|| Content {
        bytes,
        etag: etag.to_owned(),
    })
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Scheme and host of a URL.
fn origin(url: &str) -> String {
    let uri: Option<Uri> = url.parse().ok();
    let parts = uri
        .as_ref()
        .and_then(|uri| Some((uri.scheme_str()?, uri.authority()?)));
    parts.map_or_else(String::new, |(scheme, host)| format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn a_listing_tells_sizes_and_checksums() {
        let sha256 = "f9343d7d7ec5c3d8bcced056c438fc9f1d3819e9ca3d42418a40857050e10e20";
        // As in the documentation of the hub, with a file that has no description.
        let text = format!(
            r#"{{"id": "a/b", "sha": "{COMMIT}", "siblings": [
                {{"blobId": "6d34772f5ca361021038b404fb913ec8dc0b1a5a",
                  "rfilename": "config.json", "size": 1175}},
                {{"blobId": "cd1c6d8bde5006076655711a49feae66f07d707e",
                  "lfs": {{"pointerSize": 127, "sha256": "{sha256}", "size": 22}},
                  "rfilename": "model.safetensors", "size": 22}},
                {{"rfilename": "README.md"}}]}}"#
        );
        let listing = Listing::parse(&text).expect("a listing");
        assert_eq!(listing.commit, COMMIT);
        let content = |name| {
            let file = listing.find(name).expect("it is listed");
            file.content.clone()
        };
        let config = content("config.json").expect("described");
        assert_eq!((config.bytes, config.sha256()), (1175, None));
        let weights = content("model.safetensors").expect("described");
        assert_eq!((weights.bytes, weights.sha256()), (22, Some(sha256)));
        assert_eq!(content("README.md"), None);
        assert_eq!(listing.names(), "config.json, model.safetensors, README.md");
    }

    #[test]
    fn what_would_leave_the_cache_is_not_taken_from_a_listing() {
        let error = Listing::parse(r#"{"sha": "../../x", "siblings": []}"#);
        assert!(error.expect_err("no commit").contains("../../x"));
        let text = format!(
            r#"{{"sha": "{COMMIT}",
                 "siblings": [{{"rfilename": "a", "size": 1, "blobId": "../../x"}}]}}"#
        );
        let listing = Listing::parse(&text).expect("a listing");
        assert_eq!(listing.files[0].content, None);
        assert!(Listing::parse("<html>").is_err());
    }
}
