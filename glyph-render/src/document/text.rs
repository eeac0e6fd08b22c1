//! Plain text: decoding.

use super::sniff::Source;
use super::{DocumentError, OpenOptions};

/// Reads a text file as UTF-8, or as UTF-16 where it starts with that byte order mark, with
/// line ends made `\n`.
pub(crate) fn open(mut source: Source, options: &OpenOptions) -> Result<String, DocumentError> {
    let limit = options.limits.max_text_bytes;
    let too_large = |path, found| DocumentError::TooLarge {
        path,
        what: "bytes of text:",
        found,
        limit,
        name: "max_text_bytes",
        hint: "split it",
    };
    let path = source.path.clone();
    let wide = source.head.starts_with(b"\xff\xfe") || source.head.starts_with(b"\xfe\xff");
    // UTF-16 takes at most twice the bytes of UTF-8; 3 bytes are the mark.
    let most = limit
        .saturating_mul(if wide { 2 } else { 1 })
        .saturating_add(3);
    let Some(bytes) = source.read_up_to(most)? else {
        let found = source.size().max(most + 1);
        return Err(too_large(path, found));
    };
    let text = if wide {
        let big = bytes[0] == 0xfe;
        utf16(&bytes, big).map_err(|offset| DocumentError::Encoding {
            path: path.clone(),
            encoding: "UTF-16",
            offset,
        })?
    } else {
        utf8(bytes).map_err(|offset| DocumentError::Encoding {
            path: path.clone(),
            encoding: "UTF-8",
            offset,
        })?
    };
    if text.len() as u64 > limit {
        return Err(too_large(path, text.len() as u64));
    }
    if text.contains('\0') {
        return Err(DocumentError::UnknownType {
            path,
            found: "binary data (NUL bytes)",
            hint: "convert it to one of these first",
        });
    }
    if text.trim().is_empty() {
        return Err(DocumentError::Empty {
            path,
            found: "it holds only white space",
        });
    }
    Ok(if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n")
    } else {
        text
    })
}

/// Text without its byte order mark, or the offset of the first wrong byte.
fn utf8(mut bytes: Vec<u8>) -> Result<String, u64> {
    let mark = if bytes.starts_with(b"\xef\xbb\xbf") {
        3
    } else {
        0
    };
    bytes.drain(..mark);
    String::from_utf8(bytes).map_err(|error| (error.utf8_error().valid_up_to() + mark) as u64)
}

/// The same for UTF-16.
fn utf16(bytes: &[u8], big: bool) -> Result<String, u64> {
    let mut text = String::with_capacity(bytes.len() / 2);
    let mut offset = 2u64;
    let units = bytes[2..].chunks_exact(2).map(|pair| match big {
        true => u16::from_be_bytes([pair[0], pair[1]]),
        false => u16::from_le_bytes([pair[0], pair[1]]),
    });
    for unit in char::decode_utf16(units) {
        let c = unit.map_err(|_| offset)?;
        offset += 2 * c.len_utf16() as u64;
        text.push(c);
    }
    if bytes.len() % 2 == 1 {
        return Err(offset);
    }
    Ok(text)
}
