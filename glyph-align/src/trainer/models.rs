//! The models that the trainer trains, and the files they are exported to.

use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use burn_store::{HalfPrecisionAdapter, ModuleSnapshot, SafetensorsStore};
use glyph_decode::{Charset, FinerConfig, FinerModel, ReadoutConfig, ReadoutModel};
use glyph_encode::builtin::{BuiltinEncoderConfig, CoarserConfig, CoarserModel, EncoderModel};
use glyph_encode::builtin::{load_weights, pack, unpack};

use crate::{AlignError, ReadingLoss, TrainingConfig};

/// Rows of text to learn from.
#[derive(Debug)]
pub struct Batch {
    /// `[rows, PATCHES_PER_ROW, WINDOW_SIZE]`, ink = 1, paper = 0.
    pub pixel_values: Tensor<3>,
    /// What the rows' cells hold.
    pub criterion: ReadingLoss,
    /// Which rows are in other hands.
    pub foreign: Vec<bool>,
    /// Patches of a token, for each of the further ratios that are learned.
    pub ratios: Vec<usize>,
    /// Whether the step is one of the first [`TrainingConfig::rehearsal`] ones.
    ///
    /// [`TrainingConfig::rehearsal`]: crate::TrainingConfig::rehearsal
    pub rehearsal: bool,
}

/// A model that reads rows of pixels.
pub trait Trainable: Module {
    /// Patches of the tokens that are learned.
    fn merge_sizes(config: &TrainingConfig) -> Vec<usize>;

    /// What each loss is of, in the order of [`Trainable::losses`].
    fn names(config: &TrainingConfig) -> Vec<String> {
        let sizes = Self::merge_sizes(config).into_iter();
        sizes
            .map(|size| format!("{size} patches a token"))
            .collect()
    }

    /// Fresh weights in the shipped sizes.
    fn init(device: &Device) -> Self;

    /// Called before the first step, and again when weights were loaded: what must not learn is
    /// frozen here.
    #[must_use]
    fn prepare(self, _config: &TrainingConfig) -> Self {
        self
    }

    /// Losses of a batch, each of shape `[1]`; the trainer sums them.
    fn losses(&self, batch: Batch) -> Vec<Tensor<1>>;

    /// Loads what [`Trainable::export`] wrote.
    ///
    /// # Errors
    /// If a file is missing or holds other tensors than the model.
    fn import(&mut self, dir: &Path) -> Result<(), AlignError>;

    /// Writes the files that `glyph-encode` and `glyph-decode` embed.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn export(&self, dir: &Path) -> Result<(), AlignError>;
}

/// Encoder and readout, trained as one.
#[derive(Module, Debug)]
pub struct ReaderModel {
    /// Pixels to vision tokens.
    pub encoder: EncoderModel,
    /// Vision tokens to cells.
    pub readout: ReadoutModel,
}

impl Trainable for ReaderModel {
    fn merge_sizes(_: &TrainingConfig) -> Vec<usize> {
        BuiltinEncoderConfig::default().merge_sizes
    }

    fn init(device: &Device) -> Self {
        let set = Charset::builtin();
        Self {
            encoder: BuiltinEncoderConfig::default().init(device),
            readout: ReadoutConfig::new(set.head_classes(), set.tail_classes()).init(device),
        }
    }

    fn losses(&self, batch: Batch) -> Vec<Tensor<1>> {
        let patches = self.encoder.trunk(batch.pixel_values);
        [0, 1]
            .into_iter()
            .map(|level| {
                let tokens = self.encoder.merge(patches.clone(), level);
                let features = self.readout.cells(tokens.flatten(0, 1), level);
                batch.criterion.forward(&self.readout, features)
            })
            .collect()
    }

    fn import(&mut self, dir: &Path) -> Result<(), AlignError> {
        let read = |name: &str| SafetensorsStore::from_file(dir.join(name));
        load(
            &mut self.encoder,
            read("encoder.safetensors"),
            dir.join("encoder.safetensors"),
        )?;
        load(
            &mut self.readout,
            read("readout.safetensors"),
            dir.join("readout.safetensors"),
        )
    }

