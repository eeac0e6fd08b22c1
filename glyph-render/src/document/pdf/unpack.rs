//! How much a PDF's streams unpack to, found out without unpacking more than is allowed.
//!
//! Neither pdf-extract nor hayro has a limit of its own. What they would make of a stream is
//! counted here first, filter by filter; the sizes that a file states are not trusted.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use flate2::read::{DeflateDecoder, ZlibDecoder};
use weezl::BitOrder;
use weezl::decode::Decoder;

/// More than the limit came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Excess;

/// The most bytes that come out of one byte.
fn ratio(filter: &[u8]) -> u64 {
    match filter {
        b"FlateDecode" | b"Fl" => 1032,
        // The longest entry of the table, in 12 bits.
        b"LZWDecode" | b"LZW" => 2560,
        b"RunLengthDecode" | b"RL" => 64,
        b"ASCII85Decode" | b"A85" => 4,
        _ => 1,
    }
}

/// Whether a stream is sure to unpack to no more than `limit` bytes, by its length alone.
pub(super) fn surely_within(length: usize, filters: &[&[u8]], limit: u64) -> bool {
    let most = filters.iter().fold(length as u64, |bytes, filter| {
        bytes.saturating_mul(ratio(filter))
    });
    most <= limit
}

/// What a stream unpacks to, up to a filter that is none of text or data, such as one of
/// images. Data that is damaged ends where the damage is.
pub(super) fn unpack<'d>(
    data: &'d [u8],
    filters: &[&[u8]],
    limit: u64,
) -> Result<Cow<'d, [u8]>, Excess> {
    let mut data = Cow::Borrowed(data);
    for filter in filters {
        let mut out = Bounded {
            bytes: Vec::new(),
            left: limit,
            keep: true,
        };
        if !decode(&data, filter, &mut out)? {
            break;
        }
        data = Cow::Owned(out.bytes);
    }
    Ok(data)
}

/// The bytes that a stream unpacks to, none but the last filter's output held in memory.
pub(super) fn unpacked_size(data: &[u8], filters: &[&[u8]], limit: u64) -> Result<u64, Excess> {
    let known = filters.iter().position(|filter| !is_known(filter));
    let filters = &filters[..known.unwrap_or(filters.len())];
    let Some((last, before)) = filters.split_last() else {
        return Ok(data.len() as u64);
    };
    let data = unpack(data, before, limit)?;
    let mut out = Bounded {
        bytes: Vec::new(),
        left: limit,
        keep: false,
    };
    decode(&data, last, &mut out)?;
    Ok(limit - out.left)
}

fn is_known(filter: &[u8]) -> bool {
    matches!(
        filter,
        b"FlateDecode"
            | b"Fl"
            | b"LZWDecode"
            | b"LZW"
            | b"RunLengthDecode"
            | b"RL"
            | b"ASCII85Decode"
            | b"A85"
            | b"ASCIIHexDecode"
            | b"AHx"
    )
}

/// Takes bytes until there are too many.
struct Bounded {
    bytes: Vec<u8>,
    left: u64,
    keep: bool,
}

impl Bounded {
    fn take(&mut self, bytes: &[u8]) -> Result<(), Excess> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or(Excess)?;
        if self.keep {
            self.bytes.extend_from_slice(bytes);
        }
        Ok(())
    }
}

