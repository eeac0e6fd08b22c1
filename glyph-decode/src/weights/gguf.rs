//! The GGUF format of llama.cpp, versions 2 and 3.
//!
//! <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::{Checkpoint, TensorEntry, open};
use crate::DecodeError;
use crate::quant::GgmlType;

/// A value of a GGUF file's metadata.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum GgufValue {
    /// Any unsigned integer.
    Unsigned(u64),
    /// Any signed integer.
    Signed(i64),
    /// Any floating-point number.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(String),
    /// A list of integers.
    Integers(Vec<i64>),
    /// A list of floating-point numbers.
    Floats(Vec<f32>),
    /// A list of texts.
    Texts(Vec<String>),
    /// A list of anything else.
    List(Vec<GgufValue>),
}

/// What a GGUF file says about itself; its tensors stay on the disk until a model reads them.
#[derive(Debug)]
pub struct GgufFile {
    path: PathBuf,
    file: File,
    version: u32,
    metadata: BTreeMap<String, GgufValue>,
    tensors: BTreeMap<String, TensorEntry>,
}

impl GgufFile {
    /// Reads the header, metadata and tensor directory.
    ///
    /// # Errors
    /// If the file cannot be read, is no GGUF file, is cut short, or has tensors of a type that
    /// this crate does not know.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DecodeError> {
        let path = path.as_ref();
        let (file, len) = open(path)?;
        let header = Header::read(&file, len).map_err(|reason| match reason {
            Failure::Io(source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
                DecodeError::Io {
                    path: path.to_owned(),
                    source,
                }
            }
            Failure::Io(_) => DecodeError::ModelFile {
                file: path.display().to_string(),
                reason: format!("cut short: {len} bytes are fewer than its header needs"),
            },
            Failure::Format(reason) => DecodeError::ModelFile {
                file: path.display().to_string(),
                reason,
            },
        })?;
        Ok(Self {
            path: path.to_owned(),
            file,
            version: header.version,
            metadata: header.metadata,
            tensors: header.tensors,
        })
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Version of the format.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// All metadata, by key.
    pub fn metadata(&self) -> &BTreeMap<String, GgufValue> {
        &self.metadata
    }

    /// Name, type and shape of each tensor, the outermost size first.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, GgmlType, &[usize])> {
        self.tensors
            .iter()
            .map(|(name, t)| (&name[..], t.kind, &t.shape[..]))
    }

    /// Tensors, to be read by a model.
    pub(crate) fn checkpoint(&self) -> Result<Checkpoint, DecodeError> {
        let file = self.file.try_clone().map_err(|source| DecodeError::Io {
            path: self.path.clone(),
            source,
        })?;
        Ok(Checkpoint::new(
            vec![(self.path.clone(), file)],
            self.tensors.clone(),
        ))
    }

    fn wrong(&self, key: &str, expected: &str) -> DecodeError {
        let found = match self.metadata.get(key) {
            None => "nothing".to_owned(),
            Some(value) => {
                let mut text = format!("{value:?}");
                if text.len() > 80 {
                    text = text.chars().take(80).collect::<String>() + "…";
                }
                text
            }
        };
        DecodeError::ModelFile {
            file: self.path.display().to_string(),
            reason: format!("metadata {key}: expected {expected}, found {found}"),
        }
    }

    /// A text that has to be there.
    pub(crate) fn text(&self, key: &str) -> Result<&str, DecodeError> {
        self.optional_text(key)?
            .ok_or_else(|| self.wrong(key, "a text"))
    }

    pub(crate) fn optional_text(&self, key: &str) -> Result<Option<&str>, DecodeError> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(GgufValue::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "a text")),
        }
    }

    /// A size that has to be there.
    pub(crate) fn size(&self, key: &str) -> Result<usize, DecodeError> {
        self.optional_size(key)?
            .ok_or_else(|| self.wrong(key, "a number"))
    }

    pub(crate) fn optional_size(&self, key: &str) -> Result<Option<usize>, DecodeError> {
        let number = match self.metadata.get(key) {
            None => return Ok(None),
            Some(&GgufValue::Unsigned(n)) => usize::try_from(n).ok(),
            Some(&GgufValue::Signed(n)) => usize::try_from(n).ok(),
            Some(_) => None,
        };
        // Sizes of a model are far below this; larger ones would only overflow later on.
        match number.filter(|&n| n < 1 << 31) {
            Some(n) => Ok(Some(n)),
            None => Err(self.wrong(key, "a number from 0 to 2^31")),
        }
    }

    pub(crate) fn optional_float(&self, key: &str) -> Result<Option<f32>, DecodeError> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(&GgufValue::Float(x)) => Ok(Some(x as f32)),
            Some(&GgufValue::Unsigned(x)) => Ok(Some(x as f32)),
            Some(_) => Err(self.wrong(key, "a number")),
        }
    }

    pub(crate) fn optional_bool(&self, key: &str) -> Result<Option<bool>, DecodeError> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(&GgufValue::Bool(b)) => Ok(Some(b)),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }

    /// A list of texts that has to be there.
    pub(crate) fn texts(&self, key: &str) -> Result<&[String], DecodeError> {
        match self.metadata.get(key) {
            Some(GgufValue::Texts(texts)) => Ok(texts),
            _ => Err(self.wrong(key, "a list of texts")),
        }
    }

    pub(crate) fn optional_integers(&self, key: &str) -> Result<Option<&[i64]>, DecodeError> {
        match self.metadata.get(key) {
            None => Ok(None),
            Some(GgufValue::Integers(values)) => Ok(Some(values)),
            Some(_) => Err(self.wrong(key, "a list of integers")),
        }
    }
}

