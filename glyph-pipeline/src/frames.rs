//! Streams of images, such as slides or a screen: what does not change is read once.

use std::ops::Range;
use std::time::Instant;

use glyph_decode::FinishReason;
use glyph_encode::{EncodeError, text_rows};
use glyph_render::{BBox, Block, Document, Page, PageImage};
use image::RgbImage;

use crate::page_writer::VideoRequest;
use crate::pipeline::finish;
use crate::tasks::Answer;
use crate::viewing::{answer_of, answer_tokens};
use crate::{Pipeline, PipelineError, Reply, StageSeconds, TokenAccount};

/// When a part of a frame counts as changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameConfig {
    /// Side of the squares that are compared, in pixels.
    pub grain: u32,
    /// Levels that a pixel's grey, and each of its colours, may differ by and still be the same:
    /// more than compression and fading cursors make of it.
    pub tolerance: u8,
    /// Pixels of a square that have to differ.
    pub pixels: u32,
}

impl Default for FrameConfig {
    fn default() -> Self {
        Self {
            grain: 14,
            tolerance: 48,
            pixels: 3,
        }
    }
}

/// What a frame shows that was not there before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameChange {
    /// Number of the frame, from 1.
    pub frame: u32,
    /// Bands that changed, from top to bottom, whole rows of text each; empty if none did.
    pub regions: Vec<BBox>,
}

/// Compares each frame with what was shown before.
///
/// A square is compared with how it looked when it last changed, so that what fades in slowly is
/// noticed as well.
#[derive(Debug, Clone, Default)]
pub struct FrameStream {
    config: FrameConfig,
    shown: Option<PageImage>,
    frames: u32,
}

impl FrameStream {
    /// A stream that has seen nothing.
    pub fn new(config: FrameConfig) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// Takes the next frame.
    ///
    /// # Errors
    /// If its pixels do not fill its size.
    pub fn push(&mut self, frame: &PageImage) -> Result<FrameChange, PipelineError> {
        let page = as_page(frame, self.frames + 1)?;
        let rows = text_rows(&page);
        self.frames += 1;
        let changed = match &mut self.shown {
            Some(shown) if (shown.width, shown.height) == (frame.width, frame.height) => {
                self.config.update(shown, frame)
            }
            shown => {
                *shown = Some(frame.clone());
                vec![(0, frame.height)]
            }
        };
        Ok(FrameChange {
            frame: self.frames,
            regions: bands(&changed, rows.iter().map(|row| row.bbox), frame),
        })
    }
}

impl FrameConfig {
    /// Rows of squares that changed, as ranges of pixels; `shown` takes the new squares.
    fn update(self, shown: &mut PageImage, frame: &PageImage) -> Vec<(u32, u32)> {
        let (width, height) = (frame.width as usize, frame.height as usize);
        let grain = self.grain.max(1) as usize;
        let mut out = Vec::new();
        for top in (0..height).step_by(grain) {
            let bottom = (top + grain).min(height);
            let mut changed = false;
            for left in (0..width).step_by(grain) {
                let right = (left + grain).min(width);
                let lines = || (top..bottom).map(|y| y * width + left..y * width + right);
                let differing = |line| self.differing(shown, frame, line);
                if lines().map(differing).sum::<usize>() >= self.pixels.max(1) as usize {
                    changed = true;
                    lines().for_each(|line| take_over(shown, frame, line));
                }
            }
            if changed {
                out.push((top as u32, bottom as u32));
            }
        }
        out
    }
}

impl FrameConfig {
    /// Pixels of a range that show something else.
    fn differing(self, shown: &PageImage, frame: &PageImage, pixels: Range<usize>) -> usize {
        let differ = |a: u8, b: u8| a.abs_diff(b) > self.tolerance;
        if shown.color.is_none() && frame.color.is_none() {
            let (a, b) = (&shown.pixels[pixels.clone()], &frame.pixels[pixels]);
            return a.iter().zip(b).filter(|(a, b)| differ(**a, **b)).count();
        }
        pixels
            .filter(|&i| (0..3).any(|c| differ(channel(shown, i, c), channel(frame, i, c))))
            .count()
    }
}

