//! The strip of codes along a page's upper and lower edge, which says how the page was drawn.

use super::ops::{Reader, varint};
use super::{BlockStart, CODE_MASK, Digits, MARGIN_BITS, Tone, bytes_of, digits_for};
use crate::raster::CellStyle;

/// What decides the shape of a glyph's cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Class {
    /// Font size in pixels.
    pub(crate) px: f32,
    /// Height of a line's box.
    pub(crate) height: u32,
    /// From the box's top to the baseline.
    pub(crate) baseline: u32,
}

/// What a page says about itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Strip {
    /// Whether it is a page in the built-in style.
    pub(crate) cells: bool,
    pub(crate) antialias: bool,
    /// Whether it is the document's last page.
    pub(crate) last: bool,
    /// Size of the page in pixels.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// The tone of the page, whose background is that of the edges.
    pub(crate) tone: Tone,
    /// The background of text.
    pub(crate) paper: u8,
    pub(crate) horizontal_scale: f32,
    /// The widest a cell can be.
    pub(crate) room: u32,
    pub(crate) classes: Vec<Class>,
    /// Text drawn for newlines, and the depth of its ink.
    pub(crate) mark: Option<(String, u8)>,
    /// Which fonts drew the page.
    pub(crate) fonts: u32,
    /// How many ranges of characters its cells come from.
    pub(crate) ranges: u8,
    /// 1-based number of the page.
    pub(crate) number: u32,
    /// The same on every page of a document.
    pub(crate) document: u32,
    /// Checksum of the text of all pages before, and with this page's.
    pub(crate) before: u32,
    pub(crate) after: u32,
    /// How many lines the page has.
    pub(crate) lines: u32,
    /// The block that the page's first line belongs to, and its place in the document.
    pub(crate) block: (u32, BlockStart),
    /// Columns that lines' codes lie in, from and to, where not the whole page.
    pub(crate) spans: Vec<(u32, u32)>,
    /// Checksum of the pixels between the strips, where something is drawn besides text.
    pub(crate) pixels: Option<u32>,
}

const MAGIC: [u8; 2] = *b"gY";
const VERSION: u8 = 1;
/// Magic, version and length.
const HEAD: usize = 5;
const CRC: usize = 4;
/// Longer strips do not exist.
const MAX_LEN: usize = 4096;

const CELLS: u8 = 1;
const ANTIALIAS: u8 = 2;
const LAST: u8 = 4;
const DARK: u8 = 8;
const MARK: u8 = 16;
const PIXELS: u8 = 32;

