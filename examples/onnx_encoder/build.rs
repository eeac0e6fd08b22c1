//! Turns the ONNX graphs into Rust modules, weights included.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use burn_import::onnx::{LoadStrategy, ModelGen};

const WEIGHTS: &str = "../../glyph-encode/assets/encoder.safetensors";
const GRAPHS: [&str; 2] = ["onnx/local.onnx", "onnx/global.onnx"];

fn main() -> Result<(), Box<dyn Error>> {
    let out = env::var("OUT_DIR")?;
    // A graph's weights have to lie in its own folder: the importer, like ONNX Runtime, follows no
    // path that leads out of it.
    let staged = Path::new(&out).join("onnx");
    fs::create_dir_all(&staged)?;
    let mut hasher = blake3::Hasher::new();
    for file in GRAPHS.iter().chain([&WEIGHTS]) {
        println!("cargo::rerun-if-changed={file}");
        let bytes = fs::read(file).map_err(|e| format!("{file}: {e}"))?;
        hasher.update(&bytes);
        let name = Path::new(file).file_name().expect("a file has a name");
        fs::write(staged.join(name), bytes)?;
    }
    println!("cargo::rerun-if-changed=build.rs");
    let hash = hasher.finalize().to_hex();
    println!("cargo::rustc-env=ONNX_ENCODER_HASH={}", &hash[..16]);

    for graph in GRAPHS {
        ModelGen::new()
            .input(&format!("{out}/{graph}"))
            .out_dir("model/")
            // The default leaves the weights in a file, whose path on this machine the program
            // would contain.
            .load_strategy(LoadStrategy::Embedded)
            .run_from_script();
    }
    Ok(())
}