/// Reports more than there is room for as an error, and whether it did.
struct Sink<'b> {
    out: &'b mut Bounded,
    full: bool,
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.out.take(bytes).is_err() {
            self.full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Applies one filter; `false` where it is not known here.
fn decode(data: &[u8], filter: &[u8], out: &mut Bounded) -> Result<bool, Excess> {
    match filter {
        b"FlateDecode" | b"Fl" => flate(data, out)?,
        b"LZWDecode" | b"LZW" => lzw(data, out)?,
        b"RunLengthDecode" | b"RL" => run_length(data, out)?,
        b"ASCII85Decode" | b"A85" => ascii85(data, out)?,
        b"ASCIIHexDecode" | b"AHx" => ascii_hex(data, out)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn flate(data: &[u8], out: &mut Bounded) -> Result<(), Excess> {
    if drain(ZlibDecoder::new(data), out)? == 0 {
        // Both readers try it without the header, or without regard to it.
        let raw = drain(DeflateDecoder::new(data.get(2..).unwrap_or_default()), out)?;
        if raw == 0 {
            drain(DeflateDecoder::new(data), out)?;
        }
    }
    Ok(())
}

/// Reads to the end, or to damage.
fn drain(mut reader: impl Read, out: &mut Bounded) -> Result<u64, Excess> {
    let mut buffer = [0; 16 << 10];
    let mut count = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(count),
            Ok(read) => {
                out.take(&buffer[..read])?;
                count += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Ok(count),
        }
    }
}

/// LZW in the variant that makes more of the data: which one holds is said elsewhere.
fn lzw(data: &[u8], out: &mut Bounded) -> Result<(), Excess> {
    let mut best: Option<Bounded> = None;
    for mut decoder in [
        Decoder::with_tiff_size_switch(BitOrder::Msb, 8),
        Decoder::new(BitOrder::Msb, 8),
    ] {
        let mut tried = Bounded {
            bytes: Vec::new(),
            left: out.left,
            keep: out.keep,
        };
        let mut sink = Sink {
            out: &mut tried,
            full: false,
        };
        // Damage ends the data.
        let _ = decoder.into_stream(&mut sink).decode_all(data).status;
        if sink.full {
            return Err(Excess);
        }
        if best.as_ref().is_none_or(|best| tried.left < best.left) {
            best = Some(tried);
        }
    }
    if let Some(best) = best {
        out.left = best.left;
        out.bytes.extend(best.bytes);
    }
    Ok(())
}

fn run_length(data: &[u8], out: &mut Bounded) -> Result<(), Excess> {
    let mut rest = data;
    while let Some((&length, after)) = rest.split_first() {
        let length = usize::from(length);
        match length {
            0..128 => {
                let run = &after[..after.len().min(length + 1)];
                out.take(run)?;
                rest = &after[run.len()..];
            }
            128 => break,
            _ => {
                let Some((&byte, after)) = after.split_first() else {
                    break;
                };
                out.take(&vec![byte; 257 - length])?;
                rest = after;
            }
        }
    }
    Ok(())
}

fn ascii85(data: &[u8], out: &mut Bounded) -> Result<(), Excess> {
    let mut group = [0u32; 5];
    let mut count = 0;
    let word = |group: [u32; 5]| {
        group
            .iter()
            .fold(0u32, |word, digit| {
                word.wrapping_mul(85).wrapping_add(*digit)
            })
            .to_be_bytes()
    };
    for &byte in data {
        match byte {
            b'z' if count == 0 => out.take(&[0; 4])?,
            b'!'..=b'u' => {
                group[count] = u32::from(byte - b'!');
                count += 1;
                if count == 5 {
                    out.take(&word(group))?;
                    count = 0;
                }
            }
            _ if byte.is_ascii_whitespace() || byte == 0 => {}
            _ => break,
        }
    }
    if count > 1 {
        group[count..].fill(84);
        out.take(&word(group)[..count - 1])?;
    }
    Ok(())
}

fn ascii_hex(data: &[u8], out: &mut Bounded) -> Result<(), Excess> {
    let mut high = None;
    for &byte in data {
        let digit = match byte {
            b'>' => break,
            _ => char::from(byte).to_digit(16),
        };
        // Anything else, such as a line break, is passed over.
        let Some(digit) = digit else { continue };
        match high.take() {
            None => high = Some(digit),
            Some(high) => out.take(&[(high << 4 | digit) as u8])?,
        }
    }
    match high {
        Some(high) => out.take(&[(high << 4) as u8]),
        None => Ok(()),
    }
}

/// The most that a loader unpacks by itself is over the limit: object and cross-reference
/// streams, which hold other objects. Returns what they unpack to.
pub(super) fn object_streams(file: &[u8], limit: u64) -> Result<u64, Excess> {
    let mut total = 0;
    for (dictionary, data) in Streams::of(file) {
        let dictionary = unescaped(dictionary);
        let holds = |name: &[u8]| crate::document::sniff::contains(&dictionary, name);
        if holds(b"/ObjStm") || holds(b"/XRef") {
            let filters = filters(&dictionary);
            total += match filters.as_slice() {
                [] => 0,
                filters => unpacked_size(data, filters, limit - total)?,
            };
        }
    }
    Ok(total)
}

/// The streams of a file: what stands between `obj` and `stream`, and all that follows.
struct Streams<'f> {
    file: &'f [u8],
    at: usize,
}

impl<'f> Streams<'f> {
    /// The longest dictionary that is looked at.
    const DICTIONARY: usize = 8 << 10;

    fn of(file: &'f [u8]) -> Self {
        Self { file, at: 0 }
    }
}

impl<'f> Iterator for Streams<'f> {
    type Item = (&'f [u8], &'f [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut object = None;
        loop {
            let rest = self.file.get(self.at..)?;
            let step = rest.iter().position(|byte| matches!(byte, b'o' | b's'))?;
            let rest = &rest[step..];
            let here = self.at + step;
            self.at = here + 1;
            if rest.starts_with(b"obj") {
                object = Some(here + 3);
                self.at = here + 3;
            } else if rest.starts_with(b"stream")
                && let Some(start) = object
            {
                self.at = here + 6;
                if here - start <= Self::DICTIONARY {
                    let data = &rest[6..];
                    let data = data.strip_prefix(b"\r").unwrap_or(data);
                    let data = data.strip_prefix(b"\n").unwrap_or(data);
                    return Some((&self.file[start..here], data));
                }
                object = None;
            }
        }
    }
}

/// `#4F` in names made the character it stands for.
pub(super) fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'#') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        match (byte, digit(0), digit(1)) {
            (b'#', Some(high), Some(low)) => {
                out.push((high << 4 | low) as u8);
                rest = &after[2..];
            }
            _ => {
                out.push(byte);
                rest = after;
            }
        }
    }
    Cow::Owned(out)
}

