//! Scaled dot-product attention.

use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, DType, Tensor};

use super::host::{self, is_host};

/// Scores that are computed at once in this machine's memory: 8 MiB, which caches hold.
const SCORES: usize = 1 << 21;

/// Fewest queries at once: products with fewer rows are slow.
const QUERIES: usize = 64;

/// Scaled dot-product attention, `softmax(q k^T / sqrt(head_dim)) v`. With `causal` a query sees
/// the keys up to its own place, the last query being at the last key.
///
/// # Shapes
/// - `q`: `[batch, heads, n, head_dim]`; `k`, `v`: `[batch, heads or 1, keys, head_dim]`
/// - output: as `q`
pub fn attend(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, causal: bool) -> Tensor<4> {
    attend_masked(q, k, v, None, causal)
}

/// [`attend`] that leaves out keys where `mask` is true.
///
/// # Shapes
/// - `mask`: `[batch, heads, n, keys]`, 1 for what is the same for all
pub fn attend_masked(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    mask: Option<Tensor<4, Bool>>,
    causal: bool,
) -> Tensor<4> {
    let on_host = q.dtype() == DType::F32 && is_host(&q.device());
    if on_host && mask.is_none() && q.dims()[2] > 0 {
        return attend_on_host(&q, k, v, causal);
    }
    let options = AttentionModuleOptions {
        is_causal: causal,
        ..AttentionModuleOptions::default()
    };
    attention(q, k, v, mask, None, options)
}

/// Burn's attention for the CPU copies views of a cache or of a joint product before it starts,
/// and computes exponentials one by one. Its products take views as they are.
fn attend_on_host(q: &Tensor<4>, k: Tensor<4>, v: Tensor<4>, causal: bool) -> Tensor<4> {
    let [batch, heads, n, head_dim] = q.dims();
    let keys = k.dims()[2];
    let scale = 1.0 / (head_dim as f32).sqrt();
    let k = k.swap_dims(2, 3);
    let step = (SCORES / (batch * heads * keys).max(1)).max(QUERIES);
    let parts = (0..n).step_by(step).map(|start| {
        let queries = step.min(n - start);
        let first = keys + start - n + 1;
        let seen = match causal {
            true => first + queries - 1,
            false => keys,
        };
        let scores = q
            .clone()
            .narrow(2, start, queries)
            .matmul(k.clone().narrow(3, 0, seen));
        host::softmax(scores, scale, causal.then_some(first)).matmul(v.clone().narrow(2, 0, seen))
    });
    let mut parts: Vec<Tensor<4>> = parts.collect();
    match parts.len() {
        1 => parts.remove(0),
        _ => Tensor::cat(parts, 2),
    }
}

/// Attention within each of several segments of a sequence, as towers need it for images, frames
/// and windows.
///
/// # Shapes
/// - `q`, `k`, `v`: `[n, heads, head_dim]`, `n` the sum of `segments`
/// - output: `[n, heads * head_dim]`
pub fn attend_segments(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, segments: &[usize]) -> Tensor<2> {
    let [_, heads, head_dim] = q.dims();
    let mut out = Vec::new();
    let mut start = 0;
    // Neighbours of the same length make one batch.
    for run in segments.chunk_by(|a, b| a == b) {
        let (len, count) = (run[0], run.len());
        let batch = |x: &Tensor<3>| {
            x.clone()
                .narrow(0, start, len * count)
                .reshape([count, len, heads, head_dim])
                .swap_dims(1, 2)
        };
        if len * count > 0 {
            let mixed = attend(batch(&q), batch(&k), batch(&v), false);
            out.push(
                mixed
                    .swap_dims(1, 2)
                    .reshape([len * count, heads * head_dim]),
            );
        }
        start += len * count;
    }
    match out.len() {
        1 => out.remove(0),
        _ => Tensor::cat(out, 0),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn the_host_attends_as_burn_does() {
        let device = Device::flex();
        let numbers = |shape: [usize; 4], seed: usize| {
            let n = shape.iter().product::<usize>();
            let values: Vec<f32> = (0..n)
                .map(|i| ((i + seed) * 7919 % 1009) as f32 / 250.0 - 2.0)
                .collect();
            Tensor::<4>::from_data(TensorData::new(values, shape), &device)
        };
        // Several steps over the queries, keys that heads share and that were there before.
        for (heads, n, keys, causal) in [(5, 700, 900, true), (5, 700, 900, false), (3, 1, 9, true)]
        {
            let q = numbers([2, heads, n, 8], 1);
            let k = numbers([2, 1, keys + 4, 8], 2).narrow(2, 0, keys);
            let v = numbers([2, 1, keys + 4, 8], 3).narrow(2, 0, keys);
            let options = AttentionModuleOptions {
                is_causal: causal,
                ..AttentionModuleOptions::default()
            };
            let wide = |x: &Tensor<4>| x.clone().expand([2, heads, keys, 8]);
            let expected = attention(q.clone(), wide(&k), wide(&v), None, None, options);
            let expected = expected.into_data().try_into_vec::<f32>().unwrap();
            let found = attend(q, k, v, causal)
                .into_data()
                .try_into_vec::<f32>()
                .unwrap();
            for (f, e) in found.iter().zip(expected) {
                assert!((f - e).abs() < 1e-5, "{f}, expected {e}");
            }
        }
    }
}