enum Failure {
    Io(std::io::Error),
    Format(String),
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

struct Header {
    version: u32,
    metadata: BTreeMap<String, GgufValue>,
    tensors: BTreeMap<String, TensorEntry>,
}

impl Header {
    fn read(file: &File, len: u64) -> Result<Self, Failure> {
        let mut r = Reader {
            inner: BufReader::with_capacity(1 << 16, file),
            at: 0,
            len,
        };
        let magic = r.bytes::<4>()?;
        if &magic != b"GGUF" {
            return Err(Failure::Format(format!(
                "expected a file that begins with GGUF, found {:?}",
                String::from_utf8_lossy(&magic)
            )));
        }
        let version = r.u32()?;
        if !(2..=3).contains(&version) {
            return Err(Failure::Format(format!(
                "expected GGUF version 2 or 3 in little-endian order, found {version}"
            )));
        }
        // A tensor takes 24 bytes and an entry of the metadata 13 at least.
        let tensor_count = r.count(24, "tensors")?;
        let metadata_count = r.count(13, "metadata")?;
        let mut metadata = BTreeMap::new();
        for _ in 0..metadata_count {
            let key = r.text()?;
            let kind = r.u32()?;
            let value = r.value(kind, 0)?;
            metadata.insert(key, value);
        }
        let mut directory = Vec::new();
        for _ in 0..tensor_count {
            directory.push(r.tensor()?);
        }
        let alignment = match metadata.get("general.alignment") {
            None => 32,
            Some(&GgufValue::Unsigned(a)) if a.is_power_of_two() && a <= 1 << 20 => a,
            Some(other) => {
                return Err(Failure::Format(format!(
                    "general.alignment: expected a power of two, found {other:?}"
                )));
            }
        };
        let start = r.at.next_multiple_of(alignment);
        let mut tensors = BTreeMap::new();
        let mut extents = Vec::new();
        for (name, mut entry) in directory {
            let elements = entry
                .shape
                .iter()
                .try_fold(1usize, |n, &size| n.checked_mul(size));
            let bytes = elements.and_then(|n| entry.kind.bytes(n)).ok_or_else(|| {
                Failure::Format(format!(
                    "tensor {name}: expected whole blocks of {:?}, found shape {:?}",
                    entry.kind, entry.shape
                ))
            })?;
            let end = start
                .checked_add(entry.offset)
                .and_then(|at| at.checked_add(bytes as u64));
            if end.is_none_or(|end| end > len) {
                return Err(Failure::Format(format!(
                    "tensor {name}: expected {bytes} bytes from offset {}, but the file ends at {len}",
                    entry.offset
                )));
            }
            extents.push((entry.offset, bytes as u64, name.clone()));
            entry.offset += start;
            if tensors.insert(name.clone(), entry).is_some() {
                return Err(Failure::Format(format!("tensor {name} is there twice")));
            }
        }
        // Each is read by itself, so a small file could fill the memory many times over.
        extents.sort_unstable();
        if let Some([(at, bytes, first), (next, _, second)]) =
            extents.array_windows().find(|[a, b]| a.0 + a.1 > b.0)
        {
            return Err(Failure::Format(format!(
                "tensor {second}: expected an offset from {} on, behind {first}, found {next}",
                at + bytes
            )));
        }
        Ok(Self {
            version,
            metadata,
            tensors,
        })
    }
}

struct Reader<'a> {
    inner: BufReader<&'a File>,
    at: u64,
    len: u64,
}

