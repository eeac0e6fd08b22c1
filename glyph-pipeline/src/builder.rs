use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::{DType, Device};
use glyph_decode::{BuiltinReadout, DecodeError, Readout};
use glyph_encode::checkpoint::{Checkpoint, LoadProgress};
use glyph_encode::{BuiltinEncoder, CachedEncoder, FeatureCache, FeatureStore, VisionEncoder};
use glyph_render::{RenderConfig, Renderer, Typesetter};

use crate::progress::{DraftCallback, ProgressCallback};
use crate::{
    DeviceSpec, Draft, LanguageModelWriter, PageWriter, Pipeline, PipelineError, Progress,
    RegionScorer, VisionLanguageWriter, Writer, pretrained,
};

/// Below this confidence characters are read again, if
/// [`reread_below`](PipelineBuilder::reread_below) says nothing else.
pub const DEFAULT_REREAD_BELOW: f32 = 0.9;

/// Where encoded features are kept.
#[derive(Debug)]
enum Cache {
    /// At most so many bytes in a folder.
    Folder(PathBuf, u64),
    Store(Box<dyn FeatureStore>),
}

/// Puts a [`Pipeline`] together; a stage that is not given is the built-in one.
#[derive(Default)]
pub struct PipelineBuilder {
    device: Option<Device>,
    renderer: Option<Box<dyn Renderer>>,
    encoder: Option<Box<dyn VisionEncoder>>,
    readout: Option<Box<dyn Readout>>,
    writer: Option<Box<dyn Writer>>,
    page_writer: Option<Box<dyn PageWriter>>,
    view_renderer: Option<Box<dyn Renderer>>,
    scorer: Option<Box<dyn RegionScorer>>,
    cache: Option<Cache>,
    merge_sizes: Option<(usize, usize)>,
    max_vision_tokens: Option<usize>,
    reread_below: Option<f32>,
    progress: Option<Box<ProgressCallback>>,
    draft: Option<Box<DraftCallback>>,
}

impl fmt::Debug for PipelineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineBuilder")
            .field("device", &self.device)
            .field("cache", &self.cache)
            .field("max_vision_tokens", &self.max_vision_tokens)
            .finish_non_exhaustive()
    }
}

impl PipelineBuilder {
    /// Where the built-in stages run; the CPU if not given.
    #[must_use]
    pub fn device(mut self, device: &Device) -> Self {
        self.device = Some(device.clone());
        self
    }

    /// Typesets documents with `renderer`.
    #[must_use]
    pub fn renderer(mut self, renderer: impl Renderer + 'static) -> Self {
        self.renderer = Some(Box::new(renderer));
        self
    }

    /// Encodes pages with `encoder`.
    #[must_use]
    pub fn encoder(mut self, encoder: impl VisionEncoder + 'static) -> Self {
        self.encoder = Some(Box::new(encoder));
        self
    }

    /// Reads vision tokens with `readout`.
    #[must_use]
    pub fn readout(mut self, readout: impl Readout + 'static) -> Self {
        self.readout = Some(Box::new(readout));
        self
    }

    /// Lets a language model write answers, summaries and extracted information from what was
    /// read. Without one, [`Pipeline::ask`] and [`Pipeline::summarize`] quote the document.
    #[must_use]
    pub fn writer(mut self, writer: impl Writer + 'static) -> Self {
        self.writer = Some(Box::new(writer));
        self
    }

    /// Lets a vision-language model answer from what the pages show. Summaries and extraction stay
    /// with the other stages.
    #[must_use]
    pub fn page_writer(mut self, writer: impl PageWriter + 'static) -> Self {
        self.page_writer = Some(Box::new(writer));
        self
    }

    /// Draws the pages that a page writer sees; by default in the style `glyph-en`, which
    /// Glyph's checkpoint was trained on.
    #[must_use]
    pub fn view_renderer(mut self, renderer: impl Renderer + 'static) -> Self {
        self.view_renderer = Some(Box::new(renderer));
        self
    }

    /// Finds the parts of pages that a page writer is shown where not all have room; by default the
    /// built-in model reads the pages coarsely and ranks their rows.
    #[must_use]
    pub fn scorer(mut self, scorer: impl RegionScorer + 'static) -> Self {
        self.scorer = Some(Box::new(scorer));
        self
    }

    /// Loads a pretrained model that writes, as [`Pipeline::from_pretrained`] does. `dtype` is the
    /// type that the weights of a vision-language checkpoint become: `F32`, `F16` or `BF16`. Call
    /// [`device`](Self::device) before.
    ///
    /// # Errors
    /// If there is no such model on this machine, or it cannot be loaded.
    pub fn pretrained(self, path_or_id: &str, dtype: Option<DType>) -> Result<Self, PipelineError> {
        let path = pretrained::resolve(path_or_id)?;
        if pretrained::is_vision_language(&path) {
            return self.pretrained_with(path, dtype, |_| ControlFlow::Continue(()));
        }
        let device = self.device_or_cpu()?;
        let writer = LanguageModelWriter::open(&path.display().to_string(), &device)?;
        Ok(self.writer(writer))
    }

