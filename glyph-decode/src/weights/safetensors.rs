//! Safetensors checkpoints of Hugging Face's layout, for models that run without tensors.

use std::path::Path;

use glyph_encode::checkpoint::CheckpointError;
use glyph_encode::checkpoint::safetensors::{self, SafetensorsFiles, StoredKind};
use serde::de::DeserializeOwned;

use super::{Checkpoint, TensorEntry};
use crate::DecodeError;
use crate::quant::GgmlType;

/// Opens `model.safetensors` of a folder, or the shards that `model.safetensors.index.json` names.
///
/// # Errors
/// If a file is missing, cut short or has tensors that are no floating-point numbers.
pub(crate) fn open_folder(folder: &Path) -> Result<Checkpoint, DecodeError> {
    let (files, stored) = SafetensorsFiles::open(folder, |_| false).map_err(model_file)?;
    let tensors = stored.into_iter().map(|(name, tensor)| {
        let entry = TensorEntry {
            file: tensor.file,
            offset: tensor.offset,
            kind: match tensor.kind {
                StoredKind::F32 => GgmlType::F32,
                StoredKind::F16 => GgmlType::F16,
                StoredKind::BF16 => GgmlType::BF16,
            },
            shape: tensor.shape,
        };
        (name, entry)
    });
    let tensors = tensors.collect();
    Ok(Checkpoint::new(files.into_files(), tensors))
}

/// Reads a JSON file.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, DecodeError> {
    safetensors::read_json(path).map_err(model_file)
}

/// The same error by the names that all of this crate's model files have.
fn model_file(error: CheckpointError) -> DecodeError {
    match error {
        CheckpointError::Io { path, source } => DecodeError::Io { path, source },
        CheckpointError::File { path, reason } => DecodeError::ModelFile {
            file: path.display().to_string(),
            reason,
        },
        other => other.into(),
    }
}
