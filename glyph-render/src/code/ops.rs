//! Where a line's text is not what its cells show.

/// One difference between a line's cells and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    /// Characters that have no cell.
    Insert(String),
    /// The next cells, one per character, stand for these.
    Explicit(String),
    /// So many cells together stand for this text.
    Replace(u32, String),
}

/// The longest run of one character in one operation.
const MAX_REPEAT: usize = 0xFFFF;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    InsertOne = 0,
    InsertRun = 1,
    ExplicitOne = 2,
    ExplicitRun = 3,
    ReplaceByOne = 4,
    ReplaceByRun = 5,
    InsertRepeat = 6,
}

/// Collects the differences of one line, encoded.
#[derive(Debug, Default)]
pub(crate) struct Ops {
    bytes: Vec<u8>,
    count: u32,
    /// Cells since the last operation that mean what they show.
    gap: u32,
    previous: u32,
    run: Vec<char>,
    explicit: bool,
}

impl Ops {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.run.clear();
        (self.count, self.gap, self.previous) = (0, 0, 0);
    }

    /// Cells that mean what they show.
    #[inline]
    pub(crate) fn skip(&mut self, cells: u32) {
        if !self.run.is_empty() {
            self.flush();
        }
        self.gap += cells;
    }

    pub(crate) fn insert(&mut self, c: char) {
        self.push(c, false);
    }

    pub(crate) fn explicit(&mut self, c: char) {
        self.push(c, true);
    }

    pub(crate) fn replace(&mut self, cells: u32, text: &str) {
        self.flush();
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => {
                self.token(Kind::ReplaceByOne);
                varint(cells, &mut self.bytes);
                self.character(c);
            }
            _ => {
                self.token(Kind::ReplaceByRun);
                varint(cells, &mut self.bytes);
                varint(text.chars().count() as u32, &mut self.bytes);
                text.chars().for_each(|c| self.character(c));
            }
        }
    }

    /// The number of operations and their bytes.
    pub(crate) fn finish(&mut self) -> (u32, &[u8]) {
        self.flush();
        (self.count, &self.bytes)
    }

    fn push(&mut self, c: char, explicit: bool) {
        if self.explicit != explicit || self.run.len() == MAX_REPEAT {
            self.flush();
            self.explicit = explicit;
        }
        self.run.push(c);
    }

    fn flush(&mut self) {
        if self.run.is_empty() {
            return;
        }
        let run = std::mem::take(&mut self.run);
        let same = run.iter().all(|c| *c == run[0]);
        match (self.explicit, run.len()) {
            (true, 1) => self.token(Kind::ExplicitOne),
            (true, n) => {
                self.token(Kind::ExplicitRun);
                varint(n as u32, &mut self.bytes);
            }
            (false, 1) => self.token(Kind::InsertOne),
            (false, n) if n > 2 && same => {
                self.token(Kind::InsertRepeat);
                varint(n as u32, &mut self.bytes);
                self.character(run[0]);
                self.keep(run);
                return;
            }
            (false, n) => {
                self.token(Kind::InsertRun);
                varint(n as u32, &mut self.bytes);
            }
        }
        run.iter().for_each(|c| self.character(*c));
        self.keep(run);
    }

    /// Keeps the buffer of a run that was written.
    fn keep(&mut self, mut run: Vec<char>) {
        run.clear();
        self.run = run;
    }

    fn token(&mut self, kind: Kind) {
        varint(self.gap << 3 | kind as u32, &mut self.bytes);
        self.gap = 0;
        self.count += 1;
    }

    /// A character as its zigzag distance from the one before.
    fn character(&mut self, c: char) {
        let distance = c as i32 - self.previous as i32;
        self.previous = c as u32;
        varint(((distance << 1) ^ (distance >> 31)) as u32, &mut self.bytes);
    }
}

/// Little-endian base 128.
pub(crate) fn varint(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads what the writers above wrote; `None` where the bytes end or make no sense.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(*first)
    }

    pub(crate) fn slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(first)
    }

    pub(crate) fn varint(&mut self) -> Option<u32> {
        let mut value = 0u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return u32::try_from(value).ok();
            }
        }
        None
    }

    fn character(&mut self, previous: &mut u32) -> Option<char> {
        let zigzag = self.varint()?;
        let distance = (zigzag >> 1) as i32 ^ -((zigzag & 1) as i32);
        let c = char::from_u32(previous.wrapping_add_signed(distance))?;
        *previous = c as u32;
        Some(c)
    }

    fn run(&mut self, previous: &mut u32) -> Option<String> {
        let n = self.varint()? as usize;
        // Every character takes a byte at least.
        if n > self.bytes.len() {
            return None;
        }
        (0..n).map(|_| self.character(previous)).collect()
    }

    /// `count` operations, each with the number of plain cells before it.
    pub(crate) fn ops(&mut self, count: u32) -> Option<Vec<(u32, Op)>> {
        let mut previous = 0;
        let mut ops = Vec::new();
        for _ in 0..count {
            let token = self.varint()?;
            let op = match token & 7 {
                0 => Op::Insert(self.character(&mut previous)?.into()),
                1 => Op::Insert(self.run(&mut previous)?),
                2 => Op::Explicit(self.character(&mut previous)?.into()),
                3 => Op::Explicit(self.run(&mut previous)?),
                4 => Op::Replace(self.varint()?, self.character(&mut previous)?.into()),
                5 => Op::Replace(self.varint()?, self.run(&mut previous)?),
                6 => {
                    let n = self.varint()? as usize;
                    let c = self.character(&mut previous)?;
                    if n > MAX_REPEAT {
                        return None;
                    }
                    Op::Insert(std::iter::repeat_n(c, n).collect())
                }
                _ => return None,
            };
            ops.push((token >> 3, op));
        }
        Some(ops)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_come_back() {
        let mut ops = Ops::default();
        ops.skip(3);
        ops.insert('\u{200B}');
        ops.skip(500);
        "שלום".chars().for_each(|c| ops.explicit(c));
        (0..70_000).for_each(|_| ops.insert(' '));
        ops.replace(3, "\t");
        ops.replace(2, "\r\n");
        ops.replace(1, "");
        ops.insert('\u{10FFFF}');
        ops.insert('\0');
        let (count, bytes) = ops.finish();
        let bytes = bytes.to_vec();
        let mut reader = Reader { bytes: &bytes };
        let read = reader.ops(count).expect("what was written");
        assert!(reader.bytes.is_empty());
        let expected = [
            (3, Op::Insert("\u{200B}".into())),
            (500, Op::Explicit("שלום".into())),
            (0, Op::Insert(" ".repeat(65_535))),
            (0, Op::Insert(" ".repeat(70_000 - 65_535))),
            (0, Op::Replace(3, "\t".into())),
            (0, Op::Replace(2, "\r\n".into())),
            (0, Op::Replace(1, String::new())),
            (0, Op::Insert("\u{10FFFF}\0".into())),
        ];
        assert_eq!(read, expected);
        for len in 0..bytes.len() {
            let mut reader = Reader {
                bytes: &bytes[..len],
            };
            assert!(reader.ops(count).is_none());
        }
    }
}
