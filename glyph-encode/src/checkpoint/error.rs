use std::path::PathBuf;

use burn::tensor::DType;

/// What can go wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// A file that cannot be read from the disk.
    #[error("cannot read {}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A file that is not what it claims to be, or says what this crate does not know.
    #[error("{}: {reason}", .path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// A tensor of another shape than the model needs.
    #[error("{}: tensor {tensor} is {found:?}, expected {expected:?}", .path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        tensor: String,
        /// What the model needs.
        expected: Vec<usize>,
        /// What the file has.
        found: Vec<usize>,
    },
    /// Tensors that the model needs and the checkpoint does not have.
    #[error("{}: missing tensors: {}", .folder.display(), .tensors.join(", "))]
    Missing {
        /// The checkpoint.
        folder: PathBuf,
        /// Their names.
        tensors: Vec<String>,
    },
    /// Tensors that the model has no place for: it is likely another model.
    #[error("{}: unused tensors: {}", .folder.display(), .tensors.join(", "))]
    Unused {
        /// The checkpoint.
        folder: PathBuf,
        /// Their names.
        tensors: Vec<String>,
    },
    /// A data type that weights cannot be loaded as.
    #[error("weights are loaded as F32, F16 or BF16, not as {0:?}")]
    DType(DType),
    /// The progress callback said stop.
    #[error("{}: loading was cancelled", .folder.display())]
    Cancelled {
        /// The checkpoint.
        folder: PathBuf,
    },
}