impl Reader<'_> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, Failure> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64, Failure> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    /// A count of things that take so many bytes each, checked against what is left of the file
    /// before anything is allocated.
    fn count(&mut self, size: u64, what: &str) -> Result<u64, Failure> {
        let n = self.u64()?;
        let left = self.len.saturating_sub(self.at);
        if n > left / size {
            return Err(Failure::Format(format!(
                "{n} {what} announced, but only {left} bytes are left of the file"
            )));
        }
        Ok(n)
    }

    fn text(&mut self) -> Result<String, Failure> {
        let n = self.count(1, "bytes of text")?;
        let mut bytes = vec![0; n as usize];
        self.inner.read_exact(&mut bytes)?;
        self.at += n;
        // Some vocabularies hold bytes that are no text on their own.
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
    }

    fn value(&mut self, kind: u32, depth: u32) -> Result<GgufValue, Failure> {
        Ok(match kind {
            0 => GgufValue::Unsigned(u64::from(self.bytes::<1>()?[0])),
            1 => GgufValue::Signed(i64::from(self.bytes::<1>()?[0] as i8)),
            2 => GgufValue::Unsigned(u64::from(u16::from_le_bytes(self.bytes()?))),
            3 => GgufValue::Signed(i64::from(i16::from_le_bytes(self.bytes()?))),
            4 => GgufValue::Unsigned(u64::from(self.u32()?)),
            5 => GgufValue::Signed(i64::from(i32::from_le_bytes(self.bytes()?))),
            6 => GgufValue::Float(f64::from(f32::from_le_bytes(self.bytes()?))),
            7 => GgufValue::Bool(self.bytes::<1>()?[0] != 0),
            8 => GgufValue::Text(self.text()?),
            9 => self.list(depth)?,
            10 => GgufValue::Unsigned(self.u64()?),
            11 => GgufValue::Signed(i64::from_le_bytes(self.bytes()?)),
            12 => GgufValue::Float(f64::from_le_bytes(self.bytes()?)),
            other => {
                return Err(Failure::Format(format!(
                    "metadata: expected a value type from 0 to 12, found {other}"
                )));
            }
        })
    }

    fn list(&mut self, depth: u32) -> Result<GgufValue, Failure> {
        let kind = self.u32()?;
        let size = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            9 => 12,
            _ => 8,
        };
        let n = self.count(size, "list elements")?;
        if kind == 9 && depth > 4 {
            return Err(Failure::Format(
                "metadata: lists nested too deep".to_owned(),
            ));
        }
        let mut list = GgufValue::List(Vec::new());
        if n > 0 || kind == 8 {
            list = match kind {
                0..=5 | 10 | 11 => GgufValue::Integers(Vec::new()),
                6 | 12 => GgufValue::Floats(Vec::new()),
                8 => GgufValue::Texts(Vec::new()),
                _ => list,
            };
        }
        for _ in 0..n {
            let value = self.value(kind, depth + 1)?;
            match (&mut list, value) {
                (GgufValue::Integers(v), GgufValue::Unsigned(x)) => v.push(x as i64),
                (GgufValue::Integers(v), GgufValue::Signed(x)) => v.push(x),
                (GgufValue::Floats(v), GgufValue::Float(x)) => v.push(x as f32),
                (GgufValue::Texts(v), GgufValue::Text(x)) => v.push(x),
                (GgufValue::List(v), x) => v.push(x),
                (_, _) => unreachable!("elements of one type"),
            }
        }
        Ok(list)
    }

    fn tensor(&mut self) -> Result<(String, TensorEntry), Failure> {
        let name = self.text()?;
        let dims = self.u32()?;
        if !(1..=4).contains(&dims) {
            return Err(Failure::Format(format!(
                "tensor {name}: expected 1 to 4 dimensions, found {dims}"
            )));
        }
        let mut shape = Vec::new();
        for _ in 0..dims {
            let size = self.u64()?;
            shape.push(
                usize::try_from(size).map_err(|_| {
                    Failure::Format(format!("tensor {name}: a dimension of {size}"))
                })?,
            );
        }
        // The file has the innermost size first.
        shape.reverse();
        let id = self.u32()?;
        let kind = GgmlType::from_id(id).ok_or_else(|| {
            Failure::Format(format!(
                "tensor {name}: expected one of Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, \
                 F16, BF16 and F32, found type number {id}"
            ))
        })?;
        let offset = self.u64()?;
        Ok((
            name,
            TensorEntry {
                file: 0,
                offset,
                kind,
                shape,
            },
        ))
    }
}
