//! Two hosts that share nothing but Redis and a bucket: what one took in, the other works on.
//!
//! Needs `redis-server` (Debian) and `moto_server` (PyPI: `moto[server]`), and is skipped where
//! one of them is missing.
#![cfg(all(unix, feature = "s3", feature = "redis"))]
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod support;

use serde_json::json;
use support::services::{self, worker};
use support::{LIGHTHOUSE, QUESTION, Server};

#[test]
fn hosts_share_documents_results_and_features_in_a_bucket() {
    let (Some(redis), Some(s3)) = (services::redis(), services::s3()) else {
        eprintln!("skipped: redis-server or moto_server is not installed");
        return;
    };
    let env = [
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", s3.url.as_str()),
    ];
    let made = ureq::put(format!("{}/studio", s3.url))
        .send_empty()
        .unwrap();
    assert_eq!(made.status(), 200);
    let data = tempfile::tempdir().unwrap();
    let shared: Vec<String> = ["--queue", &redis.url, "--store", "s3://studio/glyph"]
        .map(str::to_owned)
        .to_vec();
    let mut args: Vec<&str> = shared.iter().map(String::as_str).collect();
    args.extend(["--workers", "0"]);
    let server = Server::start_with(&data.path().join("server"), &args, &env);
    assert_eq!(server.get("/readyz").status, 200);
    let text = LIGHTHOUSE.repeat(4);
    let id = server.upload("lighthouse.txt", text.as_bytes());
    let job = json!({"document_id": id, "mode": "ask", "question": QUESTION});
    let job = server.post("/api/v1/jobs", &job).json();
    let mut first = worker(data.path(), 0, &shared, &env);
    let done = server.wait(job["id"].as_str().unwrap());
    assert_eq!(done["state"], "done", "{done}");
    let answer = done["result"]["answer"]["text"].as_str().unwrap();
    assert!(answer.contains("Isobel Tarrant"), "{answer}");
    first.kill();

    let objects = || {
        let url = format!("{}/studio?list-type=2&prefix=glyph/", s3.url);
        let list = ureq::get(url).call().unwrap().body_mut().read_to_string();
        let list = list.unwrap();
        let keys = list.split("<Key>").skip(1);
        keys.map(|rest| rest.split('<').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let count = |kind: &str| {
        let prefix = format!("glyph/{kind}/");
        objects()
            .iter()
            .filter(|key| key.starts_with(&prefix))
            .count()
    };
    assert_eq!(
        (count("documents"), count("jobs")),
        (2, 1),
        "{:?}",
        objects()
    );
    let features = count("features");
    assert!(features > 0, "{:?}", objects());

    // A host that never saw the document finds its pages encoded, and encodes none again.
    let job = json!({"document_id": id, "mode": "ask", "question": QUESTION});
    let job = server.post("/api/v1/jobs", &job).json();
    let _second = worker(data.path(), 1, &shared, &env);
    let again = server.wait(job["id"].as_str().unwrap());
    assert_eq!(again["result"]["answer"], done["result"]["answer"]);
    assert_eq!(count("features"), features);
    let copied = std::fs::read_dir(data.path().join("worker-1/features")).unwrap();
    assert!(copied.count() > 0);
    assert_eq!(
        server.delete(&format!("/api/v1/documents/{id}")).status,
        204
    );
    assert_eq!(count("documents"), 0);
}