/// The filters that a dictionary names.
fn filters(dictionary: &[u8]) -> Vec<&[u8]> {
    const KEY: &[u8] = b"/Filter";
    let at = dictionary.windows(KEY.len()).position(|w| w == KEY);
    let Some(at) = at else { return Vec::new() };
    let value = dictionary[at + KEY.len()..].trim_ascii_start();
    let end = match value.first() {
        Some(b'[') => value.iter().position(|byte| *byte == b']'),
        _ => value[1.min(value.len())..]
            .iter()
            .position(|byte| b"/>[(<".contains(byte) || byte.is_ascii_whitespace())
            .map(|at| at + 1),
    };
    let names = value[..end.unwrap_or(value.len())].split(|byte| *byte == b'/');
    names
        .skip(1)
        .map(<[u8]>::trim_ascii)
        .filter(|name| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zipped(bytes: &[u8]) -> Vec<u8> {
        let level = flate2::Compression::best();
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
        encoder.write_all(bytes).expect("a vector takes all");
        encoder.finish().expect("a vector takes all")
    }

    #[test]
    fn filters_are_applied_in_order_and_bounded() {
        let bytes = [b'a'; 100_000];
        let twice = zipped(&zipped(&bytes));
        let chain: [&[u8]; 2] = [b"FlateDecode", b"FlateDecode"];
        assert_eq!(
            unpack(&twice, &chain, 100_000),
            Ok(Cow::Borrowed(&bytes[..]))
        );
        assert_eq!(unpacked_size(&twice, &chain, 100_000), Ok(100_000));
        assert_eq!(unpack(&twice, &chain, 99_999), Err(Excess));
        assert_eq!(unpacked_size(&twice, &chain, 99_999), Err(Excess));
        // Without its header and checksum.
        let raw = &zipped(&bytes)[2..];
        assert_eq!(unpacked_size(raw, &chain[..1], 100_000), Ok(100_000));
        let text = |data: &[u8], filter: &[u8]| {
            let out = unpack(data, &[filter], 100).expect("a short text");
            String::from_utf8(out.into_owned()).expect("ASCII")
        };
        assert_eq!(text(b"48 65\n6C6c 6F>00", b"ASCIIHexDecode"), "Hello");
        assert_eq!(
            text(b"87cURD]i,\"Ebo80~>zz", b"ASCII85Decode"),
            "Hello World!"
        );
        assert_eq!(text(b"\x02abc\xFEd\x80e", b"RunLengthDecode"), "abcddd");
        let lzw = [0x80, 0x0B, 0x60, 0x50, 0x22, 0x0C, 0x0C, 0x85, 0x01];
        assert_eq!(text(&lzw, b"LZWDecode"), "-----A---B");
        // What is known of images stays as it is.
        assert_eq!(text(b"jpeg", b"DCTDecode"), "jpeg");
    }

    #[test]
    fn lengths_alone_bound_what_comes_out() {
        let bytes = vec![0; 2_000_000];
        let packed = zipped(&bytes);
        let flate: [&[u8]; 1] = [b"FlateDecode"];
        assert!(surely_within(
            packed.len(),
            &flate,
            1032 * packed.len() as u64
        ));
        assert!(unpacked_size(&packed, &flate, 1032 * packed.len() as u64).is_ok());
        assert!(!surely_within(packed.len(), &flate, 1_999_999));
    }

    #[test]
    fn object_streams_are_found_in_the_file() {
        let packed = zipped(&[b' '; 5000]);
        let mut file =
            b"%PDF-1.5\n1 0 obj\n<</Type/Obj#53tm/Filter/FlateDecode>>stream\r\n".to_vec();
        file.extend(&packed);
        file.extend(b"\nendstream\nendobj\n2 0 obj\n<</Filter[/FlateDecode]>>stream\n");
        file.extend(&packed);
        file.extend(b"\nendstream\n3 0 obj<</Type /XRef /Filter [ /FlateDecode ]>>\nstream\n");
        file.extend(&packed);
        assert_eq!(object_streams(&file, 10_000), Ok(10_000));
        assert_eq!(object_streams(&file, 9_999), Err(Excess));
    }
}
