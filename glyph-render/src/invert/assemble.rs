//! From cells and their code to text.

use crate::code::{LineCode, Op};

/// The cells of a line, one after the other.
pub(super) trait Cells {
    /// What the next cell shows; `None` where no character looks like it.
    fn read(&mut self) -> Option<char>;
    /// Whether the next cell shows this character.
    fn shows(&mut self, c: char) -> bool;
    /// Whether the next cell shows anything that is drawn for other text.
    fn passes(&mut self) -> bool;
    /// Text that has no cell comes here.
    fn insert(&mut self, text: &str);
    /// Cells not read yet.
    fn left(&self) -> usize;
}

/// What stands for a character that cannot be read.
const UNKNOWN: char = '\u{FFFD}';

/// The text of a line, and whether all of it could be read.
pub(super) fn assemble(code: Option<&LineCode>, cells: &mut impl Cells) -> (String, bool) {
    let mut text = String::new();
    let mut whole = code.is_some();
    let plain = |cells: &mut dyn Cells, text: &mut String| {
        let c = cells.read();
        text.push(c.unwrap_or(UNKNOWN));
        c.is_some()
    };
    for (gap, op) in code.iter().flat_map(|code| &code.ops) {
        if *gap as usize > cells.left() {
            whole = false;
        }
        for _ in 0..(*gap as usize).min(cells.left()) {
            whole &= plain(cells, &mut text);
        }
        match op {
            Op::Insert(inserted) => {
                cells.insert(inserted);
                text.push_str(inserted);
            }
            Op::Explicit(chars) => {
                for c in chars.chars() {
                    whole &= cells.left() > 0 && cells.shows(c);
                    text.push(c);
                }
            }
            Op::Replace(count, by) => {
                whole &= *count as usize <= cells.left();
                for _ in 0..(*count as usize).min(cells.left()) {
                    whole &= cells.passes();
                }
                text.push_str(by);
            }
        }
    }
    while cells.left() > 0 {
        whole &= plain(cells, &mut text);
    }
    text.push_str(code.map_or("", |code| code.tail.text()));
    (text, whole)
}
