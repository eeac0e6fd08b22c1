//! A whole page and its parts as one sequence of tokens, as DeepSeek-OCR joins them.
//!
//! After `DeepseekOCRModel.forward` (`modeling_deepseekocr.py` of the published checkpoint; arXiv
//! 2510.18234): the tiles' tokens row by row across all tiles, then those of the whole page, with a
//! learned token at the end of each row and one at the very end.

use burn::tensor::Tensor;

use crate::EncodeError;

/// Where a token of [`JoinedViews`] comes from. Rows and columns count tokens, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ViewToken {
    /// The tiles, laid side by side.
    Local {
        /// Row over all tiles.
        row: usize,
        /// Column over all tiles.
        column: usize,
    },
    /// The whole page.
    Global {
        /// Row.
        row: usize,
        /// Column.
        column: usize,
    },
    /// The end of a row.
    Newline,
    /// The end of the views.
    Separator,
}

/// A sequence of local and global tokens.
#[derive(Debug, Clone)]
pub struct JoinedViews {
    /// `[n_tokens, hidden_size]`.
    pub features: Tensor<2>,
    /// Where each comes from, in the order of `features`.
    pub tokens: Vec<ViewToken>,
}

/// The learned tokens between views.
#[derive(Debug, Clone)]
pub struct ViewSeparators {
    /// Ends each row, `[hidden_size]`.
    pub image_newline: Tensor<1>,
    /// Ends the views, `[hidden_size]`.
    pub view_separator: Tensor<1>,
}

impl ViewSeparators {
    /// Joins a global view and tiles.
    ///
    /// # Shapes
    /// - `global`: `[rows, columns, hidden_size]`
    /// - `tiles`: `[tile_rows * tile_columns, rows, columns, hidden_size]`, row after row, with
    ///   `grid` their rows and columns; `None` where the page was not cut
    ///
    /// # Errors
    /// If the tiles are not as many as the grid says, or widths differ.
    pub fn join(
        &self,
        global: Tensor<3>,
        tiles: Option<(Tensor<4>, [usize; 2])>,
    ) -> Result<JoinedViews, EncodeError> {
        let [_, _, width] = global.dims();
        let widths = [self.image_newline.dims()[0], self.view_separator.dims()[0]];
        if let Some(&found) = widths.iter().find(|w| **w != width) {
            return Err(EncodeError::HiddenSize {
                expected: width,
                found,
            });
        }
        let mut parts = Vec::new();
        let mut tokens = Vec::new();
        if let Some((tiles, [tile_rows, tile_columns])) = tiles {
            let [n, rows, columns, found] = tiles.dims();
            if found != width {
                return Err(EncodeError::HiddenSize {
                    expected: width,
                    found,
                });
            }
            if n != tile_rows * tile_columns || n == 0 {
                return Err(EncodeError::Input {
                    what: "tiles",
                    expected: format!("{tile_rows} x {tile_columns}, at least one"),
                    found: n.to_string(),
                });
            }
            let side_by_side = tiles
                .reshape([tile_rows, tile_columns, rows, columns * width])
                .swap_dims(1, 2)
                .reshape([tile_rows * rows, tile_columns * columns, width]);
            parts.push(self.with_newlines(side_by_side));
            push(
                &mut tokens,
                tile_rows * rows,
                tile_columns * columns,
                |row, column| ViewToken::Local { row, column },
            );
        }
        let [rows, columns, _] = global.dims();
        parts.push(self.with_newlines(global));
        push(&mut tokens, rows, columns, |row, column| {
            ViewToken::Global { row, column }
        });
        parts.push(self.view_separator.clone().unsqueeze());
        tokens.push(ViewToken::Separator);
        Ok(JoinedViews {
            features: Tensor::cat(parts, 0),
            tokens,
        })
    }

    /// # Shapes
    /// - `grid`: `[rows, columns, hidden_size]`
    /// - output: `[rows * (columns + 1), hidden_size]`
    fn with_newlines(&self, grid: Tensor<3>) -> Tensor<2> {
        let [rows, columns, width] = grid.dims();
        let newline = self.image_newline.clone().reshape([1, 1, width]);
        Tensor::cat(vec![grid, newline.expand([rows, 1, width])], 1)
            .reshape([rows * (columns + 1), width])
    }
}