/// A channel of a pixel; all channels of a grey picture are its grey.
fn channel(image: &PageImage, pixel: usize, channel: usize) -> u8 {
    match &image.color {
        Some(color) => color[3 * pixel + channel],
        None => image.pixels[pixel],
    }
}

/// Writes a range of a frame's pixels over what is shown.
fn take_over(shown: &mut PageImage, frame: &PageImage, pixels: Range<usize>) {
    if let (None, Some(_)) = (&shown.color, &frame.color) {
        shown.color = Some(shown.pixels.iter().flat_map(|&grey| [grey; 3]).collect());
    }
    if let Some(color) = &mut shown.color {
        for i in pixels.clone() {
            (0..3).for_each(|c| color[3 * i + c] = channel(frame, i, c));
        }
    }
    shown.pixels[pixels.clone()].copy_from_slice(&frame.pixels[pixels]);
}

/// Ranges of pixels, widened to the rows of text that they touch, as bands that do not overlap.
fn bands(changed: &[(u32, u32)], rows: impl Iterator<Item = BBox>, frame: &PageImage) -> Vec<BBox> {
    let touches = |row: &BBox| {
        changed
            .iter()
            .any(|&(from, to)| row.y < to && from < row.y + row.height)
    };
    let mut ranges: Vec<(u32, u32)> = rows
        .filter(touches)
        .map(|row| (row.y, row.y + row.height))
        .chain(changed.iter().copied())
        .collect();
    ranges.sort_unstable();
    let mut out: Vec<BBox> = Vec::new();
    for (from, to) in ranges {
        match out.last_mut() {
            Some(last) if from <= last.y + last.height => {
                last.height = last.height.max(to - last.y);
            }
            _ => out.push(BBox {
                x: 0,
                y: from,
                width: frame.width,
                height: to - from,
            }),
        }
    }
    out
}

fn as_page(frame: &PageImage, number: u32) -> Result<Page, EncodeError> {
    let expected = frame.width as usize * frame.height as usize;
    if frame.pixels.len() != expected {
        return Err(EncodeError::PixelCount {
            page: number,
            width: frame.width,
            height: frame.height,
            expected,
            found: frame.pixels.len(),
        });
    }
    if let Some(color) = frame.color.as_ref().filter(|c| c.len() != 3 * expected) {
        return Err(EncodeError::ColorCount {
            page: number,
            width: frame.width,
            height: frame.height,
            expected: 3 * expected,
            found: color.len(),
        });
    }
    Ok(Page {
        number,
        width: frame.width,
        height: frame.height,
        pixels: frame.pixels.clone(),
        color: None,
        lines: Vec::new(),
        layout: None,
    })
}

/// A frame with white where nothing changed; `cropped` to what changed.
fn only(frame: &PageImage, regions: &[BBox], cropped: bool) -> PageImage {
    let width = frame.width as usize;
    let all = regions.iter().copied().reduce(BBox::union);
    let all = all.filter(|_| cropped);
    let part = |bytes: &[u8], channels: usize| {
        let rows = |bbox: &BBox| {
            let row = |y: u32| y as usize * width * channels;
            row(bbox.y)..row(bbox.y + bbox.height)
        };
        let mut out = vec![255; bytes.len()];
        for region in regions {
            out[rows(region)].copy_from_slice(&bytes[rows(region)]);
        }
        match &all {
            Some(all) => out[rows(all)].to_vec(),
            None => out,
        }
    };
    PageImage {
        name: frame.name.clone(),
        width: frame.width,
        height: all.map_or(frame.height, |all| all.height),
        pixels: part(&frame.pixels, 1),
        color: frame.color.as_ref().map(|color| part(color, 3)),
        metadata: frame.metadata.clone(),
    }
}

