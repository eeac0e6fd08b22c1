//! What a device computes against what the CPU does.

use std::path::Path;

use burn::tensor::{DType, Device, Tensor};
use glyph_decode::{LanguageModel as _, LogitsFor, PixelValues, VisionLanguageModel};
use glyph_encode::preprocess::ImagePreprocessor;
use glyph_encode::towers::ClipModel;
use image::{Rgb, RgbImage};

use glyph_benches::tensors::pixels;

use crate::Result;

/// Types of weights with the largest relative error that they may come to.
const LIMITS: [(DType, f64); 3] = [(DType::F32, 1e-3), (DType::F16, 1e-2), (DType::BF16, 1e-2)];

/// Ids that are words in every small checkpoint.
const BEFORE: [u32; 5] = [1, 2, 3, 5, 8];
const AFTER: [u32; 4] = [13, 21, 34, 55];

/// Words of a longer prompt that are read together.
const LONG: [usize; 3] = [40, 300, 1];

/// Compares all checkpoints under a folder: those of `vlm/` and of `clip/`.
pub(crate) fn run(fixtures: &Path, device: &Device) -> Result<()> {
    let mut failed = 0;
    let mut compared = 0;
    for (kind, compute) in [
        ("vlm", vision_language as fn(&Path, DType, &Device) -> _),
        ("clip", clip),
    ] {
        let mut folders: Vec<_> = std::fs::read_dir(fixtures.join(kind))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::io::Result<_>>()?;
        folders.retain(|folder| folder.join("config.json").exists());
        folders.sort();
        for folder in folders {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            for (dtype, limit) in LIMITS {
                let cpu: Outputs = compute(&folder, dtype, &Device::flex())?;
                let found = compute(&folder, dtype, device)?;
                for ((what, expected), (_, found)) in cpu.into_iter().zip(found) {
                    let error = relative(&expected, &found);
                    let verdict = if error <= limit { "ok" } else { "FAILED" };
                    println!(
                        "{kind} {name} {what} {dtype:?}\t{error:.1e}\t{verdict} (at most {limit:.0e})"
                    );
                    compared += 1;
                    failed += usize::from(error > limit || error.is_nan());
                }
            }
        }
    }
    match (compared, failed) {
        (0, _) => Err(format!("no checkpoint under {}", fixtures.display()).into()),
        (_, 0) => Ok(()),
        (all, failed) => Err(format!("{failed} of {all} results differ").into()),
    }
}

type Outputs = Vec<(&'static str, Vec<f32>)>;

fn floats<const D: usize>(x: Tensor<D>) -> Result<Vec<f32>> {
    Ok(x.cast(DType::F32).into_data().try_into_vec::<f32>()?)
}

/// Embeddings of a picture, logits after text, the picture, and text, and those of a long text.
fn vision_language(folder: &Path, dtype: DType, device: &Device) -> Result<Outputs> {
    let config = std::fs::read_to_string(folder.join("preprocessor_config.json"))?;
    let preprocessor = ImagePreprocessor::from_json(&config)?;
    let picture = RgbImage::from_fn(120, 90, |x, y| {
        let level = |k: u32| ((x * k + y * 7) % 251) as u8;
        Rgb([level(3), level(5), level(11)])
    });
    let picture = PixelValues::new(&preprocessor, &picture)?;
    let model = VisionLanguageModel::open(folder, Some(dtype), device)?;
    let image = model.encode_images(&[picture])?.remove(0);
    let tokens = image.embeds.dims()[0];
    let mut cache = model.new_cache(BEFORE.len() + tokens + AFTER.len())?;
    let read = |ids: &[u32]| Ok::<_, Box<dyn std::error::Error>>(model.embed(ids)?);
    let parts = [
        model.forward(read(&BEFORE)?, &mut cache, LogitsFor::All)?,
        model.forward_image(&image, &mut cache, LogitsFor::All)?,
        model.forward(read(&AFTER)?, &mut cache, LogitsFor::All)?,
    ];
    // Tiles of queries that the words do not fill, keys of several blocks, and one more word.
    let mut cache = model.new_cache(LONG.iter().sum())?;
    let mut long = Vec::new();
    for n in LONG {
        let ids: Vec<u32> = (0..n as u32).map(|i| 3 + i * 7 % 50).collect();
        long.push(model.forward(read(&ids)?, &mut cache, LogitsFor::All)?);
    }
    Ok(vec![
        ("vision", floats(image.embeds)?),
        ("logits", floats(Tensor::cat(parts.to_vec(), 0))?),
        ("long prompt", floats(Tensor::cat(long, 0))?),
    ])
}

fn clip(folder: &Path, dtype: DType, device: &Device) -> Result<Outputs> {
    let config = std::fs::read_to_string(folder.join("preprocessor_config.json"))?;
    let ImagePreprocessor::Clip(preprocessor) = ImagePreprocessor::from_json(&config)? else {
        return Err(format!("{}: not the preprocessor of CLIP", folder.display()).into());
    };
    let side = preprocessor.preprocess(&RgbImage::new(64, 64))?;
    let model = ClipModel::open(folder, Some(dtype), device)?;
    let pixels = pixels([2, 3, side.height, side.width], device);
    Ok(vec![("image", floats(model.vision.image_embeds(pixels)?)?)])
}

/// The length of the difference by the length of what was expected.
fn relative(expected: &[f32], found: &[f32]) -> f64 {
    if expected.len() != found.len() {
        return f64::NAN;
    }
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let pairs = expected.iter().zip(found);
    let difference = norm(&mut pairs.map(|(e, f)| f64::from(e - f)));
    difference / norm(&mut expected.iter().map(|&e| f64::from(e))).max(1e-12)
}
