//! The programs of alignment, at tiny sizes.
#![allow(clippy::unwrap_used)]

mod support;

use support::run;

#[test]
fn an_encoder_of_ones_own_learns_and_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let train = |steps: &str| {
        let args = [
            "--passages",
            "96",
            "--batch",
            "16",
            "--steps",
            steps,
            "--out",
            out,
        ];
        let run = run("align_own_encoder", &args);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        // "…: 6.2 % before, 87.5 % after 30 steps"
        let shares: Vec<f64> = run
            .stdout
            .split(" %")
            .filter_map(|part| part.rsplit(' ').next()?.parse().ok())
            .collect();
        (shares[0], shares[1])
    };
    let (before, first) = train("30");
    let (resumed, after) = train("60");
    assert!(
        before < first && resumed == first && after > 40.0,
        "{before} {first} {resumed} {after}"
    );
}

#[test]
fn a_teacher_that_is_not_there_is_named() {
    let args = [
        "--teacher",
        "no/such/folder",
        "--passages",
        "64",
        "--batch",
        "16",
    ];
    let run = run("align_own_encoder", &args);
    assert_ne!(run.code, Some(0));
    assert!(run.stderr.contains("no/such/folder"), "{}", run.stderr);
}
