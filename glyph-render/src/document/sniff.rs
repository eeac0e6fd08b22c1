//! Tells file formats apart by their first bytes.

use super::{DocumentError, Limits};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes looked at to name the format.
const HEAD: usize = 8192;

/// A file opened for reading, with its first bytes.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) head: Vec<u8>,
    file: File,
}

/// The formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Markdown,
    Pdf,
    Docx,
    Image,
}

impl Source {
    pub(crate) fn open(path: &Path, limits: &Limits) -> Result<Self, DocumentError> {
        let error = |source| DocumentError::io(path, source);
        let mut file = File::open(path).map_err(error)?;
        let size = file.metadata().map_err(error)?.len();
        if size > limits.max_file_bytes {
            return Err(too_large(path, size, limits));
        }
        let mut head = Vec::new();
        file.by_ref()
            .take(HEAD as u64)
            .read_to_end(&mut head)
            .map_err(error)?;
        Ok(Self {
            path: path.to_path_buf(),
            head,
            file,
        })
    }

    /// The whole content, or `None` where it has more than `max` bytes.
    pub(crate) fn read_up_to(&mut self, max: u64) -> Result<Option<Vec<u8>>, DocumentError> {
        let mut bytes = self.head.clone();
        let rest = max.saturating_sub(bytes.len() as u64);
        self.file
            .by_ref()
            .take(rest.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|source| DocumentError::io(&self.path, source))?;
        Ok((bytes.len() as u64 <= max).then_some(bytes))
    }

    /// The whole content.
    pub(crate) fn read(&mut self, limits: &Limits) -> Result<Vec<u8>, DocumentError> {
        // A pipe or a device has no size up front, so the limit is checked again here.
        self.read_up_to(limits.max_file_bytes)?
            .ok_or_else(|| too_large(&self.path, limits.max_file_bytes + 1, limits))
    }

    /// The file, from its start.
    #[cfg(any(feature = "docx", feature = "pdfium"))]
    pub(crate) fn into_file(mut self) -> Result<File, DocumentError> {
        std::io::Seek::rewind(&mut self.file)
            .map_err(|source| DocumentError::io(&self.path, source))?;
        Ok(self.file)
    }

    /// The size of the file on disk.
    pub(crate) fn size(&self) -> u64 {
        self.file.metadata().map_or(0, |info| info.len())
    }

    pub(crate) fn extension(&self) -> String {
        let extension = self.path.extension().unwrap_or_default();
        extension.to_string_lossy().to_ascii_lowercase()
    }
}

fn too_large(path: &Path, found: u64, limits: &Limits) -> DocumentError {
    DocumentError::TooLarge {
        path: path.to_path_buf(),
        what: "bytes in the file:",
        found,
        limit: limits.max_file_bytes,
        name: "max_file_bytes",
        hint: "split it",
    }
}

pub(crate) fn is_image(head: &[u8]) -> bool {
    head.starts_with(b"\x89PNG\r\n\x1a\n") || head.starts_with(b"\xff\xd8\xff")
}

/// What the file holds, by its content first and its extension second.
pub(crate) fn kind(source: &Source) -> Result<Kind, DocumentError> {
    let head = source.head.as_slice();
    let path = || source.path.clone();
    let extension = source.extension();
    let start = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let start = start.trim_ascii_start();
    if head.is_empty() {
        return Err(DocumentError::Empty {
            path: path(),
            found: "it has 0 bytes",
        });
    }
    if start.starts_with(b"%PDF-") || extension == "pdf" && contains(head, b"%PDF-") {
        return Ok(Kind::Pdf);
    }
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Ok(Kind::Docx);
    }
    if is_image(head) {
        return Ok(Kind::Image);
    }
    if head.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return Err(ole(source));
    }
    let expected = match extension.as_str() {
        "pdf" => Some(("PDF", "expected `%PDF-` in the first bytes, found none")),
        "docx" | "docm" | "dotx" => Some(("DOCX", "expected a zip archive, found none")),
        "png" => Some(("PNG", "expected the PNG signature, found none")),
        "jpg" | "jpeg" => Some(("JPEG", "expected the JPEG signature, found none")),
        _ => None,
    };
    if let Some((format, detail)) = expected {
        return Err(DocumentError::Damaged {
            path: path(),
            format,
            detail: detail.into(),
            hint: "export or download it again",
            source: None,
        });
    }
    if let Some((found, hint)) = foreign(start) {
        return Err(DocumentError::UnknownType {
            path: path(),
            found,
            hint,
        });
    }
    Ok(match extension.as_str() {
        "md" | "markdown" | "mdown" | "mkd" => Kind::Markdown,
        _ => Kind::Text,
    })
}

/// A format that is recognised but not read.
fn foreign(head: &[u8]) -> Option<(&'static str, &'static str)> {
    const IMAGE: &str = "convert it to PNG";
    const UNPACK: &str = "unpack it first";
    let by_magic = [
        (&b"{\\rtf"[..], "RTF", "save it as DOCX or as plain text"),
        (b"GIF8", "a GIF image", IMAGE),
        (b"BM\0", "a BMP image", IMAGE),
        (b"II*\0", "a TIFF image", IMAGE),
        (b"MM\0*", "a TIFF image", IMAGE),
        (b"RIFF", "a RIFF file (WebP, WAV or AVI)", IMAGE),
        (b"\x1f\x8b", "gzip-compressed data", UNPACK),
        (b"BZh", "bzip2-compressed data", UNPACK),
        (b"\xfd7zXZ\0", "xz-compressed data", UNPACK),
        (b"7z\xbc\xaf", "a 7z archive", UNPACK),
        (b"\0\0\xfe\xff", "UTF-32 text", "convert it to UTF-8 first"),
        (b"\xff\xfe\0\0", "UTF-32 text", "convert it to UTF-8 first"),
    ];
    for (magic, found, hint) in by_magic {
        // "RIFF" and "BZh" may start a text; the bytes that follow in such files may not.
        let binary = head.iter().take(512).any(|&b| b == 0 || b >= 0x80);
        if head.starts_with(magic) && (binary || magic[0] == b'{') {
            return Some((found, hint));
        }
    }
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") || !head.contains(&0) {
        return None;
    }
    let pairs = head.chunks_exact(2).take(256);
    let total = pairs.len();
    for (index, found) in [
        (0, "UTF-16BE text without a BOM"),
        (1, "UTF-16LE text without a BOM"),
    ] {
        let zeros = pairs.clone().filter(|pair| pair[index] == 0).count();
        let others = pairs.clone().filter(|pair| pair[1 - index] == 0).count();
        if zeros * 10 > total * 8 && others == 0 {
            return Some((found, "convert it to UTF-8 first, e.g. with iconv"));
        }
    }
    Some((
        "binary data (NUL bytes)",
        "convert it to one of these first",
    ))
}

/// Which OLE file it is: an encrypted DOCX, or Word's old format.
fn ole(source: &Source) -> DocumentError {
    let path = source.path.clone();
    let wide: Vec<u8> = "EncryptedPackage"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    // The directory that names the streams may lie anywhere in the file.
    let mut bytes = source.head.clone();
    if let Ok(file) = File::open(&path) {
        bytes.clear();
        // A file that cannot be read to its end is judged by what was read.
        let _ = file.take(64 << 20).read_to_end(&mut bytes);
    }
    if contains(&bytes, &wide) {
        DocumentError::Encrypted {
            path,
            what: "the DOCX",
            hint: ": open it in Word or LibreOffice and save it without one",
        }
    } else {
        DocumentError::OldWord { path }
    }
}

pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}
