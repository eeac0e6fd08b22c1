//! Why pages cannot be inverted.

use super::Damage;

/// What can go wrong between pages and their document.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvertError {
    /// There are no pages.
    #[error("there are no pages to invert")]
    NoPages,
    /// None of the pages carries a code.
    #[error(
        "page {} of the input ({width}x{height} px) cannot be inverted: expected a strip of codes \
         along its upper and lower edge, found {}; a page that was resized, compressed as JPEG or \
         drawn with \"invertible\": false has lost it, or never had it",
        position + 1,
        if *damaged { "a damaged one" } else { "none" }
    )]
    NoCode {
        /// Index of the first page.
        position: usize,
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
        /// Whether something like a strip was found.
        damaged: bool,
    },
    /// A page was drawn by a later version.
    #[error(
        "page {} of the input has codes of version {found}, and this program reads version 1",
        position + 1
    )]
    Version {
        /// Index of the page.
        position: usize,
        /// The version found.
        found: u8,
    },
    /// A page was drawn with other fonts.
    #[error(
        "page {} of the input was drawn with the fonts {expected:08x}, which are not the embedded \
         ones; make an Inverter with the configuration that the page was drawn with",
        position + 1
    )]
    Fonts {
        /// Index of the page.
        position: usize,
        /// The checksum of the fonts that drew the page.
        expected: u32,
    },
    /// The pages are whole, but hold another text than the one they are compared with.
    #[error("the pages differ from the document from its block {} on", block + 1)]
    Differs {
        /// Index of the first block that differs.
        block: usize,
    },
    /// The pages are damaged, and only an exact document was wanted.
    #[error("the pages are damaged: {}{}", first(damage), more(damage))]
    Damaged {
        /// All that is wrong with them.
        damage: Vec<Damage>,
    },
}

fn first(damage: &[Damage]) -> String {
    damage.first().map(Damage::to_string).unwrap_or_default()
}

fn more(damage: &[Damage]) -> String {
    match damage.len() {
        0 | 1 => String::new(),
        n => format!(", and {} more", n - 1),
    }
}
