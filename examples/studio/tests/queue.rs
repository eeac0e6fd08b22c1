//! What becomes of jobs: order, retries, death, and a server that stops in the middle.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::services::{Process, worker};
use support::{LIGHTHOUSE, QUESTION, Server};

const SHARED: [&str; 8] = [
    "--heartbeat-seconds",
    "1",
    "--retry-seconds",
    "1",
    "--max-attempts",
    "3",
    "--cache-mb",
    "0",
];

/// A server that works on nothing itself.
fn server(data: &Path) -> (Server, Vec<String>) {
    let mut shared = SHARED.map(str::to_owned).to_vec();
    for (flag, name) in [("--queue", "queue.db"), ("--store", "store")] {
        let path = data.join(name).display().to_string();
        let path = if flag == "--queue" {
            format!("sqlite://{path}")
        } else {
            path
        };
        shared.extend([flag.to_owned(), path]);
    }
    let mut args: Vec<&str> = shared.iter().map(String::as_str).collect();
    args.extend(["--workers", "0"]);
    (Server::start(data, &args), shared)
}

fn submit(server: &Server, document: &str, priority: &str) -> String {
    let job = json!({"document_id": document, "mode": "ask", "question": QUESTION,
        "priority": priority});
    let reply = server.post("/api/v1/jobs", &job);
    assert_eq!(reply.status, 202, "{}", reply.text());
    reply.json()["id"].as_str().unwrap().to_owned()
}

/// Waits until a job is in a state.
fn until(server: &Server, job: &str, state: &str) -> Value {
    let end = Instant::now() + Duration::from_secs(300);
    loop {
        let found = server.get(&format!("/api/v1/jobs/{job}")).json();
        if found["state"] == state {
            return found;
        }
        assert!(Instant::now() < end, "expected {state}, found {found}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A document that takes seconds.
fn long(server: &Server) -> String {
    server.upload("long.txt", LIGHTHOUSE.repeat(400).as_bytes())
}

#[test]
fn what_comes_first_is_what_matters_most() {
    let data = tempfile::tempdir().unwrap();
    let (server, shared) = server(data.path());
    let id = server.upload("lighthouse.txt", LIGHTHOUSE.as_bytes());
    let jobs = ["low", "normal", "high", "low", "high"].map(|p| (p, submit(&server, &id, p)));
    let _worker = Process(
        support::program(&data.path().join("one"))
            .args(&shared)
            .args(["--workers", "1", "worker"])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut order: Vec<(String, &str)> = jobs
        .iter()
        .map(|(priority, job)| {
            let done = until(&server, job, "done");
            (done["started"].as_str().unwrap().to_owned(), *priority)
        })
        .collect();
    order.sort();
    let order: Vec<&str> = order.iter().map(|(_, priority)| *priority).collect();
    assert_eq!(order, ["high", "high", "normal", "low", "low"]);
}

#[test]
fn what_may_pass_is_tried_again_after_a_while() {
    let data = tempfile::tempdir().unwrap();
    let (server, shared) = server(data.path());
    let id = server.upload("lighthouse.txt", LIGHTHOUSE.as_bytes());
    // The store has something else for a while, as when a disk fails.
    let content = data.path().join(format!("store/documents/{id}/content"));
    let right = std::fs::read(&content).unwrap();
    std::fs::write(&content, b"nothing of the kind").unwrap();
    let job = submit(&server, &id, "normal");
    let _worker = worker(data.path(), 0, &shared, &[]);
    let end = Instant::now() + Duration::from_secs(60);
    let waiting = loop {
        let found = server.get(&format!("/api/v1/jobs/{job}")).json();
        if found["attempts"] == 1 && found["state"] == "queued" {
            break found;
        }
        assert!(Instant::now() < end, "{found}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(waiting["error"]["code"], "internal", "{waiting}");
    std::fs::write(&content, right).unwrap();
    let done = until(&server, &job, "done");
    assert!(done["attempts"].as_u64().unwrap() > 1, "{done}");
}

#[test]
fn a_job_that_takes_its_workers_along_is_dead_and_can_be_given_another_chance() {
    let data = tempfile::tempdir().unwrap();
    let (server, shared) = server(data.path());
    let id = long(&server);
    let job = submit(&server, &id, "normal");
    for i in 0..3 {
        let mut victim = worker(data.path(), i, &shared, &[]);
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let found = server.get(&format!("/api/v1/jobs/{job}")).json();
            if found["state"] == "running" && found["attempts"] == json!(i + 1) {
                break;
            }
            assert!(Instant::now() < end, "attempt {}: {found}", i + 1);
            std::thread::sleep(Duration::from_millis(20));
        }
        victim.kill();
    }
    let mut last = worker(data.path(), 3, &shared, &[]);
    let dead = until(&server, &job, "dead");
    assert_eq!(dead["error"]["code"], "worker_lost", "{dead}");
    let list = server.get("/api/v1/jobs?state=dead").json();
    assert_eq!(list["jobs"][0]["id"], json!(job));
    let again = server.post(&format!("/api/v1/jobs/{job}/retry"), &Value::Null);
    assert_eq!(again.json()["state"], "queued");
    let done = until(&server, &job, "done");
    assert_eq!(done["attempts"], 1);
    let list = server.get("/api/v1/jobs?state=dead").json();
    assert_eq!(list["jobs"], json!([]));
    last.kill();
}

#[test]
fn a_server_that_stops_puts_back_what_it_has_not_finished() {
    let data = tempfile::tempdir().unwrap();
    let args = ["--cache-mb", "0", "--shutdown-seconds", "0"];
    let server = Server::start(data.path(), &args);
    let id = long(&server);
    let job = submit(&server, &id, "normal");
    until(&server, &job, "running");
    let stopping = Instant::now();
    assert!(server.terminate().success());
    assert!(
        stopping.elapsed() < Duration::from_secs(15),
        "{:?}",
        stopping.elapsed()
    );

    let server = Server::start(data.path(), &["--workers", "0"]);
    let back = server.get(&format!("/api/v1/jobs/{job}")).json();
    // It was not the job's fault, so that it does not count.
    assert_eq!(
        (&back["state"], &back["attempts"]),
        (&json!("queued"), &json!(0)),
        "{back}"
    );
    assert!(server.terminate().success());

    // With time to finish it is finished before the server ends.
    let server = Server::start(data.path(), &["--shutdown-seconds", "600"]);
    until(&server, &job, "running");
    assert!(server.terminate().success());
    let server = Server::start(data.path(), &["--workers", "0"]);
    let done = server.get(&format!("/api/v1/jobs/{job}")).json();
    assert_eq!(done["state"], "done", "{done}");
}
