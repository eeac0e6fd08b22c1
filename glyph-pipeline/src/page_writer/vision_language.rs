//! A page writer from a vision-language checkpoint.

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{DType, Device};
use glyph_decode::{
    AnswerStream, ChatTemplate, DecodeError, ExpandedPrompt, FinishReason, GenerationConfig,
    ImageEmbeds, ImagePlaceholder, LanguageModel as _, Message, Part, PixelValues, Prefill,
    Segment, Session, Tokenizer, Usage, VisionLanguageModel, VlmFamily, split_thinking,
};
use glyph_encode::EncodeError;
use glyph_encode::checkpoint::{CheckpointError, LoadProgress};
use glyph_encode::preprocess::{ImagePreprocessor, PatchConfig, PatchFamily, PatchPreprocessor};
use rayon::prelude::*;
use serde_json::Value;

use crate::writer::{Schemas, cut_loop, session, tell};

use super::{PageView, PageWriter, VideoRequest, ViewRequest, WrittenFromPages};

/// Pictures that are pixels at once: a page is some 50 MB of numbers.
const PICTURES_AT_ONCE: usize = 8;
/// Vision tokens that are kept for a next request with other pages before them: a quarter of a
/// gigabyte for the widest model.
const KEPT_TOKENS: usize = 1 << 14;
/// What a token that is written takes in terms of one that is read, for progress.
const GENERATED_COST: usize = 4;

/// Writes with a [`VisionLanguageModel`].
///
/// Pages are encoded and read into the model's cache one after the other. What a request has in
/// common with the one before from its beginning on is neither encoded nor read again; other
/// pictures that they share are not encoded again, as far as they are kept.
pub struct VisionLanguageWriter {
    name: String,
    model: Arc<VisionLanguageModel>,
    tokenizer: Arc<Tokenizer>,
    template: ChatTemplate,
    preprocessor: ImagePreprocessor,
    /// Of families that have video tokens.
    video_preprocessor: Option<PatchPreprocessor>,
    config: GenerationConfig,
    schemas: Schemas,
    held: Mutex<Held>,
}

/// What one request leaves to the next.
#[derive(Default)]
struct Held {
    session: Option<Session>,
    images: Vec<ImageEmbeds>,
}

