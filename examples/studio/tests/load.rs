//! 200 clients for five minutes: no error that is not a deliberate 429, and memory stays flat.
//!
//! ```text
//! cargo test --release --workspace --test load -- --ignored --nocapture
//! ```
//!
//! `GLYPH_STUDIO_LOAD_SECONDS` makes it shorter.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use support::{LIGHTHOUSE, QUESTION, Server};

const CLIENTS: usize = 200;

#[test]
#[ignore = "takes five minutes"]
fn two_hundred_clients_see_no_error() {
    let seconds = std::env::var("GLYPH_STUDIO_LOAD_SECONDS");
    let seconds: u64 = seconds.ok().and_then(|s| s.parse().ok()).unwrap_or(300);
    let data = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::start(data.path(), &["--requests-per-minute", "0"]));
    let documents: Vec<String> = (0..20)
        .map(|i| {
            let text = format!("Copy {i}.\n\n{LIGHTHOUSE}");
            server.upload(&format!("{i}.txt"), text.as_bytes())
        })
        .collect();
    let documents = Arc::new(documents);
    let until = Instant::now() + Duration::from_secs(seconds);
    let times = Arc::new(Mutex::new(Vec::<(&str, f64)>::new()));
    let busy = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (server, documents) = (server.clone(), documents.clone());
            let (times, busy) = (times.clone(), busy.clone());
            std::thread::spawn(move || {
                let mut round = client;
                while Instant::now() < until {
                    round += 1;
                    let id = &documents[round % documents.len()];
                    let started = Instant::now();
                    let (what, reply) = match round % 4 {
                        0 => (
                            "ask",
                            server.post(
                                "/api/v1/ask",
                                &json!({"document_id": id, "question": QUESTION}),
                            ),
                        ),
                        1 => (
                            "layout",
                            server.post(
                                "/api/v1/layout",
                                &json!({"document_id": id, "render": {"preset": "dense"}}),
                            ),
                        ),
                        2 => (
                            "page",
                            server.get(&format!("/api/v1/documents/{id}/pages/1.png")),
                        ),
                        _ => ("document", server.get(&format!("/api/v1/documents/{id}"))),
                    };
                    match reply.status {
                        200 => {
                            let time = started.elapsed().as_secs_f64();
                            times.lock().unwrap().push((what, time));
                        }
                        429 => {
                            busy.fetch_add(1, Ordering::Relaxed);
                            std::thread::sleep(Duration::from_millis(200));
                        }
                        status => panic!("{what}: {status} {}", reply.text()),
                    }
                }
            })
        })
        .collect();
    let mut memory = Vec::new();
    while Instant::now() < until {
        std::thread::sleep(Duration::from_secs((seconds / 10).max(1)));
        memory.push(resident_megabytes(server.child.id()));
    }
    for client in clients {
        client.join().unwrap();
    }
    let times = times.lock().unwrap();
    for what in ["ask", "layout", "page", "document"] {
        let mut of: Vec<f64> = times
            .iter()
            .filter(|(w, _)| *w == what)
            .map(|(_, t)| *t)
            .collect();
        of.sort_by(f64::total_cmp);
        let at = |share: f64| of[((of.len() - 1) as f64 * share) as usize] * 1000.0;
        eprintln!(
            "{what:>9}: {:6} answered, p50 {:7.1} ms, p95 {:7.1} ms",
            of.len(),
            at(0.5),
            at(0.95)
        );
    }
    eprintln!(
        "refused with 429: {}; resident MB: {memory:?}",
        busy.load(Ordering::Relaxed)
    );
    // From the first third on.
    let settled = &memory[memory.len() / 3..];
    let (low, high) = (settled.iter().min().unwrap(), settled.iter().max().unwrap());
    assert!(high - low < 64 + low / 5, "{memory:?}");
}

/// Resident memory of a process, where the system tells.
fn resident_megabytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) / 1024
}
