//! Safetensors checkpoints of Hugging Face's layout: one file, or several with an index.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde::Deserialize;

use super::{Checkpoint, TensorEntry, open};
use crate::DecodeError;
use crate::quant::GgmlType;

/// Longest header that is read: the reference implementation's limit.
const MAX_HEADER: u64 = 100_000_000;

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Opens `model.safetensors` of a folder, or the shards that `model.safetensors.index.json` names.
///
/// # Errors
/// If a file is missing, cut short or has tensors that are no floating-point numbers.
pub(crate) fn open_folder(folder: &Path) -> Result<Checkpoint, DecodeError> {
    let index_path = folder.join("model.safetensors.index.json");
    let names: Vec<String> = if index_path.exists() {
        let index: Index = read_json(&index_path)?;
        let names: BTreeSet<String> = index.weight_map.into_values().collect();
        if let Some(bad) = names.iter().find(|n| n.contains(['/', '\\'])) {
            return Err(DecodeError::ModelFile {
                file: index_path.display().to_string(),
                reason: format!("expected names of files in the same folder, found {bad}"),
            });
        }
        names.into_iter().collect()
    } else {
        vec!["model.safetensors".to_owned()]
    };
    let mut files = Vec::new();
    let mut tensors = BTreeMap::new();
    for name in names {
        let path = folder.join(name);
        let (file, entries) = open_file(&path, files.len())?;
        files.push((path, file));
        tensors.extend(entries);
    }
    Ok(Checkpoint::new(files, tensors))
}

/// Reads a JSON file.
pub(crate) fn read_json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, DecodeError> {
    let text = std::fs::read(path).map_err(|source| DecodeError::Io {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&text).map_err(|e| DecodeError::ModelFile {
        file: path.display().to_string(),
        reason: e.to_string(),
    })
}

fn open_file(
    path: &Path,
    index: usize,
) -> Result<(File, BTreeMap<String, TensorEntry>), DecodeError> {
    let io = |source| DecodeError::Io {
        path: path.to_owned(),
        source,
    };
    let bad = |reason: String| DecodeError::ModelFile {
        file: path.display().to_string(),
        reason,
    };
    let (mut file, len) = open(path)?;
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
            Dtype::F32 => GgmlType::F32,
            Dtype::F16 => GgmlType::F16,
            Dtype::BF16 => GgmlType::BF16,
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
        tensors.insert(
            name,
            TensorEntry {
                file: index,
                offset: start + from as u64,
                kind,
                shape: info.shape.clone(),
            },
        );
    }
    Ok((file, tensors))
}
