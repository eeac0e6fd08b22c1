//! Starts the real server on a free port and talks to it.
#![allow(dead_code, reason = "each test uses its part")]

#[cfg(unix)]
pub(crate) mod services;

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) const LIGHTHOUSE: &str = include_str!("../../../../docs/samples/lighthouse.txt");
pub(crate) const QUESTION: &str = "Who built the lighthouse?";

/// The program with its data in a folder, and no variable that would change it.
pub(crate) fn program(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glyph-studio"));
    for (name, _) in std::env::vars() {
        if name.starts_with("GLYPH_STUDIO_") {
            command.env_remove(name);
        }
    }
    command
        .arg("--data")
        .arg(data)
        .args(["--port", "0", "--device", "cpu", "--log", "warn"]);
    command
}

pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) url: String,
    agent: ureq::Agent,
    key: Option<String>,
}

/// A response: its status and its body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The events of a stream: names and data.
    pub(crate) fn events(&self) -> Vec<(String, Value)> {
        let text = self.text();
        let blocks = text.split("\n\n").filter(|block| block.contains("data:"));
        blocks
            .map(|block| {
                let field = |name: &str| {
                    let lines = block.lines().filter_map(|line| line.strip_prefix(name));
                    lines
                        .map(|line| line.trim_start_matches(':').trim())
                        .collect::<String>()
                };
                let data = serde_json::from_str(&field("data")).unwrap_or(Value::Null);
                (field("event"), data)
            })
            .collect()
    }
}

impl Server {
    pub(crate) fn start(data: &Path, args: &[&str]) -> Self {
        Self::start_with(data, args, &[])
    }

    /// With variables besides.
    pub(crate) fn start_with(data: &Path, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut child = program(data)
            .args(args)
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line
            .trim()
            .rsplit(' ')
            .next()
            .unwrap_or_default()
            .to_owned();
        assert!(url.starts_with("http://"), "{line:?}");
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(120)))
            // A server may close a connection after it refused what it did not read; the next request
            // must not be on its way by then.
            .max_idle_connections(0)
            .build();
        Self {
            child,
            url,
            agent: config.into(),
            key: None,
        }
    }

    pub(crate) fn with_key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    pub(crate) fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Reply {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url));
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        self.raw(request.body(body.to_vec()).unwrap())
    }

    pub(crate) fn raw(&self, request: ureq::http::Request<Vec<u8>>) -> Reply {
        let mut response = self.agent.run(request).unwrap();
        let mut body = Vec::new();
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        });
        let headers = headers.collect();
        let status = response.status().as_u16();
        // A stream that is cut ends here as well.
        let _ = response.body_mut().as_reader().read_to_end(&mut body);
        Reply {
            status,
            headers,
            body,
        }
    }

    /// The data of a stream of events, each with the seconds after which it came.
    pub(crate) fn timed(&self, path: &str, body: &Value) -> Vec<(f64, Value)> {
        let started = Instant::now();
        let request = ureq::http::Request::builder()
            .method("POST")
            .uri(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .body(body.to_string().into_bytes())
            .unwrap();
        let mut response = self.agent.run(request).unwrap();
        let lines = BufReader::new(response.body_mut().as_reader()).lines();
        let lines = lines.map_while(Result::ok);
        lines
            .filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?).ok())
            .map(|data| (started.elapsed().as_secs_f64(), data))
            .collect()
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, "", b"")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(
            "POST",
            path,
            "application/json",
            body.to_string().as_bytes(),
        )
    }

    pub(crate) fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, "", b"")
    }

    /// Sends files as a form.
    pub(crate) fn form(&self, path: &str, files: &[(&str, &[u8])]) -> Reply {
        let mut body = Vec::new();
        for (name, bytes) in files {
            let head = format!(
                "--BOUNDARY\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--BOUNDARY--\r\n");
        self.send(
            "POST",
            path,
            "multipart/form-data; boundary=BOUNDARY",
            &body,
        )
    }

    pub(crate) fn upload(&self, name: &str, bytes: &[u8]) -> String {
        let reply = self.form("/api/v1/documents", &[(name, bytes)]);
        assert!(matches!(reply.status, 200 | 201), "{}", reply.text());
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    /// Waits until a job is at its end.
    pub(crate) fn wait(&self, job: &str) -> Value {
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let found = self.get(&format!("/api/v1/jobs/{job}")).json();
            if !matches!(found["state"].as_str(), Some("queued" | "running")) {
                return found;
            }
            assert!(Instant::now() < until, "{found}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Tells the server to stop and waits for that.
    #[cfg(unix)]
    pub(crate) fn terminate(mut self) -> std::process::ExitStatus {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The files of the renderer's fuzz corpus.
pub(crate) fn corpus() -> Vec<(String, Vec<u8>)> {
    let root =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../glyph-render/tests/fuzz/corpus");
    let mut files = Vec::new();
    for folder in ["pdf", "docx", "image", "invert"] {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(root.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        entries.sort();
        for path in entries {
            let extension = match folder {
                "pdf" => "pdf",
                "docx" => "docx",
                _ => "png",
            };
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            files.push((format!("{stem}.{extension}"), std::fs::read(&path).unwrap()));
        }
    }
    files
}
