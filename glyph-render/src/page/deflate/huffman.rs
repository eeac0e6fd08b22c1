//! Tokens to bits: dynamic Huffman codes.

use super::Token;

const LITERALS: usize = 286;
const DISTANCES: usize = 30;
const END_OF_BLOCK: usize = 256;
const MAX_CODE: usize = 15;
/// The order in which lengths of code-length codes are stored.
const ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

/// Bits, the first one lowest.
pub(super) struct BitWriter {
    /// Bytes written, then room.
    out: Vec<u8>,
    at: usize,
    /// Up to 7 bits that are not written yet.
    bits: u64,
    count: u32,
}

impl BitWriter {
    pub(super) fn new() -> Self {
        Self {
            out: Vec::new(),
            at: 0,
            bits: 0,
            count: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        (self.at, self.bits, self.count) = (0, 0, 0);
    }

    pub(super) fn capacity(&self) -> usize {
        self.out.capacity()
    }

    /// Makes room for a number of `put`s.
    fn reserve(&mut self, puts: usize) {
        let wanted = self.at + 8 * (puts + 1);
        if self.out.len() < wanted {
            self.out.resize(wanted, 0);
        }
    }

    /// Appends at most 56 bits; there must be room.
    #[inline]
    fn put(&mut self, bits: u64, count: u32) {
        self.bits |= bits << self.count;
        self.count += count;
        // Eight bytes always, so that nothing depends on how many are complete.
        self.out[self.at..self.at + 8].copy_from_slice(&self.bits.to_le_bytes());
        let complete = self.count & !7;
        self.at += (complete / 8) as usize;
        self.bits = self.bits.checked_shr(complete).unwrap_or(0);
        self.count &= 7;
    }

    /// Appends tokens. `firsts` holds the codes of literals and of lengths with their extra bits,
    /// `seconds` those of distances: bits in the lowest byte, code above.
    #[inline(always)]
    fn put_tokens(&mut self, tokens: &[Token], firsts: &[u32; 512], seconds: &[u32; 32]) {
        self.reserve(tokens.len());
        let (mut bits, mut count, mut at) = (self.bits, self.count, 0);
        let room = &mut self.out[self.at..];
        for &token in tokens {
            // No branch between literals and matches, which follow one another without a pattern:
            // a literal's distance is masked away.
            let matched = (token >> 8 & 1).wrapping_neg();
            let first = firsts[token as usize & 511];
            let distance = token >> 9;
            let (symbol, extra) = distance_code(distance);
            let second = seconds[symbol & 31] & matched;
            let rest = distance & ((1 << extra) - 1) & matched;
            let (first_bits, second_bits) = (first & 255, second & 255);
            // At most 7 + 20 + 28 bits.
            let distance = u64::from(second >> 8) | u64::from(rest) << second_bits;
            bits |= (u64::from(first >> 8) | distance << first_bits) << count;
            count += first_bits + second_bits + (extra & matched);
            room[at..at + 8].copy_from_slice(&bits.to_le_bytes());
            at += (count / 8) as usize;
            bits >>= count & !7;
            count &= 7;
        }
        self.at += at;
        (self.bits, self.count) = (bits, count);
    }

    /// Appends an empty block, the last one, with the fixed codes.
    pub(super) fn last_block(&mut self) {
        self.reserve(1);
        self.put(0b011, 3);
        self.put(0, 7);
    }

    /// Appends whole blocks, and an empty stored one, which ends at a byte. Aligned only.
    pub(super) fn append(&mut self, blocks: &mut Self) {
        blocks.reserve(2);
        blocks.put(0, 3);
        blocks.align();
        blocks.bytes(&[0, 0, 255, 255]);
        self.bytes(&blocks.out[..blocks.at]);
    }

    /// Fills the last byte with zeros.
    pub(super) fn align(&mut self) {
        self.reserve(1);
        self.put(0, self.count.wrapping_neg() & 7);
    }

    /// Appends whole bytes; aligned only.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        debug_assert_eq!(self.count, 0, "aligned");
        self.out.truncate(self.at);
        self.out.extend_from_slice(bytes);
        self.at = self.out.len();
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.out.truncate(self.at);
        self.out
    }
}

/// Length 3 to 258, less 3, to its symbol less 257 and its extra bits.
const LENGTH_CODES: [(u8, u8); 256] = {
    let mut table = [(0, 0); 256];
    let mut i = 0;
    while i < 256 {
        table[i] = if i == 255 {
            (28, 0)
        } else if i < 8 {
            (i as u8, 0)
        } else {
            let extra = i.ilog2() as u8 - 2;
            (4 * extra + (i >> extra) as u8, extra)
        };
        i += 1;
    }
    table
};

