//! The boundary of this stage: the encoder trait and the tokens it makes.

use burn::tensor::{Device, Tensor, TensorData};
use glyph_render::{BBox, Page};
use serde::{Deserialize, Serialize};

use crate::EncodeError;

/// How finely to encode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detail {
    /// Few tokens a page: the scan that finds where to look.
    Global,
    /// More tokens: what is read.
    Local,
}

/// What to encode.
#[derive(Debug, Clone, Copy)]
pub struct EncoderInput<'a> {
    /// The page.
    pub page: &'a Page,
    /// The part of the page, in pixels; the whole page if `None`. A row of text is encoded whole or
    /// not at all, as [`takes`](Self::takes) says: a crop never cuts a line.
    pub region: Option<BBox>,
    /// How finely.
    pub detail: Detail,
}

impl<'a> EncoderInput<'a> {
    /// The whole page.
    pub fn page(page: &'a Page, detail: Detail) -> Self {
        Self {
            page,
            region: None,
            detail,
        }
    }

    /// Whether the row of text with this box, in pixels of the page, is to be encoded: the region
    /// has at least half of its height, and they have at least half of the narrower one's width in
    /// common. So a box around some rows takes those and not their neighbours, even where boxes are
    /// off by a pixel or two.
    pub fn takes(&self, row: BBox) -> bool {
        self.region.is_none_or(|region| takes(region, row))
    }
}

/// [`EncoderInput::takes`] for a region.
pub(crate) fn takes(region: BBox, row: BBox) -> bool {
    let common = |a: u32, a_len: u32, b: u32, b_len: u32| {
        let end = a.saturating_add(a_len).min(b.saturating_add(b_len));
        u64::from(end.saturating_sub(a.max(b)))
    };
    let height = common(row.y, row.height, region.y, region.height);
    let width = common(row.x, row.width, region.x, region.width);
    height > 0
        && width > 0
        && 2 * height >= u64::from(row.height)
        && 2 * width >= u64::from(row.width.min(region.width))
}

/// Checks that a page has as many pixels as its size says, which encoders do first.
///
/// # Errors
/// If it has not.
pub fn check_pixel_count(page: &Page) -> Result<(), EncodeError> {
    let expected = page.width as usize * page.height as usize;
    if page.pixels.len() == expected {
        return Ok(());
    }
    Err(EncodeError::PixelCount {
        page: page.number,
        width: page.width,
        height: page.height,
        expected,
        found: page.pixels.len(),
    })
}

/// Number of vision tokens that a box of pixels costs at most, on a page in the style that the
/// encoder was made for. On other pages letters may be smaller, and a box of them costs more; but a
/// row of text, as encoders number rows, costs `columns` tokens at most on any page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenGrid {
    /// Rows of tokens.
    pub rows: usize,
    /// Tokens in a row; for a box of unlimited width, the most that any row costs.
    pub columns: usize,
}

impl TokenGrid {
    /// Tokens in all.
    pub fn tokens(&self) -> usize {
        self.rows * self.columns
    }
}

/// Where a vision token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenPosition {
    /// Page number, from 1.
    pub page: u32,
    /// Row of text on the page, from 1.
    pub row: u32,
    /// Index of the token in its row, from 0, counting blank ones.
    pub column: u32,
    /// Whether from the scan or from a crop.
    pub detail: Detail,
    /// Patches of the row that were merged to this token.
    pub merge_size: u32,
    /// Whether the row is in another style than the encoder was made for, and told less surely.
    pub foreign: bool,
    /// The pixels that it stands for.
    pub bbox: BBox,
}

/// A sequence of vision tokens.
#[derive(Debug, Clone)]
pub struct VisionTokens {
    /// Features, `[n_tokens, hidden_size]`. Boxes without ink have no token.
    pub features: Tensor<2>,
    /// Where each comes from, in the order of `features`.
    pub positions: Vec<TokenPosition>,
}

