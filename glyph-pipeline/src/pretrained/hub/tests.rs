mod server;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::thread;
use std::time::Duration;

use self::server::{DEV, Gate, HubServer, MAIN, REPOSITORY, in_lfs, sha256};
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
        PretrainedError::Incomplete { files, .. } => assert_eq!(files, [SECOND]),
        error => panic!("{error}"),
    }
    fs::write(Path::new(&place).join(SECOND), b"weights").expect("writable");
    let folder = offline.locate(REPOSITORY).expect("all is there");
    assert_eq!(folder, Path::new(&place));
}

#[test]
fn a_broken_connection_goes_on_where_it_ended() {
    let server = HubServer::start();
    server.state().breaks = Some((FIRST.to_owned(), 70_000, 2));
    let dir = cache();
    let folder = hub(&server, dir.path())
        .fetch(REPOSITORY)
        .expect("it goes on");
    assert_whole(&server, &folder, MAIN);
    let from: Vec<_> = downloads(&server).into_iter().filter_map(|d| d.1).collect();
    assert_eq!(from, [70_000, 140_000]);
}

#[test]
fn the_next_fetch_goes_on_where_one_gave_up() {
    let server = HubServer::start();
    server.state().breaks = Some((FIRST.to_owned(), 70_000, 1));
    let dir = cache();
    let error = hub(&server, dir.path()).retries(0).fetch(REPOSITORY);
    let error = error.expect_err("it breaks off");
    let place = dir.path().join("models--org--model/snapshots").join(MAIN);
    let place = place.display().to_string();
    assert_says(&error, &["70000", FIRST, SECOND, &place, &server.address]);
    match &error {
        PretrainedError::Incomplete { files, .. } => assert_eq!(files[..], [FIRST, SECOND]),
        error => panic!("{error}"),
    }
    // What came is not a checkpoint, and says so without a connection.
    let missing = hub(&server, dir.path()).locate(REPOSITORY);
    assert_says(&missing.expect_err("shards are missing"), &[FIRST, &place]);
    server.requests();
    let folder = hub(&server, dir.path())
        .fetch(REPOSITORY)
        .expect("it goes on");
    assert_whole(&server, &folder, MAIN);
    let downloads = downloads(&server);
    assert_eq!(downloads.len(), 2, "{downloads:?}");
    assert_eq!(downloads[0].1, Some(70_000));
}

#[test]
fn a_server_without_ranges_sends_the_file_again() {
    let server = HubServer::start();
    server.state().ranges = false;
    server.state().breaks = Some((FIRST.to_owned(), 70_000, 2));
    let dir = cache();
    let folder = hub(&server, dir.path())
        .fetch(REPOSITORY)
        .expect("it comes");
    assert_whole(&server, &folder, MAIN);
    // One that never gets further is given up.
    server.state().breaks = Some((FIRST.to_owned(), 70_000, usize::MAX));
    let error = hub(&server, cache().path()).fetch(REPOSITORY);
    assert_says(&error.expect_err("it never comes"), &["70000", FIRST]);
}

#[test]
fn another_content_is_refused_and_removed() {
    let server = HubServer::start();
    server.state().spoils = Some(SECOND.to_owned());
    let dir = cache();
    let error = hub(&server, dir.path())
        .fetch(REPOSITORY)
        .expect_err("spoilt");
    let expected = sha256(&server.content(MAIN, SECOND));
    assert_says(&error, &[&expected, "expected", SECOND]);
    let blobs = names(&dir.path().join("models--org--model/blobs"));
    assert!(blobs.iter().all(|b| !b.starts_with(&expected)), "{blobs:?}");
    assert!(hub(&server, dir.path()).locate(REPOSITORY).is_err());
    server.state().spoils = None;
    let folder = hub(&server, dir.path())
        .fetch(REPOSITORY)
        .expect("right now");
    assert_whole(&server, &folder, MAIN);
}