    /// Loads the vision-language checkpoint of a folder as the page writer. `progress` is told how
    /// far it is and stops it by returning [`ControlFlow::Break`].
    ///
    /// # Errors
    /// If it cannot be loaded, or is stopped.
    pub fn pretrained_with(
        self,
        folder: impl AsRef<Path>,
        dtype: Option<DType>,
        progress: impl FnMut(LoadProgress) -> ControlFlow<()>,
    ) -> Result<Self, PipelineError> {
        let (folder, device) = (folder.as_ref(), self.device_or_cpu()?);
        let dtype = match dtype {
            Some(dtype) => dtype,
            None => {
                let stored = Checkpoint::open(folder, DType::F32, &device)
                    .map_err(DecodeError::from)?
                    .stored_dtype();
                // The CPU multiplies bf16 by making each matrix f32 first, every time.
                let slow = stored == DType::BF16 && DeviceSpec::is_cpu(&device);
                if slow { DType::F32 } else { stored }
            }
        };
        let writer = VisionLanguageWriter::open_with(folder, Some(dtype), &device, progress)?;
        Ok(self.page_writer(writer))
    }

    fn device_or_cpu(&self) -> Result<Device, PipelineError> {
        match &self.device {
            Some(device) => Ok(device.clone()),
            None => Ok(DeviceSpec::Cpu.resolve()?.device),
        }
    }

    /// Keeps encoded features in the folder `dir`, at most `max_bytes` of them. Off by default.
    #[must_use]
    pub fn cache(mut self, dir: impl Into<PathBuf>, max_bytes: u64) -> Self {
        self.cache = Some(Cache::Folder(dir.into(), max_bytes));
        self
    }

    /// Keeps encoded features in `store`, for example one that several machines share.
    #[must_use]
    pub fn feature_store(mut self, store: impl FeatureStore + 'static) -> Self {
        self.cache = Some(Cache::Store(Box::new(store)));
        self
    }

    /// Chooses how many patches a token of the built-in encoder stands for in crops and in the scan:
    /// 4, 8, 16 or 24. More patches a token are fewer tokens and more mistakes.
    #[must_use]
    pub fn merge_sizes(mut self, local: usize, global: usize) -> Self {
        self.merge_sizes = Some((local, global));
        self
    }

    /// Vision tokens that the crops of one task may cost. By default what a twelfth of the
    /// document's rows costs, and at least 24 rows.
    #[must_use]
    pub fn max_vision_tokens(mut self, tokens: usize) -> Self {
        self.max_vision_tokens = Some(tokens);
        self
    }

    /// Confidence below which a character is doubtful, from 0 to 1; 0 doubts nothing. Where
    /// [`Pipeline::read`] reads coarsely, its place is encoded again finely, and only that place.
    /// What is fine already, crops for example, is looked at a second time, with patches that begin
    /// elsewhere. What is doubtful still is marked in
    /// [`ReadLine::uncertain`](crate::tasks::ReadLine). [`DEFAULT_REREAD_BELOW`] if not given.
    #[must_use]
    pub fn reread_below(mut self, confidence: f32) -> Self {
        self.reread_below = Some(confidence);
        self
    }

    /// Is told how far a run is, from any thread; stops the run by returning
    /// [`ControlFlow::Break`].
    #[must_use]
    pub fn progress(
        mut self,
        callback: impl Fn(Progress) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Self {
        self.progress = Some(Box::new(callback));
        self
    }

    /// Is told what a writer writes while it writes; stops the run by returning
    /// [`ControlFlow::Break`].
    #[must_use]
    pub fn draft(
        mut self,
        callback: impl Fn(Draft<'_>) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Self {
        self.draft = Some(Box::new(callback));
        self
    }

    /// Loads what was not given.
    ///
    /// # Errors
    /// If the device, the cache's folder or the built-in weights cannot be used.
    pub fn build(self) -> Result<Pipeline, PipelineError> {
        let device = match self.device {
            Some(device) => device,
            None => DeviceSpec::Cpu.resolve()?.device,
        };
        let mut encoder = match self.encoder {
            Some(encoder) => encoder,
            None => {
                let encoder = BuiltinEncoder::new(&device)?;
                Box::new(match self.merge_sizes {
                    Some((local, global)) => encoder.with_merge_sizes(local, global)?,
                    None => encoder,
                })
            }
        };
        let store: Option<Box<dyn FeatureStore>> = match self.cache {
            Some(Cache::Folder(dir, max_bytes)) => {
                Some(Box::new(FeatureCache::open(dir, max_bytes)?))
            }
            Some(Cache::Store(store)) => Some(store),
            None => None,
        };
        if let Some(store) = store {
            encoder = Box::new(CachedEncoder::new(encoder, store, &device));
        }
        Ok(Pipeline {
            renderer: match self.renderer {
                Some(renderer) => renderer.into(),
                None => Arc::new(Typesetter::new(RenderConfig::builtin())?),
            },
            readout: match self.readout {
                Some(readout) => readout.into(),
                None => Arc::new(BuiltinReadout::new(&device)?),
            },
            encoder: encoder.into(),
            writer: self.writer.map(Into::into),
            page_writer: self.page_writer.map(Into::into),
            scorer: self.scorer.map(Into::into),
            view_renderer: match self.view_renderer {
                Some(renderer) => renderer.into(),
                None => Arc::new(Typesetter::new(RenderConfig::preset("glyph-en")?)?),
            },
            max_vision_tokens: self.max_vision_tokens,
            reread_below: self.reread_below.unwrap_or(DEFAULT_REREAD_BELOW),
            progress: self.progress.map(Into::into),
            draft: self.draft.map(Into::into),
        })
    }
}