impl Pipeline {
    /// Answers a question about a sequence of frames: slides, or a screen that is watched. Frames
    /// that show nothing new are skipped, and of others only the rows that changed are read.
    /// Wherever the reply names a page, that is the number of the frame, from 1.
    ///
    /// # Errors
    /// As [`Pipeline::ask`], and if a frame's pixels do not fill its size.
    pub fn ask_frames(
        &self,
        frames: impl IntoIterator<Item = PageImage>,
        question: &str,
    ) -> Result<Reply<Answer>, PipelineError> {
        let mut stream = FrameStream::default();
        let mut blocks = Vec::new();
        let mut numbers = Vec::new();
        for frame in frames {
            let change = stream.push(&frame)?;
            if !change.regions.is_empty() {
                let cropped = self.page_writer.is_some();
                blocks.push(Block::Page(only(&frame, &change.regions, cropped)));
                numbers.push(change.frame);
            }
        }
        let document = Document {
            title: None,
            blocks,
        };
        let mut reply = self.ask(&document, question)?;
        let number = |page: &mut u32| {
            if let Some(frame) = numbers.get((*page as usize).wrapping_sub(1)) {
                *page = *frame;
            }
        };
        let answer = &mut reply.output;
        answer.evidence.iter_mut().for_each(|e| number(&mut e.page));
        if let Some(writing) = &mut answer.writing {
            writing.pages_given.iter_mut().for_each(number);
        }
        reply
            .crops
            .iter_mut()
            .for_each(|crop| number(&mut crop.page));
        Ok(reply)
    }

