//! The built-in model trained as one.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use glyph_decode::FinerModel;
use glyph_encode::builtin::{BuiltinEncoderConfig, CoarserModel, EncoderModel};

use super::models::{FOREIGN, LEVEL, read_packed, write_packed};
use super::{Batch, RatioModel, ReaderModel, Trainable, TrainingConfig};
use crate::AlignError;

/// All that the built-in model reads with, trained as one: the reader, its second trunk, and the
/// further ratios.
#[derive(Module, Debug)]
pub struct WholeModel {
    /// The reader.
    pub reader: ReaderModel,
    /// Its second trunk, for rows in other hands.
    pub trunk: EncoderModel,
    /// Makes coarser tokens.
    pub coarser: CoarserModel,
    /// Splits them again.
    pub finer: FinerModel,
}

impl WholeModel {
    /// Patches' features: rows in other hands are looked at with the second trunk.
    fn patches(&self, pixel_values: Tensor<3>, foreign: &[bool]) -> Tensor<3> {
        let device = pixel_values.device();
        let indices = |rows: &[i32]| Tensor::<1, Int>::from_data(rows, &device);
        let mut patches = Vec::new();
        let mut order = vec![0; foreign.len()];
        let mut at = 0;
        for (other, trunk) in [(false, &self.reader.encoder), (true, &self.trunk)] {
            let rows = foreign.iter().enumerate();
            let rows = rows.filter_map(|(i, &f)| (f == other).then_some(i as i32));
            let rows: Vec<i32> = rows.collect();
            for &row in &rows {
                order[row as usize] = at;
                at += 1;
            }
            if !rows.is_empty() {
                patches.push(trunk.trunk(pixel_values.clone().select(0, indices(&rows))));
            }
        }
        Tensor::cat(patches, 0).select(0, indices(&order))
    }
}

impl Trainable for WholeModel {
    fn merge_sizes(config: &TrainingConfig) -> Vec<usize> {
        config.ratios.clone()
    }

    fn names(config: &TrainingConfig) -> Vec<String> {
        let mut names: Vec<String> = ReaderModel::names(config);
        if !config.ratios.is_empty() {
            names.push(format!("{:?} patches a token in turn", config.ratios));
        }
        names
    }

    fn init(device: &Device) -> Self {
        let RatioModel {
            reader,
            coarser,
            finer,
        } = RatioModel::init(device);
        let trunk = BuiltinEncoderConfig::second_trunk().init(device);
        Self {
            reader,
            trunk,
            coarser,
            finer,
        }
    }

    /// Every row is read at the reader's own ratios, and each at one of the further ones.
    fn losses(&self, batch: Batch) -> Vec<Tensor<1>> {
        let ReaderModel { encoder, readout } = &self.reader;
        let patches = self.patches(batch.pixel_values, &batch.foreign);
        let mut fine = None;
        let mut losses: Vec<Tensor<1>> = [0, 1]
            .into_iter()
            .map(|level| {
                let tokens = encoder.merge(patches.clone(), level);
                if level == LEVEL {
                    fine = Some(tokens.clone());
                }
                let features = readout.cells(tokens.flatten(0, 1), level);
                batch.criterion.forward(readout, features)
            })
            .collect();
        let Some(fine) = fine.filter(|_| !batch.ratios.is_empty()) else {
            return losses;
        };
        let rows = batch.foreign.len();
        let share = rows.div_ceil(batch.ratios.len());
        let mut features = Vec::new();
        for (i, &size) in batch.ratios.iter().enumerate() {
            let rows = share * i..(share * (i + 1)).min(rows);
            if rows.is_empty() {
                continue;
            }
            let base = match self.coarser.base(size) {
                1 => &patches,
                _ => &fine,
            };
            let coarse = self.coarser.merge(base.clone().slice_dim(0, rows), size);
            let coarse = coarse.flatten(0, 1);
            features.push(match self.finer.cells(coarse.clone(), size) {
                Some(cells) => cells,
                None => readout.cells(self.finer.split(coarse, size), LEVEL),
            });
        }
        losses.push(batch.criterion.forward(readout, Tensor::cat(features, 0)));
        losses
    }

    /// What the folder does not have beside the reader keeps its weights.
    fn import(&mut self, dir: &Path) -> Result<(), AlignError> {
        self.reader.import(dir)?;
        read_packed(&mut self.trunk, dir.join(FOREIGN))?;
        read_packed(&mut self.coarser, dir.join("coarser.safetensors"))?;
        read_packed(&mut self.finer, dir.join("finer.safetensors"))
    }

    /// The reader's files in half precision, and `foreign.safetensors`, `coarser.safetensors` and
    /// `finer.safetensors` in eight bits.
    fn export(&self, dir: &Path) -> Result<(), AlignError> {
        self.reader.export(dir)?;
        write_packed(&self.trunk, dir.join(FOREIGN))?;
        write_packed(&self.coarser, dir.join("coarser.safetensors"))?;
        write_packed(&self.finer, dir.join("finer.safetensors"))
    }
}

#[cfg(test)]
mod tests {
    use burn::module::{ModuleVisitor, Param};
    use burn::optim::GradientsParams;
    use burn::tensor::TensorData;
    use glyph_decode::Cell;
    use glyph_encode::builtin::{PATCHES_PER_ROW, WINDOW_SIZE};

    use super::*;
    use crate::{CELLS_PER_ROW, ReadingLoss};

    #[derive(Default)]
    struct Count(usize);

    impl ModuleVisitor for Count {
        fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
            self.0 += 1;
        }
    }

    /// Rows of pixels, each of its own.
    fn pixels(rows: usize, device: &Device) -> Tensor<3> {
        let shape = [rows, PATCHES_PER_ROW, WINDOW_SIZE];
        let values = (0..shape.iter().product()).map(|i: usize| (i * 7919 % 101) as f32 / 101.0);
        let values: Vec<f32> = values.collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    #[test]
    fn each_row_is_looked_at_with_its_own_trunk() {
        let device = Device::flex();
        let model = WholeModel::init(&device);
        let pixels = pixels(5, &device);
        let foreign = [true, false, false, true, false];
        let patches = model.patches(pixels.clone(), &foreign);
        for (row, foreign) in foreign.into_iter().enumerate() {
            let trunk = if foreign {
                &model.trunk
            } else {
                &model.reader.encoder
            };
            let expected = trunk.trunk(pixels.clone().slice_dim(0, row..row + 1));
            let found = patches.clone().slice_dim(0, row..row + 1);
            let difference = (found - expected).abs().max().into_scalar::<f32>();
            assert!(difference < 1e-5, "row {row}: {difference}");
        }
    }

    #[test]
    fn every_part_of_the_whole_learns_from_one_batch() {
        let device = Device::flex().autodiff();
        let config = TrainingConfig::default();
        let model = WholeModel::init(&device).prepare(&config);
        let cells = vec![Cell::Char('Ł'); 3 * CELLS_PER_ROW];
        let losses = model.losses(Batch {
            pixel_values: pixels(3, &device),
            criterion: ReadingLoss::new(&cells, &device),
            foreign: vec![false, true, false],
            ratios: WholeModel::merge_sizes(&config),
            rehearsal: false,
        });
        assert_eq!(losses.len(), WholeModel::names(&config).len());
        let grads = Tensor::cat(losses, 0).sum().backward();
        let grads = GradientsParams::from_grads(grads, &model);
        let mut parameters = Count::default();
        model.visit(&mut parameters);
        assert_eq!(grads.len(), parameters.0);
    }
}
