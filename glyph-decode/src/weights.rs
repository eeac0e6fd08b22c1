//! Tensors of model files, read one by one into the form that they are used in.

pub(crate) mod gguf;
pub(crate) mod safetensors;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::DecodeError;
use crate::quant::{GgmlType, Matrix, dequantize};

/// Where a tensor lies.
#[derive(Debug, Clone)]
pub(crate) struct TensorEntry {
    /// Which of the checkpoint's files.
    pub(crate) file: usize,
    /// Bytes from the start of the file.
    pub(crate) offset: u64,
    pub(crate) kind: GgmlType,
    /// Sizes, the outermost first.
    pub(crate) shape: Vec<usize>,
}

/// The tensors of a model, in one file or several.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    paths: Vec<PathBuf>,
    files: Vec<File>,
    tensors: BTreeMap<String, TensorEntry>,
    used: BTreeSet<String>,
    missing: Vec<String>,
}

/// Bytes read from the disk at once.
const BUFFER: usize = 1 << 20;

impl Checkpoint {
    pub(crate) fn new(files: Vec<(PathBuf, File)>, tensors: BTreeMap<String, TensorEntry>) -> Self {
        let (paths, files) = files.into_iter().unzip();
        Self {
            paths,
            files,
            tensors,
            used: BTreeSet::new(),
            missing: Vec::new(),
        }
    }

    fn file_name(&self, entry: Option<&TensorEntry>) -> String {
        let path = &self.paths[entry.map_or(0, |e| e.file)];
        path.display().to_string()
    }

    /// Whether there is such a tensor.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Shape of a tensor.
    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|t| &t.shape[..])
    }

    /// Number of tensors.
    pub(crate) fn len(&self) -> usize {
        self.tensors.len()
    }

    /// Whether a tensor has been read or ignored.
    pub(crate) fn is_used(&self, name: &str) -> bool {
        self.used.contains(name)
    }

    /// Marks a tensor as known although nothing reads it.
    pub(crate) fn ignore(&mut self, name: &str) {
        self.used.insert(name.to_owned());
    }

    /// Finds a tensor of a certain shape. Missing ones are noted for [`finish`](Self::finish).
    fn find(&mut self, name: &str, shape: &[usize]) -> Result<Option<TensorEntry>, DecodeError> {
        let Some(entry) = self.tensors.get(name).cloned() else {
            self.missing.push(name.to_owned());
            return Ok(None);
        };
        let fits = entry.shape == shape
            && shape
                .last()
                .is_some_and(|cols| cols.is_multiple_of(entry.kind.block_len()));
        if !fits {
            return Err(DecodeError::TensorMismatch {
                file: self.file_name(Some(&entry)),
                tensor: name.to_owned(),
                expected: format!("{shape:?}"),
                found: format!("{:?} {:?}", entry.shape, entry.kind),
            });
        }
        self.used.insert(name.to_owned());
        Ok(Some(entry))
    }

    fn reader(&mut self, entry: &TensorEntry) -> Result<BufReader<&mut File>, DecodeError> {
        let path = &self.paths[entry.file];
        let file = &mut self.files[entry.file];
        file.seek(SeekFrom::Start(entry.offset))
            .map_err(|source| DecodeError::Io {
                path: path.clone(),
                source,
            })?;
        Ok(BufReader::with_capacity(BUFFER, file))
    }

    /// Reads a matrix `[rows, cols]` in the type of the file. A missing one is an empty matrix
    /// until [`finish`](Self::finish) tells.
    pub(crate) fn matrix(
        &mut self,
        name: &str,
        rows: usize,
        cols: usize,
    ) -> Result<Matrix, DecodeError> {
        let Some(entry) = self.find(name, &[rows, cols])? else {
            return Ok(Matrix::empty());
        };
        let path = self.paths[entry.file].clone();
        let mut reader = self.reader(&entry)?;
        Matrix::read(entry.kind, rows, cols, |out| {
            reader.read_exact(out).map_err(|source| DecodeError::Io {
                path: path.clone(),
                source,
            })
        })
    }

    /// Reads a vector as `f32`; empty if it is missing, until [`finish`](Self::finish) tells.
    pub(crate) fn vector(&mut self, name: &str, len: usize) -> Result<Vec<f32>, DecodeError> {
        let Some(entry) = self.find(name, &[len])? else {
            return Ok(Vec::new());
        };
        let path = self.paths[entry.file].clone();
        let mut bytes = vec![0; entry.kind.bytes(len).expect("find checks for whole blocks")];
        self.reader(&entry)?
            .read_exact(&mut bytes)
            .map_err(|source| DecodeError::Io { path, source })?;
        let mut out = vec![0.0; len];
        dequantize(entry.kind, &bytes, &mut out);
        Ok(out)
    }

    /// Checks that every tensor was there and has been used.
    ///
    /// # Errors
    /// With the names of those that were not.
    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        let file = self.file_name(None);
        if !self.missing.is_empty() {
            return Err(DecodeError::MissingTensors {
                file,
                tensors: self.missing,
            });
        }
        let unused: Vec<String> = self
            .tensors
            .into_keys()
            .filter(|name| !self.used.contains(name))
            .collect();
        if !unused.is_empty() {
            return Err(DecodeError::UnusedTensors {
                file,
                tensors: unused,
            });
        }
        Ok(())
    }
}

/// Opens a file and tells its size.
fn open(path: &Path) -> Result<(File, u64), DecodeError> {
    let fail = |source| DecodeError::Io {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(fail)?;
    let len = file.metadata().map_err(fail)?.len();
    Ok((file, len))
}
