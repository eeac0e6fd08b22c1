mod server;
mod trouble;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::thread;
use std::time::Duration;

use self::server::{DEV, Gate, HubServer, MAIN, OLD_NAME, REPOSITORY, in_lfs, sha256};
use super::*;
use crate::pretrained::PretrainedError;

const INDEX: &str = "model.safetensors.index.json";
const FIRST: &str = "model-00001-of-00002.safetensors";
const SECOND: &str = "model-00002-of-00002.safetensors";
const CHECKPOINT: [&str; 6] = [
    "chat_template.jinja",
    "config.json",
    FIRST,
    SECOND,
    INDEX,
    "tokenizer.json",
];

/// Nothing listens there.
const NOWHERE: &str = "http://127.0.0.1:9";

fn hub<'a>(server: &HubServer, cache: &Path) -> Hub<'a> {
    hub_at(&server.address, cache)
}

fn hub_at<'a>(address: &str, cache: &Path) -> Hub<'a> {
    let hub = Hub::from_env().endpoint(address).cache_dir(cache);
    hub.token("hf_mine").offline(false).retries(2)
}

fn cache() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let names = entries.map(|e| e.expect("an entry").file_name());
    let mut names: Vec<_> = names.map(|n| n.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn assert_whole(server: &HubServer, folder: &Path, commit: &str) {
    assert_eq!(names(folder), CHECKPOINT);
    for name in CHECKPOINT {
        let found = fs::read(folder.join(name)).expect("it is there");
        assert!(found == server.content(commit, name), "{name}");
    }
}

fn assert_says(error: &PretrainedError, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
    assert!(!text.contains('\n') && !text.contains("hf_mine"), "{text}");
}

/// Path and range of each file that was sent; redirects to the store are none.
fn downloads(server: &HubServer) -> Vec<(String, Option<usize>)> {
    let requests = server.requests().into_iter();
    requests
        .filter(|r| r.method == "GET" && !r.path.starts_with("/api/"))
        .filter(|r| r.path.starts_with("/store/") || !in_lfs(&r.path))
        .map(|r| (r.path, r.from))
        .collect()
}

#[test]
fn a_checkpoint_of_two_shards_is_fetched_once() {
    let server = HubServer::start();
    let dir = cache();
    let mut told = Vec::new();
    let folder = hub(&server, dir.path())
        .on_progress(|p| {
            told.push((p.file.to_owned(), p.bytes, p.total));
            ControlFlow::Continue(())
        })
        .fetch(REPOSITORY)
        .expect("the hub has it");
    assert_whole(&server, &folder, MAIN);

    // The layout is the one that Python expects.
    let repository = dir.path().join("models--org--model");
    assert_eq!(folder, repository.join("snapshots").join(MAIN));
    let branch = fs::read_to_string(repository.join("refs/main")).expect("a ref");
    assert_eq!(branch, MAIN);
    let blob = repository
        .join("blobs")
        .join(sha256(&server.content(MAIN, FIRST)));
    assert_eq!(fs::metadata(&blob).expect("a blob").len(), 200_000);
    #[cfg(unix)]
    assert_eq!(
        fs::read_link(folder.join(FIRST)).expect("a link"),
        Path::new("../../blobs").join(blob.file_name().expect("a name"))
    );
    let blobs = names(&repository.join("blobs"));
    assert!(blobs.iter().all(|b| !b.contains('.')), "no part is left");

    let total: u64 = CHECKPOINT
        .map(|n| server.content(MAIN, n).len() as u64)
        .iter()
        .sum();
    assert!(told.iter().all(|t| t.2 == total && t.1 <= total));
    assert!(told.is_sorted_by_key(|t| t.1), "it never goes back");
    assert_eq!(told.last(), Some(&(SECOND.to_owned(), total, total)));
    let first: Vec<_> = told.iter().filter(|t| t.0 == FIRST).collect();
    assert!(first.len() > 2, "large files are reported in parts");

    // Weights come last, so that a folder that has them has all.
    let order = downloads(&server);
    assert_eq!(order.len(), CHECKPOINT.len());
    assert!(order[4].0.ends_with(&sha256(&server.content(MAIN, FIRST))));

    // The second time asks whether the branch has moved, and that is all.
    assert_eq!(
        hub(&server, dir.path()).fetch(REPOSITORY).expect("here"),
        folder
    );
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].path.ends_with("/revision/main?blobs=true"));
}

