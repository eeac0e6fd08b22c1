//! What a line's code says of it.

use super::ops::{Op, Ops, Reader, varint};
use crate::document::BlockKind;

/// A block that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockStart {
    pub(crate) kind: BlockKind,
    pub(crate) source_page: Option<u32>,
    /// Whether the block holds no text, so that another one begins at once.
    pub(crate) empty: bool,
}

/// What follows the drawn part of a line and the characters inserted there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    Nothing,
    Space,
    Newline,
    CarriageReturnNewline,
}

impl Tail {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Space => " ",
            Self::Newline => "\n",
            Self::CarriageReturnNewline => "\r\n",
        }
    }

    /// The longest tail that `text` ends with.
    pub(crate) fn of(text: &str) -> Self {
        let tails = [Self::CarriageReturnNewline, Self::Newline, Self::Space];
        let found = tails.into_iter().find(|tail| text.ends_with(tail.text()));
        found.unwrap_or(Self::Nothing)
    }
}

/// The cells of a row of the built-in style, whose starts no pixel marks.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct CellRow {
    /// For each cell whether it is two half-cells wide.
    pub(crate) wide: Vec<bool>,
    /// For each cell the digit that tells it from characters of the same shape, 0 to 3.
    pub(crate) digits: Vec<u8>,
}

/// A line's code, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LineCode {
    pub(crate) class: u32,
    pub(crate) tail: Tail,
    pub(crate) starts: Vec<BlockStart>,
    pub(crate) ops: Vec<(u32, Op)>,
    pub(crate) cells: Option<CellRow>,
    /// How many bytes it takes.
    pub(crate) len: usize,
    crc: u32,
    covered: Vec<u8>,
}

const TAIL: u8 = 3;
const STARTS: u8 = 4;
const OPS: u8 = 8;
const CLASS_SHIFT: u32 = 4;
const CLASS: u8 = 7;
/// Set in every line, so that a row of zero digits is no line.
const PRESENT: u8 = 0x80;
const CRC: std::ops::Range<usize> = 1..5;

const WIDE: u8 = 1;
const MIXED: u8 = 2;
const TIES: u8 = 4;

/// Writes a line's code to `out`. `ordinal` is the line's number on its page from 0.
pub(crate) fn encode_line(
    (class, tail, ordinal): (u32, Tail, u32),
    starts: &[BlockStart],
    cells: Option<&CellRow>,
    ops: &mut Ops,
    text: &str,
    out: &mut Vec<u8>,
) {
    let (count, bytes) = ops.finish();
    let class_bits = class.min(u32::from(CLASS)) as u8;
    let mut flags = PRESENT | tail as u8 | class_bits << CLASS_SHIFT;
    flags |= if starts.is_empty() { 0 } else { STARTS };
    flags |= if count == 0 { 0 } else { OPS };
    out.clear();
    out.extend([flags, 0, 0, 0, 0]);
    if class_bits == CLASS {
        varint(class, out);
    }
    for start in starts {
        start.encode(out);
    }
    if starts.last().is_some_and(|last| last.empty) {
        out.push(END);
    }
    if let Some(cells) = cells {
        cells.encode(out);
    }
    if count > 0 {
        varint(count, out);
        out.extend_from_slice(bytes);
    }
    let crc = checksum(ordinal, flags, &out[CRC.end..], text);
    out[CRC].copy_from_slice(&crc.to_le_bytes());
}

/// CRC-32 of the line's number, its code without the checksum, and its text.
fn checksum(ordinal: u32, flags: u8, code: &[u8], text: &str) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&ordinal.to_le_bytes());
    crc.update(&[flags]);
    crc.update(code);
    crc.update(text.as_bytes());
    crc.finalize()
}

