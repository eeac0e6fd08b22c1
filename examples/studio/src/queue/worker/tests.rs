//! Attempts at jobs, taken without tickets so that the test says when.

use std::path::Path;

use glyph_pipeline::render::Document;
use serde_json::json;

use super::*;
use crate::document::{Shelf, content};
use crate::settings::Options;
use crate::store::Store;
use crate::task::{Mode, Task};

const TEXT: &str = include_str!("../../../../../docs/samples/lighthouse.txt");

fn task() -> Task {
    let task = json!({"document_id": "0".repeat(64), "mode": Mode::Summarize});
    serde_json::from_value(task).unwrap()
}

/// A worker, and the store with a document of many pages.
async fn worker(data: &Path, stop: watch::Receiver<bool>) -> (Arc<Worker>, Store) {
    let options = Options {
        data: Some(data.to_owned()),
        device: Some("cpu".to_owned()),
        cache_mb: Some(0),
        workers: Some(2),
        ..Options::default()
    };
    let settings = options.settings().unwrap();
    let store = Store::open(&settings.store).unwrap();
    let metrics = Metrics::default();
    let engine = Engine::new(&settings, store.clone(), metrics.clone()).unwrap();
    let queue = Queue::open(&settings.queue, settings.heartbeat, store.clone()).await;
    let document = content::encode(&Document::from_text(&TEXT.repeat(100))).unwrap();
    let name = Shelf::Documents.content(&task().document_id);
    store.put(&name, document).await.unwrap();
    let worker = Worker::new(&settings, queue.unwrap(), Arc::new(engine), metrics, stop);
    (worker, store)
}

async fn until(mut is: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(std::time::Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_cancelled_and_queued_again_belongs_to_its_last_attempt() {
    let data = tempfile::tempdir().unwrap();
    let stop = watch::Sender::new(false);
    let (worker, store) = worker(data.path(), stop.subscribe()).await;
    let queue = &worker.queue;
    let job = queue.submit(task(), "long.txt".to_owned(), Priority::Normal);
    let id = job.await.unwrap().id;
    let alive = || {
        let running = worker.running();
        let alive = running.values().filter(|a| !a.cancel.is_cancelled());
        (alive.count(), running.len())
    };
    let first = async {
        worker.job(&id, Priority::Normal).await.unwrap();
        // It ended as cancelled, which is not how the job ends: that runs again.
        let now = queue.get(&id).await.unwrap().unwrap();
        assert_eq!((now.state, now.attempts), (JobState::Running, 1));
        assert!(worker.events(&id).is_some());
        assert_eq!(alive(), (1, 1));
    };
    let second = async {
        until(|| alive() == (1, 1)).await;
        // Faster than the first can notice.
        let cancelled = queue.cancel(&id).await.unwrap();
        assert!(matches!(cancelled, Changed::Done(_)));
        assert!(matches!(queue.retry(&id).await.unwrap(), Changed::Done(_)));
        let attempt = worker.job(&id, Priority::Normal);
        let look = async {
            until(|| alive().1 == 2).await;
            assert_eq!(alive(), (1, 2), "the first was told to stop");
        };
        tokio::join!(attempt, look).0.unwrap();
    };
    tokio::join!(first, second);
    let done = queue.get(&id).await.unwrap().unwrap();
    assert_eq!((done.state, done.attempts), (JobState::Done, 1));
    let result = queue.result(&done).await.unwrap().unwrap();
    assert_eq!(result.summary.unwrap().len(), 5);
    assert_eq!(alive(), (0, 0));
    queue.delete(&id).await.unwrap();
    assert!(store.folders("jobs").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_result_that_comes_too_late_is_not_kept() {
    let data = tempfile::tempdir().unwrap();
    let stop = watch::Sender::new(false);
    let (worker, store) = worker(data.path(), stop.subscribe()).await;
    let queue = &worker.queue;
    let outcome = json!({
        "tokens": {"text": 1, "tokenizer": "t", "vision_global": 1, "vision_local": 1, "ratio": 1.0,
            "writer_prompt": 0, "writer_output": 0},
        "seconds": {"wait": 0.0, "open": 0.0, "render": 0.0, "scan": 0.0, "select": 0.0,
            "crops": 0.0, "answer": 0.0, "total": 0.0},
        "crops": [],
        "scan": {"pages": 1, "row_count": 1, "page_width": 1, "page_height": 1, "rows": [],
            "reused": false},
    });
    let outcome: Outcome = serde_json::from_value(outcome).unwrap();
    let submit = || queue.submit(task(), "a.txt".to_owned(), Priority::Normal);
    // The one job is deleted while it runs, the other belongs to another attempt by now.
    let mut deleted = submit().await.unwrap();
    deleted.claim = Some("A".to_owned());
    queue.cancel(&deleted.id).await.unwrap();
    queue.delete(&deleted.id).await.unwrap();
    let other = submit().await.unwrap();
    let claimed = queue.records.update(&other.id, |record| {
        record.state = JobState::Running;
        record.claim = Some("B".to_owned());
        true
    });
    claimed.await.unwrap();
    for record in [&deleted, &other] {
        let ended = Ok(outcome.clone());
        worker.settle(record, "A", ended).await.unwrap();
    }
    assert!(store.folders("jobs").await.unwrap().is_empty());
    let running = queue.get(&other.id).await.unwrap().unwrap();
    assert_eq!(running.state, JobState::Running);
    // Its own attempt's is kept, and found.
    worker.settle(&other, "B", Ok(outcome)).await.unwrap();
    let done = queue.get(&other.id).await.unwrap().unwrap();
    assert_eq!(done.state, JobState::Done);
    assert!(queue.result(&done).await.unwrap().is_some());
}