impl VisionTokens {
    /// A sequence of no tokens.
    pub fn empty(hidden_size: usize, device: &Device) -> Self {
        let none = TensorData::new(Vec::<f32>::new(), [0, hidden_size]);
        Self {
            features: Tensor::from_data(none, device),
            positions: Vec::new(),
        }
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Joins sequences to one, in the given order; positions tell global from local tokens.
    ///
    /// # Errors
    /// If the widths differ.
    pub fn concat(
        parts: &[VisionTokens],
        hidden_size: usize,
        device: &Device,
    ) -> Result<Self, EncodeError> {
        let parts: Vec<&VisionTokens> = parts.iter().filter(|p| !p.is_empty()).collect();
        if parts.is_empty() {
            return Ok(Self::empty(hidden_size, device));
        }
        if let Some(found) = parts
            .iter()
            .map(|p| p.features.dims()[1])
            .find(|&w| w != hidden_size)
        {
            return Err(EncodeError::HiddenSize {
                expected: hidden_size,
                found,
            });
        }
        Ok(Self {
            features: Tensor::cat(parts.iter().map(|p| p.features.clone()).collect(), 0),
            positions: parts
                .iter()
                .flat_map(|p| p.positions.iter().copied())
                .collect(),
        })
    }
}

/// Turns pages into vision tokens.
pub trait VisionEncoder: Send + Sync {
    /// Encodes a page or a region of one.
    ///
    /// # Errors
    /// If the page's pixels are not what its size says, or the encoder fails.
    fn encode(&self, input: EncoderInput<'_>) -> Result<VisionTokens, EncodeError>;

    /// Encodes the same rows with patches that begin elsewhere, for a second look at what is
    /// doubtful. `None`, as from encoders that leave it out, if there is no other way to look.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    fn encode_staggered(
        &self,
        _input: EncoderInput<'_>,
    ) -> Result<Option<VisionTokens>, EncodeError> {
        Ok(None)
    }

    /// The most tokens that a box of pixels costs, without encoding it, on a page in the style that
    /// the encoder was made for; see [`TokenGrid`] for others. Budgets are counted in rows of
    /// unlimited width.
    fn token_grid(&self, height: u32, width: u32, detail: Detail) -> TokenGrid;

    /// Width of a vision token.
    fn hidden_size(&self) -> usize;

    /// Names the weights and settings: equal fingerprints give equal tokens for equal pixels.
    fn fingerprint(&self) -> String;
}

impl<E: VisionEncoder + ?Sized> VisionEncoder for Box<E> {
    fn encode(&self, input: EncoderInput<'_>) -> Result<VisionTokens, EncodeError> {
        (**self).encode(input)
    }

    fn encode_staggered(
        &self,
        input: EncoderInput<'_>,
    ) -> Result<Option<VisionTokens>, EncodeError> {
        (**self).encode_staggered(input)
    }

    fn token_grid(&self, height: u32, width: u32, detail: Detail) -> TokenGrid {
        (**self).token_grid(height, width, detail)
    }

    fn hidden_size(&self) -> usize {
        (**self).hidden_size()
    }

    fn fingerprint(&self) -> String {
        (**self).fingerprint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_takes_rows_that_lie_in_it_by_half() {
        let bbox = |x, y, width, height| BBox {
            x,
            y,
            width,
            height,
        };
        let row = bbox(100, 100, 200, 14);
        assert!(takes(row, row));
        // Half of the row's height, and not less.
        assert!(takes(bbox(100, 93, 200, 14), row));
        assert!(!takes(bbox(100, 92, 200, 14), row));
        // A part of the row's width is enough, a pixel of a neighbour is not.
        assert!(takes(bbox(290, 100, 10, 14), row));
        assert!(!takes(bbox(299, 100, 200, 14), row));
        // A box past the last pixel that can be counted.
        assert!(takes(bbox(0, 0, u32::MAX, u32::MAX), row));
        assert!(takes(bbox(50, 50, u32::MAX, u32::MAX), row));
        assert!(!takes(bbox(u32::MAX, u32::MAX, u32::MAX, u32::MAX), row));
    }
}
