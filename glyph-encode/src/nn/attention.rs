//! Scaled dot-product attention.

use burn::tensor::activation::softmax;
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, DType, Device, Int, Tensor};

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
    let [batch, heads, n, width] = q.dims();
    let surplus = n.next_multiple_of(TILE) - n;
    if surplus > 0 && mask.is_none() && !causal && is_tiled(n, q.dtype()) {
        // A device's kernel takes whole tiles of queries only.
        let zeros = Tensor::zeros([batch, heads, surplus, width], (&q.device(), q.dtype()));
        let q = Tensor::cat(vec![q, zeros], 2);
        return attention(q, k, v, None, None, options).narrow(2, 0, n);
    }
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
        // Keys that the first query sees. Without an order there may be more queries than keys.
        let first = causal.then(|| keys + start + 1 - n);
        let seen = first.map_or(keys, |first| first + queries - 1);
        let scores = q
            .clone()
            .narrow(2, start, queries)
            .matmul(k.clone().narrow(3, 0, seen));
        host::softmax(scores, scale, first).matmul(v.clone().narrow(2, 0, seen))
    });
    joined(parts.collect())
}

/// Rows of keys by which a cache on another device than the CPU grows: kernels of attention take
/// tiles of up to so many queries, and any tensor's rows of so many numbers begin where the device
/// lets a view begin.
pub const KEY_ROWS: usize = 128;

/// Queries of the tiles of most of those kernels, where no cache asks for more.
const TILE: usize = 64;

/// Fewest queries that are worth a kernel over tiles of them.
const TILED_QUERIES: usize = 32;

/// Scores that are computed at once on a device, should its kernel not take a shape and store all
/// of them: fewer queries at once would leave parts of a large card idle.
const DEVICE_SCORES: usize = 1 << 29;

/// Scores that are stored at once, in `F32`: 512 MiB.
const STORED_SCORES: usize = 1 << 27;

/// Added to the score of a key that is not seen: its exponential is 0, and no infinities meet.
const UNSEEN: f64 = -1e30;

/// Which keys of a cache the new tokens of a sequence see: the tokens before them, and themselves
/// up to their own place.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Keys that tokens have, those of the new ones included.
    held: usize,
    /// Keys in the cache's tensors, what belongs to no token included.
    rows: usize,
    /// [`UNSEEN`] or 0 for each key, `[1, 1, queries, rows]`; made once for all layers.
    bias: Option<Tensor<4>>,
}

impl Seen {
    /// What `queries` tokens see, the last of `held` in a cache with room for `rows` in its
    /// tensors. Queries, keys and values are going to be of type `dtype`.
    pub fn new(queries: usize, held: usize, rows: usize, dtype: DType, device: &Device) -> Self {
        let tiled = is_tiled(queries, dtype);
        let needed = !is_host(device) && !tiled && (rows > held || queries > 1);
        Self {
            held,
            rows,
            bias: needed.then(|| unseen(queries, held, rows, device)),
        }
    }
}

/// Whether queries go through a kernel over tiles, which multiplies in half precision.
fn is_tiled(queries: usize, dtype: DType) -> bool {
    queries >= TILED_QUERIES && dtype != DType::F32
}

/// # Shapes
/// - output: `[1, 1, queries, rows]`
fn unseen(queries: usize, held: usize, rows: usize, device: &Device) -> Tensor<4> {
    let count = |n: usize| Tensor::<1, Int>::arange(0..n as i64, device);
    let ahead = count(rows).reshape([1, 1, 1, rows]) - count(queries).reshape([1, 1, queries, 1]);
    let hidden = ahead.greater_elem((held - queries) as i64);
    hidden.float().cast(DType::F32) * UNSEEN
}

/// Attention of a sequence's new tokens to all that its cache holds, themselves included.
///
/// # Shapes
/// - `q`: `[n, heads, head_dim]`
/// - `keys`, `values`: `[kv_heads, 1, rows, head_dim]`, with the numbers that `seen` was made of
/// - output: `[n, heads * head_dim]`
pub fn attend_cached(q: Tensor<3>, keys: Tensor<4>, values: Tensor<4>, seen: &Seen) -> Tensor<2> {
    let [n, heads, width] = q.dims();
    let [kv_heads, _, _, _] = keys.dims();
    let groups = heads / kv_heads;
    let on_host = is_host(&q.device());
    let (keys, values) = match on_host {
        true => (keys.narrow(2, 0, seen.held), values.narrow(2, 0, seen.held)),
        false => (keys, values),
    };
    if n == 1 {
        // One query: the heads of a group take the place of queries.
        let q = q.reshape([kv_heads, 1, groups, width]);
        let mixed = match on_host {
            true => attend(q, keys, values, false),
            false => attend_stored(&q, keys, values, seen.bias.as_ref()),
        };
        return mixed.reshape([1, heads * width]);
    }
    // Query heads that share keys are one batch.
    let q = q
        .reshape([n, kv_heads, groups, width])
        .permute([1, 2, 0, 3]);
    let mixed = if on_host {
        attend(q, keys, values, true)
    } else if seen.bias.is_some() {
        attend_stored(&q, keys, values, seen.bias.as_ref())
    } else {
        attend_tiled(q, keys, values, seen)
    };
    mixed.permute([2, 0, 1, 3]).reshape([n, heads * width])
}