/// Distance less 1 to its symbol and its extra bits.
#[inline(always)]
fn distance_code(distance: u32) -> (usize, u32) {
    // Distances below 4 have no extra bits and are their own symbols.
    let extra = (distance | 2).ilog2() - 1;
    ((2 * extra + (distance >> extra)) as usize, extra)
}

/// Writes a block with codes of its own, not the last one.
#[inline(always)]
pub(super) fn write_block(out: &mut BitWriter, tokens: &[Token]) {
    let (literals, distances) = count(tokens);
    let literals = Codes::new(&literals, MAX_CODE);
    let distances = Codes::new(&distances, MAX_CODE);
    // The header has at most 19 + 2 * (286 + 30) `put`s.
    out.reserve(1024);
    out.put(0, 1);
    out.put(2, 2);
    write_lengths(out, &literals.lengths, &distances.lengths);
    // Literals, then match lengths with their extra bits; bits in the lowest byte, code above.
    let firsts: [u32; 512] = std::array::from_fn(|i| {
        if i < 256 {
            let (code, bits) = literals.codes[i];
            return u32::from(code) << 8 | u32::from(bits);
        }
        let (symbol, extra) = LENGTH_CODES[i - 256];
        let (code, bits) = literals.codes[257 + symbol as usize];
        // 258 has a symbol of its own, with no extra bits.
        let rest = (i as u32 - 256) & ((1 << extra) - 1);
        (u32::from(code) | rest << bits) << 8 | u32::from(bits + extra)
    });
    let mut seconds = [0u32; 32];
    for (second, &(code, bits)) in seconds.iter_mut().zip(&distances.codes) {
        *second = u32::from(code) << 8 | u32::from(bits);
    }
    for tokens in tokens.chunks(1 << 12) {
        out.put_tokens(tokens, &firsts, &seconds);
    }
    out.reserve(1);
    literals.put(out, END_OF_BLOCK);
}

/// How often symbols of literals and lengths, and of distances, occur.
#[inline(always)]
fn count(tokens: &[Token]) -> ([u32; LITERALS], [u32; DISTANCES]) {
    // Of many tokens an eighth tells as much: codes cost 0.3 % more, and a tenth of the time less.
    let step = if tokens.len() < 1 << 13 { 2 } else { 16 };
    // Two tables of each, so that equal neighbours need not wait for one another.
    let mut firsts = [[0u32; 512]; 2];
    let mut seconds = [[0u32; 32]; 2];
    for tokens in tokens.chunks(step) {
        for (&token, (firsts, seconds)) in tokens.iter().zip(firsts.iter_mut().zip(&mut seconds)) {
            firsts[token as usize & 511] += 1;
            // Literals are taken for symbol 0, and given back below.
            let (symbol, _) = distance_code(token >> 9);
            seconds[symbol & 31] += 1;
        }
    }
    let mut literals = [0u32; LITERALS];
    for (literal, (a, b)) in literals
        .iter_mut()
        .zip(firsts[0].iter().zip(&firsts[1]))
        .take(256)
    {
        *literal = a + b;
    }
    let found: u32 = literals.iter().sum();
    for (i, (symbol, _)) in LENGTH_CODES.iter().enumerate() {
        literals[257 + *symbol as usize] += firsts[0][256 + i] + firsts[1][256 + i];
    }
    let mut distances: [u32; DISTANCES] = std::array::from_fn(|i| seconds[0][i] + seconds[1][i]);
    distances[0] -= found;
    if step > 2 {
        // What was not looked at may hold any symbol.
        for count in literals.iter_mut().chain(&mut distances) {
            *count = 8 * *count + 1;
        }
    }
    literals[END_OF_BLOCK] = 1;
    (literals, distances)
}

/// The block's header: how long each code is.
fn write_lengths(out: &mut BitWriter, literals: &[u8], distances: &[u8]) {
    let used = |lengths: &[u8], least: usize| {
        let last = lengths.iter().rposition(|&length| length > 0);
        last.map_or(least, |at| (at + 1).max(least))
    };
    let (literal_count, distance_count) = (used(literals, 257), used(distances, 1));
    let all = [&literals[..literal_count], &distances[..distance_count]].concat();
    // Symbol and repeat count less its base, for 16 (repeat), 17 and 18 (zeros).
    let mut symbols: Vec<(usize, u64, u32)> = Vec::new();
    let mut at = 0;
    while at < all.len() {
        let value = all[at];
        let run = all[at..].iter().take_while(|&&v| v == value).count();
        let (symbol, repeat, base, bits) = match (value, run) {
            (0, 11..) => (18, run.min(138), 11, 7),
            (0, 3..) => (17, run, 3, 3),
            (_, 4..) if at == 0 || all[at - 1] != value => (value.into(), 1, 1, 0),
            (_, 3..) if at > 0 && all[at - 1] == value => (16, run.min(6), 3, 2),
            _ => (value.into(), 1, 1, 0),
        };
        symbols.push((symbol, (repeat - base) as u64, bits));
        at += repeat;
    }
    let mut counts = [0u32; 19];
    for (symbol, ..) in &symbols {
        counts[*symbol] += 1;
    }
    let codes = Codes::new(&counts, 7);
    let stored = ORDER.iter().rposition(|&symbol| codes.lengths[symbol] > 0);
    let stored = stored.map_or(4, |at| (at + 1).max(4));
    out.put(literal_count as u64 - 257, 5);
    out.put(distance_count as u64 - 1, 5);
    out.put(stored as u64 - 4, 4);
    for &symbol in &ORDER[..stored] {
        out.put(codes.lengths[symbol].into(), 3);
    }
    for (symbol, repeat, bits) in symbols {
        codes.put(out, symbol);
        out.put(repeat, bits);
    }
}

