//! Runs a checkpoint once and writes what it computes, so that anyone can compare it:
//! `cargo run --release --example forward -- CHECKPOINT_DIR --image PAGE.png --input-ids IDS.json --out OUT.safetensors`.
//!
//! `model_type` of its `config.json` says what it is, and that what is written:
//!
//! | family | tensors |
//! |---|---|
//! | GLM-4.1V, Qwen2-VL, Qwen2.5-VL, Idefics3, SmolVLM | `vision_embeds`, `logits` |
//! | CLIP | `image_embeds`, `text_embeds` (both of length 1), `logits_per_image` |
//! | BERT | `last_hidden_state`, `sentence_embeds` |

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program prints"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use burn::tensor::{DType, Device, Tensor, TensorData};
use clap::Parser;
use glyph_align::{BertInput, BertModel};
use glyph_decode::{LanguageModel as _, LogitsFor, PixelValues, Segment, VisionLanguageModel};
use glyph_encode::preprocess::ImagePreprocessor;
use glyph_encode::towers::{ClipModel, clip::normalize};
use glyph_examples::cli::{self, Precision};
use glyph_pipeline::DeviceSpec;
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;

/// Runs a checkpoint once and writes what it computes.
#[derive(Parser)]
struct Args {
    /// Folder with config.json and safetensors.
    checkpoint: PathBuf,
    /// A picture; may be given several times.
    #[arg(long)]
    image: Vec<PathBuf>,
    /// A file with a JSON list of token ids, with image tokens where the pictures go; for CLIP and
    /// BERT also a list of such lists.
    #[arg(long)]
    input_ids: Option<PathBuf>,
    /// The file to write.
    #[arg(long)]
    out: PathBuf,
    /// Type of the weights.
    #[arg(long, value_enum, default_value = "f32")]
    dtype: Precision,
    /// cpu, cuda:N or auto.
    #[arg(long, default_value = "cpu")]
    device: DeviceSpec,
}

