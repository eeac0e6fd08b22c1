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

/// [`Rotary`] for devices that fuse what is computed number by number, but not what cuts and joins
/// tensors. The outputs of a joint product are in an order ([`order`](Self::order)) that puts the
/// first number of every pair of every head before all second ones, so that the turn is one
/// expression over two blocks. Numbers that are not turned are pairs of an angle of 0.
#[derive(Debug, Clone)]
pub struct RotaryApart {
    /// Cosine and sine, by which the first number of a pair goes into both: `[n, 1, 2, half]`.
    first: Tensor<4>,
    /// Minus the sine, and the cosine.
    second: Tensor<4>,
}

impl RotaryApart {
    /// The outputs of a joint product of queries, keys and values, `heads + 2 * kv_heads` heads,
    /// in the order that [`split`](Self::split) wants: for each the place it has in a checkpoint.
    /// `None` where a head has no two halves.
    pub fn order(
        [heads, kv_heads, head_dim]: [usize; 3],
        turned_pairs: usize,
        pairs: RotaryPairs,
    ) -> Option<Vec<usize>> {
        let half = head_dim / 2;
        if head_dim % 2 == 1 || turned_pairs > half {
            return None;
        }
        let place = |side: usize, pair: usize| match pairs {
            _ if pair >= turned_pairs => turned_pairs + pair + side * (half - turned_pairs),
            RotaryPairs::Halves => side * turned_pairs + pair,
            RotaryPairs::Neighbours => 2 * pair + side,
        };
        let turned = heads + kv_heads;
        let sides = (0..2).flat_map(|side| {
            (0..turned).flat_map(move |head| {
                (0..half).map(move |pair| head * head_dim + place(side, pair))
            })
        });
        let values = turned * head_dim..(turned + kv_heads) * head_dim;
        Some(sides.chain(values).collect())
    }

    /// Tables for a sequence whose `angles` are `[n, pairs_per_head]`, row after row, with cosines
    /// and sines multiplied by `scale`.
    ///
    /// # Panics
    /// If `angles` is not a whole number of rows, or a head has fewer pairs.
    pub fn new(
        angles: &[f32],
        pairs_per_head: usize,
        head_dim: usize,
        scale: f32,
        device: &Device,
    ) -> Self {
        assert_eq!(angles.len() % pairs_per_head, 0, "whole rows of angles");
        let half = head_dim / 2;
        assert!(pairs_per_head <= half, "pairs of one head");
        let rows = angles.len() / pairs_per_head;
        let mut first = Vec::with_capacity(rows * head_dim);
        let mut second = Vec::with_capacity(rows * head_dim);
        for angles in angles.chunks(pairs_per_head) {
            let still = half - pairs_per_head;
            let cos = angles.iter().map(|a| a.cos() * scale);
            let cos: Vec<f32> = cos.chain(std::iter::repeat_n(1.0, still)).collect();
            let sin = angles.iter().map(|a| a.sin() * scale);
            let sin: Vec<f32> = sin.chain(std::iter::repeat_n(0.0, still)).collect();
            first.extend_from_slice(&cos);
            first.extend_from_slice(&sin);
            second.extend(sin.iter().map(|s| -s));
            second.extend_from_slice(&cos);
        }
        let tensor =
            |values| Tensor::from_data(TensorData::new(values, [rows, 1, 2, half]), device);
        Self {
            first: tensor(first),
            second: tensor(second),
        }
    }

    /// Takes queries, keys and values of a joint product apart and turns the first two. Within a
    /// head of those the first numbers of all pairs come first.
    ///
    /// # Shapes
    /// - input: `[n, (heads + 2 * kv_heads) * head_dim]`
    /// - output: `[n, heads, head_dim]` and twice `[n, kv_heads, head_dim]`
    pub fn split(&self, qkv: Tensor<2>, kv_heads: usize) -> [Tensor<3>; 3] {
        let [n, width] = qkv.dims();
        let [_, _, _, half] = self.first.dims();
        let turned = width / (2 * half) - kv_heads;
        let side = |i| {
            let side = qkv.clone().narrow(1, i * turned * half, turned * half);
            side.reshape([n, turned, 1, half])
        };
        let qk = side(0) * self.first.clone() + side(1) * self.second.clone();
        let qk = qk.reshape([n, turned, 2 * half]);
        let values = qkv.narrow(1, 2 * turned * half, kv_heads * 2 * half);
        let heads = turned - kv_heads;
        [
            qk.clone().narrow(1, 0, heads),
            qk.narrow(1, heads, kv_heads),
            values.reshape([n, kv_heads, 2 * half]),
        ]
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

    /// Scores of queries against keys are the same, and values are where they were.
    #[test]
    fn numbers_of_a_pair_may_stand_apart() {
        let device = Device::flex();
        let (heads, kv_heads, width, n) = (4, 2, 12, 5);
        let values = (0..n * (heads + 2 * kv_heads) * width).map(|i| (i * 31 % 23) as f32 / 8.0);
        let shape = [n, heads + 2 * kv_heads, width];
        let qkv = Tensor::<3>::from_data(TensorData::new(values.collect(), shape), &device);
        let scores = |[q, k, _]: &[Tensor<3>; 3]| {
            let q = q.clone().reshape([n, kv_heads, heads / kv_heads, width]);
            let k = k.clone().reshape([n, kv_heads, 1, width]);
            let q = q
                .permute([1, 2, 0, 3])
                .reshape([kv_heads, n * heads / kv_heads, width]);
            let k = k.permute([1, 2, 3, 0]).reshape([kv_heads, width, n]);
            q.matmul(k).into_data().try_into_vec::<f32>().unwrap()
        };
        for pairs in [RotaryPairs::Halves, RotaryPairs::Neighbours] {
            for turned in [6, 4, 1] {
                let angles: Vec<f32> = (0..n * turned).map(|i| i as f32 * 0.3).collect();
                let rotary = Rotary::new(&angles, turned, pairs, &device).scaled(1.5);
                let expected = rotary.split(qkv.clone(), kv_heads);

                let order = RotaryApart::order([heads, kv_heads, width], turned, pairs).unwrap();
                let mut sorted = order.clone();
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..order.len()), "a permutation");
                let order: Vec<i32> = order.iter().map(|&i| i as i32).collect();
                let order = Tensor::from_data(&order[..], &device);
                let apart = RotaryApart::new(&angles, turned, width, 1.5, &device);
                let flat = qkv.clone().reshape([n, order.dims()[0]]);
                let found = apart.split(flat.select(1, order), kv_heads);

                for (f, e) in scores(&found).iter().zip(scores(&expected)) {
                    assert!(
                        (f - e).abs() < 1e-3,
                        "{pairs:?} {turned}: {f}, expected {e}"
                    );
                }
                found[2].to_data().assert_eq(&expected[2].to_data(), true);
            }
        }
        assert!(RotaryApart::order([1, 1, 5], 2, RotaryPairs::Halves).is_none());
    }
}