#[test]
fn what_was_fetched_is_found_without_a_connection() {
    let server = HubServer::start();
    let dir = cache();
    let folder = hub(&server, dir.path())
        .fetch(REPOSITORY)
        .expect("it has it");
    server.requests();
    let offline = hub_at(NOWHERE, dir.path());
    assert_eq!(offline.locate(REPOSITORY).expect("here"), folder);
    let pinned = format!("{REPOSITORY}@{MAIN}");
    assert_eq!(offline.locate(&pinned).expect("here"), folder);
    let mut offline = hub(&server, dir.path()).offline(true);
    assert_eq!(offline.fetch(REPOSITORY).expect("here"), folder);
    assert_eq!(
        HubCache::new(dir.path()).locate(&pinned).expect("here"),
        folder
    );
    assert!(server.requests().is_empty());

    // A hub that cannot be reached does not take away what is here.
    let mut gone = hub_at(NOWHERE, dir.path());
    assert_eq!(gone.fetch(REPOSITORY).expect("here"), folder);

    let listed = HubCache::new(dir.path()).checkpoints().expect("a cache");
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].repository, REPOSITORY);
    assert_eq!((&*listed[0].commit, &listed[0].folder), (MAIN, &folder));
    assert_eq!(listed[0].revisions, ["main"]);
    let bytes = CHECKPOINT.map(|n| server.content(MAIN, n).len() as u64);
    assert_eq!(listed[0].bytes, bytes.iter().sum::<u64>());
    assert!(listed[0].missing.is_empty());
}

#[test]
fn without_a_connection_the_error_says_what_to_put_where() {
    let server = HubServer::start();
    let dir = cache();
    let place = dir.path().join("models--org--model/snapshots/main");
    let place = place.display().to_string();
    let url = format!("{}/org/model/resolve/main/config.json", server.address);
    let common = ["config.json", "model.safetensors", "tokenizer.json", &place];
    let mut offline = hub(&server, dir.path()).offline(true);
    let error = offline.fetch(REPOSITORY).expect_err("it is not here");
    assert_says(&error, &common);
    assert_says(&error, &[&url, "forbidden", "org/model@main"]);
    assert_says(&offline.locate(REPOSITORY).expect_err("not here"), &common);
    assert!(server.requests().is_empty());
    let error = hub_at(NOWHERE, dir.path()).fetch(REPOSITORY);
    let error = error.expect_err("no connection");
    assert_says(&error, &common);
    assert_says(&error, &["127.0.0.1:9"]);

    // Done as told, it is there; a shard that an index names is missed.
    fs::create_dir_all(&place).expect("writable");
    for name in ["config.json", "tokenizer.json", INDEX, FIRST] {
        let path = Path::new(&place).join(name);
        fs::write(path, server.content(MAIN, name)).expect("writable");
    }
    match offline.locate(REPOSITORY).expect_err("a shard is missing") {
        PretrainedError::Incomplete(lacks) => assert_eq!(lacks.files, [SECOND]),
        error => panic!("{error}"),
    }
    fs::write(Path::new(&place).join(SECOND), b"weights").expect("writable");
    let folder = offline.locate(REPOSITORY).expect("all is there");
    assert_eq!(folder, Path::new(&place));
}

#[test]
fn revisions_lie_side_by_side() {
    let server = HubServer::start();
    let dir = cache();
    let main = hub(&server, dir.path())
        .fetch(REPOSITORY)
        .expect("it has it");
    let dev = hub(&server, dir.path())
        .fetch("org/model@dev")
        .expect("it has it");
    assert_whole(&server, &main, MAIN);
    assert_whole(&server, &dev, DEV);
    server.requests();
    let pinned = hub(&server, dir.path()).revision(DEV);
    assert_eq!(pinned.locate(REPOSITORY).expect("here"), dev);
    let refs = names(&dir.path().join("models--org--model/refs"));
    assert_eq!(refs, ["dev", "main"]);

    // The branch moves: the same id, another folder, and nothing comes twice.
    server.state().refs[0].1 = DEV;
    assert_eq!(
        hub(&server, dir.path()).locate(REPOSITORY).expect("here"),
        main
    );
    assert_eq!(
        hub(&server, dir.path()).fetch(REPOSITORY).expect("it has"),
        dev
    );
    assert_eq!(
        hub(&server, dir.path()).locate(REPOSITORY).expect("here"),
        dev
    );
    assert!(downloads(&server).is_empty());
    let listed = HubCache::new(dir.path()).checkpoints().expect("a cache");
    let revisions: BTreeMap<_, _> = listed
        .iter()
        .map(|c| (&*c.commit, c.revisions.len()))
        .collect();
    assert_eq!(revisions, BTreeMap::from([(MAIN, 0), (DEV, 2)]));
}

