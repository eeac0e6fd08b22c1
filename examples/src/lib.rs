//! What the examples share: their command line, and measuring what was read.

pub mod align;
pub mod alignment;
pub mod calibration;
pub mod cli;
pub mod rows;

/// The text with single spaces between words.
pub fn single_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Edit distance in characters.
pub fn edit_distance(a: &str, b: &str) -> usize {
    strsim::levenshtein(a, b)
}
