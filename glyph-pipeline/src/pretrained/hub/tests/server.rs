//! A hub on this machine: lists repositories, redirects to a store, and misbehaves as told.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// The commits of the branches `main` and `dev`.
pub(super) const MAIN: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(super) const DEV: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
/// The repository that the hub has.
pub(super) const REPOSITORY: &str = "org/model";
/// What it was called before; the hub redirects from there.
pub(super) const OLD_NAME: &str = "org/old-model";

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) from: Option<usize>,
    pub(super) token: Option<String>,
}

/// What the hub has and how it behaves.
pub(super) struct State {
    /// Branch or tag, and commit.
    pub(super) refs: Vec<(&'static str, &'static str)>,
    /// Commit, name and content.
    pub(super) files: Vec<(&'static str, String, Vec<u8>)>,
    /// The token that the hub wants to see, for the listing too or for files only.
    pub(super) gate: Option<Gate>,
    /// Whether listings tell sizes and checksums.
    pub(super) describes: bool,
    /// Whether the server answers ranges.
    pub(super) ranges: bool,
    /// Hangs up after so many bytes of a file, so many times.
    pub(super) breaks: Option<(String, usize, usize)>,
    /// Sends another byte in a file.
    pub(super) spoils: Option<String>,
    /// Before each chunk of 16 KiB of a file.
    pub(super) delay: Duration,
    pub(super) requests: Vec<Request>,
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Gate {
    Files(&'static str),
    All(&'static str),
}

pub(super) struct HubServer {
    pub(super) address: String,
    state: Arc<Mutex<State>>,
}

impl HubServer {
    /// A hub with a checkpoint of two shards, and another version of it on the branch `dev`.
    pub(super) fn start() -> Self {
        let mut files = Vec::new();
        for (commit, seed) in [(MAIN, 1), (DEV, 2)] {
            let index = r#"{"metadata": {}, "weight_map": {
                "a": "model-00001-of-00002.safetensors", "b": "model-00001-of-00002.safetensors",
                "c": "model-00002-of-00002.safetensors"}}"#;
            for (name, content) in [
                ("README.md", b"# Model".to_vec()),
                ("config.json", format!("{{\"seed\": {seed}}}").into_bytes()),
                ("tokenizer.json", bytes(20_000, seed)),
                ("chat_template.jinja", b"{{ messages }}".to_vec()),
                ("model.safetensors.index.json", index.into()),
                ("model-00001-of-00002.safetensors", bytes(200_000, seed)),
                ("model-00002-of-00002.safetensors", bytes(150_000, seed + 7)),
                ("pytorch_model.bin", bytes(90_000, seed)),
                ("original/model.safetensors", bytes(90_000, seed)),
            ] {
                files.push((commit, name.to_owned(), content));
            }
        }
        let state = Arc::new(Mutex::new(State {
            refs: vec![("main", MAIN), ("dev", DEV)],
            files,
            gate: None,
            describes: true,
            ranges: true,
            breaks: None,
            spoils: None,
            delay: Duration::ZERO,
            requests: Vec::new(),
        }));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it listens").port();
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let shared = shared.clone();
                thread::spawn(move || serve(stream, &shared, port));
            }
        });
        Self {
            address: format!("http://127.0.0.1:{port}"),
            state,
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panicked")
    }

    /// The requests since this was asked last.
    pub(super) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state().requests)
    }

    /// The content of a file.
    pub(super) fn content(&self, commit: &str, name: &str) -> Vec<u8> {
        let state = self.state();
        let file = state.files.iter().find(|f| f.0 == commit && f.1 == name);
        file.expect("the hub has it").2.clone()
    }
}

fn bytes(n: usize, seed: usize) -> Vec<u8> {
    (0..n).map(|i| ((i + seed) * 31 % 251) as u8).collect()
}

pub(super) fn sha256(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// Weights and tokenizers are in LFS, as on the hub.
pub(super) fn in_lfs(path: &str) -> bool {
    path.ends_with(".safetensors") || path.ends_with("tokenizer.json")
}

fn etag(name: &str, content: &[u8]) -> String {
    let mut etag = sha256(content);
    if !in_lfs(name) {
        etag.truncate(40);
    }
    etag
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    let mut words = first.split(' ');
    let mut request = Request {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        from: None,
        token: None,
    };
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ")?;
        match name.to_lowercase().as_str() {
            "range" => {
                let range = value.strip_prefix("bytes=")?;
                request.from = range.trim_end_matches('-').parse().ok();
            }
            "authorization" => request.token = value.strip_prefix("Bearer ").map(str::to_owned),
            "accept-encoding" => assert!(
                value == "identity" || request.path.starts_with("/api/"),
                "ranges are those of the file"
            ),
            _ => {}
        }
    }
    Some(request)
}

struct Answer {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn answer(status: &'static str, headers: Vec<(&'static str, String)>) -> Answer {
    Answer {
        status,
        headers,
        body: b"text of the answer".to_vec(),
    }
}

fn refuse(status: &'static str, code: &str) -> Answer {
    answer(status, vec![("X-Error-Code", code.to_owned())])
}

