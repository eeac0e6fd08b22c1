//! From shapes back to characters.

use std::sync::{Arc, OnceLock};

use crate::font::{CharRange, FontSet, RANGES};

/// How a reader tells a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// By the shape of its cell and a digit, 0 to 3; and the range that it belongs to.
    Shape { digit: u8, range: u8 },
    /// By its code point, which the line's code holds.
    Explicit,
    /// The same, and it has no cell.
    Hidden,
}

/// Digits that tell characters of the same shape apart.
const DIGITS: u8 = 4;
/// What blank cells mean, by digit.
const BLANKS: [char; DIGITS as usize] = [' ', '\t', '\u{3000}', '\u{A0}'];

/// What a shape is computed from.
pub(crate) trait Shapes: Send + Sync {
    /// The fingerprint of a character's cell; `None` where it has none.
    fn shape(&self, c: char) -> Option<u64>;
    /// The fonts.
    fn fonts(&self) -> &Arc<FontSet>;
    /// Whether ranges of rare characters are worth drawing; they are explicit otherwise.
    fn rare(&self) -> bool;
}

/// Characters by shape and digit, for one style of cells.
///
/// The fonts' characters are cut into ranges. A range is drawn when a character of it or of a
/// later one is first asked for, and its characters get the lowest digits that no character
/// before them has at the same shape. Writer and reader so come to the same digits.
pub(crate) struct Lexicon {
    shapes: Box<dyn Shapes>,
    tables: [OnceLock<Table>; RANGES],
}

impl std::fmt::Debug for Lexicon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lexicon").finish_non_exhaustive()
    }
}

impl Lexicon {
    pub(crate) fn new(shapes: impl Shapes + 'static) -> Self {
        Self {
            shapes: Box::new(shapes),
            tables: [const { OnceLock::new() }; RANGES],
        }
    }

    pub(crate) fn fonts(&self) -> &Arc<FontSet> {
        self.shapes.fonts()
    }

    /// The shape of a character's cell; `None` where it has none.
    pub(crate) fn shape(&self, c: char) -> Option<u64> {
        self.shapes.shape(c)
    }

    /// How a reader tells `c`, whose cell has this shape.
    pub(crate) fn sign(&self, c: char, shape: u64) -> Sign {
        if shape == 0 {
            let digit = BLANKS.iter().position(|blank| *blank == c);
            return digit.map_or(Sign::Explicit, |digit| Sign::Shape {
                digit: digit as u8,
                range: 0,
            });
        }
        let Some(range) = self.range(c) else {
            return Sign::Explicit;
        };
        let table = self.table(range);
        let digit = (0..DIGITS).find(|digit| table.get(shape, *digit) == Some(c));
        digit.map_or(Sign::Explicit, |digit| Sign::Shape {
            digit,
            range: range as u8,
        })
    }

    /// The character of a shape and digit, from the first `ranges` ranges.
    #[inline]
    pub(crate) fn char(&self, shape: u64, digit: u8, ranges: u8) -> Option<char> {
        if shape == 0 {
            return BLANKS.get(usize::from(digit)).copied();
        }
        (0..usize::from(ranges).min(RANGES)).find_map(|range| self.table(range).get(shape, digit))
    }

    /// The same; `hint` is the range to look in first, and becomes the one found.
    #[inline]
    pub(crate) fn char_near(
        &self,
        shape: u64,
        digit: u8,
        ranges: u8,
        hint: &mut u8,
    ) -> Option<char> {
        let near = self.tables.get(usize::from(*hint)).and_then(OnceLock::get);
        if shape != 0
            && let Some(c) = near.and_then(|table| table.get(shape, digit))
        {
            return Some(c);
        }
        let c = self.char(shape, digit, ranges)?;
        if shape != 0 {
            let holds = |table: &OnceLock<Table>| {
                let table = table.get();
                table.is_some_and(|table| table.get(shape, digit).is_some())
            };
            *hint = self.tables.iter().position(holds).unwrap_or(0) as u8;
        }
        Some(c)
    }

    /// The range of a character that a font draws and that has a cell.
    fn range(&self, c: char) -> Option<usize> {
        let range = self.shapes.fonts().range(c)?;
        (!range.is_rare() || self.shapes.rare()).then_some(range as usize)
    }

    fn table(&self, range: usize) -> &Table {
        self.tables[range].get_or_init(|| {
            let mut table = Table::default();
            if CharRange::ALL[range].is_rare() && !self.shapes.rare() {
                return table;
            }
            for c in self.shapes.fonts().chars(CharRange::ALL[range]) {
                let Some(shape) = self.shapes.shape(c).filter(|shape| *shape != 0) else {
                    continue;
                };
                let free = (0..DIGITS).find(|digit| {
                    table.get(shape, *digit).is_none()
                        && (0..range).all(|r| self.table(r).get(shape, *digit).is_none())
                });
                if let Some(digit) = free {
                    table.insert(shape, digit, c);
                }
            }
            table
        })
    }
}

/// Open addressing over shapes; slots hold a shape, and its digit and character plus 1.
#[derive(Debug, Default)]
struct Table {
    slots: Vec<(u64, u32)>,
    len: usize,
}

const DIGIT_SHIFT: u32 = 24;

impl Table {
    #[inline]
    fn get(&self, shape: u64, digit: u8) -> Option<char> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut at = shape as usize & mask;
        loop {
            let (found, value) = self.slots[at];
            if value == 0 {
                return None;
            }
            if found == shape && value >> DIGIT_SHIFT == u32::from(digit) {
                return char::from_u32((value & 0xFF_FFFF) - 1);
            }
            at = (at + 1) & mask;
        }
    }

    fn insert(&mut self, shape: u64, digit: u8, c: char) {
        if 2 * (self.len + 1) > self.slots.len() {
            let size = (2 * self.slots.len()).max(256);
            let old = std::mem::replace(&mut self.slots, vec![(0, 0); size]);
            for (shape, value) in old.into_iter().filter(|slot| slot.1 != 0) {
                self.put(shape, value);
            }
        }
        self.put(shape, (c as u32 + 1) | u32::from(digit) << DIGIT_SHIFT);
        self.len += 1;
    }

    fn put(&mut self, shape: u64, value: u32) {
        let mask = self.slots.len() - 1;
        let mut at = shape as usize & mask;
        while self.slots[at].1 != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = (shape, value);
    }
}
