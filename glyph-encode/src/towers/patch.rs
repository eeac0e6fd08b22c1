//! What the towers over patches of any grid have in common.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Int, Tensor, TensorData};

use crate::EncodeError;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::nn::{
    Activation, FeedForward, Norm, Rotary, RotaryPairs, attend_segments, attention_dtype,
    inverse_frequencies, project, project_onto,
};

/// A vision tower over patches of images of any size.
pub trait PatchTower: Send + Sync {
    /// Numbers of a patch: `channels * frames * patch_size^2`.
    fn patch_len(&self) -> usize;

    /// Patches on the side of a token.
    fn spatial_merge_size(&self) -> usize;

    /// Width of a token.
    fn hidden_size(&self) -> usize;

    /// Runs the tower. `hidden_states`, if given, takes the embedded patches and the output of
    /// each block, in the order in which the tower works.
    ///
    /// # Shapes
    /// - `pixel_values`: `[n_patches, patch_len]`
    /// - `grid_thw`: frames, rows and columns of patches of each image
    /// - output: `[n_patches / spatial_merge_size^2, hidden_size]`
    ///
    /// # Panics
    /// On other shapes; [`encode_patches`](Self::encode_patches) checks them.
    fn forward(
        &self,
        pixel_values: Tensor<2>,
        grid_thw: &[[usize; 3]],
        hidden_states: Option<&mut Vec<Tensor<2>>>,
    ) -> Tensor<2>;

    /// Checks the input and runs the tower.
    ///
    /// # Errors
    /// If there are other patches than the grids say, or a grid cannot be merged.
    fn encode_patches(
        &self,
        pixel_values: Tensor<2>,
        grid_thw: &[[usize; 3]],
    ) -> Result<Tensor<2>, EncodeError> {
        let merge = self.spatial_merge_size();
        let [patches, width] = pixel_values.dims();
        let expected: usize = grid_thw.iter().map(|g| g.iter().product::<usize>()).sum();
        if [patches, width] != [expected, self.patch_len()] || patches == 0 {
            return Err(EncodeError::Input {
                what: "pixel_values",
                expected: format!("[{expected}, {}], at least one patch", self.patch_len()),
                found: format!("[{patches}, {width}]"),
            });
        }
        if let Some(grid) = grid_thw
            .iter()
            .find(|g| g[1] % merge != 0 || g[2] % merge != 0)
        {
            return Err(EncodeError::Input {
                what: "grid_thw",
                expected: format!("rows and columns in multiples of {merge}"),
                found: format!("{grid:?}"),
            });
        }
        Ok(self.forward(pixel_values, grid_thw, None))
    }
}

/// Row and column of each patch, in the order in which the patches lie: those of a token together.
pub(super) fn patch_positions(grid_thw: &[[usize; 3]], merge: usize) -> Vec<[usize; 2]> {
    let mut out = Vec::new();
    for &[frames, rows, columns] in grid_thw {
        for _ in 0..frames {
            for top in (0..rows).step_by(merge) {
                for left in (0..columns).step_by(merge) {
                    for i in 0..merge * merge {
                        out.push([top + i / merge, left + i % merge]);
                    }
                }
            }
        }
    }
    out
}

/// Lengths of the frames of all images: patches see only their own frame.
pub(super) fn frames(grid_thw: &[[usize; 3]]) -> Vec<usize> {
    grid_thw
        .iter()
        .flat_map(|&[frames, rows, columns]| std::iter::repeat_n(rows * columns, frames))
        .collect()
}

/// Rotary embedding of rows and columns: a quarter of a head's numbers turns by the row, the next
/// quarter by the column, and each with its partner in the other half.
pub(super) fn axial_rotary(positions: &[[usize; 2]], head_dim: usize, like: &Tensor<2>) -> Rotary {
    let frequencies = inverse_frequencies(10_000.0, head_dim / 2);
    let mut angles = Vec::with_capacity(positions.len() * head_dim / 2);
    for position in positions {
        for &p in position {
            angles.extend(frequencies.iter().map(|f| p as f32 * f));
        }
    }
    Rotary::new(&angles, head_dim / 2, RotaryPairs::Halves, &like.device())
}

