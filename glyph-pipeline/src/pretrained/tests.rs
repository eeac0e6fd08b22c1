use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::thread;

use super::*;

/// What the server does with a request.
#[derive(Clone, Copy)]
enum Server {
    /// Knows ranges.
    Ranges,
    /// Sends the whole file always.
    Whole,
    /// Promises the whole file and hangs up after some bytes, once; then as `Ranges`.
    BreaksOff(usize),
    /// Has no such file.
    NotFound,
}

/// A hub on this machine that has one file; gives its address and, for each request, the first
/// line and the range.
fn hub(content: Vec<u8>, server: Server) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}/", listener.local_addr().expect("it listens"));
    let requests = Arc::new(Mutex::new(Vec::new()));
    let seen = requests.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
            let first = lines.next().and_then(Result::ok).unwrap_or_default();
            let mut range = None;
            for line in lines.map_while(Result::ok).take_while(|l| !l.is_empty()) {
                if let Some(value) = line.to_lowercase().strip_prefix("range: bytes=") {
                    range = value.trim_end_matches('-').parse::<usize>().ok();
                }
            }
            let number = {
                let mut seen = seen.lock().expect("no thread panicked");
                seen.push(format!("{first} {range:?}"));
                seen.len()
            };
            let (status, body, promised) = match server {
                Server::NotFound => ("404 Not Found", &b"no"[..], 2),
                Server::Whole => ("200 OK", &content[..], content.len()),
                Server::BreaksOff(n) if number == 1 => ("200 OK", &content[..n], content.len()),
                _ => match range {
                    Some(from) => (
                        "206 Partial Content",
                        &content[from..],
                        content.len() - from,
                    ),
                    None => ("200 OK", &content[..], content.len()),
                },
            };
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {promised}\r\nConnection: close\r\n\r\n"
            );
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(body);
        }
    });
    (address, requests)
}

fn content() -> Vec<u8> {
    (0..200_000u32).map(|i| (i * 31 % 251) as u8).collect()
}

const MODEL: PretrainedModel = PretrainedModel {
    name: "test",
    description: "",
    license: "",
    file_name: "test.gguf",
    bytes: 200_000,
    sha256: "fb1d8fabac622cd16fe7b9fb8bc6100515dc417bd56d036e496a49d4c20f63b8",
    repository: "someone/test",
    revision: "abc",
    wheel: None,
};

#[test]
fn a_model_is_downloaded_once() {
    let (address, requests) = hub(content(), Server::Ranges);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = dir.path().join("new");
    let mut told = Vec::new();
    let mut downloader = Downloader::new(&folder)
        .endpoint(&address)
        .on_progress(|p| {
            told.push((p.bytes, p.total));
            ControlFlow::Continue(())
        });
    let path = downloader.download(&MODEL).expect("the hub has it");
    assert_eq!(std::fs::read(&path).expect("it is there"), content());
    assert_eq!(downloader.download(&MODEL).expect("it is there"), path);
    drop(downloader);
    assert_eq!(told.last(), Some(&(200_000, 200_000)));
    let requests = requests.lock().expect("no thread panicked");
    assert_eq!(
        requests[..],
        ["GET /someone/test/resolve/abc/test.gguf HTTP/1.1 None"]
    );
    assert_eq!(
        std::fs::read_dir(&folder).expect("a folder").count(),
        1,
        "no part is left"
    );
}

#[test]
fn a_broken_download_goes_on_where_it_ended() {
    let (address, requests) = hub(content(), Server::BreaksOff(70_000));
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut downloader = Downloader::new(dir.path()).endpoint(&address);
    let error = downloader
        .download(&MODEL)
        .expect_err("it breaks off")
        .to_string();
    assert!(
        error.contains("70000") && error.contains("test.gguf into"),
        "{error}"
    );
    let path = downloader.download(&MODEL).expect("it goes on");
    assert_eq!(std::fs::read(path).expect("it is there"), content());
    assert!(requests.lock().expect("no thread panicked")[1].ends_with("Some(70000)"));
}

#[test]
fn a_server_without_ranges_sends_the_file_again() {
    let (address, _) = hub(content(), Server::Whole);
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("test.gguf.part"), b"something else").expect("writable");
    let path = Downloader::new(dir.path())
        .endpoint(&address)
        .download(&MODEL);
    assert_eq!(
        std::fs::read(path.expect("it comes whole")).expect("it is there"),
        content()
    );
}

#[test]
fn cancelling_keeps_what_has_come() {
    let (address, requests) = hub(content(), Server::Ranges);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let error = Downloader::new(dir.path())
        .endpoint(&address)
        .on_progress(|_| ControlFlow::Break(()))
        .download(&MODEL)
        .expect_err("it is cancelled");
    assert!(
        matches!(error, PretrainedError::Cancelled { bytes, .. } if bytes > 0),
        "{error}"
    );
    let mut downloader = Downloader::new(dir.path()).endpoint(&address);
    downloader.download(&MODEL).expect("it goes on");
    assert!(requests.lock().expect("no thread panicked")[1].contains("Some("));
}

#[test]
fn another_file_is_refused_and_removed() {
    let mut other = content();
    other[5] ^= 1;
    let (address, _) = hub(other, Server::Ranges);
    let dir = tempfile::tempdir().expect("a temporary folder");
    let error = Downloader::new(dir.path())
        .endpoint(&address)
        .download(&MODEL);
    let error = error.expect_err("another file").to_string();
    assert!(
        error.contains(MODEL.sha256) && error.contains("expected"),
        "{error}"
    );
    assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 0);
}

#[test]
fn a_missing_file_and_no_network_say_what_to_put_where() {
    let (address, _) = hub(content(), Server::NotFound);
    let dir = tempfile::tempdir().expect("a temporary folder");
    // Nothing listens on port 9.
    for (hub, reason) in [(address.as_str(), "404"), ("http://127.0.0.1:9", "")] {
        let error = Downloader::new(dir.path()).endpoint(hub).download(&MODEL);
        let error = error.expect_err("there is no such file").to_string();
        for part in [reason, "test.gguf", &dir.path().display().to_string(), hub] {
            assert!(error.contains(part.trim_end_matches('/')), "{error}");
        }
    }
}

#[test]
fn names_are_resolved_without_a_network() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("own.gguf");
    std::fs::write(&file, b"x").expect("writable");
    assert_eq!(resolve(&file.display().to_string()).expect("a path"), file);
    let error = resolve("no-such-model").expect_err("unknown").to_string();
    assert!(error.contains("smollm2-135m"), "{error}");
    let model = PretrainedModel::find("SmolLM2-135M").expect("known");
    let error = model.locate(dir.path()).expect_err("not there").to_string();
    for part in [
        model.file_name,
        model.repository,
        &dir.path().display().to_string(),
    ] {
        assert!(error.contains(part), "{error}");
    }
    // A file that was cut short is not the model.
    std::fs::write(dir.path().join(model.file_name), b"GGUF").expect("writable");
    assert!(model.locate(dir.path()).is_err());
}
