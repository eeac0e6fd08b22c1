//! Images and videos in prompts: each place becomes as many tokens as what is shown there has.
//!
//! After the processors of transformers: `models/{qwen2_vl,qwen2_5_vl,glm4v,idefics3,smolvlm}/
//! processing_*.py`.

use std::ops::Range;

use super::Prompt;
use crate::{DecodeError, ImageEmbeds, Segment, TokenId, Tokenizer, VlmFamily};

mod expansion;

use expansion::{Expansion, expand, names};

/// Most vision tokens of a prompt; no model reads nearly as many.
const MOST_TOKENS: usize = 1 << 20;

/// What stands in the place of an image or video of a chat.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ImagePlaceholder {
    /// An image of Qwen2-VL, Qwen2.5-VL or GLM-4.1V.
    Patches {
        /// Tokens after neighbouring patches were merged.
        tokens: usize,
    },
    /// An image of Idefics3 or SmolVLM, cut into tiles. After the tiles the whole image comes once
    /// more; 0 rows of 0 columns are the whole image alone.
    Tiles {
        /// Rows of tiles.
        rows: usize,
        /// Columns of tiles.
        columns: usize,
        /// Tokens of a tile, and of the whole image.
        tokens_per_tile: usize,
    },
    /// A video of any family.
    Frames {
        /// Tokens of a frame. Qwen and GLM see two frames of the file as one.
        tokens_per_frame: usize,
        /// When each frame is shown, in seconds; of two that are seen as one, the first. Qwen's
        /// prompts need only their number.
        timestamps: Vec<f64>,
        /// Length in seconds, which SmolVLM is told; by default when the last frame is shown.
        duration: Option<f64>,
    },
}

/// A prompt in which every image and video has its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpandedPrompt {
    /// The prompt as text.
    pub text: String,
    /// The prompt's tokens.
    pub ids: Vec<TokenId>,
    /// Where vision tokens go, in the order of the prompt.
    pub runs: Vec<VisionRun>,
}

/// Tokens of a prompt that vision tokens take the place of: those of an image, a tile or a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VisionRun {
    /// Which image or video of the chat.
    pub image: usize,
    /// Its place in [`ExpandedPrompt::ids`].
    pub tokens: Range<usize>,
}

impl ExpandedPrompt {
    /// The prompt as a [`Session`](crate::Session) reads it, with embeddings for each of the
    /// [`runs`](Self::runs).
    ///
    /// # Errors
    /// If there are more or fewer embeddings than runs, or one has another number of tokens.
    pub fn segments(&self, embeds: Vec<ImageEmbeds>) -> Result<Vec<Segment>, DecodeError> {
        let wanted: Vec<usize> = self.runs.iter().map(|run| run.tokens.len()).collect();
        let found: Vec<usize> = embeds.iter().map(|e| e.embeds.dims()[0]).collect();
        if wanted != found {
            return Err(DecodeError::Input {
                what: "tokens of the images of a prompt",
                expected: format!("{wanted:?}"),
                found: format!("{found:?}"),
            });
        }
        let mut segments = Vec::with_capacity(2 * embeds.len() + 1);
        let mut from = 0;
        for (run, image) in self.runs.iter().zip(embeds) {
            let text = &self.ids[from..run.tokens.start];
            if !text.is_empty() {
                segments.push(Segment::Text(text.to_vec()));
            }
            segments.push(Segment::Image(image));
            from = run.tokens.end;
        }
        if from < self.ids.len() {
            segments.push(Segment::Text(self.ids[from..].to_vec()));
        }
        Ok(segments)
    }
}

impl Prompt {
    /// Puts the tokens of images and videos in their places, both in the order of the chat.
    ///
    /// # Errors
    /// If the prompt has places for more or fewer images and videos, or for others, or the
    /// tokenizer does not know the family's tokens.
    pub fn expand_images(
        &self,
        images: &[ImagePlaceholder],
        family: VlmFamily,
        tokenizer: &Tokenizer,
    ) -> Result<ExpandedPrompt, DecodeError> {
        let names = names(family);
        let find = |text: &str| {
            let at = names.map(|name| text.find(name).map(|at| (at, name)));
            at.into_iter().flatten().min()
        };
        let mut shown = Vec::new();
        let mut rest = self.markup();
        while let Some((at, name)) = find(rest) {
            shown.push(name);
            rest = &rest[at + name.len()..];
        }
        if shown.len() != images.len() {
            return Err(DecodeError::Input {
                what: "images and videos for a chat",
                expected: format!(
                    "{}, as {} and {} stand in the prompt",
                    shown.len(),
                    names[0],
                    names[1]
                ),
                found: images.len().to_string(),
            });
        }
        let expansions = shown
            .iter()
            .zip(images)
            .enumerate()
            .map(|(i, (name, image))| {
                let is_video = *name == names[1];
                expand(image, family, is_video).map_err(|expected| DecodeError::Input {
                    what: "an image or video of a chat",
                    expected: format!("{expected} for place {i}, {name}"),
                    found: format!("{image:?}"),
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let total = expansions.iter().flat_map(|e| &e.runs);
        let total = total.fold(0usize, |n, run| n.saturating_add(*run));
        if total > MOST_TOKENS {
            return Err(DecodeError::Input {
                what: "vision tokens of a prompt",
                expected: format!("{MOST_TOKENS} at most"),
                found: total.to_string(),
            });
        }

        let mut texts = expansions.iter();
        let prompt = self.replace(
            |rest| find(rest).map(|(at, name)| at..at + name.len()),
            || texts.next().map(Expansion::text).unwrap_or_default(),
        );
        let ids = prompt.encode(tokenizer)?;
        let runs = runs(&expansions, &ids, tokenizer)?;
        Ok(ExpandedPrompt {
            text: prompt.text().to_owned(),
            ids,
            runs,
        })
    }
}

/// Finds the expansions' runs among the tokens.
fn runs(
    expansions: &[Expansion],
    ids: &[TokenId],
    tokenizer: &Tokenizer,
) -> Result<Vec<VisionRun>, DecodeError> {
    let mut out = Vec::new();
    let mut from = 0;
    for (image, expansion) in expansions.iter().enumerate() {
        let token = expansion.token;
        let id = tokenizer.special_token_id(token);
        let id = id.ok_or_else(|| {
            DecodeError::Tokenizer(format!(
                "expected the special token {token}, which stands for images, found none"
            ))
        })?;
        for &n in &expansion.runs {
            let before = ids[from..].iter().take_while(|i| **i != id).count();
            let tokens = from + before..from + before + n;
            let found = ids.get(tokens.clone()).unwrap_or_default();
            if !found.iter().all(|i| *i == id) || found.len() != n {
                // Another special token may have the name of several.
                return Err(DecodeError::Tokenizer(format!(
                    "expected {n} tokens {token} one after the other, found other tokens"
                )));
            }
            from = tokens.end;
            out.push(VisionRun { image, tokens });
        }
    }
    Ok(out)
}
