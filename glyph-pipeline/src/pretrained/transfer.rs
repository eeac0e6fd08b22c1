//! One file from a server into a part on disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use ureq::config::RedirectAuthHeaders;

use super::PretrainedError;

/// Bytes that are read and written at once.
const CHUNK: usize = 1 << 16;

/// How long a connection may take to open, and how long it may be silent.
pub(super) const CONNECT: Duration = Duration::from_secs(20);
pub(super) const SILENCE: Duration = Duration::from_secs(60);

/// Why a file did not come.
#[derive(Debug)]
pub(super) enum Fault {
    /// No connection, or one that broke off.
    Network(String),
    /// The server refuses; the hub says why in a code.
    Status { status: u16, code: Option<String> },
    /// The disk refuses.
    Io(PathBuf, io::Error),
    /// The callback said stop.
    Cancelled { bytes: u64 },
    /// Another file: it was removed.
    Checksum { found: String },
}

#[cfg(feature = "hf-hub")]
impl From<(PathBuf, io::Error)> for Fault {
    fn from((path, error): (PathBuf, io::Error)) -> Self {
        Self::Io(path, error)
    }
}

impl Fault {
    /// Whether it may go better next time.
    #[cfg(feature = "hf-hub")]
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Network(_) => true,
            Self::Status { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }

    /// What the server did.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Network(reason) => reason.clone(),
            Self::Status { status, code } => match code {
                Some(code) => format!("the server answers with status {status}, {code}"),
                None => format!("the server answers with status {status}"),
            },
            Self::Io(path, error) => format!("{}: {error}", path.display()),
            Self::Cancelled { bytes } => format!("cancelled after {bytes} bytes"),
            Self::Checksum { found } => format!("its SHA-256 is {found}"),
        }
    }

    /// The refusal of an answer that is none of the ones that were wanted.
    pub(super) fn status<B>(response: &ureq::http::Response<B>) -> Self {
        let code = response.headers().get("X-Error-Code");
        let code = code.and_then(|code| code.to_str().ok());
        Self::Status {
            status: response.status().as_u16(),
            code: code.map(str::to_owned),
        }
    }
}

/// The agent for all transfers.
pub(super) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        // Ranges and lengths are those of the file, not of a compressed copy.
        .accept_encoding("identity")
        // Hubs redirect to stores of other companies, which the token is not for.
        .redirect_auth_headers(RedirectAuthHeaders::SameHost)
        .user_agent(concat!("glyph/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

/// A file that is to come.
#[derive(Debug)]
pub(super) struct Transfer<'t> {
    pub(super) url: &'t str,
    pub(super) token: Option<&'t str>,
    /// Where it goes.
    pub(super) part: &'t Path,
    /// Its size.
    pub(super) bytes: u64,
    /// Its SHA-256, if that is known, in hexadecimal.
    pub(super) sha256: Option<&'t str>,
}

impl Transfer<'_> {
    /// Brings what the part does not have yet and checks the whole.
    pub(super) fn run(
        &self,
        agent: &ureq::Agent,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        let resumes = self.part.exists();
        match self.attempt(agent, progress) {
            // What was there may have been spoilt, which the whole file would not be.
            Err(Fault::Checksum { .. }) if resumes => self.attempt(agent, progress),
            result => result,
        }
    }

    fn attempt(
        &self,
        agent: &ureq::Agent,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), Fault> {
        let io = |error| Fault::Io(self.part.to_owned(), error);
        let mut have = std::fs::metadata(self.part).map_or(0, |m| m.len());
        if have > self.bytes {
            have = 0;
        }
        let mut hasher = Sha256::new();
        if have > 0 && self.sha256.is_some() {
            // Before the request, so that no connection waits for it.
            hash(self.part, &mut hasher).map_err(io)?;
        }
        if have < self.bytes || have == 0 {
            let (mut body, append) = self.open(agent, have)?;
            if !append {
                (have, hasher) = (0, Sha256::new());
            }
            let mut file = OpenOptions::new()
                .create(true)
                .write(true)
                .append(append)
                .truncate(!append)
                .open(self.part)
                .map_err(io)?;
            let mut buffer = vec![0; CHUNK];
            loop {
                let n = body.read(&mut buffer).map_err(|error| {
                    Fault::Network(format!("broke off after {have} bytes: {error}"))
                })?;
                if n == 0 {
                    break;
                }
                have += n as u64;
                // Not the file, and perhaps without an end.
                if have > self.bytes {
                    std::fs::remove_file(self.part).map_err(io)?;
                    let reason = format!("the server sends more than {} bytes", self.bytes);
                    return Err(Fault::Network(reason));
                }
                file.write_all(&buffer[..n]).map_err(io)?;
                if self.sha256.is_some() {
                    hasher.update(&buffer[..n]);
                }
                if progress(have).is_break() {
                    return Err(Fault::Cancelled { bytes: have });
                }
            }
        }
        if have < self.bytes {
            let reason = format!("broke off after {have} of {} bytes", self.bytes);
            return Err(Fault::Network(reason));
        }
        let found = hexadecimal(hasher);
        if self.sha256.is_some_and(|expected| expected != found) {
            std::fs::remove_file(self.part).map_err(io)?;
            return Err(Fault::Checksum { found });
        }
        Ok(())
    }

    /// Asks for the file from a byte on; tells whether the answer goes on there or starts anew.
    fn open(&self, agent: &ureq::Agent, from: u64) -> Result<(impl Read + use<>, bool), Fault> {
        let mut request = agent.get(self.url);
        if let Some(token) = self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        let response = request.call().map_err(|e| Fault::Network(e.to_string()))?;
        let append = match response.status().as_u16() {
            206 if from > 0 => true,
            // The server does not know ranges and sends the whole file.
            200 => false,
            _ => return Err(Fault::status(&response)),
        };
        let range = response.headers().get("Content-Range");
        if let (true, Some(range)) = (append, range.and_then(|range| range.to_str().ok()))
            && !range.starts_with(&format!("bytes {from}-"))
        {
            let reason = format!("asked for bytes from {from} on, the server answers {range:?}");
            return Err(Fault::Network(reason));
        }
        Ok((response.into_body().into_reader(), append))
    }
}

pub(super) fn io_error(path: &Path, source: io::Error) -> PretrainedError {
    PretrainedError::Io {
        path: path.to_owned(),
        source,
    }
}

/// SHA-256 of a file, in hexadecimal.
pub(super) fn sha256(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    hash(path, &mut hasher)?;
    Ok(hexadecimal(hasher))
}

fn hash(path: &Path, hasher: &mut Sha256) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        hasher.update(&buffer[..n]);
    }
}

fn hexadecimal(hasher: Sha256) -> String {
    let digest = hasher.finalize();
    digest.iter().map(|b| format!("{b:02x}")).collect()
}
