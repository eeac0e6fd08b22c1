//! What pictures cost a page writer, without encoding them.

use std::collections::HashMap;

use glyph_decode::DecodeError;
use image::RgbImage;

use crate::page_writer::{PageView, PageWriter, ViewRequest};

/// Tokens of a picture: its own, and those of its page's number and of what stands around it and,
/// in some families, between its tiles.
pub(super) struct Costs<'w> {
    writer: &'w dyn PageWriter,
    /// By height, width and digits of the page's number, which are all that matters.
    known: HashMap<(u32, u32, u32), usize>,
}

impl<'w> Costs<'w> {
    pub(super) fn new(writer: &'w dyn PageWriter) -> Self {
        Self {
            writer,
            known: HashMap::new(),
        }
    }

    pub(super) fn of(&mut self, height: u32, width: u32, page: u32) -> Result<usize, DecodeError> {
        let key = (height, width, page.max(1).ilog10());
        if let Some(&cost) = self.known.get(&key) {
            return Ok(cost);
        }
        let own = self.writer.vision_tokens(height, width)?;
        let view = PageView {
            picture: RgbImage::new(width, height),
            page,
            bbox: None,
        };
        let text = |views: &[PageView]| self.writer.text_tokens(&ViewRequest::new(views, "", 1));
        let cost = own + text(&[view])?.saturating_sub(text(&[])?);
        self.known.insert(key, cost);
        Ok(cost)
    }
}