/// A canonical Huffman code.
pub(super) struct Codes {
    lengths: Vec<u8>,
    /// The code's bits, reversed as the stream wants them, and its length.
    codes: Vec<(u16, u8)>,
}

impl Codes {
    fn new(counts: &[u32], longest: usize) -> Self {
        let lengths = code_lengths(counts, longest);
        let mut next = [0u32; MAX_CODE + 2];
        for &length in &lengths {
            if length > 0 {
                next[length as usize + 1] += 1;
            }
        }
        for length in 1..next.len() {
            next[length] = (next[length] + next[length - 1]) << 1;
        }
        let codes = lengths.iter().map(|&length| {
            if length == 0 {
                return (0, 0);
            }
            let code = next[length as usize] as u16;
            next[length as usize] += 1;
            (code.reverse_bits() >> (16 - length), length)
        });
        let codes = codes.collect();
        Self { lengths, codes }
    }

    #[inline]
    fn put(&self, out: &mut BitWriter, symbol: usize) {
        let (code, length) = self.codes[symbol];
        out.put(code.into(), length.into());
    }
}

/// Lengths of an optimal prefix code (Huffman), cut to `longest` bits by the heuristic of miniz:
/// codes that are too long are shortened, and others lengthened until the code is one again.
fn code_lengths(counts: &[u32], longest: usize) -> Vec<u8> {
    let mut lengths = vec![0u8; counts.len()];
    let used = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    // Count and symbol in one number, which sorts faster than a pair.
    let mut keys: Vec<u64> = used
        .map(|(symbol, &count)| u64::from(count) << 16 | symbol as u64)
        .collect();
    keys.sort_unstable();
    let symbols: Vec<usize> = keys.iter().map(|key| (key & 0xFFFF) as usize).collect();
    if symbols.len() < 2 {
        // Decoders want one code at least, and some a complete pair.
        let only = symbols.first().copied().unwrap_or(0);
        lengths[only] = 1;
        lengths[usize::from(only == 0)] = 1;
        return lengths;
    }
    // Two queues: the leaves in order, and the inner nodes, which arise in order.
    let leaves = symbols.len();
    let mut weights: Vec<u64> = symbols.iter().map(|&s| counts[s].into()).collect();
    let mut parents = vec![0usize; 2 * leaves - 1];
    let (mut leaf, mut inner) = (0, leaves);
    for node in leaves..2 * leaves - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            let take_leaf = leaf < leaves && (inner == node || weights[leaf] <= weights[inner]);
            let taken = if take_leaf { &mut leaf } else { &mut inner };
            weight += weights[*taken];
            parents[*taken] = node;
            *taken += 1;
        }
        weights.push(weight);
    }
    let root = 2 * leaves - 2;
    let mut depths = vec![0usize; 2 * leaves - 1];
    let mut of_length = vec![0usize; longest + 1];
    for node in (0..root).rev() {
        depths[node] = depths[parents[node]] + 1;
        if node < leaves {
            of_length[depths[node].min(longest)] += 1;
        }
    }
    let space = 1usize << longest;
    let mut total: usize = (1..=longest)
        .map(|length| of_length[length] << (longest - length))
        .sum();
    while total > space {
        of_length[longest] -= 1;
        let shorter = (1..longest).rev().find(|&length| of_length[length] > 0);
        let shorter = shorter.expect("codes of the longest length alone always fit");
        of_length[shorter] -= 1;
        of_length[shorter + 1] += 2;
        total -= 1;
    }
    // The rarest symbols take the longest codes.
    let mut rarest = symbols.iter();
    for length in (1..=longest).rev() {
        for &symbol in rarest.by_ref().take(of_length[length]) {
            lengths[symbol] = length as u8;
        }
    }
    lengths
}
