//! What the command-line examples share: opening documents, progress bars, printing.

#![allow(
    clippy::print_stderr,
    clippy::missing_errors_doc,
    reason = "a command-line program prints, errors too"
)]

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Result;
use burn::tensor::DType;
use clap::{Args, ValueEnum};
use glyph_encode::checkpoint::LoadProgress;
use glyph_pipeline::pretrained::is_vision_language;
use glyph_pipeline::render::{BBox, Block, Document, Page};
use glyph_pipeline::{
    DeviceSpec, LanguageModelWriter, Pipeline, PipelineBuilder, Progress, Stage, StageSeconds,
    TokenAccount,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Size of the feature cache.
const CACHE_BYTES: u64 = 2 << 30;

/// Options of every example that runs the pipeline.
#[derive(Debug, Args)]
pub struct PipelineArgs {
    /// cpu, cuda, cuda:N or auto.
    #[arg(long, default_value = "auto")]
    pub device: DeviceSpec,
    /// Folder of the feature cache [default: glyph/features in the user's cache folder].
    #[arg(long)]
    pub cache_dir: Option<PathBuf>,
    /// Neither read nor write the feature cache.
    #[arg(long)]
    pub no_cache: bool,
    /// Vision tokens that the crops may cost.
    #[arg(long)]
    pub max_vision_tokens: Option<usize>,
    /// Let a model write: a GGUF file, a folder with safetensors, a name from `models list`, or
    /// the id of a checkpoint that was fetched from a hub. A language model is given what was read;
    /// a vision-language model sees the pages.
    #[arg(long, value_name = "MODEL")]
    pub writer: Option<String>,
    /// Type of a vision-language model's weights [default: that of its files, but f32 for bf16 on
    /// the CPU].
    #[arg(long, value_enum)]
    pub dtype: Option<Precision>,
}

/// Type of weights on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Precision {
    /// 32-bit floating point.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of an f32.
    Bf16,
}

impl Precision {
    /// Burn's name for it.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
        }
    }
}

impl PipelineArgs {
    /// The pipeline that the options describe, with progress bars.
    pub fn builder(&self) -> Result<PipelineBuilder> {
        let device = self.device.resolve()?;
        if let Some(note) = device.note {
            eprintln!("{note}");
        }
        let mut builder = Pipeline::builder()
            .device(&device.device)
            .progress(progress_bars());
        if let Some(model) = &self.writer {
            let path = model_path(model)?;
            let dtype = self.dtype.map(Precision::dtype);
            builder = if is_vision_language(&path) {
                builder.pretrained_with(&path, dtype, load_bar())?
            } else {
                let path = path.display().to_string();
                builder.writer(LanguageModelWriter::open(&path, &device.device)?)
            };
        }
        if let Some(tokens) = self.max_vision_tokens {
            builder = builder.max_vision_tokens(tokens);
        }
        let dir = self
            .cache_dir
            .clone()
            .or_else(|| Some(dirs::cache_dir()?.join("glyph").join("features")));
        match dir {
            Some(dir) if !self.no_cache => {
                // A cache that can't be had costs time, not the answer.
                match std::fs::create_dir_all(&dir) {
                    Ok(()) => Ok(builder.cache(dir, CACHE_BYTES)),
                    Err(_) if self.cache_dir.is_none() => Ok(builder),
                    Err(error) => {
                        anyhow::bail!("cannot use the cache folder {}: {error}", dir.display())
                    }
                }
            }
            _ => Ok(builder),
        }
    }
}

/// A bar for a checkpoint that is loaded, which appears once it takes more than a second.
pub fn load_bar() -> impl FnMut(LoadProgress) -> ControlFlow<()> {
    let started = Instant::now();
    let mut bar: Option<ProgressBar> = None;
    move |progress| {
        if bar.is_none() && started.elapsed() > Duration::from_secs(1) {
            let new = ProgressBar::new(progress.total);
            if let Ok(style) =
                ProgressStyle::with_template(" loading {bar:32} {bytes}/{total_bytes}  {eta}")
            {
                new.set_style(style);
            }
            bar = Some(new);
        }
        if let Some(bar) = &bar {
            bar.set_position(progress.bytes);
            if progress.bytes >= progress.total {
                bar.finish_and_clear();
            }
        }
        ControlFlow::Continue(())
    }
}

