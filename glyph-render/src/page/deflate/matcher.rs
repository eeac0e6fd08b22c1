//! Rows of pixels to tokens.

use std::cell::Cell;

use fearless_simd::{Simd, prelude::*, u8x32};

use super::huffman::{BitWriter, write_block};
use super::{MATCH, MAX_MATCH, Rows, Token, WINDOW};

/// Bytes that a step compares at once.
const REACH: usize = 32;
/// The shortest match looked for; shorter ones hardly pay.
const MIN_MATCH: u32 = 4;
const HASH_BITS: u32 = 13;
const HEADS: usize = 1 << HASH_BITS;
/// Added to places in a table, so that its zeros lie outside the window of every place.
const OFFSET: usize = WINDOW + 1;
/// Bytes that a lane reads at once, about.
const CHUNK: usize = 1 << 16;
/// Tokens of a block; bounds the memory, and lets the codes follow the content.
const TOKENS: usize = 1 << 16;
/// The longest run that a step takes.
const LONGEST_RUN: usize = 1 << 16;
/// Room for what a step may leave.
const SPARE: usize = LONGEST_RUN / MAX_MATCH + 8;

/// What a lane works in. Asking for it anew takes as long as half of the work, because the system
/// hands out memory page by page; so threads keep it for their next image.
struct Buffers {
    /// Rows with their filter bytes: what lies in the window, what is next, and `REACH` bytes more.
    data: Vec<u8>,
    /// By hash of four bytes: where in the stream they stood last, plus `OFFSET`.
    heads: Box<[u32; HEADS]>,
    tokens: Box<[Token; TOKENS]>,
    out: BitWriter,
}

/// The most bytes that a thread keeps for a lane's rows and for its stream.
const KEPT: usize = 1 << 18;

thread_local! {
    static SPARE_BUFFERS: Cell<[Option<Buffers>; 2]> = const { Cell::new([None, None]) };
}

impl Buffers {
    fn take() -> Self {
        let mut spare = SPARE_BUFFERS.take();
        let buffers = spare.iter_mut().find_map(Option::take);
        SPARE_BUFFERS.set(spare);
        if let Some(mut buffers) = buffers {
            buffers.data.clear();
            buffers.heads.fill(0);
            buffers.out.clear();
            return buffers;
        }
        let array = "a vector of this length";
        Self {
            data: Vec::new(),
            heads: vec![0; HEADS].try_into().expect(array),
            tokens: vec![0; TOKENS].try_into().expect(array),
            out: BitWriter::new(),
        }
    }

    fn keep(self) {
        if self.data.capacity() > KEPT || self.out.capacity() > KEPT {
            return;
        }
        let mut spare = SPARE_BUFFERS.take();
        if let Some(place) = spare.iter_mut().find(|place| place.is_none()) {
            *place = Some(self);
        }
        SPARE_BUFFERS.set(spare);
    }
}

/// Some rows on their way to a stream of their own.
pub(super) struct Lane<'a> {
    rows: Rows<'a>,
    next_row: usize,
    end_row: usize,
    buffers: Buffers,
    /// The place in the stream of the first byte of `data`.
    base: usize,
    /// The end of the rows in `data`.
    end: usize,
    cursor: Cursor,
}

/// Apart from the rest, so that it stays in registers.
#[derive(Clone, Copy, Default)]
struct Cursor {
    /// In `data`.
    at: usize,
    /// Tokens so far.
    count: usize,
    /// All ones after a literal, else 0.
    literal: u32,
}

impl<'a> Lane<'a> {
    /// For the rows `from..to`. Rows before them are what the first matches are found in.
    pub(super) fn new(rows: Rows<'a>, from: usize, to: usize) -> Self {
        let first = from - (WINDOW / rows.stride() + 1).min(from);
        let mut lane = Self {
            rows,
            next_row: first,
            end_row: from,
            buffers: Buffers::take(),
            base: first * rows.stride(),
            end: 0,
            cursor: Cursor::default(),
        };
        lane.read();
        lane.cursor.at = lane.end;
        lane.end_row = to;
        lane
    }

    /// Appends rows.
    pub(super) fn extend_to(&mut self, row: usize) {
        self.end_row = row;
    }

    /// Reads the first rows and takes the first byte as it is: none stands before it.
    pub(super) fn begin(&mut self) {
        self.read();
        self.take_literal();
    }

