//! Where the tensors of safetensors files lie.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

use burn::tensor::DType;
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::CheckpointError;

/// Longest header that is read: the reference implementation's limit.
const MAX_HEADER: u64 = 100_000_000;

/// Bytes read from the disk at once.
const BUFFER: usize = 1 << 20;

/// Number format of a stored tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoredKind {
    /// 32-bit floating point.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of an `F32`.
    BF16,
}

impl StoredKind {
    /// Bytes of a number.
    pub fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }

    /// Burn's name for it.
    pub fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::BF16 => DType::BF16,
        }
    }
}

/// Where a tensor lies.
#[derive(Debug, Clone)]
pub struct StoredTensor {
    /// Index into [`SafetensorsFiles::paths`].
    pub file: usize,
    /// Bytes from the start of the file.
    pub offset: u64,
    /// Number format.
    pub kind: StoredKind,
    /// Sizes, the outermost first.
    pub shape: Vec<usize>,
}

impl StoredTensor {
    /// Numbers in the tensor.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no numbers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes in the file.
    pub fn bytes(&self) -> u64 {
        (self.len() * self.kind.size()) as u64
    }
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The open files of a checkpoint.
#[derive(Debug)]
pub struct SafetensorsFiles {
    folder: PathBuf,
    paths: Vec<PathBuf>,
    files: Vec<File>,
}

impl SafetensorsFiles {
    /// Opens `model.safetensors` of a folder, or the shards that `model.safetensors.index.json`
    /// names, and tells where each tensor lies. Integers that `ignored` names are left out.
    ///
    /// # Errors
    /// If a file is missing, cut short or has other tensors that are no floating-point numbers.
    pub fn open(
        folder: &Path,
        ignored: fn(&str) -> bool,
    ) -> Result<(Self, BTreeMap<String, StoredTensor>), CheckpointError> {
        let index_path = folder.join("model.safetensors.index.json");
        let names: Vec<String> = if index_path.exists() {
            let index: Index = read_json(&index_path)?;
            let names: BTreeSet<String> = index.weight_map.into_values().collect();
            if let Some(bad) = names.iter().find(|n| n.contains(['/', '\\'])) {
                return Err(CheckpointError::File {
                    path: index_path,
                    reason: format!("expected names of files in the same folder, found {bad}"),
                });
            }
            names.into_iter().collect()
        } else {
            vec!["model.safetensors".to_owned()]
        };
        let mut files = Self {
            folder: folder.to_owned(),
            paths: Vec::new(),
            files: Vec::new(),
        };
        let mut tensors = BTreeMap::new();
        for name in names {
            let path = folder.join(name);
            let (file, entries) = open_file(&path, files.files.len(), ignored)?;
            files.files.push(file);
            files.paths.push(path);
            tensors.extend(entries);
        }
        Ok((files, tensors))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// The file that a tensor lies in.
    pub fn path(&self, tensor: &StoredTensor) -> &Path {
        &self.paths[tensor.file]
    }

    /// Gives the open files away, each with its path.
    pub fn into_files(self) -> Vec<(PathBuf, File)> {
        self.paths.into_iter().zip(self.files).collect()
    }

    /// Reads the bytes of a tensor.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn reader(
        &mut self,
        tensor: &StoredTensor,
    ) -> Result<Take<BufReader<&mut File>>, CheckpointError> {
        let path = &self.paths[tensor.file];
        let file = &mut self.files[tensor.file];
        file.seek(SeekFrom::Start(tensor.offset))
            .map_err(|source| CheckpointError::Io {
                path: path.clone(),
                source,
            })?;
        Ok(BufReader::with_capacity(BUFFER, file).take(tensor.bytes()))
    }
}

/// Reads a JSON file.
///
/// # Errors
/// If it cannot be read or says something else.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, CheckpointError> {
    let text = std::fs::read(path).map_err(|source| CheckpointError::Io {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|e| CheckpointError::File {
        path: path.to_owned(),
        reason: e.to_string(),
    })
}

fn open_file(
    path: &Path,
    index: usize,
    ignored: fn(&str) -> bool,
) -> Result<(File, BTreeMap<String, StoredTensor>), CheckpointError> {
    let io = |source| CheckpointError::Io {
        path: path.to_owned(),
        source,
    };
    let bad = |reason: String| CheckpointError::File {
        path: path.to_owned(),
        reason,
    };
    let mut file = File::open(path).map_err(io)?;
    let len = file.metadata().map_err(io)?.len();
    let mut size = [0; 8];
    file.read_exact(&mut size)
        .map_err(|_| bad(format!("expected a safetensors header, found {len} bytes")))?;
    let header_len = u64::from_le_bytes(size);
    if header_len > MAX_HEADER || header_len > len.saturating_sub(8) {
        return Err(bad(format!(
            "a header of {header_len} bytes in a file of {len} bytes"
        )));
    }
    let mut header = vec![0; header_len as usize];
    file.read_exact(&mut header).map_err(io)?;
    let metadata: Metadata =
        serde_json::from_slice(&header).map_err(|e| bad(format!("header: {e}")))?;
    let start = 8 + header_len;
    let mut tensors = BTreeMap::new();
    for (name, info) in metadata.tensors() {
        let kind = match info.dtype {
            Dtype::F32 => StoredKind::F32,
            Dtype::F16 => StoredKind::F16,
            Dtype::BF16 => StoredKind::BF16,
            Dtype::I64 if ignored(&name) => continue,
            other => {
                return Err(bad(format!(
                    "tensor {name}: expected F32, F16 or BF16, found {other:?}"
                )));
            }
        };
        let (from, to) = info.data_offsets;
        if start + to as u64 > len {
            return Err(bad(format!(
                "tensor {name}: ends at byte {}, but the file has {len}",
                start + to as u64
            )));
        }
        let tensor = StoredTensor {
            file: index,
            offset: start + from as u64,
            kind,
            shape: info.shape.clone(),
        };
        tensors.insert(name, tensor);
    }
    Ok((file, tensors))
}
