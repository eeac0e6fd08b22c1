//! Bad input to the examples, as a user types it: one clear line, the right exit status, and no
//! output that is half done.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use support::{Run, corpus, run, zip_bomb};

/// The programs, and what comes after the path.
const PROGRAMS: [(&str, &[&str]); 5] = [
    ("ask", &["Who built the lighthouse?", "--no-cache"]),
    ("read", &["--no-cache"]),
    ("extract", &["--no-cache"]),
    ("summarize", &["--no-cache"]),
    ("render", &["--out", "OUT"]),
];

fn command(program: &str, path: &Path, rest: &[&str], out: &Path) -> Run {
    let mut args = vec![path.to_str().unwrap()];
    args.extend(rest.iter().map(|arg| match *arg {
        "OUT" => out.to_str().unwrap(),
        other => other,
    }));
    run(program, &args)
}

/// Every program fails with exit status 1 and one line that names the file and says `says`.
fn refused(path: &Path, says: &[&str]) {
    for (program, rest) in PROGRAMS {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("pages");
        let run = command(program, path, rest, &out);
        let name = path.file_name().unwrap().to_str().unwrap();
        let context = format!("{program} {name}: {run:?}");
        assert_eq!(run.code, Some(1), "{context}");
        assert_eq!(run.stdout, "", "{context}");
        let lines: Vec<&str> = run.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "{context}");
        assert!(lines[0].starts_with("error: "), "{context}");
        assert!(lines[0].contains(name), "{context}");
        assert!(says.iter().any(|word| lines[0].contains(word)), "{context}");
        assert!(lines[0].chars().count() < 400, "{context}");
        assert!(!out.exists(), "{context}");
    }
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

#[test]
fn documents_that_cannot_be_opened_are_refused() {
    let folder = Folder::new();
    refused(&folder.file("empty.txt", ""), &["empty"]);
    refused(&folder.file("blank.txt", " \n\t\n"), &["white space"]);
    refused(&folder.0.path().join("missing.txt"), &["no such file"]);
    refused(&folder.file("latin1.txt", b"caf\xe9 au lait"), &["UTF-8"]);
    refused(&folder.file("binary.txt", b"a\0b\0\x01"), &["binary"]);
    refused(
        &folder.file("no_zip.docx", "this is no zip archive"),
        &["zip"],
    );
    refused(
        &folder.file("cut.docx", &corpus("docx/deflated.docx")[..300]),
        &["zip"],
    );
    refused(&folder.file("bomb.docx", zip_bomb()), &["zip bomb"]);
    refused(
        &folder.file("encrypted.pdf", corpus("pdf/encrypted.pdf")),
        &["encrypted"],
    );
    let mut damaged = corpus("pdf/text_and_image.pdf");
    damaged.truncate(200);
    refused(&folder.file("damaged.pdf", damaged), &["damaged", "PDF"]);
    refused(
        &folder.file("no_page.png", "GIF89a, or something else"),
        &["PNG"],
    );
    refused(
        &folder.file("cut.png", &corpus("image/RGBA.png")[..40]),
        &["PNG"],
    );
    let pages = folder.0.path().join("no_pages");
    std::fs::create_dir(&pages).unwrap();
    refused(&pages, &["no PNG or JPEG"]);
}

#[cfg(unix)]
#[test]
fn a_file_without_permission_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let path = folder.file("secret.txt", "text");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).unwrap();
    // The superuser may read everything.
    if File::open(&path).is_err() {
        refused(&path, &["permission"]);
    }
}

#[test]
fn too_much_text_is_refused_before_it_is_read() {
    let folder = Folder::new();
    let path = folder.0.path().join("long.txt");
    let mut file = File::create(&path).unwrap();
    for _ in 0..100 {
        file.write_all("a word ".repeat(150_000).as_bytes())
            .unwrap();
    }
    // `render` takes a text of 100 MB, as it never holds more than a few pages of it.
    for (program, rest) in &PROGRAMS[..4] {
        let run = command(program, &path, rest, folder.0.path());
        assert_eq!(run.code, Some(1), "{program}: {run:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{program}: {run:?}");
        assert!(run.stderr.contains("max_text_bytes"), "{program}: {run:?}");
    }
    let huge = folder.0.path().join("huge.txt");
    File::create(&huge).unwrap().set_len(600 << 20).unwrap();
    refused(&huge, &["over the limit"]);
}

