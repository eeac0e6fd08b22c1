use burn::nn::{Linear, LinearConfig};
use burn::optim::AdamWConfig;
use burn::tensor::{Device, Tensor};

use super::*;

fn linear(value: f32) -> Linear {
    let mut linear = LinearConfig::new(2, 2).init(&Device::default());
    linear.weight = linear.weight.map(|w| w.zeros_like().add_scalar(value));
    linear
}

fn value(linear: &Linear) -> f32 {
    linear.weight.val().max().into_scalar()
}

fn saved(dir: &Path, weights: f32) -> Result<(), AlignError> {
    save(dir, &AdamWConfig::new().init(), &weights, |folder| {
        write_module(&linear(weights), &folder.join(MODEL))
    })
}

/// Weights and progress of what a run would go on from.
fn found(dir: &Path) -> Option<(f32, f32)> {
    let optimizer = AdamWConfig::new().init();
    let modules = |folder: &Path| read_module(&linear(0.0), &folder.join(MODEL));
    let loaded = load(dir, &optimizer, |_, _| Ok(()), modules);
    let loaded: Option<Loaded<Linear, f32>> = loaded.expect("it can be read");
    loaded.map(|loaded| (value(&loaded.modules), loaded.progress))
}

#[test]
fn a_run_that_is_killed_while_it_saves_goes_on_from_the_checkpoint_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    assert_eq!(found(dir), None);
    for weights in [1.0, 2.0, 3.0] {
        saved(dir, weights).expect("a checkpoint");
        assert_eq!(found(dir), Some((weights, weights)));
        // Killed after the weights were written, or before the name was exchanged.
        let killed = save(dir, &AdamWConfig::new().init(), &9.0, |folder| {
            write_module(&linear(9.0), &folder.join(MODEL))?;
            Err(unwritten(folder, &"killed"))
        });
        assert!(killed.is_err());
        fs::write(dir.join("checkpoint.new"), "checkpoint-x").expect("a file");
        assert_eq!(found(dir), Some((weights, weights)));
    }
    // Of the checkpoints before nothing stays.
    saved(dir, 4.0).expect("a checkpoint");
    let mut names: Vec<String> = fs::read_dir(dir)
        .expect("the folder")
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert!(
        names == ["checkpoint", "checkpoint-a"] || names == ["checkpoint", "checkpoint-b"],
        "{names:?}"
    );
}

#[test]
fn checkpoints_of_earlier_versions_are_gone_on_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path();
    write_module(&linear(5.0), &dir.join(MODEL)).expect("a file");
    let optimizer = AdamWConfig::new().init();
    optimizer.save(dir.join(OPTIMIZER)).expect("a file");
    fs::write(dir.join(PROGRESS), "5.0").expect("a file");
    fs::write(dir.join("loss.png"), "").expect("a file");
    assert_eq!(found(dir), Some((5.0, 5.0)));
    saved(dir, 6.0).expect("a checkpoint");
    assert_eq!(found(dir), Some((6.0, 6.0)));
    assert!(!dir.join(MODEL).exists() && dir.join("loss.png").exists());
}

#[test]
fn a_name_that_is_none_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(CURRENT), "../elsewhere").expect("a file");
    let e = saved(folder.path(), 1.0).expect_err("no checkpoint");
    assert!(matches!(e, AlignError::Checkpoint { .. }), "{e}");
    let kept = fs::read_to_string(folder.path().join(CURRENT));
    assert_eq!(kept.expect("a file"), "../elsewhere");
}

#[derive(Serialize, serde::Deserialize)]
struct Settings {
    rate: f64,
    #[serde(default)]
    inner: Option<Inner>,
}

#[derive(Serialize, serde::Deserialize)]
struct Inner {
    weight: f64,
    learned: bool,
}

#[test]
fn settings_that_differ_are_named() {
    let path = Path::new("progress.json");
    let settings = |rate, weight, learned| Settings {
        rate,
        inner: Some(Inner { weight, learned }),
    };
    let through_file = |s: &Settings| -> Settings {
        let text = serde_json::to_string(s).expect("JSON");
        serde_json::from_str(&text).expect("what was written")
    };
    // A number that JSON does not give back to the last bit is the same number.
    for rate in [0.1 + 0.2, 1.0 / 3.0, 1.2e-3, 2.0e-323] {
        let own = settings(rate, 1.0 / 7.0, true);
        same_settings(path, &through_file(&own), &own, &[]).expect("the same");
    }
    let (saved, own) = (settings(0.1, 1.0, true), settings(0.2, 2.0, false));
    let e = same_settings(path, &saved, &own, &["rate", "inner.weight"]);
    let e = e.expect_err("learned differs").to_string();
    assert!(
        e.contains("inner.learned was true when it was saved, and is false now"),
        "{e}"
    );
    let none = Settings {
        rate: 0.1,
        inner: None,
    };
    let e = same_settings(path, &saved, &none, &["inner.weight"]);
    assert!(e.expect_err("no inner").to_string().contains("inner was {"));
}

#[test]
fn modules_of_other_shapes_do_not_load() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(MODEL);
    write_module(&linear(1.0), &path).expect("a file");
    let other = LinearConfig::new(3, 2).init(&Device::default());
    let e = read_module(&other, &path);
    assert!(matches!(e, Err(AlignError::Checkpoint { .. })));
    let x = Tensor::<2>::ones([1, 2], &Device::default());
    let same = read_module(&linear(0.0), &path).expect("it fits");
    assert_eq!(same.forward(x).dims(), [1, 2]);
}