#[derive(Deserialize)]
struct Config {
    model_type: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Ids {
    One(Vec<u32>),
    Many(Vec<Vec<u32>>),
}

/// Tensors to write: shapes and numbers.
type Outputs = BTreeMap<&'static str, (Vec<usize>, Vec<f32>)>;

fn main() -> ExitCode {
    cli::exit(run(&cli::args::<Args>()))
}

fn run(args: &Args) -> Result<()> {
    let config = read(&args.checkpoint.join("config.json"))?;
    let config: Config = serde_json::from_str(&config).context("config.json")?;
    let resolved = args.device.resolve()?;
    if let Some(note) = resolved.note {
        eprintln!("{note}");
    }
    let device = resolved.device;
    let dtype = args.dtype.dtype();
    let ids = match &args.input_ids {
        Some(path) => {
            let ids = serde_json::from_str(&read(path)?);
            match ids.with_context(|| format!("{}: expected a list of ids", path.display()))? {
                Ids::One(ids) => vec![ids],
                Ids::Many(ids) => ids,
            }
        }
        None => Vec::new(),
    };
    let outputs = match &config.model_type[..] {
        "clip" => clip(args, &ids, dtype, &device)?,
        "bert" => bert(args, &ids, &device)?,
        _ => vision_language(args, &ids, dtype, &device)?,
    };
    write(&outputs, &args.out)?;
    for (name, (shape, _)) in &outputs {
        println!("{name} {shape:?}");
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn pictures(args: &Args) -> Result<Vec<image::RgbImage>> {
    args.image
        .iter()
        .map(|path| {
            let picture = image::open(path);
            Ok(picture
                .with_context(|| format!("cannot read the picture {}", path.display()))?
                .to_rgb8())
        })
        .collect()
}

fn preprocessor(args: &Args) -> Result<ImagePreprocessor> {
    let path = args.checkpoint.join("preprocessor_config.json");
    ImagePreprocessor::from_json(&read(&path)?).with_context(|| path.display().to_string())
}

fn vision_language(
    args: &Args,
    ids: &[Vec<u32>],
    dtype: DType,
    device: &Device,
) -> Result<Outputs> {
    let started = Instant::now();
    let model =
        VisionLanguageModel::open_with(&args.checkpoint, Some(dtype), device, cli::load_bar())?;
    eprintln!("loaded    {:.1} s", started.elapsed().as_secs_f64());
    let mut outputs = Outputs::new();
    let mut images = Vec::new();
    if !args.image.is_empty() {
        let preprocessor = preprocessor(args)?;
        let prepared = pictures(args)?
            .iter()
            .map(|picture| PixelValues::new(&preprocessor, picture))
            .collect::<Result<Vec<_>, _>>()?;
        let started = Instant::now();
        images = model.encode_images(&prepared)?;
        let embeds = Tensor::cat(images.iter().map(|i| i.embeds.clone()).collect(), 0);
        put(&mut outputs, "vision_embeds", embeds)?;
        eprintln!("encoded   {:.2} s", started.elapsed().as_secs_f64());
    }
    let [ids] = ids else {
        match ids.len() {
            0 if !images.is_empty() => return Ok(outputs),
            0 => bail!("expected --image, --input-ids or both"),
            n => bail!("expected one list of token ids, found {n}"),
        }
    };
    let started = Instant::now();
    let mut cache = model.new_cache(ids.len().max(1))?;
    let mut logits = Vec::new();
    for segment in model.segments(ids, &images)? {
        logits.push(match segment {
            Segment::Text(ids) => model.forward(model.embed(&ids)?, &mut cache, LogitsFor::All)?,
            Segment::Image(image) => model.forward_image(&image, &mut cache, LogitsFor::All)?,
            other => bail!("a segment of another kind: {other:?}"),
        });
    }
    if logits.is_empty() {
        bail!("expected at least one token id, found none");
    }
    put(&mut outputs, "logits", Tensor::cat(logits, 0))?;
    eprintln!("decoded   {:.2} s", started.elapsed().as_secs_f64());
    Ok(outputs)
}

fn clip(args: &Args, ids: &[Vec<u32>], dtype: DType, device: &Device) -> Result<Outputs> {
    let model = ClipModel::open(&args.checkpoint, Some(dtype), device)?;
    let mut outputs = Outputs::new();
    let mut images = None;
    if !args.image.is_empty() {
        let ImagePreprocessor::Clip(preprocessor) = preprocessor(args)? else {
            bail!("preprocessor_config.json is not that of CLIP");
        };
        let mut embeds = Vec::new();
        for picture in pictures(args)? {
            let planar = preprocessor.preprocess(&picture)?;
            let shape = [1, 3, planar.height, planar.width];
            let pixels = TensorData::new(planar.pixel_values, shape);
            embeds.push(
                model
                    .vision
                    .image_embeds(Tensor::from_data(pixels, device))?,
            );
        }
        let embeds = normalize(Tensor::cat(embeds, 0));
        put(&mut outputs, "image_embeds", embeds.clone())?;
        images = Some(embeds);
    }
    if !ids.is_empty() {
        let embeds = ids
            .iter()
            .map(|ids| model.text.text_embeds(std::slice::from_ref(ids)))
            .collect::<Result<Vec<_>, _>>()?;
        let embeds = normalize(Tensor::cat(embeds, 0));
        put(&mut outputs, "text_embeds", embeds.clone())?;
        if let Some(images) = images {
            put(
                &mut outputs,
                "logits_per_image",
                model.logits_per_image(images, embeds),
            )?;
        }
    }
    Ok(outputs)
}

fn bert(args: &Args, ids: &[Vec<u32>], device: &Device) -> Result<Outputs> {
    let model = BertModel::open(&args.checkpoint, device)?;
    let texts: Vec<BertInput> = ids
        .iter()
        .map(|ids| BertInput {
            input_ids: ids.clone(),
            token_type_ids: Vec::new(),
        })
        .collect();
    let mut outputs = Outputs::new();
    put(
        &mut outputs,
        "last_hidden_state",
        model.encode(&texts, None)?,
    )?;
    put(
        &mut outputs,
        "sentence_embeds",
        model.sentence_embeds(&texts)?,
    )?;
    Ok(outputs)
}

fn put<const D: usize>(outputs: &mut Outputs, name: &'static str, tensor: Tensor<D>) -> Result<()> {
    let shape = tensor.dims().to_vec();
    let data = tensor.into_data().convert::<f32>();
    let numbers = data
        .try_to_vec()
        .map_err(|e| anyhow::anyhow!("{name}: {e:?}"))?;
    outputs.insert(name, (shape, numbers));
    Ok(())
}

fn write(outputs: &Outputs, path: &Path) -> Result<()> {
    let bytes: Vec<(&str, &[usize], Vec<u8>)> = outputs
        .iter()
        .map(|(name, (shape, numbers))| {
            let bytes = numbers.iter().flat_map(|v| v.to_le_bytes()).collect();
            (*name, &shape[..], bytes)
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, bytes)| {
            Ok((*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes)?))
        })
        .collect::<Result<Vec<_>>>()?;
    safetensors::serialize_to_file(views, None, path)
        .with_context(|| format!("cannot write {}", path.display()))
}
