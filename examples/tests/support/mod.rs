//! Runs the examples, which cargo builds beside the tests.
#![allow(dead_code, reason = "each test uses its part")]

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a program did.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs an example.
pub(crate) fn run(name: &str, args: &[&str]) -> Run {
    run_in(name, args, &[])
}

/// Runs an example with environment variables.
pub(crate) fn run_in(name: &str, args: &[&str], variables: &[(&str, &str)]) -> Run {
    // …/target/PROFILE/deps/TEST -> …/target/PROFILE/examples/NAME
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile
        .join("examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let output = Command::new(&program)
        .args(args)
        .env("RUST_BACKTRACE", "0")
        .envs(variables.iter().copied())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A file of the fuzz targets' corpus.
pub(crate) fn corpus(name: &str) -> Vec<u8> {
    let crates = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read(crates.join("glyph-render/tests/fuzz/corpus").join(name)).unwrap()
}

/// A DOCX of a megabyte that unpacks to 300.
pub(crate) fn zip_bomb() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("word/document.xml", options).unwrap();
    zip.write_all(b"<w:document xmlns:w=\"w\"><w:body>")
        .unwrap();
    let blanks = vec![b' '; 1 << 20];
    for _ in 0..300 {
        zip.write_all(&blanks).unwrap();
    }
    zip.finish().unwrap().into_inner()
}