#[test]
fn cancelling_keeps_what_has_come() {
    let server = HubServer::start();
    let dir = cache();
    let error = hub(&server, dir.path())
        .on_progress(|p| match p.file == FIRST && p.bytes > 100_000 {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
        .fetch(REPOSITORY)
        .expect_err("it is cancelled");
    match &error {
        PretrainedError::Cancelled { url, bytes } => {
            assert!(
                url.ends_with(FIRST) && *bytes > 0 && *bytes < 200_000,
                "{error}"
            );
        }
        error => panic!("{error}"),
    }
    server.requests();
    hub(&server, dir.path())
        .fetch(REPOSITORY)
        .expect("it goes on");
    assert!(downloads(&server)[0].1.is_some_and(|from| from > 0));
}

#[test]
fn a_hub_whose_listings_say_little_is_asked_file_by_file() {
    let server = HubServer::start();
    server.state().describes = false;
    let dir = cache();
    let folder = hub(&server, dir.path())
        .fetch(REPOSITORY)
        .expect("it has it");
    assert_whole(&server, &folder, MAIN);
    // `X-Linked-Etag` of the redirect is the checksum, as its `ETag` is not.
    let blobs = names(&dir.path().join("models--org--model/blobs"));
    assert!(
        blobs.contains(&sha256(&server.content(MAIN, FIRST))),
        "{blobs:?}"
    );
    let requests = server.requests();
    let heads: Vec<_> = requests.iter().filter(|r| r.method == "HEAD").collect();
    assert_eq!(heads.len(), CHECKPOINT.len());
    assert!(heads.iter().all(|r| !r.path.starts_with("/store/")));
    // And it is held against what comes.
    server.state().spoils = Some(FIRST.to_owned());
    let error = hub(&server, cache().path()).fetch(REPOSITORY);
    assert_says(&error.expect_err("spoilt"), &["SHA-256", FIRST]);
}

#[test]
fn a_repository_that_was_renamed_is_found() {
    let server = HubServer::start();
    // The token is for the hub, wherever on it one is sent.
    server.state().gate = Some(Gate::All("hf_mine"));
    for describes in [true, false] {
        server.state().describes = describes;
        let dir = cache();
        let folder = hub(&server, dir.path())
            .fetch(OLD_NAME)
            .expect("it is there");
        assert_whole(&server, &folder, MAIN);
        assert!(folder.to_string_lossy().contains("models--org--old-model"));
    }
}

#[test]
fn two_at_once_fetch_each_file_once() {
    let server = HubServer::start();
    server.state().delay = Duration::from_millis(5);
    let dir = cache();
    thread::scope(|scope| {
        let fetches: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| hub(&server, dir.path()).fetch(REPOSITORY)))
            .collect();
        for fetch in fetches {
            let folder = fetch.join().expect("no panic").expect("it has it");
            assert_whole(&server, &folder, MAIN);
        }
    });
    let mut downloads = downloads(&server);
    assert_eq!(downloads.len(), CHECKPOINT.len(), "{downloads:?}");
    downloads.sort();
    downloads.dedup();
    assert_eq!(downloads.len(), CHECKPOINT.len());
}

#[test]
fn who_waits_for_another_can_cancel() {
    let server = HubServer::start();
    let dir = cache();
    let path = dir.path().join(".locks/models--org--model");
    fs::create_dir_all(&path).expect("writable");
    let digest = sha256(&server.content(MAIN, FIRST));
    let held = fs::File::create(path.join(format!("{digest}.lock"))).expect("writable");
    held.lock().expect("a lock");
    let mut asked = 0;
    let error = hub(&server, dir.path())
        .on_progress(|p| {
            asked += usize::from(p.file == FIRST);
            match asked > 2 {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })
        .fetch(REPOSITORY);
    assert!(matches!(error, Err(PretrainedError::Cancelled { .. })));
    assert_eq!(asked, 3);
}