impl Strip {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        out.extend(MAGIC);
        out.extend([VERSION, 0, 0]);
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        out.push(
            flag(self.cells, CELLS)
                | flag(self.antialias, ANTIALIAS)
                | flag(self.last, LAST)
                | flag(self.tone.dark, DARK)
                | flag(self.mark.is_some(), MARK)
                | flag(self.pixels.is_some(), PIXELS),
        );
        varint(self.width, &mut out);
        varint(self.height, &mut out);
        let mask = self.tone.mask_levels();
        out.extend([self.tone.background, self.paper, self.tone.depth, mask]);
        out.extend(self.horizontal_scale.to_bits().to_le_bytes());
        varint(self.room, &mut out);
        varint(self.classes.len() as u32, &mut out);
        for class in &self.classes {
            out.extend(class.px.to_bits().to_le_bytes());
            varint(class.height, &mut out);
            varint(class.baseline, &mut out);
        }
        if let Some((text, depth)) = &self.mark {
            varint(text.len() as u32, &mut out);
            out.extend_from_slice(text.as_bytes());
            out.push(*depth);
        }
        out.extend(self.fonts.to_le_bytes());
        out.push(self.ranges);
        varint(self.number, &mut out);
        for value in [self.document, self.before, self.after] {
            out.extend(value.to_le_bytes());
        }
        varint(self.lines, &mut out);
        varint(self.block.0, &mut out);
        self.block.1.encode(&mut out);
        varint(self.spans.len() as u32, &mut out);
        for (from, to) in &self.spans {
            varint(*from, &mut out);
            varint(*to, &mut out);
        }
        out.extend(self.pixels.map(u32::to_le_bytes).into_iter().flatten());
        let len = (out.len() + CRC) as u16;
        out[HEAD - 2..HEAD].copy_from_slice(&len.to_le_bytes());
        let crc = crc32fast::hash(&out);
        out.extend(crc.to_le_bytes());
        out
    }

    /// Reads a strip; `None` where its checksum or its values are wrong.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (content, crc) = bytes.split_last_chunk::<CRC>()?;
        if crc32fast::hash(content) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut reader = Reader {
            bytes: content.get(HEAD..)?,
        };
        let flags = reader.byte()?;
        let (width, height) = (reader.varint()?, reader.varint()?);
        let [background, paper, depth, mask] = reader.array()?;
        if !matches!(mask, 0 | 1 | 3 | 7) {
            return None;
        }
        let horizontal_scale = f32::from_bits(u32::from_le_bytes(reader.array()?));
        let room = reader.varint()?;
        let count = reader.varint()?;
        let classes = (0..count.min(MAX_LEN as u32))
            .map(|_| {
                Some(Class {
                    px: f32::from_bits(u32::from_le_bytes(reader.array()?)),
                    height: reader.varint()?,
                    baseline: reader.varint()?,
                })
            })
            .collect::<Option<Vec<_>>>()?;
        let mark = match flags & MARK {
            0 => None,
            _ => {
                let len = reader.varint()? as usize;
                let text = std::str::from_utf8(reader.slice(len)?).ok()?;
                Some((text.to_owned(), reader.byte()?))
            }
        };
        let fonts = u32::from_le_bytes(reader.array()?);
        let ranges = reader.byte()?;
        let number = reader.varint()?;
        let [document, before, after] = {
            let mut word = || reader.array().map(u32::from_le_bytes);
            [word()?, word()?, word()?]
        };
        let lines = reader.varint()?;
        let block = (reader.varint()?, BlockStart::decode(&mut reader)??);
        let count = reader.varint()?;
        let spans = (0..count.min(MAX_LEN as u32))
            .map(|_| Some((reader.varint()?, reader.varint()?)))
            .collect::<Option<Vec<_>>>()?;
        let pixels = match flags & PIXELS {
            0 => None,
            _ => Some(u32::from_le_bytes(reader.array()?)),
        };
        let strip = Self {
            cells: flags & CELLS != 0,
            antialias: flags & ANTIALIAS != 0,
            last: flags & LAST != 0,
            width,
            height,
            tone: Tone::coded(background, flags & DARK != 0, depth, mask),
            paper,
            horizontal_scale,
            room,
            classes,
            mark,
            fonts,
            ranges,
            number,
            document,
            before,
            after,
            lines,
            block,
            spans,
            pixels,
        };
        strip.is_sound().then_some(strip)
    }

    /// Whether the values are ones that a renderer writes: a page is untrusted input.
    fn is_sound(&self) -> bool {
        const SIDE: u32 = 20_000;
        let class = |class: &Class| {
            (1.0..=10_000.0).contains(&class.px)
                && (1..=SIDE).contains(&class.height)
                && class.baseline <= class.height
        };
        let span = |(from, to): &(u32, u32)| from < to && *to <= self.width;
        (1..=SIDE).contains(&self.width)
            && (1..=SIDE).contains(&self.height)
            && (0.25..=4.0).contains(&self.horizontal_scale)
            && self.room <= SIDE
            && !self.classes.is_empty()
            && self.classes.iter().all(class)
            && self.spans.iter().all(span)
    }

    /// How cells of each size class are drawn.
    pub(crate) fn styles(&self) -> Vec<CellStyle> {
        let classes = self.classes.iter();
        classes
            .map(|class| CellStyle {
                class: *class,
                horizontal_scale: self.horizontal_scale,
                antialias: self.antialias,
                tone: self.tone.on(self.paper),
                room: self.room,
            })
            .collect()
    }

    /// The narrowest page whose strip takes at most so many rows.
    pub(crate) fn least_width(&self, rows: u32) -> usize {
        digits_for(self.encode().len(), MARGIN_BITS).div_ceil(rows.max(1) as usize)
    }

    /// How many rows of a page of this width the strip takes.
    pub(crate) fn rows_at(&self, width: usize) -> usize {
        Self::rows(self.encode().len(), width)
    }

    /// How many rows of a page of this width a strip of `len` bytes takes.
    pub(crate) fn rows(len: usize, width: usize) -> usize {
        digits_for(len, MARGIN_BITS).div_ceil(width)
    }
}