    /// `encoder.safetensors` and `readout.safetensors`, in half precision.
    fn export(&self, dir: &Path) -> Result<(), AlignError> {
        fn write<M: ModuleSnapshot>(module: &M, path: PathBuf) -> Result<(), AlignError> {
            let mut store = SafetensorsStore::from_file(&path)
                .overwrite(true)
                .with_to_adapter(HalfPrecisionAdapter::new());
            module.save_into(&mut store).map_err(|e| AlignError::Write {
                path,
                reason: e.to_string(),
            })
        }
        write(&self.encoder, dir.join("encoder.safetensors"))?;
        write(&self.readout, dir.join("readout.safetensors"))
    }
}

/// A second trunk on top of a trained reader, which stays as it is: it looks at rows in other hands
/// and makes patches' features that the reader's mergers and readout understand.
#[derive(Module, Debug)]
pub struct ForeignModel {
    /// The reader, frozen.
    pub reader: ReaderModel,
    /// The trunk; it has no mergers.
    pub trunk: EncoderModel,
}

/// The file of a second trunk.
pub(super) const FOREIGN: &str = "foreign.safetensors";

impl Trainable for ForeignModel {
    fn merge_sizes(config: &TrainingConfig) -> Vec<usize> {
        ReaderModel::merge_sizes(config)
    }

    fn init(device: &Device) -> Self {
        Self {
            reader: ReaderModel::init(device),
            // Parameters of its own, for the reader's are frozen.
            trunk: BuiltinEncoderConfig::second_trunk().init(device),
        }
    }

    fn prepare(mut self, _: &TrainingConfig) -> Self {
        self.reader = self.reader.no_grad();
        self
    }

    fn losses(&self, batch: Batch) -> Vec<Tensor<1>> {
        let ReaderModel { encoder, readout } = &self.reader;
        let patches = self.trunk.trunk(batch.pixel_values);
        [0, 1]
            .into_iter()
            .map(|level| {
                let tokens = encoder.merge(patches.clone(), level);
                let features = readout.cells(tokens.flatten(0, 1), level);
                batch.criterion.forward(readout, features)
            })
            .collect()
    }

    /// Takes the second trunk where the folder has one, and the reader's own, widened, where it has
    /// not.
    fn import(&mut self, dir: &Path) -> Result<(), AlignError> {
        self.reader.import(dir)?;
        let path = dir.join(FOREIGN);
        if path.exists() {
            return read_packed(&mut self.trunk, path);
        }
        let stem_size = BuiltinEncoderConfig::second_trunk().stem_size;
        let device = self.reader.devices().remove(0);
        let own = self.reader.encoder.widened_trunk(stem_size, &device);
        let bytes = bytes(&own, &path)?;
        load(
            &mut self.trunk,
            SafetensorsStore::from_bytes(Some(bytes)),
            path,
        )
    }

    /// `foreign.safetensors`, in eight bits.
    fn export(&self, dir: &Path) -> Result<(), AlignError> {
        write_packed(&self.trunk, dir.join(FOREIGN))
    }
}

/// Further ratios on top of a trained reader, which stays as it is.
#[derive(Module, Debug)]
pub struct RatioModel {
    /// The reader, frozen.
    pub reader: ReaderModel,
    /// Makes coarser tokens.
    pub coarser: CoarserModel,
    /// Splits them again.
    pub finer: FinerModel,
}

/// Index of the reader's own merger and expander that the further ratios start from and end at.
pub(super) const LEVEL: usize = 0;

impl Trainable for RatioModel {
    fn merge_sizes(config: &TrainingConfig) -> Vec<usize> {
        config.ratios.clone()
    }

    fn init(device: &Device) -> Self {
        Self {
            reader: ReaderModel::init(device),
            coarser: CoarserConfig::default().init(device),
            finer: FinerConfig::default().init(device),
        }
    }

