//! Checkpoints of Hugging Face's layout, read tensor by tensor onto a device.
//!
//! A [`Checkpoint`] is a folder with `model.safetensors`, or with shards that
//! `model.safetensors.index.json` names. Each tensor goes from the file into its final data type
//! in one pass, so that memory never holds a second copy of the weights.

mod error;
mod layers;
mod read;
pub mod safetensors;
mod sizes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use burn::tensor::{DType, Device, Tensor, TensorData};

pub use error::CheckpointError;
use safetensors::{SafetensorsFiles, StoredTensor};
pub use sizes::Heads;

/// How far loading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadProgress {
    /// Bytes of tensors that were read.
    pub bytes: u64,
    /// Bytes of all tensors.
    pub total: u64,
}

type Callback<'a> = dyn FnMut(LoadProgress) -> ControlFlow<()> + 'a;

/// The tensors of a model, in one file or several.
pub struct Checkpoint<'a> {
    files: SafetensorsFiles,
    /// Tensors by the name that the model gives them.
    tensors: BTreeMap<String, StoredTensor>,
    used: BTreeSet<String>,
    missing: Vec<String>,
    /// Numbers of the missing ones, which zeros stand for.
    missing_numbers: u64,
    device: Device,
    dtype: DType,
    progress: LoadProgress,
    callback: Box<Callback<'a>>,
}

impl fmt::Debug for Checkpoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("folder", &self.files.folder())
            .field("tensors", &self.tensors.len())
            .field("dtype", &self.dtype)
            .finish_non_exhaustive()
    }
}

impl<'a> Checkpoint<'a> {
    /// Opens the safetensors files of `folder`. Matrices come out as `dtype` (`F32`, `F16` or
    /// `BF16`), whatever the files hold; norms and positions as `F32`.
    ///
    /// # Errors
    /// If a file is missing, cut short or no safetensors, or `dtype` is of another kind.
    pub fn open(
        folder: impl AsRef<Path>,
        dtype: DType,
        device: &Device,
    ) -> Result<Self, CheckpointError> {
        if !matches!(dtype, DType::F32 | DType::F16 | DType::BF16) {
            return Err(CheckpointError::DType(dtype));
        }
        // Old checkpoints keep `arange(n)` as a buffer, which carries nothing.
        let ignored = |name: &str| name.ends_with("position_ids");
        let (files, tensors) = SafetensorsFiles::open(folder.as_ref(), ignored)?;
        let total = tensors.values().map(StoredTensor::bytes).sum();
        Ok(Self {
            files,
            tensors,
            used: BTreeSet::new(),
            missing: Vec::new(),
            missing_numbers: 0,
            device: device.clone(),
            dtype,
            progress: LoadProgress { bytes: 0, total },
            callback: Box::new(|_| ControlFlow::Continue(())),
        })
    }

    /// Is told how far loading is; stops it by returning [`ControlFlow::Break`].
    #[must_use]
    pub fn on_progress(
        mut self,
        callback: impl FnMut(LoadProgress) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.callback = Box::new(callback);
        self
    }

    /// Gives tensors other names: releases of `transformers` prefix the same tensors differently.
    ///
    /// # Errors
    /// If two tensors come to the same name.
    pub fn rename(&mut self, name: impl Fn(&str) -> String) -> Result<(), CheckpointError> {
        let mut renamed = BTreeMap::new();
        for (old, tensor) in std::mem::take(&mut self.tensors) {
            let new = name(&old);
            if renamed.insert(new.clone(), tensor).is_some() {
                return Err(CheckpointError::File {
                    path: self.files.folder().to_owned(),
                    reason: format!("two tensors are {new}: one of them is called {old}"),
                });
            }
        }
        self.tensors = renamed;
        Ok(())
    }

    /// Where the tensors go.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The type that matrices come out as.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The type that most of the weights have in the files.
    pub fn stored_dtype(&self) -> DType {
        let mut sizes = BTreeMap::new();
        for tensor in self.tensors.values() {
            *sizes.entry(tensor.kind).or_insert(0) += tensor.bytes();
        }
        let largest = sizes.into_iter().max_by_key(|&(_, bytes)| bytes);
        largest.map_or(DType::F32, |(kind, _)| kind.dtype())
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.files.folder()
    }