fn serve(mut stream: TcpStream, state: &Mutex<State>, port: u16) {
    let Some(request) = read(&stream) else { return };
    let (answer, hang_up, delay) = {
        let mut state = state.lock().expect("no thread panicked");
        state.requests.push(request.clone());
        let (answer, hang_up) = respond(&mut state, &request, port);
        (answer, hang_up, state.delay)
    };
    let mut head = format!("HTTP/1.1 {}\r\nConnection: close\r\n", answer.status);
    head += &format!("Content-Length: {}\r\n", answer.body.len());
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    let _ = stream.write_all(format!("{head}\r\n").as_bytes());
    if request.method != "HEAD" {
        let end = hang_up.unwrap_or(answer.body.len());
        for chunk in answer.body[..end.min(answer.body.len())].chunks(16 << 10) {
            thread::sleep(delay);
            let _ = stream.write_all(chunk);
        }
    }
}

/// The answer, and after how many bytes of it to hang up.
fn respond(state: &mut State, request: &Request, port: u16) -> (Answer, Option<usize>) {
    let admitted = |state: &State, files: bool| match state.gate {
        Some(Gate::All(token)) => request.token.as_deref() == Some(token),
        Some(Gate::Files(token)) => !files || request.token.as_deref() == Some(token),
        None => true,
    };
    if request.path.contains(OLD_NAME) {
        let location = request.path.replacen(OLD_NAME, REPOSITORY, 1);
        let headers = vec![("Location", location)];
        return (answer("307 Temporary Redirect", headers), None);
    }
    let path = request.path.split('?').next().unwrap_or_default();
    if let Some(rest) = path.strip_prefix("/api/models/") {
        let Some(revision) = rest.strip_prefix(&format!("{REPOSITORY}/revision/")) else {
            return (refuse("404 Not Found", "RepoNotFound"), None);
        };
        if !admitted(state, false) {
            return (refuse("401 Unauthorized", "RepoNotFound"), None);
        }
        return (list(state, revision), None);
    }
    if let Some(digest) = path.strip_prefix("/store/") {
        let files = state.files.iter();
        let Some(file) = files.clone().find(|f| sha256(&f.2) == digest) else {
            return (answer("404 Not Found", Vec::new()), None);
        };
        return send(state, request, &file.1.clone(), file.2.clone());
    }
    let Some(rest) = path.strip_prefix(&format!("/{REPOSITORY}/resolve/")) else {
        return (refuse("404 Not Found", "RepoNotFound"), None);
    };
    if !admitted(state, true) {
        return (refuse("401 Unauthorized", "GatedRepo"), None);
    }
    let file = rest.split_once('/').and_then(|(commit, name)| {
        let mut files = state.files.iter();
        files.find(|f| f.0 == commit && f.1 == name).cloned()
    });
    let Some((commit, name, content)) = file else {
        return (refuse("404 Not Found", "EntryNotFound"), None);
    };
    if !in_lfs(&name) {
        return send(state, request, &name, content);
    }
    let digest = sha256(&content);
    let headers = vec![
        // Another host as far as a client can tell.
        (
            "Location",
            format!("http://localhost:{port}/store/{digest}"),
        ),
        ("X-Repo-Commit", commit.to_owned()),
        ("X-Linked-Size", content.len().to_string()),
        ("X-Linked-Etag", format!("\"{digest}\"")),
        ("ETag", "\"of the redirect\"".to_owned()),
    ];
    (answer("302 Found", headers), None)
}

fn list(state: &State, revision: &str) -> Answer {
    let refs = state.refs.iter();
    let commit = refs
        .filter(|(name, commit)| [*name, *commit].contains(&revision))
        .map(|(_, commit)| *commit)
        .next();
    let Some(commit) = commit else {
        return refuse("404 Not Found", "RevisionNotFound");
    };
    let files = state.files.iter().filter(|f| f.0 == commit);
    let siblings = files.map(|(_, name, content)| {
        let mut sibling = serde_json::json!({"rfilename": name});
        if state.describes {
            sibling["size"] = content.len().into();
            sibling["blobId"] = sha256(name.as_bytes())[..40].into();
            if in_lfs(name) {
                sibling["lfs"] = serde_json::json!({
                    "sha256": sha256(content), "size": content.len(), "pointerSize": 131,
                });
            } else {
                sibling["blobId"] = etag(name, content).into();
            }
        }
        sibling
    });
    let siblings: Vec<_> = siblings.collect();
    let info = serde_json::json!({"id": REPOSITORY, "sha": commit, "siblings": siblings});
    Answer {
        status: "200 OK",
        headers: vec![("Content-Type", "application/json".to_owned())],
        body: info.to_string().into_bytes(),
    }
}

fn send(
    state: &mut State,
    request: &Request,
    name: &str,
    mut content: Vec<u8>,
) -> (Answer, Option<usize>) {
    let mut headers = vec![("ETag", format!("\"{}\"", etag(name, &content)))];
    if state.spoils.as_deref() == Some(name) {
        content[5] ^= 1;
    }
    let mut status = "200 OK";
    if let Some(from) = request.from.filter(|_| state.ranges) {
        let total = content.len();
        headers.push((
            "Content-Range",
            format!("bytes {from}-{}/{total}", total - 1),
        ));
        content.drain(..from);
        status = "206 Partial Content";
    }
    let mut hang_up = None;
    if let Some((broken, after, times)) = &mut state.breaks
        && broken == name
        && *times > 0
        && request.method == "GET"
    {
        *times -= 1;
        hang_up = Some(*after);
    }
    let answer = Answer {
        status,
        headers,
        body: content,
    };
    (answer, hang_up)
}