impl LineCode {
    /// Reads a line's code from the start of `bytes`; `None` where there is none, or where it
    /// makes no sense. `cells` says whether it is one of the built-in style.
    pub(crate) fn decode(bytes: &[u8], cells: bool) -> Option<Self> {
        let mut reader = Reader { bytes };
        let flags = reader.byte()?;
        if flags & PRESENT == 0 {
            return None;
        }
        let crc = u32::from_le_bytes(reader.array()?);
        let class = match flags >> CLASS_SHIFT & CLASS {
            CLASS => reader.varint()?,
            class => u32::from(class),
        };
        let mut starts = Vec::new();
        if flags & STARTS != 0 {
            while starts.last().is_none_or(|last: &BlockStart| last.empty) {
                match BlockStart::decode(&mut reader)? {
                    Some(start) => starts.push(start),
                    None => break,
                }
            }
        }
        let cells = match cells {
            true => Some(CellRow::decode(&mut reader)?),
            false => None,
        };
        let mut ops = Vec::new();
        if flags & OPS != 0 {
            let count = reader.varint()?;
            ops = reader.ops(count)?;
        }
        let len = bytes.len() - reader.bytes.len();
        let tails = [
            Tail::Nothing,
            Tail::Space,
            Tail::Newline,
            Tail::CarriageReturnNewline,
        ];
        let mut covered = vec![flags];
        covered.extend_from_slice(&bytes[CRC.end..len]);
        Some(Self {
            class,
            tail: tails[usize::from(flags & TAIL)],
            starts,
            ops,
            cells,
            len,
            crc,
            covered,
        })
    }

    /// Whether `text` is the text of the line with this number on its page.
    pub(crate) fn matches(&self, ordinal: u32, text: &str) -> bool {
        let (flags, code) = (self.covered[0], &self.covered[1..]);
        checksum(ordinal, flags, code, text) == self.crc
    }
}

const KIND: u8 = 0x0F;
const HAS_PAGE: u8 = 0x10;
const EMPTY: u8 = 0x20;
/// Ends a chain of empty blocks after which no block begins.
const END: u8 = 0x0F;

impl BlockStart {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let (code, level) = match self.kind {
            BlockKind::Paragraph => (0, None),
            BlockKind::ListItem => (1, None),
            BlockKind::TableRow => (2, None),
            BlockKind::Preformatted => (3, None),
            BlockKind::Heading(level @ 1..=6) => (3 + level, None),
            BlockKind::Heading(level) => (10, Some(level)),
        };
        let page = if self.source_page.is_some() {
            HAS_PAGE
        } else {
            0
        };
        out.push(code | page | if self.empty { EMPTY } else { 0 });
        out.extend(level);
        if let Some(page) = self.source_page {
            varint(page, out);
        }
    }

    /// `Some(None)` at the end of a chain of empty blocks.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<Option<Self>> {
        let byte = reader.byte()?;
        let kind = match byte & KIND {
            0 => BlockKind::Paragraph,
            1 => BlockKind::ListItem,
            2 => BlockKind::TableRow,
            3 => BlockKind::Preformatted,
            code @ 4..=9 => BlockKind::Heading(code - 3),
            10 => BlockKind::Heading(reader.byte()?),
            END => return Some(None),
            _ => return None,
        };
        let source_page = match byte & HAS_PAGE {
            0 => None,
            _ => Some(reader.varint()?),
        };
        Some(Some(Self {
            kind,
            source_page,
            empty: byte & EMPTY != 0,
        }))
    }
}

impl CellRow {
    pub(crate) fn clear(&mut self) {
        self.wide.clear();
        self.digits.clear();
    }

    pub(crate) fn push(&mut self, wide: bool, digit: u8) {
        self.wide.push(wide);
        self.digits.push(digit);
    }

