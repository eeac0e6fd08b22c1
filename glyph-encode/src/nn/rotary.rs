//! Rotary position embedding (Su et al., RoFormer, arXiv 2104.09864).

use burn::tensor::{Device, Tensor, TensorData};

/// Which numbers of a head are turned together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotaryPairs {
    /// The i-th of the first half with the i-th of the second (Llama, Qwen).
    Halves,
    /// Each even one with the next (GLM).
    Neighbours,
}

/// Turns the queries and keys of a sequence by angles that tell their positions.
#[derive(Debug, Clone)]
pub struct Rotary {
    /// `[n, 1, pairs]` each.
    cos: Tensor<3>,
    sin: Tensor<3>,
    pairs: RotaryPairs,
}

impl Rotary {
    /// Tables for a sequence whose `angles` are `[n, pairs]`, row after row. Only the first
    /// `2 * pairs` numbers of a head are turned.
    ///
    /// # Panics
    /// If `angles` is not a whole number of rows.
    pub fn new(angles: &[f32], pairs_per_head: usize, pairs: RotaryPairs, device: &Device) -> Self {
        assert_eq!(angles.len() % pairs_per_head, 0, "whole rows of angles");
        let table = |f: fn(f32) -> f32| {
            let shape = [angles.len() / pairs_per_head, 1, pairs_per_head];
            let values: Vec<f32> = angles.iter().map(|&a| f(a)).collect();
            Tensor::from_data(TensorData::new(values, shape), device)
        };
        Self {
            cos: table(f32::cos),
            sin: table(f32::sin),
            pairs,
        }
    }

    /// Multiplies cosines and sines, as some scalings of long contexts want it.
    #[must_use]
    pub fn scaled(self, factor: f32) -> Self {
        if factor == 1.0 {
            return self;
        }
        Self {
            cos: self.cos * factor,
            sin: self.sin * factor,
            pairs: self.pairs,
        }
    }

    /// Turns queries or keys.
    ///
    /// # Shapes
    /// - input and output: `[n, heads, head_dim]`
    pub fn apply(&self, x: Tensor<3>) -> Tensor<3> {
        let [n, heads, width] = x.dims();
        let [_, _, half] = self.cos.dims();
        let turned = x.clone().narrow(2, 0, 2 * half);
        let turned = match self.pairs {
            RotaryPairs::Halves => {
                let (a, b) = self.turn(
                    turned.clone().narrow(2, 0, half),
                    turned.narrow(2, half, half),
                );
                Tensor::cat(vec![a, b], 2)
            }
            RotaryPairs::Neighbours => {
                let pair = turned.reshape([n, heads, half, 2]);
                let part = |i| pair.clone().narrow(3, i, 1).squeeze_dim::<3>(3);
                let (a, b) = self.turn(part(0), part(1));
                Tensor::stack::<4>(vec![a, b], 3).reshape([n, heads, 2 * half])
            }
        };
        match width - 2 * half {
            0 => turned,
            rest => Tensor::cat(vec![turned, x.narrow(2, 2 * half, rest)], 2),
        }
    }

    fn turn(&self, a: Tensor<3>, b: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        let (cos, sin) = (self.cos.clone(), self.sin.clone());
        (
            a.clone() * cos.clone() - b.clone() * sin.clone(),
            b * cos + a * sin,
        )
    }
}

/// `theta^(-2 i / width)` for each pair `i` of a rotated width: radians a position.
pub fn inverse_frequencies(theta: f64, width: usize) -> Vec<f32> {
    (0..width / 2)
        .map(|i| theta.powf(-2.0 * i as f64 / width as f64) as f32)
        .collect()
}
