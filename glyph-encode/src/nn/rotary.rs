//! Rotary position embedding (Su et al., RoFormer, arXiv 2104.09864).

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};

use super::host::{self, is_host};
use super::kernels::{self, Angles};

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
    /// The same numbers again for the CPU.
    angles: Option<Arc<Angles>>,
}

impl Rotary {
    /// Tables for a sequence whose `angles` are `[n, pairs]`, row after row. Only the first
    /// `2 * pairs` numbers of a head are turned.
    ///
    /// # Panics
    /// If `angles` is not a whole number of rows.
    pub fn new(angles: &[f32], pairs_per_head: usize, pairs: RotaryPairs, device: &Device) -> Self {
        assert_eq!(angles.len() % pairs_per_head, 0, "whole rows of angles");
        let table = |f: fn(f32) -> f32| angles.iter().map(|&a| f(a)).collect::<Vec<f32>>();
        let (cos, sin) = (table(f32::cos), table(f32::sin));
        let shape = [angles.len() / pairs_per_head, 1, pairs_per_head];
        let tensor =
            |values: &[f32]| Tensor::from_data(TensorData::new(values.to_vec(), shape), device);
        Self {
            cos: tensor(&cos),
            sin: tensor(&sin),
            pairs,
            angles: is_host(device).then(|| Arc::new(Angles { cos, sin })),
        }
    }

    /// Multiplies cosines and sines, as some scalings of long contexts want it.
    #[must_use]
    pub fn scaled(self, factor: f32) -> Self {
        if factor == 1.0 {
            return self;
        }
        let scale = |x: &Vec<f32>| x.iter().map(|x| x * factor).collect();
        Self {
            cos: self.cos * factor,
            sin: self.sin * factor,
            pairs: self.pairs,
            angles: self.angles.map(|angles| {
                Arc::new(Angles {
                    cos: scale(&angles.cos),
                    sin: scale(&angles.sin),
                })
            }),
        }
    }

    /// Takes queries, keys and values of a joint product apart and turns the first two.
    ///
    /// # Shapes
    /// - input: `[n, heads + 2 * kv_heads, head_dim]`
    /// - output: `[n, heads, head_dim]` and twice `[n, kv_heads, head_dim]`
    pub fn split(&self, qkv: Tensor<3>, kv_heads: usize) -> [Tensor<3>; 3] {
        let [_, all, head_dim] = qkv.dims();
        let heads = all - 2 * kv_heads;
        let part = |x: &Tensor<3>, start, len| x.clone().narrow(1, start, len);
        if let Some(angles) = &self.angles {
            let [_, _, half] = self.cos.dims();
            let sizes = [all, heads + kv_heads, head_dim];
            let x = host::in_place(qkv, |x| {
                kernels::rotate(x, sizes, angles, (half, self.pairs));
            });
            return [
                part(&x, 0, heads),
                part(&x, heads, kv_heads),
                part(&x, heads + kv_heads, kv_heads),
            ];
        }
        [
            self.apply(part(&qkv, 0, heads)),
            self.apply(part(&qkv, heads, kv_heads)),
            part(&qkv, heads + kv_heads, kv_heads),
        ]
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_host_turns_as_burn_does() {
        let device = Device::flex();
        let angles: Vec<f32> = (0..5 * 4).map(|i| i as f32 * 0.3).collect();
        let values: Vec<f32> = (0..5 * 7 * 10).map(|i| (i * 31 % 23) as f32).collect();
        let x = Tensor::<3>::from_data(TensorData::new(values, [5, 7, 10]), &device);
        for pairs in [RotaryPairs::Halves, RotaryPairs::Neighbours] {
            let rotary = Rotary::new(&angles, 4, pairs, &device).scaled(1.5);
            let by_burn = Rotary {
                angles: None,
                ..rotary.clone()
            };
            let found = rotary.split(x.clone(), 2);
            for (found, expected) in found.into_iter().zip(by_burn.split(x.clone(), 2)) {
                assert_eq!(found.dims(), expected.dims());
                let numbers = |x: Tensor<3>| x.into_data().try_into_vec::<f32>().unwrap();
                for (f, e) in numbers(found).iter().zip(numbers(expected)) {
                    assert!((f - e).abs() < 1e-5, "{f}, expected {e}");
                }
            }
        }
    }
}