impl fmt::Debug for VisionLanguageWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisionLanguageWriter")
            .field("name", &self.name)
            .field("family", &self.model.vlm_config().family)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl VisionLanguageWriter {
    /// Loads a folder of Hugging Face's layout: `config.json`, safetensors,
    /// `preprocessor_config.json`, `tokenizer.json` and a chat template. Weights become `dtype`;
    /// `None` keeps the type of the files.
    ///
    /// # Errors
    /// If a file is missing or does not fit.
    pub fn open(
        folder: impl AsRef<Path>,
        dtype: Option<DType>,
        device: &Device,
    ) -> Result<Self, DecodeError> {
        Self::open_with(folder, dtype, device, |_| ControlFlow::Continue(()))
    }

    /// [`open`](Self::open) that tells how far it is, and stops where `progress` returns
    /// [`ControlFlow::Break`].
    ///
    /// # Errors
    /// As [`open`](Self::open), and if it is stopped.
    pub fn open_with(
        folder: impl AsRef<Path>,
        dtype: Option<DType>,
        device: &Device,
        progress: impl FnMut(LoadProgress) -> ControlFlow<()>,
    ) -> Result<Self, DecodeError> {
        let folder = folder.as_ref();
        // What is small first: a folder that lacks it says so before gigabytes are read.
        let path = folder.join("preprocessor_config.json");
        let text = std::fs::read_to_string(&path)
            .map_err(|source| CheckpointError::Io { path, source })?;
        let preprocessor = ImagePreprocessor::from_json(&text).map_err(EncodeError::from)?;
        let video_preprocessor = video_preprocessor(folder, &preprocessor)?;
        let tokenizer = Tokenizer::from_file(folder.join("tokenizer.json"))?;
        let template = ChatTemplate::from_folder(folder)?.ok_or_else(|| {
            DecodeError::ChatTemplate(format!(
                "{}: expected chat_template.jinja, chat_template.json or an entry of \
                 tokenizer_config.json, found none",
                folder.display()
            ))
        })?;
        let model = VisionLanguageModel::open_with(folder, dtype, device, progress)?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let mut config = GenerationConfig::default();
        config.top_logprobs = Some(0);
        Ok(Self {
            name: name.into_owned(),
            model: Arc::new(model),
            tokenizer: Arc::new(tokenizer),
            template,
            preprocessor,
            video_preprocessor,
            config,
            schemas: Schemas::default(),
            held: Mutex::default(),
        })
    }

    /// The model.
    pub fn model(&self) -> &VisionLanguageModel {
        &self.model
    }

    /// Goes by another name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Samples with other settings. `max_new_tokens` is the request's own.
    #[must_use]
    pub fn with_config(mut self, config: GenerationConfig) -> Self {
        self.config = config;
        self.config.top_logprobs.get_or_insert(0);
        self
    }

    /// The place of a picture in a prompt.
    fn placeholder(&self, height: u32, width: u32) -> Result<ImagePlaceholder, DecodeError> {
        Ok(match &self.preprocessor {
            ImagePreprocessor::Patches(p) => ImagePlaceholder::Patches {
                tokens: p.tokens(height, width).map_err(EncodeError::from)?,
            },
            ImagePreprocessor::Tiles(p) => {
                let layout = p.layout(height, width).map_err(EncodeError::from)?;
                let side = p.config().tile_size as usize;
                let tower = self.model.tile_tower();
                ImagePlaceholder::Tiles {
                    rows: layout.rows,
                    columns: layout.cols,
                    tokens_per_tile: tower.map_or(0, |tower| tower.tokens(side, side)),
                }
            }
            other => {
                return Err(DecodeError::Input {
                    what: "the preprocessor",
                    expected: "one that makes patches or tiles".to_owned(),
                    found: format!("{other:?}"),
                });
            }
        })
    }

    /// The tokens of a request.
    fn prompt(&self, request: &ViewRequest<'_>) -> Result<ExpandedPrompt, DecodeError> {
        let mut chat = Vec::new();
        if !request.system.is_empty() {
            chat.push(Message::system(request.system));
        }
        let mut parts = Vec::new();
        for view in request.views {
            parts.push(Part::text(format!("[page {}]\n", view.page)));
            parts.push(Part::Image);
        }
        parts.push(Part::text(request.user));
        chat.push(Message::user(parts));
        let places = request
            .views
            .iter()
            .map(|view| self.placeholder(view.picture.height(), view.picture.width()))
            .collect::<Result<Vec<_>, _>>()?;
        let family = self.model.vlm_config().family;
        self.template
            .prompt(&chat, true, &self.tokenizer)?
            .expand_images(&places, family, &self.tokenizer)
    }

    /// Checks that a prompt and its answer have room.
    fn check_room(&self, prompt: &ExpandedPrompt, answer: usize) -> Result<(), DecodeError> {
        let new = prompt.ids.len().saturating_add(answer);
        if new > self.context_length() {
            return Err(DecodeError::ContextFull {
                held: 0,
                new,
                capacity: self.context_length(),
            });
        }
        Ok(())
    }

    /// Reads a prompt with its pictures into the session, a picture at a time: only a few are
    /// pixels, and one embeddings, at once. What is left are the tokens after the last picture;
    /// `None` if `progress`, which is told how many tokens were read, says stop.
    fn read_pages(
        &self,
        prefill: &mut Prefill<'_>,
        prompt: &ExpandedPrompt,
        views: &[PageView],
        kept: &mut Vec<ImageEmbeds>,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<usize>, DecodeError> {
        let before = std::mem::take(kept);
        let mut room = KEPT_TOKENS;
        let mut keep = |image: &ImageEmbeds, kept: &mut Vec<ImageEmbeds>| {
            let tokens = image.embeds.dims()[0];
            if tokens <= room {
                room -= tokens;
                kept.push(image.clone());
            }
        };
        let (mut next, mut start) = (0, 0);
        for part in views.chunks(PICTURES_AT_ONCE) {
            let prepared = part
                .par_iter()
                .map(|view| PixelValues::new(&self.preprocessor, &view.picture))
                .collect::<Result<Vec<_>, _>>()?;
            for picture in &prepared {
                let runs = prompt.runs.iter().filter(|run| run.image == next);
                let (mut first, mut end) = (start, start);
                for (i, run) in runs.enumerate() {
                    first = if i == 0 { run.tokens.start } else { first };
                    end = run.tokens.end;
                }
                prefill.read(&[Segment::Text(prompt.ids[start..first].to_vec())])?;
                let fingerprint = picture.fingerprint();
                let known = before
                    .iter()
                    .find(|image| image.fingerprint == Some(fingerprint));
                if let Some(image) = known {
                    keep(image, kept);
                }
                if !prefill.skip_image(fingerprint) {
                    let image = match known {
                        Some(image) => image.clone(),
                        None => self
                            .model
                            .encode_images(std::slice::from_ref(picture))?
                            .remove(0),
                    };
                    let ids = &prompt.ids[first..end];
                    let segments = self.model.segments(ids, std::slice::from_ref(&image))?;
                    prefill.read(&segments)?;
                    if known.is_none() {
                        keep(&image, kept);
                    }
                }
                (next, start) = (next + 1, end);
                if progress(start).is_break() {
                    return Ok(None);
                }
            }
        }
        Ok(Some(start))
    }

    /// Writes an answer once the rest of a prompt has been read.
    fn answer(
        &self,
        prefill: Prefill<'_>,
        rest: &[Segment],
        max_new_tokens: usize,
        schema: Option<&Value>,
        mut progress: impl FnMut(f64) -> ControlFlow<()> + Send,
        text: &mut (dyn FnMut(&str) -> ControlFlow<()> + Send),
    ) -> Result<WrittenFromPages, DecodeError> {
        let mut config = self.config.clone();
        config.max_new_tokens = max_new_tokens;
        let generator = self.schemas.constrain(
            prefill.generate(rest, &config)?,
            schema,
            None,
            &self.tokenizer,
            &self.model.config().eos_token_ids,
        )?;
        let mut answer = AnswerStream::new();
        let mut out = generator
            .on_progress(|p| {
                let read = p.prompt_tokens_read + GENERATED_COST * p.generated_tokens;
                let all = p.prompt_tokens + GENERATED_COST * max_new_tokens;
                progress(read as f64 / all.max(1) as f64)
            })
            .finish_with(|piece| tell(&answer.push(&piece.text), text))?;
        if tell(&answer.finish(), text).is_break() {
            out.finish_reason = FinishReason::Cancelled;
        }
        cut_loop(&mut out, &self.tokenizer);
        let logprobs: Vec<f32> = out.tokens.iter().filter_map(|t| t.logprob).collect();
        let mean = logprobs.iter().sum::<f32>() / logprobs.len().max(1) as f32;
        let split = split_thinking(&out.text);
        Ok(WrittenFromPages {
            text: split.answer.to_string(),
            thinking: split.thinking.map(|t| t.trim().to_owned()),
            confidence: if logprobs.is_empty() { 0.0 } else { mean.exp() },
            finish_reason: out.finish_reason,
            usage: out.usage,
            vision_tokens: 0,
        })
    }

    /// A session for a prompt and its answer, the one before where it is large enough.
    fn session(
        &self,
        held: &mut Held,
        prompt: &ExpandedPrompt,
        answer: usize,
    ) -> Result<Session, DecodeError> {
        let wanted = prompt.ids.len().saturating_add(answer);
        session(
            held.session.take(),
            self.model.clone(),
            &self.tokenizer,
            wanted,
        )
    }
}

impl PageWriter for VisionLanguageWriter {
    fn name(&self) -> &str {
        &self.name
    }

    fn context_length(&self) -> usize {
        self.model.config().context_length
    }

    fn vision_tokens(&self, height: u32, width: u32) -> Result<usize, DecodeError> {
        Ok(match self.placeholder(height, width)? {
            ImagePlaceholder::Patches { tokens } => tokens,
            ImagePlaceholder::Tiles {
                rows,
                columns,
                tokens_per_tile,
            } => (rows * columns + 1) * tokens_per_tile,
            _ => 0,
        })
    }

    fn text_tokens(&self, request: &ViewRequest<'_>) -> Result<usize, DecodeError> {
        let prompt = self.prompt(request)?;
        Ok(prompt.ids.len() - vision_tokens(&prompt))
    }

    fn write(
        &self,
        request: &ViewRequest<'_>,
        progress: &mut (dyn FnMut(f64) -> ControlFlow<()> + Send),
    ) -> Result<WrittenFromPages, DecodeError> {
        self.stream(request, progress, &mut |_| ControlFlow::Continue(()))
    }

    fn stream(
        &self,
        request: &ViewRequest<'_>,
        progress: &mut (dyn FnMut(f64) -> ControlFlow<()> + Send),
        text: &mut (dyn FnMut(&str) -> ControlFlow<()> + Send),
    ) -> Result<WrittenFromPages, DecodeError> {
        let prompt = self.prompt(request)?;
        self.check_room(&prompt, request.max_new_tokens)?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut session = self.session(&mut held, &prompt, request.max_new_tokens)?;
        let mut prefill = session.prefill();
        let all = (prompt.ids.len() + GENERATED_COST * request.max_new_tokens).max(1) as f64;
        let read = self.read_pages(
            &mut prefill,
            &prompt,
            request.views,
            &mut held.images,
            &mut |tokens| progress(tokens as f64 / all),
        )?;
        let mut out = match read {
            Some(read) => {
                let rest = [Segment::Text(prompt.ids[read..].to_vec())];
                let most = request.max_new_tokens;
                self.answer(prefill, &rest, most, request.schema, progress, text)?
            }
            None => cancelled(),
        };
        out.vision_tokens = vision_tokens(&prompt);
        held.session = Some(session);
        Ok(out)
    }

    fn write_from_video(
        &self,
        request: &VideoRequest<'_>,
        progress: &mut (dyn FnMut(f64) -> ControlFlow<()> + Send),
    ) -> Result<WrittenFromPages, DecodeError> {
        let (Some(preprocessor), Some(tower)) =
            (&self.video_preprocessor, self.model.patch_tower())
        else {
            return Err(DecodeError::Input {
                what: "a video",
                expected: "a family with video tokens".to_owned(),
                found: format!("{:?}", self.model.vlm_config().family),
            });
        };
        let patches = preprocessor
            .preprocess_video(request.frames)
            .map_err(EncodeError::from)?;
        let [frames, rows, columns] = patches.grid_thw;
        let merge = tower.spatial_merge_size();
        // Each frame of the grid stands for so many of the video.
        let depth = preprocessor.config().temporal_patch_size as f64;
        let seconds = depth * request.seconds_per_frame;
        let place = ImagePlaceholder::Frames {
            tokens_per_frame: (rows / merge) * (columns / merge),
            timestamps: (0..frames).map(|i| i as f64 * seconds).collect(),
            duration: Some(request.frames.len() as f64 * request.seconds_per_frame),
        };
        let chat = [Message::user([Part::Video, Part::text(request.user)])];
        let family = self.model.vlm_config().family;
        let prompt = self
            .template
            .prompt(&chat, true, &self.tokenizer)?
            .expand_images(&[place], family, &self.tokenizer)?;
        self.check_room(&prompt, request.max_new_tokens)?;
        let mut video = self
            .model
            .encode_images(&[PixelValues::Patches(patches)])?
            .remove(0);
        video.temporal_step = self.model.vlm_config().temporal_step(seconds);
        // GLM's prompts tell the time between frames, so that each stands alone.
        let images = match family {
            VlmFamily::Glm4v => video.frames(),
            _ => vec![video],
        };
        let segments = self.model.segments(&prompt.ids, &images)?;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut session = self.session(&mut held, &prompt, request.max_new_tokens)?;
        let prefill = session.prefill();
        let most = request.max_new_tokens;
        let text = &mut |_: &str| ControlFlow::Continue(());
        let mut out = self.answer(prefill, &segments, most, None, progress, text)?;
        out.vision_tokens = vision_tokens(&prompt);
        held.session = Some(session);
        Ok(out)
    }
}

/// Vision tokens of a prompt.
fn vision_tokens(prompt: &ExpandedPrompt) -> usize {
    prompt.runs.iter().map(|run| run.tokens.len()).sum()
}

/// What a writer has written that was stopped before its first word.
fn cancelled() -> WrittenFromPages {
    WrittenFromPages {
        text: String::new(),
        thinking: None,
        confidence: 0.0,
        finish_reason: FinishReason::Cancelled,
        usage: Usage::default(),
        vision_tokens: 0,
    }
}

/// What prepares videos: of `video_preprocessor_config.json`, or of the pictures' settings within
/// the limits that the family has for videos.
fn video_preprocessor(
    folder: &Path,
    pictures: &ImagePreprocessor,
) -> Result<Option<PatchPreprocessor>, DecodeError> {
    let ImagePreprocessor::Patches(pictures) = pictures else {
        return Ok(None);
    };
    let path = folder.join("video_preprocessor_config.json");
    if path.exists() {
        let text = std::fs::read_to_string(&path)
            .map_err(|source| CheckpointError::Io { path, source })?;
        let video = ImagePreprocessor::video_from_json(&text).map_err(EncodeError::from)?;
        return Ok(match video {
            ImagePreprocessor::Patches(video) => Some(video),
            _ => None,
        });
    }
    let defaults = match pictures.config().family {
        PatchFamily::Glm4v => PatchConfig::glm4v_video(),
        _ => PatchConfig::qwen2_vl_video(),
    };
    let config = PatchConfig {
        min_pixels: defaults.min_pixels,
        max_pixels: defaults.max_pixels,
        max_video_tokens: defaults.max_video_tokens,
        ..pictures.config().clone()
    };
    Ok(Some(
        PatchPreprocessor::new(config).map_err(EncodeError::from)?,
    ))
}