    fn encode(&self, out: &mut Vec<u8>) {
        varint(self.wide.len() as u32, out);
        let ties = self.digits.iter().any(|digit| *digit != 0);
        let first = self.wide.first().copied().unwrap_or(false);
        let mixed = self.wide.iter().any(|wide| *wide != first);
        let mode = match (mixed, first) {
            (true, _) => MIXED,
            (false, true) => WIDE,
            (false, false) => 0,
        };
        out.push(mode | if ties { TIES } else { 0 });
        if mixed {
            out.extend(self.wide.chunks(8).map(|bits| {
                let bits = bits.iter().enumerate();
                bits.fold(0, |byte, (i, bit)| byte | u8::from(*bit) << i)
            }));
        }
        if ties {
            out.extend(self.digits.chunks(4).map(|digits| {
                let digits = digits.iter().enumerate();
                digits.fold(0, |byte, (i, digit)| byte | digit << (2 * i))
            }));
        }
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let n = reader.varint()? as usize;
        // No row has so many cells; the limit keeps damaged codes small.
        if n > 4096 {
            return None;
        }
        let mode = reader.byte()?;
        let wide = if mode & MIXED != 0 {
            let bits = reader.slice(n.div_ceil(8))?;
            (0..n).map(|i| bits[i / 8] >> (i % 8) & 1 == 1).collect()
        } else {
            vec![mode & WIDE != 0; n]
        };
        let digits = if mode & TIES != 0 {
            let bits = reader.slice(n.div_ceil(4))?;
            (0..n).map(|i| bits[i / 4] >> (2 * (i % 4)) & 3).collect()
        } else {
            vec![0; n]
        };
        (mode <= MIXED | TIES && mode & (WIDE | MIXED) != WIDE | MIXED)
            .then_some(Self { wide, digits })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(kind: BlockKind, source_page: Option<u32>, empty: bool) -> BlockStart {
        BlockStart {
            kind,
            source_page,
            empty,
        }
    }

    #[test]
    fn lines_come_back() {
        let starts = [
            start(BlockKind::Heading(6), Some(70_000), true),
            start(BlockKind::Heading(200), None, true),
            start(BlockKind::TableRow, Some(1), false),
        ];
        let mut cells = CellRow::default();
        (0..13).for_each(|i| cells.push(i % 3 == 0, (i % 4) as u8));
        for cells in [None, Some(&cells)] {
            for starts in [&starts[..], &starts[2..], &[]] {
                let mut ops = Ops::default();
                ops.skip(2);
                ops.insert('\u{FEFF}');
                let mut out = Vec::new();
                let head = (9, Tail::CarriageReturnNewline, 40);
                encode_line(head, starts, cells, &mut ops, "abc", &mut out);
                let len = out.len();
                out.extend([0; 9]);
                let code = LineCode::decode(&out, cells.is_some()).expect("a line");
                assert_eq!((code.class, code.tail, code.len), (9, head.1, len));
                assert_eq!(code.starts, starts);
                assert_eq!(code.cells.as_ref(), cells);
                assert_eq!(code.ops, [(2, Op::Insert("\u{FEFF}".into()))]);
                assert!(code.matches(40, "abc"));
                assert!(!code.matches(41, "abc") && !code.matches(40, "abd"));
            }
        }
        assert!(LineCode::decode(&[0; 20], false).is_none());
    }

    #[test]
    fn chains_of_empty_blocks_can_end() {
        let empty = start(BlockKind::ListItem, None, true);
        let (mut ops, mut out) = (Ops::default(), Vec::new());
        let head = (0, Tail::Nothing, 0);
        encode_line(head, &[empty], None, &mut ops, "", &mut out);
        let code = LineCode::decode(&out, false).expect("a line");
        assert_eq!((code.starts, code.len), (vec![empty], out.len()));
    }

    #[test]
    fn tails_are_found() {
        assert_eq!(Tail::of("a \r\n"), Tail::CarriageReturnNewline);
        assert_eq!(Tail::of("a \n"), Tail::Newline);
        assert_eq!(Tail::of("a "), Tail::Space);
        assert_eq!(Tail::of("a\r"), Tail::Nothing);
    }
}