#[test]
fn questions_and_arguments_are_checked() {
    let folder = Folder::new();
    let path = folder.file("a.txt", "Some text.");
    let path = path.to_str().unwrap();
    for question in ["", "   ", "?!", "。？"] {
        let run = run("ask", &[path, question, "--no-cache"]);
        assert_eq!(run.code, Some(1), "{run:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
        assert!(run.stderr.contains("no word"), "{run:?}");
        assert_eq!(run.stdout, "");
    }
    for (program, args) in [
        ("ask", &[path][..]),
        ("ask", &[path, "Who?", "--unknown"]),
        ("ask", &[path, "Who?", "--device", "toaster"]),
        ("read", &[]),
        ("render", &[path]),
        ("extract", &[path, "--field"]),
        ("summarize", &[path, "--sentences", "many"]),
    ] {
        let run = run(program, args);
        assert_eq!(run.code, Some(2), "{program} {args:?}: {run:?}");
        assert!(!run.stderr.contains("panicked"), "{run:?}");
    }
    let run = run("read", &[path, "--ratio", "0", "--no-cache"]);
    assert!(matches!(run.code, Some(1 | 2)), "{run:?}");
}

#[test]
fn render_leaves_complete_pages_or_none() {
    let folder = Folder::new();
    let path = folder.file("a.txt", "A line of text.\n".repeat(200));
    let config = folder.file("bad.json", r#"{"font-sise": 9}"#);
    let out = folder.0.path().join("out");
    let with_config = [
        path.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
        "--config",
        config.to_str().unwrap(),
    ];
    let bad = run("render", &with_config);
    assert_eq!(
        (bad.code, bad.stderr.lines().count()),
        (Some(1), 1),
        "{bad:?}"
    );
    assert!(bad.stderr.contains("font-sise"), "{bad:?}");
    assert!(!out.exists());
    // A folder in the place of a page cannot be overwritten.
    std::fs::create_dir_all(out.join("page_0002.png/x")).unwrap();
    let blocked = run("render", &with_config[..3]);
    assert_eq!(blocked.code, Some(1), "{blocked:?}");
    assert!(blocked.stderr.contains("page_0002.png"), "{blocked:?}");
    for entry in std::fs::read_dir(&out).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.extension().is_some_and(|e| e == "png"), "{path:?}");
        if path.is_file() {
            glyph_pipeline::render::Page::read_png(&path).unwrap();
        }
    }
    let blocked = folder.file("file", "");
    let run = run(
        "render",
        &[path.to_str().unwrap(), "--out", blocked.to_str().unwrap()],
    );
    assert_eq!(
        (run.code, run.stderr.lines().count()),
        (Some(1), 1),
        "{run:?}"
    );
}

#[test]
fn images_without_legible_text_are_not_answered_from() {
    let folder = Folder::new();
    let blank = image::GrayImage::from_pixel(300, 200, image::Luma([255]));
    let path = folder.0.path().join("blank.png");
    blank.save(&path).unwrap();
    let question = "Who built the lighthouse?";
    let run = run("ask", &[path.to_str().unwrap(), question, "--no-cache"]);
    assert_eq!(
        (run.code, run.stderr.lines().count()),
        (Some(1), 1),
        "{run:?}"
    );
    assert!(
        run.stderr.contains("no text") && run.stderr.contains("blank.png"),
        "{run:?}"
    );
    // Noise, as of a photograph.
    let mut state = 1u32;
    let noise = image::GrayImage::from_fn(400, 300, |_, _| {
        state = state.wrapping_mul(0x0019_660D).wrapping_add(0x3C6E_F35F);
        image::Luma([(state >> 24) as u8])
    });
    let path = folder.0.path().join("noise.png");
    noise.save(&path).unwrap();
    let run = support::run("ask", &[path.to_str().unwrap(), question, "--no-cache"]);
    match run.code {
        Some(0) => assert!(!run.stdout.contains("evidence"), "{run:?}"),
        Some(1) => assert_eq!(run.stderr.lines().count(), 1, "{run:?}"),
        _ => panic!("{run:?}"),
    }
}
