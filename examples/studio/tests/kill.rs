//! Workers are killed in the middle of jobs, and none is lost: 100 jobs, 20 kills.
//!
//! With SQLite always; with Redis and PostgreSQL where Debian's packages `redis-server` and
//! `postgresql` are installed. `GLYPH_STUDIO_TEST_POSTGRES` may name an empty database instead.
#![allow(clippy::unwrap_used, clippy::print_stderr)]
#![cfg(unix)]

mod support;

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::services::{self, Process, worker};
use support::{LIGHTHOUSE, QUESTION, Server};

const JOBS: usize = 100;
const KILLS: usize = 20;
const WORKERS: usize = 2;

fn none_is_lost(data: &Path, queue: &str) {
    let store = data.join("store").display().to_string();
    let shared: Vec<String> = [
        "--queue",
        queue,
        "--store",
        &store,
        "--heartbeat-seconds",
        "1",
        "--max-attempts",
        "60",
        "--requests-per-minute",
        "0",
        "--cache-mb",
        "0",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut args: Vec<&str> = shared.iter().map(String::as_str).collect();
    args.extend(["--workers", "0"]);
    let server = Server::start(data, &args);
    let documents: Vec<String> = (0..10)
        .map(|i| {
            let text = format!("Copy {i}.\n\n{}", LIGHTHOUSE.repeat(3));
            server.upload(&format!("{i}.txt"), text.as_bytes())
        })
        .collect();
    let priorities = ["low", "normal", "high"];
    let jobs: Vec<String> = (0..JOBS)
        .map(|i| {
            let job = json!({"document_id": documents[i % documents.len()], "mode": "ask",
                "question": QUESTION, "priority": priorities[i % 3]});
            let reply = server.post("/api/v1/jobs", &job);
            assert_eq!(reply.status, 202, "{}", reply.text());
            reply.json()["id"].as_str().unwrap().to_owned()
        })
        .collect();

    let mut workers: Vec<Process> = (0..WORKERS)
        .map(|i| worker(data, i, &shared, &[]))
        .collect();
    let until = Instant::now() + Duration::from_secs(400);
    let mut kills = 0;
    loop {
        let states = states(&server);
        let running = states.get("running").copied().unwrap_or(0);
        let done = states.get("done").copied().unwrap_or(0);
        // Kills are spread over the whole of the work.
        if running > 0 && kills < KILLS && done * KILLS >= kills * JOBS / 2 {
            let i = kills % WORKERS;
            workers[i].kill();
            workers[i] = worker(data, i, &shared, &[]);
            kills += 1;
        }
        if done == JOBS {
            break;
        }
        assert!(Instant::now() < until, "{kills} kills, {states:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(kills, KILLS);
    let mut again = 0;
    for id in &jobs {
        let job = server.get(&format!("/api/v1/jobs/{id}")).json();
        assert_eq!(job["state"], "done", "{job}");
        let text = job["result"]["answer"]["text"].as_str().unwrap_or_default();
        assert!(text.contains("Isobel Tarrant"), "{job}");
        again += usize::from(job["attempts"].as_u64().unwrap() > 1);
    }
    // Workers really died in the middle of jobs.
    assert!(again > 0, "no job was begun twice");
    eprintln!("{queue}: {JOBS} jobs, {kills} kills, {again} jobs begun more than once");
}

fn states(server: &Server) -> HashMap<String, usize> {
    let list: Value = server.get("/api/v1/jobs?limit=500").json();
    let mut states = HashMap::new();
    for job in list["jobs"].as_array().unwrap() {
        *states
            .entry(job["state"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    states
}

#[test]
fn no_job_is_lost_with_sqlite() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("queue.db");
    none_is_lost(data.path(), &format!("sqlite://{}", file.display()));
}

#[cfg(feature = "redis")]
#[test]
fn no_job_is_lost_with_redis() {
    let Some(redis) = services::redis() else {
        eprintln!("skipped: redis-server is not installed");
        return;
    };
    let data = tempfile::tempdir().unwrap();
    none_is_lost(data.path(), &redis.url);
}

#[cfg(feature = "postgres")]
#[test]
fn no_job_is_lost_with_postgres() {
    let data = tempfile::tempdir().unwrap();
    if let Ok(url) = std::env::var("GLYPH_STUDIO_TEST_POSTGRES") {
        return none_is_lost(data.path(), &url);
    }
    let Some(postgres) = services::postgres() else {
        eprintln!("skipped: PostgreSQL is not installed, and GLYPH_STUDIO_TEST_POSTGRES not set");
        return;
    };
    none_is_lost(data.path(), &postgres.url);
}
