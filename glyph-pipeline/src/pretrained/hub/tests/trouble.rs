//! Connections that break, contents that are wrong, hubs that refuse.

use std::fs;

use super::server::{DEV, Gate, HubServer, MAIN, REPOSITORY, sha256};
use super::{FIRST, INDEX, SECOND, assert_says, assert_whole, cache, downloads, hub, names};
use crate::pretrained::PretrainedError;

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
        PretrainedError::Incomplete(lacks) => assert_eq!(lacks.files[..], [FIRST, SECOND]),
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