fn push(
    tokens: &mut Vec<ViewToken>,
    rows: usize,
    columns: usize,
    token: impl Fn(usize, usize) -> ViewToken,
) {
    for row in 0..rows {
        tokens.extend((0..columns).map(|column| token(row, column)));
        tokens.push(ViewToken::Newline);
    }
}

/// Tokens of a global view of `global` rows and columns and of tiles, `grid` of them of `tile` rows
/// and columns each: `h (w + 1) + (H h2)(W w2 + 1) + 1`.
pub fn joined_tokens(global: [usize; 2], tiles: Option<([usize; 2], [usize; 2])>) -> usize {
    let grid_tokens = |rows: usize, columns: usize| rows * (columns + 1);
    let local = tiles.map_or(0, |(grid, tile)| {
        grid_tokens(grid[0] * tile[0], grid[1] * tile[1])
    });
    grid_tokens(global[0], global[1]) + local + 1
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    fn separators(device: &Device) -> ViewSeparators {
        ViewSeparators {
            image_newline: Tensor::from_data([-1.0, -1.0], device),
            view_separator: Tensor::from_data([-2.0, -2.0], device),
        }
    }

    /// Features that say where they come from.
    fn marked<const D: usize>(shape: [usize; D], first: f32, device: &Device) -> Tensor<D> {
        let n: usize = shape[..D - 1].iter().product();
        let values: Vec<f32> = (0..n).flat_map(|i| [first, i as f32]).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    #[test]
    fn tiles_lie_side_by_side_before_the_whole() {
        let device = Device::default();
        // Two tiles beside each other in two rows, each of 2 x 3 tokens; the whole of 2 x 2.
        let tiles = marked([4, 2, 3, 2], 1.0, &device);
        let global = marked([2, 2, 2], 2.0, &device);
        let joined = separators(&device)
            .join(global, Some((tiles, [2, 2])))
            .unwrap();
        let count = joined_tokens([2, 2], Some(([2, 2], [2, 3])));
        assert_eq!(joined.features.dims(), [count, 2]);
        assert_eq!(joined.tokens.len(), count);
        assert_eq!(count, 2 * 3 + 4 * 7 + 1);
        let values: Vec<f32> = joined.features.into_data().try_to_vec().unwrap();
        for (token, value) in joined.tokens.iter().zip(values.as_chunks::<2>().0) {
            let expected = match *token {
                ViewToken::Local { row, column } => {
                    let tile = row / 2 * 2 + column / 3;
                    [1.0, (tile * 6 + row % 2 * 3 + column % 3) as f32]
                }
                ViewToken::Global { row, column } => [2.0, (row * 2 + column) as f32],
                ViewToken::Newline => [-1.0, -1.0],
                ViewToken::Separator => [-2.0, -2.0],
            };
            assert_eq!(*value, expected, "{token:?}");
        }
        assert_eq!(joined.tokens[7], ViewToken::Local { row: 1, column: 0 });
        assert_eq!(joined.tokens[6], ViewToken::Newline);
        assert_eq!(joined.tokens.last(), Some(&ViewToken::Separator));
    }

    /// The modes of the paper: 1024 px are 256 tokens before newlines, Gundam adds tiles of 640 px.
    #[test]
    fn the_counts_are_those_of_the_published_modes() {
        assert_eq!(joined_tokens([16, 16], None), 256 + 16 + 1);
        assert_eq!(joined_tokens([10, 10], None), 100 + 10 + 1);
        let gundam = joined_tokens([16, 16], Some(([2, 3], [10, 10])));
        assert_eq!(gundam, 16 * 17 + 20 * 31 + 1);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let device = Device::default();
        let join = separators(&device);
        let global = || marked([1, 1, 2], 0.0, &device);
        let tiles = |n| marked([n, 1, 1, 2], 0.0, &device);
        assert!(join.join(global(), Some((tiles(3), [2, 2]))).is_err());
        let wide = Tensor::zeros([1, 1, 1, 3], &device);
        assert!(join.join(global(), Some((wide, [1, 1]))).is_err());
        assert!(join.join(Tensor::zeros([1, 1, 5], &device), None).is_err());
        assert!(join.join(global(), None).is_ok());
    }
}
