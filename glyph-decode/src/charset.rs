//! The characters the built-in readout knows, and their classes.

use std::collections::HashMap;
use std::sync::OnceLock;

/// What one half-width cell of a page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cell {
    /// No ink.
    Blank,
    /// A character, or the first half of a full-width one.
    Char(char),
    /// The second half of a full-width character.
    SecondHalf,
    /// Ink that is no character of the set, or not legible.
    Unknown,
}

/// Classes of the two softmaxes: `head` tells frequent characters apart, `tail` the rest.
#[derive(Debug)]
pub struct Charset {
    head: Vec<char>,
    tail: Vec<char>,
    class: HashMap<char, Class>,
}

/// Where a cell's content lies in the two softmaxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// Index in the first softmax.
    pub head: usize,
    /// Index in the second softmax, where `head` is [`Charset::TAIL`].
    pub tail: Option<usize>,
}

impl Charset {
    /// Class of [`Cell::Blank`].
    pub const BLANK: usize = 0;
    /// Class of [`Cell::SecondHalf`].
    pub const SECOND_HALF: usize = 1;
    /// Class of [`Cell::Unknown`].
    pub const UNKNOWN: usize = 2;
    /// Class of every character of the second softmax.
    pub const TAIL: usize = 3;
    const FIRST_CHAR: usize = 4;

    /// The shipped set: printable ASCII, the letters of Europe's Latin alphabets, typographic
    /// punctuation, all of GB2312 (Greek, Cyrillic and kana with it), and signs of measures and
    /// mathematics.
    pub fn builtin() -> &'static Charset {
        static SET: OnceLock<Charset> = OnceLock::new();
        SET.get_or_init(|| {
            let mut lines = include_str!("../assets/charset.txt").lines();
            let mut next = || lines.next().unwrap_or_default().chars().collect();
            Charset::new(next(), next())
        })
    }

    fn new(head: Vec<char>, tail: Vec<char>) -> Self {
        let mut class = HashMap::with_capacity(head.len() + tail.len());
        for (i, &c) in head.iter().enumerate() {
            class.insert(
                c,
                Class {
                    head: Self::FIRST_CHAR + i,
                    tail: None,
                },
            );
        }
        for (i, &c) in tail.iter().enumerate() {
            class.insert(
                c,
                Class {
                    head: Self::TAIL,
                    tail: Some(i),
                },
            );
        }
        Self { head, tail, class }
    }

    /// Number of classes of the first softmax.
    pub fn head_classes(&self) -> usize {
        Self::FIRST_CHAR + self.head.len()
    }

    /// Number of classes of the second softmax.
    pub fn tail_classes(&self) -> usize {
        self.tail.len()
    }

    /// The characters of both softmaxes, frequent ones first.
    pub fn chars(&self) -> impl Iterator<Item = char> + '_ {
        self.head.iter().chain(&self.tail).copied()
    }

    /// Whether the set holds `c`.
    pub fn contains(&self, c: char) -> bool {
        self.class.contains_key(&c)
    }

    /// The class of a cell's content; a character outside the set is [`Charset::UNKNOWN`].
    pub fn class_of(&self, cell: Cell) -> Class {
        let head = match cell {
            Cell::Blank => Self::BLANK,
            Cell::SecondHalf => Self::SECOND_HALF,
            Cell::Unknown => Self::UNKNOWN,
            Cell::Char(c) => {
                return self.class.get(&c).copied().unwrap_or(Class {
                    head: Self::UNKNOWN,
                    tail: None,
                });
            }
        };
        Class { head, tail: None }
    }

    /// The content of a class; `tail` counts where `head` is [`Charset::TAIL`].
    pub fn cell_of(&self, head: usize, tail: usize) -> Cell {
        match head {
            Self::BLANK => Cell::Blank,
            Self::SECOND_HALF => Cell::SecondHalf,
            Self::UNKNOWN => Cell::Unknown,
            Self::TAIL => self
                .tail
                .get(tail)
                .map_or(Cell::Unknown, |&c| Cell::Char(c)),
            _ => self
                .head
                .get(head - Self::FIRST_CHAR)
                .map_or(Cell::Unknown, |&c| Cell::Char(c)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_round_trips() {
        let set = Charset::builtin();
        let mut n = 0;
        for c in set.chars() {
            let class = set.class_of(Cell::Char(c));
            assert_eq!(
                set.cell_of(class.head, class.tail.unwrap_or(0)),
                Cell::Char(c)
            );
            n += 1;
        }
        assert_eq!(n, set.class.len(), "no character stands twice");
        assert_eq!(
            set.chars()
                .filter(|c| ('\u{4e00}'..='\u{9fff}').contains(c))
                .count(),
            6763
        );
        for c in ('\u{21}'..='\u{7e}').chain('\u{a1}'..='\u{ff}') {
            assert!(c == '\u{ad}' || set.contains(c), "{c:?}");
        }
        assert_eq!(set.class_of(Cell::Char('\u{10000}')).head, Charset::UNKNOWN);
    }
}