/// Attention by the device's kernel over tiles of queries. It takes whole tiles only, and without
/// one all scores are stored, which at 128k keys are gigabytes: so there are queries before the
/// first one, whose outcome is dropped, and one for each key after the last.
fn attend_tiled(q: Tensor<4>, keys: Tensor<4>, values: Tensor<4>, seen: &Seen) -> Tensor<4> {
    let [kv_heads, groups, n, width] = q.dims();
    let surplus = seen.rows - seen.held;
    // As many keys as queries at least, so that each query sees a key.
    let all = (n + surplus).next_multiple_of(KEY_ROWS).min(seen.rows);
    let front = all - n - surplus;
    let zeros = |n| Tensor::zeros([kv_heads, groups, n, width], (&q.device(), q.dtype()));
    let parts = [(front > 0).then(|| zeros(front)), Some(q.clone())];
    let parts = parts
        .into_iter()
        .chain([(surplus > 0).then(|| zeros(surplus))]);
    let q = joined(parts.flatten().collect());
    let heads = kv_heads * groups;
    let step = DEVICE_SCORES / (heads * seen.rows).max(1) / KEY_ROWS * KEY_ROWS;
    let step = step.max(2 * KEY_ROWS);
    let parts = (0..all).step_by(step).map(|start| {
        let queries = step.min(all - start);
        let visible = seen.rows - all + start + queries;
        attend(
            q.clone().narrow(2, start, queries),
            keys.clone().narrow(2, 0, visible),
            values.clone().narrow(2, 0, visible),
            true,
        )
    });
    joined(parts.collect()).narrow(2, front, n)
}

/// Attention that stores scores, in parts where they are many. The softmax is computed in `F32`,
/// as `transformers` does it, whatever the type of queries and keys.
///
/// # Shapes
/// - `bias`: `[1, 1, n, keys]` or `[1, 1, 1, keys]`, added to the scores
fn attend_stored(
    q: &Tensor<4>,
    keys: Tensor<4>,
    values: Tensor<4>,
    bias: Option<&Tensor<4>>,
) -> Tensor<4> {
    let [batch, heads, n, width] = q.dims();
    let [_, _, rows, _] = keys.dims();
    let scale = 1.0 / (width as f64).sqrt();
    let keys = keys.swap_dims(2, 3);
    let step = (STORED_SCORES / (batch * heads * rows).max(1)).max(1);
    let parts = (0..n).step_by(step).map(|start| {
        let queries = step.min(n - start);
        let part = q.clone().narrow(2, start, queries);
        let mut scores = part.matmul(keys.clone()).cast(DType::F32) * scale;
        if let Some(bias) = bias {
            scores = scores
                + match bias.dims()[2] {
                    1 => bias.clone(),
                    _ => bias.clone().narrow(2, start, queries),
                };
        }
        softmax(scores, 3).cast(q.dtype()).matmul(values.clone())
    });
    joined(parts.collect())
}

fn joined(mut parts: Vec<Tensor<4>>) -> Tensor<4> {
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
    use burn::tensor::TensorData;

    fn numbers(shape: [usize; 4], seed: usize) -> Tensor<4> {
        let n = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..n)
            .map(|i| ((i + seed) * 7919 % 1009) as f32 / 250.0 - 2.0)
            .collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn floats<const D: usize>(x: Tensor<D>) -> Vec<f32> {
        x.into_data().try_into_vec().unwrap()
    }

    fn close(found: &[f32], expected: &[f32], what: &str) {
        assert_eq!(found.len(), expected.len(), "{what}");
        for (f, e) in found.iter().zip(expected) {
            assert!((f - e).abs() < 1e-5, "{what}: {f}, expected {e}");
        }
    }

    /// What other devices compute of a cache with more rows than tokens.
    #[test]
    fn devices_attend_to_what_a_cache_holds_as_the_host_does() {
        let (kv_heads, groups, width) = (2, 3, 8);
        for (n, held, rows) in [
            (1, 5, 128),
            (1, 128, 128),
            (7, 20, 128),
            (100, 100, 128),
            (130, 300, 384),
            (128, 256, 256),
        ] {
            let what = format!("{n} queries, {held} of {rows} keys");
            let q = numbers([1, n, kv_heads * groups, width], 1).squeeze_dim::<3>(0);
            let k = numbers([kv_heads, 1, rows, width], 2);
            let v = numbers([kv_heads, 1, rows, width], 3);
            let mut seen = Seen::new(n, held, rows, DType::F32, &Device::flex());
            assert!(seen.bias.is_none(), "the host cuts keys off");
            let expected = floats(attend_cached(q.clone(), k.clone(), v.clone(), &seen));

            let device = Device::flex().autodiff();
            let moved = |x: &Tensor<4>| Tensor::<4>::from_data(x.to_data(), &device);
            let other = Seen::new(n, held, rows, DType::F32, &device);
            let q_moved = Tensor::<3>::from_data(q.to_data(), &device);
            let found = floats(attend_cached(q_moved, moved(&k), moved(&v), &other));
            close(&found, &expected, &what);

            // The kernel over tiles, by the attention of the CPU, which does not share heads.
            seen.bias = None;
            let wide = |x: Tensor<4>| x.expand([kv_heads, groups, rows, width]);
            let q = q
                .reshape([n, kv_heads, groups, width])
                .permute([1, 2, 0, 3]);
            let tiled = attend_tiled(q, wide(k), wide(v), &seen);
            let tiled = tiled
                .permute([2, 0, 1, 3])
                .reshape([n, kv_heads * groups * width]);
            close(&floats(tiled), &expected, &what);
        }
    }

    #[test]
    fn the_host_attends_as_burn_does() {
        // Several steps over the queries, keys that heads share and that were there before.
        for (heads, n, keys, causal) in [
            (5, 700, 900, true),
            (5, 700, 900, false),
            (3, 1, 9, true),
            (1, 7, 2, false),
        ] {
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