/// A transformer block over patches.
#[derive(Module, Debug)]
pub(super) struct PatchBlock {
    pub(super) norm1: Norm,
    pub(super) qkv: Linear,
    pub(super) proj: Linear,
    pub(super) norm2: Norm,
    pub(super) mlp: FeedForward,
    pub(super) num_heads: usize,
}

impl PatchBlock {
    /// # Shapes
    /// - input and output: `[n_patches, hidden_size]`
    pub(super) fn forward(&self, x: Tensor<2>, rotary: &Rotary, segments: &[usize]) -> Tensor<2> {
        let [n, width] = x.dims();
        let head_dim = width / self.num_heads;
        let qkv = project(&self.qkv, self.norm1.forward(x.clone())).reshape([
            n,
            3 * self.num_heads,
            head_dim,
        ]);
        let dtype = attention_dtype(&self.qkv);
        let [q, k, v] = rotary.split(qkv, self.num_heads).map(|x| x.cast(dtype));
        let mixed = attend_segments(q, k, v, segments);
        let x = project_onto(&self.proj, mixed, x);
        self.mlp.forward_onto(self.norm2.forward(x.clone()), x)
    }
}

/// Runs blocks one after the other, each with the lengths that `segments` has for its number.
/// `hidden_states`, if given, takes the output of each.
pub(super) fn run_blocks<'s>(
    blocks: &[PatchBlock],
    mut x: Tensor<2>,
    rotary: &Rotary,
    segments: impl Fn(usize) -> &'s [usize],
    mut hidden_states: Option<&mut Vec<Tensor<2>>>,
) -> Tensor<2> {
    for (i, block) in blocks.iter().enumerate() {
        x = block.forward(x, rotary, segments(i));
        if let Some(states) = &mut hidden_states {
            states.push(x.clone());
        }
    }
    x
}

/// A gated feed-forward layer by the names of Qwen and GLM.
pub(super) fn gated(
    checkpoint: &mut Checkpoint<'_>,
    name: &str,
    width: usize,
    inner: usize,
    bias: bool,
    activation: Activation,
) -> Result<FeedForward, CheckpointError> {
    let parts = ["gate_proj", "up_proj"].map(|part| (format!("{name}.{part}"), inner));
    Ok(FeedForward::fused(
        checkpoint.joined_linear_as(&parts, width, bias)?,
        checkpoint.linear(&format!("{name}.down_proj"), inner, width, bias)?,
        activation,
    ))
}

/// The first layer: a convolution whose stride is its size.
pub(super) fn patch_embed(
    checkpoint: &mut Checkpoint<'_>,
    name: &str,
    [channels, frames, side]: [usize; 3],
    width: usize,
    bias: bool,
) -> Result<Linear, CheckpointError> {
    let stored = [width, channels, frames, side, side];
    checkpoint.linear_as(name, &stored, channels * frames * side * side, width, bias)
}

/// Reorders rows.
pub(super) fn select_rows(x: Tensor<2>, rows: &[usize]) -> Tensor<2> {
    let rows: Vec<i32> = rows.iter().map(|&r| r as i32).collect();
    let shape = [rows.len()];
    let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, shape), &x.device());
    x.select(0, rows)
}

/// An activation by its name in a `config.json`.
pub(super) fn activation(
    checkpoint: &Checkpoint<'_>,
    name: &str,
) -> Result<Activation, CheckpointError> {
    Activation::from_name(name).ok_or_else(|| CheckpointError::File {
        path: checkpoint.folder().join("config.json"),
        reason: format!("hidden_act: {name} is not known"),
    })
}