/// Bars that appear once a run takes more than a second.
fn progress_bars() -> impl Fn(Progress) -> ControlFlow<()> + Send + Sync + 'static {
    let started = Instant::now();
    let shown: Mutex<Option<(Stage, ProgressBar)>> = Mutex::new(None);
    move |progress| {
        if started.elapsed() < Duration::from_secs(1) {
            return ControlFlow::Continue(());
        }
        if let Ok(mut shown) = shown.lock() {
            if shown
                .as_ref()
                .is_none_or(|(stage, _)| *stage != progress.stage)
            {
                let bar = ProgressBar::new(1000);
                if let Ok(style) = ProgressStyle::with_template(
                    "{prefix:>8} {bar:32} {percent:>3} %  {msg}  {eta}",
                ) {
                    bar.set_style(style);
                }
                bar.set_prefix(match progress.stage {
                    Stage::Scan => "scanning",
                    Stage::Write => "writing",
                    _ => "reading",
                });
                *shown = Some((progress.stage, bar));
            }
            if let Some((_, bar)) = shown.as_ref() {
                bar.set_message(format!("{} pages", progress.pages));
                bar.set_position((progress.fraction * 1000.0) as u64);
                if progress.fraction >= 1.0 {
                    bar.finish_and_clear();
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// A bar over pages that appears once a run takes more than a second.
pub struct PageBar {
    started: Instant,
    bar: ProgressBar,
}

/// The bar of a run that begins now.
pub fn page_bar() -> PageBar {
    PageBar {
        started: Instant::now(),
        bar: ProgressBar::hidden(),
    }
}

impl PageBar {
    /// Shows which share of the document is done, and how many pages that is.
    pub fn update(&self, share: f64, pages: usize) {
        if self.bar.is_hidden() && self.started.elapsed() >= Duration::from_secs(1) {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.bar.set_length(1000);
            if let Ok(style) = ProgressStyle::with_template("{bar:32} {percent:>3} %  {msg}  {eta}")
            {
                self.bar.set_style(style);
            }
        }
        self.bar.set_message(format!("{pages} pages"));
        self.bar.set_position((share * 1000.0) as u64);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Which share of the document lies before the end of a page.
pub fn done(document: &Document, page: &Page) -> f64 {
    let blocks = document.blocks.len().max(1) as f64;
    let Some(line) = page.lines.last() else {
        return (f64::from(page.number) / blocks).min(1.0);
    };
    let within = match document.blocks.get(line.source_block) {
        Some(Block::Text { text, .. }) => line.source.end as f64 / text.len().max(1) as f64,
        _ => 1.0,
    };
    ((line.source_block as f64 + within) / blocks).min(1.0)
}

/// Opens a document and says on standard error how long that took if it took long.
pub fn open(path: &Path) -> Result<(Document, f64)> {
    let started = Instant::now();
    let document = Document::open(path)?;
    Ok((document, started.elapsed().as_secs_f64()))
}

/// The file of a language model given by path or name.
pub fn model_path(path_or_name: &str) -> Result<PathBuf> {
    use glyph_pipeline::pretrained::{PretrainedError, resolve};
    resolve(path_or_name).map_err(|error| match &error {
        PretrainedError::Missing { name: id, .. } => with_command(&error, id),
        PretrainedError::Incomplete(lacks) => {
            let id = format!("{}@{}", lacks.repository, lacks.revision);
            with_command(&error, &id)
        }
        _ => error.into(),
    })
}

fn with_command(error: &dyn std::error::Error, id: &str) -> anyhow::Error {
    anyhow::anyhow!("{error}; or: cargo run --release --example models -- fetch {id}")
}

/// Reads the arguments. A closed pipe (`… | head`) ends the program silently from here on.
pub fn args<A: clap::Parser>() -> A {
    sigpipe::reset();
    A::parse()
}

/// Prints an error as one line and turns it into the exit status.
pub fn exit(result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}

/// The token account as one line, or two with a writer.
pub fn account(tokens: &TokenAccount) -> String {
    let writer = &tokens.writer;
    let writer = if writer.prompt == 0 {
        String::new()
    } else {
        format!(
            "\nwriter    {} tokens read ({} of them kept from before), {} written",
            writer.prompt, writer.reused, writer.output
        )
    };
    let reread = match tokens.vision_reread {
        0 => String::new(),
        n => format!(" ({n} to read doubtful places again)"),
    };
    format!(
        "tokens    {} text ({}) as {} vision: {} global + {} local{reread}, ratio {:.2}{writer}",
        tokens.text,
        tokens.tokenizer,
        tokens.vision_global + tokens.vision_local,
        tokens.vision_global,
        tokens.vision_local,
        tokens.ratio
    )
}

/// The stages' seconds as one line.
pub fn seconds(open: f64, s: &StageSeconds) -> String {
    format!(
        "seconds   open {open:.2}, render {:.2}, scan {:.2} + {:.2} reading, select {:.2}, crops {:.2} + {:.2} reading, answer {:.2}, total {:.2}",
        s.render,
        s.scan,
        s.scan_readout,
        s.select,
        s.crops,
        s.crops_readout,
        s.answer,
        open + s.total
    )
}

/// `seconds` for JSON, with the opening of the document.
pub fn seconds_json(open: f64, s: &StageSeconds) -> serde_json::Value {
    let mut value = serde_json::json!(s);
    value["open"] = open.into();
    value["total"] = (open + s.total).into();
    value
}

/// Writes the pages to `dir` with boxes drawn around some places: `(page, box)`.
pub fn write_boxed_pages(
    dir: &Path,
    pages: impl Iterator<Item = Result<Page, glyph_pipeline::render::RenderError>>,
    boxes: &[(u32, BBox)],
) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    for page in pages {
        let mut page = page?;
        let number = page.number;
        for (_, bbox) in boxes.iter().filter(|(n, _)| *n == number) {
            draw_box(&mut page, *bbox);
        }
        page.write_png(dir.join(format!("page_{:04}.png", page.number)))?;
    }
    Ok(())
}

fn draw_box(page: &mut Page, bbox: BBox) {
    let (width, height) = (page.width, page.height);
    if width == 0 || height == 0 {
        return;
    }
    let (x0, y0) = (bbox.x.saturating_sub(3), bbox.y.saturating_sub(1));
    let (x1, y1) = (
        (bbox.x + bbox.width + 2).min(width - 1),
        (bbox.y + bbox.height).min(height - 1),
    );
    let mut ink = |x: u32, y: u32| {
        if let Some(pixel) = page
            .pixels
            .get_mut(y as usize * width as usize + x as usize)
        {
            *pixel = 0;
        }
    };
    for x in x0..=x1 {
        ink(x, y0);
        ink(x, y1);
    }
    for y in y0..=y1 {
        ink(x0, y);
        ink(x1, y);
    }
}
