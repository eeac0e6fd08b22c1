//! Models by name and by id, as far as that goes without a connection.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{Run, run_in};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Runs `models`, or another example, with a cache and no connection.
fn offline(program: &str, args: &[&str], cache: &Path) -> Run {
    let cache = cache.to_str().unwrap();
    let variables = [("HF_HUB_CACHE", cache), ("HF_HUB_OFFLINE", "1")];
    run_in(program, args, &variables)
}

/// A checkpoint as Python's tools leave it.
fn checkpoint(cache: &Path) -> PathBuf {
    let repository = cache.join("models--org--model");
    let folder = repository.join("snapshots").join(COMMIT);
    fs::create_dir_all(&folder).unwrap();
    fs::create_dir_all(repository.join("refs")).unwrap();
    fs::write(repository.join("refs/main"), COMMIT).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::write(folder.join(name), "{}").unwrap();
    }
    folder
}

#[test]
fn a_checkpoint_in_the_cache_is_found_and_listed() {
    let cache = tempfile::tempdir().unwrap();
    let folder = checkpoint(cache.path());
    for args in [["path", "org/model"], ["fetch", "org/model@main"]] {
        let run = offline("models", &args, cache.path());
        assert_eq!(run.code, Some(0), "{run:?}");
        assert_eq!(run.stdout.trim_end(), folder.to_str().unwrap());
    }
    let run = offline("models", &["list"], cache.path());
    assert!(run.stdout.contains("org/model@main  0 MB  here"), "{run:?}");
    assert!(run.stdout.contains("smollm2-135m"), "{run:?}");

    fs::remove_file(folder.join("model.safetensors")).unwrap();
    let run = offline("models", &["list"], cache.path());
    assert!(run.stdout.contains("lacks model.safetensors"), "{run:?}");
}

#[test]
fn a_checkpoint_that_is_not_there_is_one_clear_line() {
    let cache = tempfile::tempdir().unwrap();
    let place = cache.path().join("models--org--model/snapshots/main");
    for (program, args) in [
        ("models", &["fetch", "org/model"][..]),
        ("models", &["path", "org/model"]),
        ("generate", &["--model", "org/model", "--prompt", "hello"]),
    ] {
        let run = offline(program, args, cache.path());
        assert_eq!(run.code, Some(1), "{run:?}");
        assert_eq!(run.stdout, "", "{run:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
        for part in [
            "config.json",
            place.to_str().unwrap(),
            "/org/model/resolve/main/config.json",
        ] {
            assert!(run.stderr.contains(part), "{part}: {run:?}");
        }
    }
    let run = offline("models", &["fetch", "org/model@../x"], cache.path());
    assert!(run.stderr.contains("org/name@revision"), "{run:?}");
    let run = offline("models", &["fetch", "no-such-model"], cache.path());
    assert!(run.stderr.contains("no model"), "{run:?}");
}