    fn take_literal(&mut self) {
        let byte = self.buffers.data[self.cursor.at];
        self.cursor.push(&mut self.buffers.tokens, byte.into());
        self.cursor.at += 1;
    }

    /// Drops what has left the window, and reads on.
    fn read(&mut self) {
        let window = WINDOW.max(self.rows.stride());
        let gone = self.cursor.at.saturating_sub(window);
        self.buffers.data.truncate(self.end);
        self.buffers.data.drain(..gone);
        self.base += gone;
        self.cursor.at -= gone;
        self.buffers
            .data
            .reserve(window + CHUNK + self.rows.stride() + REACH);
        while self.next_row < self.end_row && self.buffers.data.len() < window + CHUNK {
            self.buffers.data.push(0);
            self.buffers
                .data
                .extend_from_slice(self.rows.get(self.next_row));
            self.next_row += 1;
        }
        self.end = self.buffers.data.len();
        self.buffers.data.resize(self.end + REACH, 0);
    }

    /// Whether a step can be done; writes tokens and reads on for that.
    #[inline(always)]
    fn ready(&mut self) -> bool {
        if !self.cursor.has_room() {
            self.flush();
        }
        if self.cursor.at + REACH >= self.end && self.next_row < self.end_row {
            self.read();
        }
        self.cursor.at + REACH < self.end
    }

    #[inline(always)]
    fn flush(&mut self) {
        write_block(
            &mut self.buffers.out,
            &self.buffers.tokens[..self.cursor.count],
        );
        self.cursor.count = 0;
    }

    /// Goes on to the end. `above` is how far back the row above lies; the byte before must be
    /// there, and `above` bytes too.
    #[inline(always)]
    pub(super) fn run<S: Simd>(&mut self, simd: S, above: usize) {
        while self.ready() {
            let mut cursor = self.cursor;
            let (input, heads, tokens) = self.parts(above);
            while cursor.at + REACH < input.end && cursor.has_room() {
                cursor.step(simd, input, heads, tokens);
            }
            self.cursor = cursor;
        }
        while self.cursor.at < self.end {
            self.take_literal();
        }
    }

    /// The same for two lanes that take turns, until one of them is at its end.
    ///
    /// A step needs the outcome of the one before it, so the processor idles through most of it.
    /// Two lanes fill each other's waits.
    #[inline(always)]
    pub(super) fn run_both<S: Simd>(simd: S, a: &mut Self, b: &mut Self, above: usize) {
        while a.ready() && b.ready() {
            let (mut first, mut second) = (a.cursor, b.cursor);
            let (input_a, heads_a, tokens_a) = a.parts(above);
            let (input_b, heads_b, tokens_b) = b.parts(above);
            while first.at + REACH < input_a.end
                && second.at + REACH < input_b.end
                && first.has_room()
                && second.has_room()
            {
                first.step(simd, input_a, heads_a, tokens_a);
                second.step(simd, input_b, heads_b, tokens_b);
            }
            (a.cursor, b.cursor) = (first, second);
        }
    }

    /// What a step looks at and writes.
    #[inline(always)]
    fn parts(&mut self, above: usize) -> (Input<'_>, &mut [u32; HEADS], &mut [Token; TOKENS]) {
        let input = Input {
            data: &self.buffers.data,
            base: self.base,
            end: self.end,
            above,
        };
        (input, &mut self.buffers.heads, &mut self.buffers.tokens)
    }

    /// Appends the stream to another one, which ends at a byte.
    #[inline(always)]
    pub(super) fn finish(mut self, stream: &mut BitWriter) {
        self.flush();
        stream.append(&mut self.buffers.out);
        self.buffers.keep();
    }
}

/// What a step looks at.
#[derive(Clone, Copy)]
struct Input<'a> {
    data: &'a [u8],
    base: usize,
    end: usize,
    above: usize,
}

impl Cursor {
    /// Whether there is room for what a step may leave.
    #[inline(always)]
    fn has_room(self) -> bool {
        self.count < TOKENS - SPARE
    }

    #[inline(always)]
    fn push(&mut self, tokens: &mut [Token; TOKENS], token: Token) {
        // The mask is what lets the compiler leave out the check.
        tokens[self.count & (TOKENS - 1)] = token;
        self.count += 1;
    }

