//! What a page carries besides its ink: digits in the low bits of its pixels.
//!
//! `docs/architecture.md` describes the format.

mod bits;
mod line;
mod ops;
mod strip;
mod tone;

pub(crate) use bits::{Digits, bytes_of, digits_for, fill_digits};
pub(crate) use line::{BlockStart, CellRow, LineCode, Tail, encode_line};
pub(crate) use ops::{Op, Ops};
pub(crate) use strip::{Class, Edge, Found, Strip, draw_strip, find_strip};
pub(crate) use tone::Tone;

/// Digits of a flow line's code row hold this many bits; the third bit marks a cell's start.
pub(crate) const ROW_BITS: u32 = 2;
/// Digits in margins hold this many bits.
pub(crate) const MARGIN_BITS: u32 = 3;
/// Set in the code of a pixel at which a cell starts.
pub(crate) const START: u8 = 4;
/// The low bits that hold codes.
pub(crate) const CODE_MASK: u8 = 7;