/// Where a strip lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    /// From the first row down.
    Top,
    /// From the last row up.
    Bottom,
}

impl Edge {
    fn row(self, row: usize, height: usize) -> usize {
        match self {
            Self::Top => row,
            Self::Bottom => height - 1 - row,
        }
    }
}

/// Writes a strip along both edges.
pub(crate) fn draw_strip(bytes: &[u8], tone: Tone, pixels: &mut [u8], width: usize) {
    let height = pixels.len() / width;
    let codes: Vec<u8> = Digits::new(bytes, MARGIN_BITS).collect();
    for edge in [Edge::Top, Edge::Bottom] {
        for (row, codes) in codes.chunks(width).enumerate() {
            let at = edge.row(row, height) * width;
            tone.add(&mut pixels[at..at + codes.len()], codes);
        }
    }
}

/// What was found at one edge.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Found {
    Strip {
        strip: Box<Strip>,
        /// How many rows it takes.
        rows: usize,
        /// Whether its rows hold nothing else.
        clean: bool,
    },
    /// Begins as a strip does, but is damaged.
    Damaged,
    /// A strip of a later version.
    Version(u8),
    Nothing,
}

/// Looks for a strip along one edge.
pub(crate) fn find_strip(pixels: &[u8], width: usize, edge: Edge) -> Found {
    if width == 0 || pixels.len() < width {
        return Found::Nothing;
    }
    let height = pixels.len() / width;
    let values = |count: usize| {
        (0..count.min(width * height)).map(move |i| {
            let row = edge.row(i / width, height);
            pixels[row * width + i % width]
        })
    };
    let mut bytes = Vec::new();
    let mut damaged = Found::Nothing;
    // The background is not known yet: only its low bits and the direction matter.
    for (dark, low) in [true, false]
        .into_iter()
        .flat_map(|dark| (0..8u8).map(move |low| (dark, low)))
    {
        let code = |grey: u8| match dark {
            true => low.wrapping_sub(grey) & CODE_MASK,
            false => grey.wrapping_sub(low) & CODE_MASK,
        };
        let mut read = |len: usize| {
            let digits = digits_for(len, MARGIN_BITS);
            bytes_of(values(digits).map(code), MARGIN_BITS, &mut bytes);
            bytes.truncate(len);
            bytes.clone()
        };
        let head = read(HEAD);
        if head.len() < HEAD || head[..2] != MAGIC {
            continue;
        }
        if head[2] != VERSION {
            damaged = Found::Version(head[2]);
            continue;
        }
        let len = usize::from(u16::from_le_bytes([head[3], head[4]]));
        let content = read(len.min(MAX_LEN));
        match Strip::decode(&content) {
            Some(strip) if strip.tone.dark == dark && strip.tone.background & 7 == low => {
                let rows = Strip::rows(len, width);
                let blank = std::iter::repeat(0);
                let mut expected = Digits::new(&content, MARGIN_BITS).chain(blank);
                let clean = values(rows * width)
                    .all(|grey| Some(strip.tone.distance(grey)) == expected.next());
                return Found::Strip {
                    strip: Box::new(strip),
                    rows,
                    clean,
                };
            }
            _ => damaged = Found::Damaged,
        }
    }
    damaged
}