    /// Whether there is such a tensor.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Shape of a tensor in the file.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|t| &t.shape[..])
    }

    /// Names of all tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Marks a tensor as known although nothing reads it.
    pub fn ignore(&mut self, name: &str) {
        self.used.insert(name.to_owned());
    }

    /// Reads a tensor of a certain shape as [`dtype`](Self::dtype). A missing one is noted for
    /// [`finish`](Self::finish) and comes out as zeros.
    ///
    /// # Errors
    /// If the file has another shape, or cannot be read, or the callback says stop, or more is
    /// missing than there is.
    pub fn tensor<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
    ) -> Result<Tensor<D>, CheckpointError> {
        self.read(name, &shape, shape, self.dtype)
    }

    /// Reads a tensor as `F32`.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor).
    pub fn tensor_f32<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
    ) -> Result<Tensor<D>, CheckpointError> {
        self.read(name, &shape, shape, DType::F32)
    }

    /// Reads a tensor of the shape `stored` and gives it the shape `shape` of as many numbers: a
    /// convolution whose stride is its size is a matrix.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor).
    pub fn tensor_as<const D: usize>(
        &mut self,
        name: &str,
        stored: &[usize],
        shape: [usize; D],
    ) -> Result<Tensor<D>, CheckpointError> {
        self.read(name, stored, shape, self.dtype)
    }

    /// Checks that every tensor was there and has been used.
    ///
    /// # Errors
    /// With the names of those that were not.
    pub fn finish(self) -> Result<(), CheckpointError> {
        let folder = self.files.folder().to_owned();
        if !self.missing.is_empty() {
            return Err(CheckpointError::Missing {
                folder,
                tensors: self.missing,
            });
        }
        let unused: Vec<String> = self
            .tensors
            .into_keys()
            .filter(|name| !self.used.contains(name))
            .collect();
        if !unused.is_empty() {
            return Err(CheckpointError::Unused {
                folder,
                tensors: unused,
            });
        }
        Ok(())
    }

    /// Reads a tensor as [`dtype`](Self::dtype) into this machine's memory.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor).
    pub fn numbers(&mut self, name: &str, shape: &[usize]) -> Result<TensorData, CheckpointError> {
        let dtype = self.dtype;
        let data = self.read_data(name, shape, shape, dtype)?;
        Ok(
            data.unwrap_or_else(|| {
                TensorData::zeros::<f32, _>(shape.to_vec()).convert_dtype(dtype)
            }),
        )
    }

    fn read<const D: usize>(
        &mut self,
        name: &str,
        stored: &[usize],
        shape: [usize; D],
        dtype: DType,
    ) -> Result<Tensor<D>, CheckpointError> {
        let data = self.read_data(name, stored, &shape, dtype)?;
        let options = (&self.device, dtype);
        Ok(match data {
            Some(data) => Tensor::from_data(data, options),
            None => Tensor::zeros(shape, options),
        })
    }

    /// The numbers of a tensor; `None` for a missing one, which is noted.
    fn read_data(
        &mut self,
        name: &str,
        stored: &[usize],
        shape: &[usize],
        dtype: DType,
    ) -> Result<Option<TensorData>, CheckpointError> {
        let Some(tensor) = self.tensors.get(name).cloned() else {
            self.missing.push(name.to_owned());
            // Of a small file that belongs to another model, not the memory of this one.
            let numbers = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64));
            let numbers = numbers.and_then(|n| n.checked_add(self.missing_numbers));
            self.missing_numbers = numbers.unwrap_or(u64::MAX);
            if self.missing_numbers > self.progress.total {
                return Err(CheckpointError::Missing {
                    folder: self.files.folder().to_owned(),
                    tensors: std::mem::take(&mut self.missing),
                });
            }
            return Ok(None);
        };
        if tensor.shape != stored {
            return Err(CheckpointError::Shape {
                path: self.path(&tensor),
                tensor: name.to_owned(),
                expected: stored.to_vec(),
                found: tensor.shape,
            });
        }
        self.used.insert(name.to_owned());
        self.progress.bytes += tensor.bytes();
        if (self.callback)(self.progress).is_break() {
            return Err(CheckpointError::Cancelled {
                folder: self.files.folder().to_owned(),
            });
        }
        let reader = self.files.reader(&tensor)?;
        let data = read::read(reader, tensor.kind, tensor.len(), dtype, shape);
        data.map(Some).map_err(|source| CheckpointError::Io {
            path: self.path(&tensor),
            source,
        })
    }

    fn path(&self, tensor: &StoredTensor) -> PathBuf {
        self.files.path(tensor).to_owned()
    }
}
