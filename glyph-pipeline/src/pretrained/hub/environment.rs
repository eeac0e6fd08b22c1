//! The environment variables that the tools of Hugging Face share.
//!
//! As in <https://github.com/huggingface/huggingface_hub/blob/main/src/huggingface_hub/constants.py>.

use std::ffi::OsString;
use std::path::PathBuf;

/// What the environment says about the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pretrained) struct Environment {
    /// Address of the hub, without a slash at its end.
    pub(in crate::pretrained) endpoint: String,
    /// Folder of the cache; a user without a home has none.
    pub(super) cache: Option<PathBuf>,
    /// Token from the variable.
    pub(super) token: Option<String>,
    /// File that a login leaves the token in.
    pub(super) token_file: Option<PathBuf>,
    /// Whether connections are forbidden.
    pub(super) offline: bool,
}

impl Environment {
    /// Reads the variables of this process.
    pub(in crate::pretrained) fn read() -> Self {
        Self::from_variables(|name| std::env::var_os(name), dirs::home_dir())
    }

    fn from_variables(get: impl Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Self {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let text = |name: &str| get(name).and_then(|value| value.into_string().ok());
        let path = |name: &str| get(name).map(PathBuf::from);
        let hf_home = path("HF_HOME").or_else(|| {
            path("XDG_CACHE_HOME")
                .or_else(|| home.map(|home| home.join(".cache")))
                .map(|caches| caches.join("huggingface"))
        });
        let truth = |name: &str| {
            text(name).is_some_and(|value| {
                ["1", "on", "yes", "true"].contains(&value.to_lowercase().as_str())
            })
        };
        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            cache: path("HF_HUB_CACHE")
                .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
                .or_else(|| hf_home.as_ref().map(|home| home.join("hub"))),
            token: text("HF_TOKEN").and_then(|token| clean(&token)),
            token_file: path("HF_TOKEN_PATH")
                .or_else(|| hf_home.as_ref().map(|home| home.join("token"))),
            offline: truth("HF_HUB_OFFLINE") || truth("TRANSFORMERS_OFFLINE"),
        }
    }

    /// The token: the variable's, or the one that a login left.
    #[cfg(feature = "hf-hub")]
    pub(super) fn find_token(&self) -> Option<String> {
        self.token.clone().or_else(|| {
            let token = std::fs::read_to_string(self.token_file.as_ref()?).ok()?;
            clean(&token)
        })
    }
}

/// A token without the white space that copying leaves around it.
fn clean(token: &str) -> Option<String> {
    let token = token.trim();
    (!token.is_empty()).then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Environment {
        Environment::from_variables(
            |name| {
                let found = variables.iter().find(|(n, _)| *n == name);
                found.map(|(_, value)| OsString::from(value))
            },
            Some(PathBuf::from("/home/me")),
        )
    }

    #[test]
    fn the_cache_is_where_python_has_it() {
        let cache = |variables: &[_]| read(variables).cache.expect("there is a home");
        for (variables, expected) in [
            (&[][..], "/home/me/.cache/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/h")], "/h/hub"),
            (&[("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/o")], "/o"),
            (
                &[("HF_HUB_CACHE", "/c"), ("HUGGINGFACE_HUB_CACHE", "/o")],
                "/c",
            ),
            (
                &[("HF_HUB_CACHE", ""), ("HF_HOME", "")],
                "/home/me/.cache/huggingface/hub",
            ),
        ] {
            assert_eq!(cache(variables), PathBuf::from(expected), "{variables:?}");
        }
        let homeless = Environment::from_variables(|_| None, None);
        assert_eq!((homeless.cache, homeless.token_file), (None, None));
    }

    #[test]
    fn the_rest_is_read_as_python_reads_it() {
        let plain = read(&[]);
        assert_eq!(plain.endpoint, "https://huggingface.co");
        assert!(!plain.offline && plain.token.is_none());
        let full = read(&[
            ("HF_ENDPOINT", "https://mirror.example/"),
            ("HF_TOKEN", " hf_abc\n"),
            ("HF_TOKEN_PATH", "/t"),
            ("HF_HUB_OFFLINE", "Yes"),
        ]);
        assert_eq!(full.endpoint, "https://mirror.example");
        assert_eq!(full.token.as_deref(), Some("hf_abc"));
        assert_eq!(full.token_file, Some(PathBuf::from("/t")));
        assert!(full.offline);
        assert!(!read(&[("HF_HUB_OFFLINE", "0")]).offline);
        assert!(read(&[("TRANSFORMERS_OFFLINE", "1")]).offline);
    }
}