#[test]
fn a_part_that_was_spoilt_is_fetched_anew() {
    let server = HubServer::start();
    let dir = cache();
    let blobs = dir.path().join("models--org--model/blobs");
    fs::create_dir_all(&blobs).expect("writable");
    let digest = sha256(&server.content(MAIN, FIRST));
    let part = blobs.join(format!("{digest}.incomplete"));
    fs::write(part, [7; 1000]).expect("writable");
    let folder = hub(&server, dir.path()).fetch(REPOSITORY).expect("anew");
    assert_whole(&server, &folder, MAIN);
    let first = downloads(&server)
        .into_iter()
        .filter(|d| d.0.ends_with(&digest));
    let from: Vec<_> = first.map(|d| d.1).collect();
    assert_eq!(from, [Some(1000), None]);
}

#[test]
fn what_the_hub_does_not_have_is_named() {
    let server = HubServer::start();
    let dir = cache();
    let error = hub(&server, dir.path()).fetch("org/other").expect_err("no");
    assert_says(&error, &["repository org/other", "404", &server.address]);
    let error = hub(&server, dir.path())
        .fetch("org/model@v9")
        .expect_err("no");
    assert_says(&error, &["revision v9 of org/model"]);
    assert!(matches!(error, PretrainedError::NotFound { .. }));
    let error = hub(&server, dir.path()).fetch("gpt2").expect_err("no id");
    assert_says(&error, &["org/name@revision"]);

    server.state().files.retain(|f| !f.1.starts_with("model"));
    let error = hub(&server, dir.path())
        .fetch(REPOSITORY)
        .expect_err("no weights");
    assert_says(&error, &["no model.safetensors", "pytorch_model.bin"]);
    server.state().files.retain(|f| f.1 != "config.json");
    let error = hub(&server, dir.path())
        .fetch(REPOSITORY)
        .expect_err("no config");
    assert_says(&error, &["no config.json"]);
    assert_eq!(names(dir.path()), ["models--org--model"]);
}

#[test]
fn a_gated_repository_wants_its_licence_accepted() {
    let server = HubServer::start();
    let dir = cache();
    let page = format!("{}/{REPOSITORY}", server.address);
    for gate in [Gate::Files("hf_right"), Gate::All("hf_right")] {
        server.state().gate = Some(gate);
        let error = hub(&server, dir.path())
            .fetch(REPOSITORY)
            .expect_err("gated");
        assert_says(&error, &["accept its licence", "HF_TOKEN", "401", &page]);
    }
    server.requests();
    let folder = hub(&server, dir.path()).token("hf_right").fetch(REPOSITORY);
    assert_whole(&server, &folder.expect("admitted"), MAIN);
    // The store is another host, which the token is not for.
    for request in server.requests() {
        let expected = (!request.path.starts_with("/store/")).then_some("hf_right");
        assert_eq!(request.token.as_deref(), expected, "{request:?}");
    }
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
fn an_update_that_breaks_off_leaves_what_was_there() {
    let server = HubServer::start();
    let dir = cache();
    let old = hub(&server, dir.path())
        .fetch(REPOSITORY)
        .expect("it has it");
    server.state().refs[0].1 = DEV;
    server.state().breaks = Some((SECOND.to_owned(), 10, usize::MAX));
    let mut broken = hub(&server, dir.path()).retries(0);
    broken.fetch(REPOSITORY).expect_err("it breaks off");
    assert_eq!(broken.locate(REPOSITORY).expect("the old one"), old);
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

#[test]
fn names_from_the_hub_do_not_leave_the_folder() {
    let server = HubServer::start();
    let evil = r#"{"weight_map": {"a": "../../../../evil.safetensors"}}"#;
    for file in &mut server.state().files {
        if file.1 == INDEX {
            file.2 = evil.into();
        }
    }
    let dir = cache();
    let error = hub(&server, dir.path())
        .fetch(REPOSITORY)
        .expect_err("evil");
    assert_says(
        &error,
        &["../../../../evil.safetensors", "expected an index"],
    );
    // An index that names what the repository does not have.
    let absent = r#"{"weight_map": {"a": "model-00009-of-00009.safetensors"}}"#;
    for file in &mut server.state().files {
        if file.1 == INDEX {
            file.2 = absent.into();
        }
    }
    let error = hub(&server, cache().path())
        .fetch(REPOSITORY)
        .expect_err("absent");
    assert_says(&error, &["no model-00009-of-00009.safetensors"]);
}
