//! `glyph-studio batch` on a folder, stopped and gone on with.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;

use serde_json::Value;
use support::{LIGHTHOUSE, QUESTION, program};

fn batch(data: &Path, folder: &Path, out: &Path, args: &[&str]) -> (bool, String) {
    let run = program(data)
        .arg("batch")
        .arg(folder)
        .arg("--out")
        .arg(out)
        .args(args)
        .output()
        .unwrap();
    (
        run.status.success(),
        String::from_utf8_lossy(&run.stderr).into_owned(),
    )
}

fn lines(out: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(out).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_folder_is_worked_off_once() {
    let home = tempfile::tempdir().unwrap();
    let (data, folder) = (home.path().join("data"), home.path().join("documents"));
    std::fs::create_dir_all(folder.join("more")).unwrap();
    std::fs::write(folder.join("a.txt"), LIGHTHOUSE).unwrap();
    std::fs::write(folder.join("more/b.md"), format!("# Copy\n\n{LIGHTHOUSE}")).unwrap();
    std::fs::write(folder.join("broken.pdf"), "no PDF").unwrap();
    std::fs::write(folder.join(".hidden"), "x").unwrap();
    let out = folder.join("results.jsonl");
    let question = ["--question", QUESTION];

    let (ok, said) = batch(&data, &folder, &out, &[]);
    assert!(!ok && said.contains("--question"), "{said}");
    let (ok, said) = batch(&data, &folder, &out, &question);
    assert!(
        ok && said.contains("2 done, 1 failed, 0 were there"),
        "{said}"
    );
    let first = lines(&out);
    assert_eq!(first.len(), 3);
    for line in &first {
        if line["path"] == "broken.pdf" {
            assert_eq!(line["error"]["code"], "document", "{line}");
        } else {
            let text = line["result"]["answer"]["text"].as_str().unwrap();
            assert!(text.contains("Isobel Tarrant"), "{line}");
        }
    }

    // A file of something else, and a task that cannot be run, leave what is there.
    let notes = home.path().join("notes.txt");
    std::fs::write(&notes, "one line without an end").unwrap();
    let (ok, said) = batch(&data, &folder, &notes, &question);
    assert!(!ok && said.contains("notes.txt, line 1"), "{said}");
    let kept = std::fs::read_to_string(&notes).unwrap();
    assert_eq!(kept, "one line without an end");
    let whole = std::fs::read_to_string(&out).unwrap();
    let cut = &whole[..whole.len() - 20];
    std::fs::write(&out, cut).unwrap();
    let (ok, said) = batch(
        &data,
        &folder,
        &out,
        &["--question", QUESTION, "--with", "none"],
    );
    assert!(!ok && said.contains("writer"), "{said}");
    assert_eq!(std::fs::read_to_string(&out).unwrap(), cut);
    std::fs::write(&out, &whole).unwrap();

    // Stopped in the middle of a line, with a document more.
    let text = std::fs::read_to_string(&out).unwrap();
    std::fs::write(&out, &text[..text.len() - 20]).unwrap();
    std::fs::write(folder.join("c.txt"), format!("One more.\n\n{LIGHTHOUSE}")).unwrap();
    let (ok, said) = batch(&data, &folder, &out, &question);
    assert!(ok && said.contains("2 were there"), "{said}");
    let paths: Vec<String> = lines(&out)
        .iter()
        .map(|line| line["path"].to_string())
        .collect();
    assert_eq!(paths.len(), 4, "{paths:?}");
    let (_, said) = batch(&data, &folder, &out, &question);
    assert!(said.contains("0 done, 0 failed, 4 were there"), "{said}");
    let (_, said) = batch(
        &data,
        &folder,
        &out,
        &["--question", QUESTION, "--retry-failed"],
    );
    assert!(said.contains("0 done, 1 failed, 3 were there"), "{said}");
    // Another task has lines of its own.
    let (_, said) = batch(&data, &folder, &out, &["--summarize", "2"]);
    assert!(said.contains("3 done, 1 failed, 0 were there"), "{said}");
}
