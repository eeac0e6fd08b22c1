//! Options of what is drawn beside the text.

/// A line of text at a page's top or bottom: templates for its left, middle and
/// right part.
///
/// In a template `{page}` stands for the page's number, `{pages}` for how many
/// there are, `{title}` for the document's title (nothing where it has none) and
/// `{id}` for its [`document_id`](crate::FlowStyle::document_id). `{{` and `}}`
/// are braces. `{pages}` costs a second pass of the layout where pages are made
/// one by one. Only the banner's line is kept clear; parts that are too long
/// overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Banner {
    /// Flush with the left margin.
    pub left: String,
    /// Centred between the margins.
    pub center: String,
    /// Flush with the right margin.
    pub right: String,
}

impl Banner {
    /// A banner with only a middle part.
    pub fn centered(template: impl Into<String>) -> Self {
        Self {
            center: template.into(),
            ..Self::default()
        }
    }

    /// Whether it draws nothing.
    pub fn is_empty(&self) -> bool {
        self.parts().iter().all(|part| part.is_empty())
    }

    pub(crate) fn parts(&self) -> [&str; 3] {
        [&self.left, &self.center, &self.right]
    }
}

/// Numbers in a gutter left of each column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineNumbers {
    /// Lines whose number is a multiple of this have it drawn; from 1.
    pub every: u32,
    /// Where counting starts over.
    pub restart: Restart,
}

impl LineNumbers {
    /// Every line of a page, from 1.
    pub const fn per_page() -> Self {
        Self {
            every: 1,
            restart: Restart::Page,
        }
    }

    /// Every line of the document, from 1.
    pub const fn per_document() -> Self {
        Self {
            every: 1,
            restart: Restart::Document,
        }
    }

    /// The same with only every `n`th number drawn.
    #[must_use]
    pub const fn every(mut self, n: u32) -> Self {
        self.every = n;
        self
    }
}

/// Where line numbers start over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Restart {
    /// On each page.
    #[default]
    Page,
    /// Nowhere within a document.
    Document,
}

/// Faint lines across the page, down and across, to tell positions by.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Grid {
    /// Distance of the lines in points, from 1.
    pub spacing: f32,
    /// How dark they are: see [`Watermark::levels`].
    pub levels: u8,
}

impl Grid {
    /// Lines of the faintest kind, `spacing` points apart.
    pub const fn new(spacing: f32) -> Self {
        Self { spacing, levels: 1 }
    }
}

/// Faint text across each page.
///
/// Grid and watermark are added to the text's grey levels, not drawn over
/// them: a pixel is `levels + 1` steps of text and the remainder is watermark, so
/// that [`Page::without_mask`](crate::Page::without_mask) takes them off exactly and
/// the text under them loses nothing.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Watermark {
    /// A template as in a [`Banner`], without `{page}` and `{pages}`.
    pub text: String,
    /// How dark it is: 1, 3 or 7 steps of 8 grey values. The text has that many
    /// times fewer levels of anti-aliasing, a half, a quarter or an eighth of 32.
    pub levels: u8,
    /// Degrees counter-clockwise.
    pub angle: f32,
    /// Font size in points; fitted to the page's diagonal where `None`.
    pub font_size: Option<f32>,
}

impl Watermark {
    /// `text` across the page's middle, rising at 45 degrees.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            levels: 3,
            angle: 45.0,
            font_size: None,
        }
    }
}