    /// Appends a literal, two, or a match.
    ///
    /// Hardly a branch: whether a byte starts a match is a coin toss, which processors guess wrong
    /// half of the time.
    #[inline(always)]
    fn step<S: Simd>(
        &mut self,
        simd: S,
        input: Input<'_>,
        heads: &mut [u32; HEADS],
        tokens: &mut [Token; TOKENS],
    ) {
        let (data, above, at) = (input.data, input.above, self.at);
        let here = window(data, at);
        let four = first_four(here);
        let place = (input.base + at + OFFSET) as u32;
        let seen = std::mem::replace(&mut heads[hash(four)], place);
        let last_seen = place.wrapping_sub(seen) as usize;
        let last_seen = if last_seen <= WINDOW { last_seen } else { 1 };
        let from_last = alike(simd, here, window(data, at - last_seen));
        let from_above = alike(simd, here, window(data, at - above));
        let (length, distance) = if from_above >= from_last {
            (from_above, above)
        } else {
            (from_last, last_seen)
        };
        if length == REACH {
            self.step_long(simd, input, distance, heads, tokens);
            return;
        }
        // All ones for a literal.
        let literal = u32::from(length as u32 >= MIN_MATCH).wrapping_sub(1);
        let matched = match_token(length, distance);
        self.push(tokens, (four & 255 & literal) | (matched & !literal));
        // Where there was no match twice, the byte that follows is not looked at: strokes that were
        // not seen before are long.
        let two = (literal & self.literal & 1) as usize;
        tokens[self.count & (TOKENS - 1)] = four >> 8 & 255;
        self.count += two;
        self.literal = literal;
        self.at = at + 1 + two + ((length as u32).wrapping_sub(1) & !literal) as usize;
    }

    /// Appends a match of `REACH` or more, or a run of the byte before, where it is one.
    #[inline(always)]
    fn step_long<S: Simd>(
        &mut self,
        simd: S,
        input: Input<'_>,
        distance: usize,
        heads: &mut [u32; HEADS],
        tokens: &mut [Token; TOKENS],
    ) {
        let (data, at) = (input.data, self.at);
        let run = alike(simd, window(data, at), window(data, at - 1)) == REACH;
        let (distance, limit) = if run {
            (1, input.end.min(at + LONGEST_RUN))
        } else {
            (distance, input.end.min(at + MAX_MATCH))
        };
        let mut length = REACH;
        while at + length + REACH <= limit {
            let (a, b) = (at + length, at + length - distance);
            let more = alike(simd, window(data, a), window(data, b));
            length += more;
            if more < REACH {
                break;
            }
        }
        self.at = at + length;
        while length > MAX_MATCH {
            // What is left after the last full match must not be below 3.
            let part = MAX_MATCH.min(length - 3);
            self.push(tokens, match_token(part, distance));
            length -= part;
        }
        self.push(tokens, match_token(length, distance));
        // The ends of a match are where the next text may differ.
        let last = self.at - 2;
        heads[hash(first_four(window(data, last)))] = (input.base + last + OFFSET) as u32;
        self.literal = 0;
    }
}

/// A match; nonsense where `length` is below 3.
#[inline(always)]
fn match_token(length: usize, distance: usize) -> Token {
    MATCH | (length as u32).wrapping_sub(3) & 255 | ((distance - 1) as u32) << 9
}

#[inline(always)]
fn window(data: &[u8], at: usize) -> &[u8; REACH] {
    data[at..at + REACH].first_chunk().expect("that many bytes")
}

#[inline(always)]
fn first_four(window: &[u8; REACH]) -> u32 {
    u32::from_le_bytes([window[0], window[1], window[2], window[3]])
}

#[inline(always)]
fn hash(bytes: u32) -> usize {
    (bytes.wrapping_mul(0x9E37_79B1) >> (32 - HASH_BITS)) as usize
}

/// How many bytes are the same before one differs.
#[inline(always)]
fn alike<S: Simd>(simd: S, a: &[u8; REACH], b: &[u8; REACH]) -> usize {
    let (a, b) = (u8x32::from_slice(simd, a), u8x32::from_slice(simd, b));
    let same = a.simd_eq(b).to_bitmask() as u32;
    (u64::from(!same) | 1 << REACH).trailing_zeros() as usize
}