    fn prepare(mut self, config: &TrainingConfig) -> Self {
        self.reader = self.reader.no_grad();
        self.coarser = self.coarser.train_only(&config.ratios);
        self.finer = self.finer.train_only(&config.ratios);
        self
    }

    /// In rehearsal, how far the tokens that come back are from those that were merged, as a share of
    /// their size; then what is misread of them. To give tokens back is a seventh of the work, and
    /// shows from the first step on where each of them went. Tokens that are not made of others are
    /// read from the start.
    fn losses(&self, batch: Batch) -> Vec<Tensor<1>> {
        let ReaderModel { encoder, readout } = &self.reader;
        let patches = encoder.trunk(batch.pixel_values);
        batch
            .ratios
            .iter()
            .map(|&size| {
                if self.coarser.base(size) == 1 {
                    let squeezed = self.coarser.merge(patches.clone(), size).flatten(0, 1);
                    let features = self.finer.cells(squeezed, size);
                    let features = features.expect("what is squeezed is widened again");
                    return batch.criterion.forward(readout, features);
                }
                let tokens = encoder.merge(patches.clone(), LEVEL);
                let coarse = self.coarser.merge(tokens.clone(), size);
                let fine = self.finer.split(coarse.flatten(0, 1), size);
                if batch.rehearsal {
                    let wanted: Tensor<2> = tokens.flatten(0, 1);
                    let power = wanted.clone().square().mean();
                    (fine - wanted).square().mean() / power
                } else {
                    batch.criterion.forward(readout, readout.cells(fine, LEVEL))
                }
            })
            .collect()
    }

    /// Takes the further ratios where the folder has them, and fresh ones where it has the reader
    /// only.
    fn import(&mut self, dir: &Path) -> Result<(), AlignError> {
        self.reader.import(dir)?;
        read_packed(&mut self.coarser, dir.join("coarser.safetensors"))?;
        read_packed(&mut self.finer, dir.join("finer.safetensors"))
    }

    /// `coarser.safetensors` and `finer.safetensors`, in eight bits.
    fn export(&self, dir: &Path) -> Result<(), AlignError> {
        write_packed(&self.coarser, dir.join("coarser.safetensors"))?;
        write_packed(&self.finer, dir.join("finer.safetensors"))
    }
}

/// Loads a packed file where there is one.
pub(super) fn read_packed<M: ModuleSnapshot>(
    module: &mut M,
    path: PathBuf,
) -> Result<(), AlignError> {
    let packed = match std::fs::read(&path) {
        Ok(packed) => packed,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(AlignError::Read { path, source }),
    };
    match unpack(&packed) {
        // What the file does not have yet keeps its weights.
        Ok(bytes) => {
            let store = SafetensorsStore::from_bytes(Some(bytes)).allow_partial(true);
            load(module, store, path)
        }
        Err(reason) => Err(AlignError::Checkpoint { path, reason }),
    }
}

/// A module as a safetensors file; `path` is what errors name.
fn bytes<M: ModuleSnapshot>(module: &M, path: &Path) -> Result<Vec<u8>, AlignError> {
    let fail = |reason: String| AlignError::Write {
        path: path.to_owned(),
        reason,
    };
    let mut store = SafetensorsStore::from_bytes(None);
    module
        .save_into(&mut store)
        .map_err(|e| fail(e.to_string()))?;
    store.get_bytes().map_err(|e| fail(e.to_string()))
}

/// Writes a module in eight bits.
pub(super) fn write_packed<M: ModuleSnapshot>(module: &M, path: PathBuf) -> Result<(), AlignError> {
    let fail = |reason: String| AlignError::Write {
        path: path.clone(),
        reason,
    };
    let packed = pack(&bytes(module, &path)?).map_err(fail)?;
    std::fs::write(&path, packed).map_err(|e| fail(e.to_string()))
}

fn load<M: ModuleSnapshot>(
    module: &mut M,
    store: SafetensorsStore,
    path: PathBuf,
) -> Result<(), AlignError> {
    load_weights(module, store).map_err(|reason| AlignError::Checkpoint { path, reason })
}