    /// Answers a question about a video whose frames lie `seconds_per_frame` apart, with the video
    /// tokens of the page writer's family. Two frames cost as many tokens as one picture; unlike
    /// in [`ask_frames`](Self::ask_frames) every frame is seen whole.
    ///
    /// # Errors
    /// If the page writer has no video tokens, the frames differ in size, or their tokens have no
    /// room; [`PipelineError::NoWriter`] without a page writer.
    pub fn ask_video(
        &self,
        frames: &[RgbImage],
        seconds_per_frame: f64,
        question: &str,
    ) -> Result<Reply<Answer>, PipelineError> {
        let Some(writer) = &self.page_writer else {
            return Err(PipelineError::NoWriter {
                task: "watching a video",
            });
        };
        let started = Instant::now();
        let room = answer_tokens(&**writer);
        let request = VideoRequest::new(frames, seconds_per_frame, question, room);
        let mut tell = |fraction: f64| self.tell_writing(frames.len(), fraction);
        let written = writer.write_from_video(&request, &mut tell)?;
        if written.finish_reason == FinishReason::Cancelled {
            return Err(PipelineError::Cancelled {
                pages: frames.len(),
            });
        }
        let mut tokens = TokenAccount::new(0, 0, written.vision_tokens);
        tokens.writer.add(&written.usage);
        let given = (1..=frames.len() as u32).collect();
        let reply = Reply {
            output: (),
            tokens,
            seconds: StageSeconds::default(),
            crops: Vec::new(),
        };
        let output = answer_of(&**writer, written, given, Vec::new());
        Ok(finish(reply, output, started, 0.0))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use glyph_render::{RenderConfig, Renderer, Typesetter};

    fn slide(text: &str) -> PageImage {
        let typesetter = Typesetter::new(RenderConfig::builtin()).unwrap();
        let page = typesetter
            .render(&Document::from_text(text))
            .unwrap()
            .remove(0);
        PageImage {
            name: "slide".into(),
            width: page.width,
            height: page.height,
            pixels: page.pixels,
            ..PageImage::default()
        }
    }

    #[test]
    fn only_what_changes_is_a_region() {
        let mut stream = FrameStream::default();
        let first = slide("The agenda\n\nOne: the budget");
        let second = slide("The agenda\n\nTwo: the garden");
        assert_eq!(stream.push(&first).unwrap().regions.len(), 1);
        let same = stream.push(&first).unwrap();
        assert!(same.regions.is_empty() && same.frame == 2);
        let changed = stream.push(&second).unwrap();
        assert_eq!(changed.frame, 3);
        let heights: u32 = changed.regions.iter().map(|r| r.height).sum();
        assert!((14..60).contains(&heights), "{changed:?}");
        // Another size shows everything.
        let small = PageImage {
            width: 50,
            height: 40,
            pixels: vec![255; 2000],
            ..first.clone()
        };
        assert_eq!(stream.push(&small).unwrap().regions[0].height, 40);
        let short = PageImage {
            pixels: vec![0; 3],
            ..first
        };
        assert!(stream.push(&short).is_err());
    }

    #[test]
    fn a_colour_that_changes_is_a_change() {
        let mut stream = FrameStream::default();
        let grey = slide("A traffic light");
        stream.push(&grey).unwrap();
        // Red and green of the same grey.
        let light = |rgb: [u8; 3]| {
            let mut color: Vec<u8> = grey.pixels.iter().flat_map(|&p| [p; 3]).collect();
            let mut frame = grey.clone();
            for i in 300 * 700..310 * 700 {
                color[3 * i..3 * i + 3].copy_from_slice(&rgb);
                frame.pixels[i] = 75;
            }
            frame.color = Some(color);
            frame
        };
        let (red, green) = (light([251, 0, 0]), light([0, 128, 0]));
        assert_eq!(stream.push(&red).unwrap().regions.len(), 1);
        assert!(stream.push(&red).unwrap().regions.is_empty());
        let change = stream.push(&green).unwrap();
        assert_eq!(change.regions.len(), 1, "{change:?}");
        let shown = only(&green, &change.regions, true);
        let color = shown.color.unwrap();
        assert_eq!(color.len(), 3 * shown.pixels.len());
        assert!(color.chunks_exact(3).any(|p| p == [0, 128, 0]));
        // A grey frame takes the colour away again.
        assert_eq!(stream.push(&grey).unwrap().regions.len(), 1);
        assert!(stream.push(&grey).unwrap().regions.is_empty());
        let torn = PageImage {
            color: Some(vec![0; 7]),
            ..grey
        };
        assert!(stream.push(&torn).is_err());
    }

    #[test]
    fn noise_is_no_change_but_slow_fading_is() {
        let mut stream = FrameStream::default();
        let frame = slide("Some words");
        stream.push(&frame).unwrap();
        let mut noisy = frame.clone();
        for (i, pixel) in noisy.pixels.iter_mut().enumerate() {
            *pixel = pixel.saturating_sub((i * 7 % 20) as u8);
        }
        assert!(stream.push(&noisy).unwrap().regions.is_empty());
        let mut seen = false;
        let mut fading = frame.clone();
        for _ in 0..10 {
            fading.pixels[..70_000]
                .iter_mut()
                .for_each(|p| *p = p.saturating_sub(12));
            seen |= !stream.push(&fading).unwrap().regions.is_empty();
        }
        assert!(seen);
    }

    #[test]
    fn answers_name_frames() {
        let pipeline = Pipeline::builtin().unwrap();
        let agenda = "The meeting of the garden club";
        let slides = [
            slide(agenda),
            slide(agenda),
            slide(&format!("{agenda}\n\nThe treasurer is Amina Okafor.")),
            slide(&format!("{agenda}\n\nThe treasurer is Amina Okafor.")),
            slide(&format!("{agenda}\n\nThe next meeting is on 14 March.")),
        ];
        let reply = pipeline
            .ask_frames(slides.clone(), "Who is the treasurer?")
            .unwrap();
        assert!(
            reply.output.text.contains("Amina Okafor"),
            "{:?}",
            reply.output
        );
        assert!(reply.output.evidence.iter().all(|e| e.page == 3));
        // What did not change costs nothing again.
        let all = slides.len() * (reply.tokens.vision_global / 3 + 1);
        assert!(reply.tokens.vision_global < all);
        let reply = pipeline
            .ask_frames(slides, "When is the next meeting?")
            .unwrap();
        assert!(reply.output.text.contains("14 March"), "{:?}", reply.output);
        assert!(reply.output.evidence.iter().all(|e| e.page == 5));
    }
}
