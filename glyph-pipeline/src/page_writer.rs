//! The stage that writes from what pages show: a vision-language model behind one method.

use std::ops::ControlFlow;

use glyph_decode::{DecodeError, FinishReason, Usage};
use glyph_render::BBox;
use image::RgbImage;
use serde_json::Value;

mod vision_language;

pub use vision_language::VisionLanguageWriter;

/// A picture of a page, or of a part of one.
#[derive(Debug, Clone)]
pub struct PageView {
    /// What is shown.
    pub picture: RgbImage,
    /// Page number, from 1.
    pub page: u32,
    /// The part of the page that is shown, in its pixels; the whole page if `None`.
    pub bbox: Option<BBox>,
}

/// What a page writer is to write.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ViewRequest<'a> {
    /// What the writer is and how it should write; may be empty.
    pub system: &'a str,
    /// The pictures that it sees, in order, before the task.
    pub views: &'a [PageView],
    /// The task.
    pub user: &'a str,
    /// Most tokens to write.
    pub max_new_tokens: usize,
    /// A JSON schema that the output has to follow.
    pub schema: Option<&'a Value>,
}

impl<'a> ViewRequest<'a> {
    /// A task over pictures.
    pub fn new(views: &'a [PageView], user: &'a str, max_new_tokens: usize) -> Self {
        Self {
            system: "",
            views,
            user,
            max_new_tokens,
            schema: None,
        }
    }
}

/// A video that a page writer is to watch.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct VideoRequest<'a> {
    /// Its frames, all of one size.
    pub frames: &'a [RgbImage],
    /// Seconds from a frame to the next.
    pub seconds_per_frame: f64,
    /// The task.
    pub user: &'a str,
    /// Most tokens to write.
    pub max_new_tokens: usize,
}

impl<'a> VideoRequest<'a> {
    /// A task over frames.
    pub fn new(
        frames: &'a [RgbImage],
        seconds_per_frame: f64,
        user: &'a str,
        max_new_tokens: usize,
    ) -> Self {
        Self {
            frames,
            seconds_per_frame,
            user,
            max_new_tokens,
        }
    }
}

/// What a page writer has written.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenFromPages {
    /// The answer.
    pub text: String,
    /// What a model that thinks aloud thought before it.
    pub thinking: Option<String>,
    /// Mean probability of the answer's tokens.
    pub confidence: f32,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Tokens read and written, vision tokens included.
    pub usage: Usage,
    /// Vision tokens of the pictures.
    pub vision_tokens: usize,
}

/// Writes from page images.
///
/// [`VisionLanguageWriter`] is the one that ships.
pub trait PageWriter: Send + Sync {
    /// Its name, for example that of the checkpoint's folder.
    fn name(&self) -> &str;

    /// Most tokens of pictures, task and output together.
    fn context_length(&self) -> usize;

    /// Vision tokens that a picture costs, without encoding it.
    ///
    /// # Errors
    /// If the picture is empty or too long for its width.
    fn vision_tokens(&self, height: u32, width: u32) -> Result<usize, DecodeError>;

    /// Tokens of a request apart from those of the pictures: the task, and what stands around it
    /// and around each picture.
    ///
    /// # Errors
    /// If the text cannot be tokenized.
    fn text_tokens(&self, request: &ViewRequest<'_>) -> Result<usize, DecodeError>;

    /// Writes. `progress` is told the share that is done, 0 to 1, and stops the writing by
    /// returning [`ControlFlow::Break`].
    ///
    /// # Errors
    /// If the request is too long, or the model fails.
    fn write(
        &self,
        request: &ViewRequest<'_>,
        progress: &mut (dyn FnMut(f64) -> ControlFlow<()> + Send),
    ) -> Result<WrittenFromPages, DecodeError>;

    /// [`write`](Self::write) that also tells the answer as it is made, as
    /// [`Writer::stream`](crate::Writer::stream) does; what a model thinks before it is left out.
    /// The provided method tells the whole answer in one piece at the end.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    fn stream(
        &self,
        request: &ViewRequest<'_>,
        progress: &mut (dyn FnMut(f64) -> ControlFlow<()> + Send),
        text: &mut (dyn FnMut(&str) -> ControlFlow<()> + Send),
    ) -> Result<WrittenFromPages, DecodeError> {
        let mut written = self.write(request, progress)?;
        if written.finish_reason != FinishReason::Cancelled && text(&written.text).is_break() {
            written.finish_reason = FinishReason::Cancelled;
        }
        Ok(written)
    }

    /// Writes from a video, in the video tokens of the model's family.
    ///
    /// # Errors
    /// As [`write`](Self::write), and if the model has no such tokens.
    fn write_from_video(
        &self,
        request: &VideoRequest<'_>,
        progress: &mut (dyn FnMut(f64) -> ControlFlow<()> + Send),
    ) -> Result<WrittenFromPages, DecodeError> {
        let _ = (request, progress);
        Err(DecodeError::Input {
            what: "a video",
            expected: "a model with video tokens".to_owned(),
            found: self.name().to_owned(),
        })
    }
}
