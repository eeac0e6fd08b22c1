//! Keys and values of the tokens that a model has seen.

use burn::tensor::{DType, Device, Tensor, s};
use glyph_encode::nn::{KEY_ROWS, is_host};

use crate::DecodeError;

/// What a cache does when it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CachePolicy {
    /// Refuses more tokens with [`DecodeError::ContextFull`].
    #[default]
    Refuse,
    /// Forgets the oldest tokens: each token sees the last `capacity` ones, itself included.
    ///
    /// Positions go on counting, which rotary embeddings allow since only distances matter.
    SlidingWindow,
}

/// Tokens that a sliding cache takes at once, beyond its window: a token early in a chunk still
/// needs the keys that the last one of the chunk would overwrite.
pub(crate) const SLIDING_CHUNK: usize = 64;

/// Keys and values of the tokens that a model has seen, preallocated and written in place.
///
/// Models that run on Burn's backends keep them as tensors on the device
/// ([`on_device`](Self::on_device)). Models that run without keep them here, as f16 as llama.cpp
/// does: half the memory of f32 and, since attention over a long context is bound by memory,
/// faster.
#[derive(Debug, Clone)]
pub struct KvCache {
    layers: Vec<LayerCache>,
    tensors: Option<TensorStore>,
    kv_heads: usize,
    head_dim: usize,
    capacity: usize,
    slots: usize,
    policy: CachePolicy,
    /// Tokens seen since the start, dropped ones included.
    seen: usize,
    /// Where rotary positions leave the count of tokens: tokens seen, and the position of the
    /// next one. An image of many tokens moves the position on by its longer side only.
    jumps: Vec<(usize, usize)>,
}

/// Keys and values on a device, `[kv_heads, 1, slots, head_dim]` for each layer.
#[derive(Debug, Clone)]
struct TensorStore {
    layers: Vec<Option<[Tensor<4>; 2]>>,
    dtype: DType,
    device: Device,
}

/// One block's share: `[kv_heads, slots, head_dim]` each, as the bits of f16.
#[derive(Debug, Clone)]
pub(crate) struct LayerCache {
    pub(crate) keys: Vec<u16>,
    pub(crate) values: Vec<u16>,
}

impl KvCache {
    /// Makes an empty cache.
    ///
    /// A model of another kind that keeps its state elsewhere passes 0 for the three sizes and
    /// only counts with [`advance`](Self::advance).
    pub fn new(
        num_hidden_layers: usize,
        num_key_value_heads: usize,
        head_dim: usize,
        capacity: usize,
        policy: CachePolicy,
    ) -> Self {
        let slots = match policy {
            CachePolicy::Refuse => capacity,
            CachePolicy::SlidingWindow => capacity + SLIDING_CHUNK,
        };
        let size = num_key_value_heads * slots * head_dim;
        // Zeros that the system hands out: pages that no token has reached take no memory.
        let layer = || LayerCache {
            keys: vec![0; size],
            values: vec![0; size],
        };
        Self {
            layers: (0..num_hidden_layers).map(|_| layer()).collect(),
            tensors: None,
            kv_heads: num_key_value_heads,
            head_dim,
            capacity,
            slots,
            policy,
            seen: 0,
            jumps: Vec::new(),
        }
    }

    /// Makes an empty cache of tensors that refuses more than `capacity` tokens. The memory is
    /// taken when the first token comes. On the CPU they are `F32` whatever `dtype` says.
    pub fn on_device(
        num_hidden_layers: usize,
        num_key_value_heads: usize,
        head_dim: usize,
        capacity: usize,
        dtype: DType,
        device: &Device,
    ) -> Self {
        let mut cache = Self::new(
            0,
            num_key_value_heads,
            head_dim,
            capacity,
            CachePolicy::Refuse,
        );
        cache.tensors = Some(TensorStore {
            layers: vec![None; num_hidden_layers],
            // The CPU would widen all of it at every step.
            dtype: match is_host(device) {
                true => DType::F32,
                false => dtype,
            },
            device: device.clone(),
        });
        cache.slots = cache.whole_rows(capacity);
        cache
    }

    /// Rows of a tensor that holds `tokens` tokens. A part of a tensor is a view only where it
    /// begins and ends where the device lets it, else it is copied, at 128k tokens by gigabytes a
    /// step; so devices other than the CPU get whole blocks of rows.
    fn whole_rows(&self, tokens: usize) -> usize {
        match &self.tensors {
            Some(store) if !is_host(&store.device) => tokens.next_multiple_of(KEY_ROWS),
            _ => tokens,
        }
    }

    /// Rows of keys and values that [`append`](Self::append) gives back after `n` more tokens.
    pub(crate) fn rows_after(&self, n: usize) -> usize {
        self.whole_rows(self.seen + n)
    }

    /// Number of tokens held.
    pub fn len(&self) -> usize {
        self.seen.min(self.capacity)
    }

    /// Whether no token is held.
    pub fn is_empty(&self) -> bool {
        self.seen == 0
    }

    /// Most tokens that can be held.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// What happens at the limit.
    pub fn policy(&self) -> CachePolicy {
        self.policy
    }

    /// Position of the next token: [`len`](Self::len) plus the tokens that a sliding window has
    /// dropped.
    pub fn position(&self) -> usize {
        self.seen
    }

    /// Rotary position of the next token. It differs from [`position`](Self::position) once an
    /// image was seen whose tokens share rows and columns.
    pub fn rotary_position(&self) -> usize {
        match self.jumps.last() {
            Some((seen, position)) => position + self.seen - seen,
            None => self.seen,
        }
    }

    /// Says at which rotary position the next token stands.
    pub fn set_rotary_position(&mut self, position: usize) {
        if position != self.rotary_position() {
            self.jumps.push((self.seen, position));
        }
    }

    /// [`set_rotary_position`](Self::set_rotary_position) for tokens that run together: so many
    /// tokens from the start, the next one stands at the position beside it.
    pub(crate) fn add_jumps(&mut self, jumps: &[(usize, usize)]) {
        self.jumps.extend_from_slice(jumps);
    }

    /// Bytes of keys and values.
    pub fn memory(&self) -> usize {
        let (layers, number) = match &self.tensors {
            Some(store) => (store.layers.len(), store.dtype.size()),
            None => (self.layers.len(), size_of::<u16>()),
        };
        layers * 2 * self.kv_heads * self.slots * self.head_dim * number
    }

    /// Keeps the first `len` tokens and returns how many are now held: `len`, or fewer where there
    /// were fewer. A sliding window that has dropped tokens no longer has the first ones and
    /// becomes empty.
    ///
    /// A second question on the same document so skips the document: truncate to the common
    /// prefix and run only what follows it.
    pub fn truncate(&mut self, len: usize) -> usize {
        if len < self.seen {
            let kept = if self.seen > self.capacity { 0 } else { len };
            self.wipe(kept);
            self.seen = kept;
            self.jumps.retain(|(seen, _)| *seen <= kept);
        }
        self.len()
    }

    /// Forgets all tokens.
    pub fn clear(&mut self) {
        self.wipe(0);
        self.seen = 0;
        self.jumps.clear();
    }

    /// Zeroes the rows of the tokens from `from` on, where [`append`](Self::append) gives rows of
    /// no token: attention multiplies those by 0, and what overflowed stays what it is.
    fn wipe(&mut self, from: usize) {
        let seen = self.seen;
        let Some(store) = &mut self.tensors else {
            return;
        };
        if from >= seen || is_host(&store.device) {
            return;
        }
        let shape = [self.kv_heads, 1, seen - from, self.head_dim];
        let zeros = Tensor::<4>::zeros(shape, (&store.device, store.dtype));
        for layer in &mut store.layers {
            // Taken out, as in `append`.
            *layer = layer.take().map(|held| {
                held.map(|x| x.slice_assign(s![.., .., from..seen, ..], zeros.clone()))
            });
        }
    }

    /// Checks that `n` more tokens may come.
    ///
    /// # Errors
    /// [`DecodeError::ContextFull`] if they do not fit and the policy is to refuse.
    pub fn check_room(&self, n: usize) -> Result<(), DecodeError> {
        if self.policy == CachePolicy::Refuse && self.seen + n > self.capacity {
            return Err(DecodeError::ContextFull {
                held: self.seen,
                new: n,
                capacity: self.capacity,
            });
        }
        Ok(())
    }

    /// Counts `n` tokens whose keys and values the model has written.
    ///
    /// # Errors
    /// As [`check_room`](Self::check_room).
    pub fn advance(&mut self, n: usize) -> Result<(), DecodeError> {
        self.check_room(n)?;
        self.seen += n;
        Ok(())
    }

    /// Writes the keys and values of new tokens of a layer after those that were seen, and gives
    /// all of them. The tokens count once [`advance`](Self::advance) is called.
    ///
    /// On the CPU that is `position() + n` rows. Other devices round up to a multiple of 128; what
    /// stands in the rows beyond belongs to no token, and attention has to leave it out.
    ///
    /// # Shapes
    /// - `keys`, `values`: `[kv_heads, 1, n, head_dim]`
    /// - output: `[kv_heads, 1, rows, head_dim]`
    ///
    /// # Panics
    /// If the cache was not made [`on_device`](Self::on_device), has no such layer or no room.
    pub fn append(
        &mut self,
        layer: usize,
        keys: Tensor<4>,
        values: Tensor<4>,
    ) -> (Tensor<4>, Tensor<4>) {
        let n = keys.dims()[2];
        let (end, rows) = (self.seen + n, self.rows_after(n));
        let store = self.tensors.as_mut().expect("a cache of tensors");
        let shape = [self.kv_heads, 1, self.slots, self.head_dim];
        let options = (&store.device, store.dtype);
        // Taken out, so that the tensors have one owner and are written in place.
        let held = store.layers[layer]
            .take()
            .unwrap_or_else(|| [Tensor::zeros(shape, options), Tensor::zeros(shape, options)]);
        let [all_keys, all_values] = held;
        let all_keys = all_keys.slice_assign(s![.., .., self.seen..end, ..], keys);
        let all_values = all_values.slice_assign(s![.., .., self.seen..end, ..], values);
        let seen = (
            all_keys.clone().narrow(2, 0, rows),
            all_values.clone().narrow(2, 0, rows),
        );
        store.layers[layer] = Some([all_keys, all_values]);
        seen
    }

    /// Layers, key-value heads and head width.
    pub(crate) fn shape(&self) -> [usize; 3] {
        let layers = match &self.tensors {
            Some(store) => store.layers.len(),
            None => self.layers.len(),
        };
        [layers, self.kv_heads, self.head_dim]
    }

    /// Whether keys and values are tensors.
    pub(crate) fn is_on_device(&self) -> bool {
        self.tensors.is_some()
    }

    /// Slots of each head in the layers' arrays or tensors; position `p` lies in slot `p % slots`.
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    pub(crate) fn layers_mut(&mut self) -> &mut [LayerCache] {
        &mut self.layers
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_full_cache_refuses_and_stays_as_it_was() {
        let mut cache = KvCache::new(1, 1, 2, 4, CachePolicy::Refuse);
        cache.advance(3).unwrap();
        let error = cache.advance(2).unwrap_err().to_string();
        assert!(
            error.contains('3') && error.contains('2') && error.contains('4'),
            "{error}"
        );
        assert_eq!(cache.len(), 3);
        assert_eq!(cache.truncate(7), 3);
        assert_eq!(cache.truncate(1), 1);
        assert_eq!((cache.len(), cache.position()), (1, 1));
    }

    #[test]
    fn a_window_slides_and_cannot_go_back() {
        let mut cache = KvCache::new(1, 1, 2, 4, CachePolicy::SlidingWindow);
        cache.advance(4).unwrap();
        assert_eq!(cache.clone().truncate(2), 2);
        cache.advance(3).unwrap();
        assert_eq!((cache.len(), cache.position()), (4, 7));
        assert_eq!(cache.truncate(2), 0);
        assert!(cache.is_empty());
    }

    /// Devices make a part of a tensor a view where its bytes begin and end at multiples of 512.
    #[test]
    fn devices_get_whole_blocks_of_rows() {
        let rows = |device: &Device, capacity: usize, seen: &[usize]| {
            let mut cache = KvCache::on_device(1, 2, 8, capacity, DType::F32, device);
            let mut rows = Vec::new();
            for &n in seen {
                let new = Tensor::<4>::ones([2, 1, n, 8], device);
                let (keys, values) = cache.append(0, new.clone(), new);
                cache.advance(n).unwrap();
                assert_eq!(keys.dims(), values.dims());
                let sum = keys.sum().into_scalar::<f32>();
                assert_eq!(sum, (2 * 8 * cache.len()) as f32);
                rows.push(values.dims()[2]);
            }
            (rows, cache.memory())
        };
        let (host, other) = (Device::flex(), Device::flex().autodiff());
        assert_eq!(rows(&host, 150, &[3, 126, 1]), (vec![3, 129, 130], 19_200));
        assert_eq!(
            rows(&other, 150, &[3, 126, 1]),
            (vec![128, 256, 256], 256 * 128)
        );
        assert_eq!(rows(&other, 128, &[127, 1]), (vec![128, 128], 128 * 128));
    }

    /// A prompt whose numbers overflow spoils no prompt after it.
    #[test]
    fn what_is_forgotten_is_not_seen_again() {
        let device = Device::flex().autodiff();
        for kept in [0, 2] {
            let mut cache = KvCache::on_device(2, 1, 4, 150, DType::F32, &device);
            let add = |cache: &mut KvCache, n, value: f32| {
                let new = Tensor::<4>::full([1, 1, n, 4], value, &device);
                let sums: Vec<f32> = (0..2)
                    .map(|layer| {
                        let (keys, values) = cache.append(layer, new.clone(), new.clone());
                        (keys + values).sum().into_scalar::<f32>()
                    })
                    .collect();
                cache.advance(n).unwrap();
                sums
            };
            add(&mut cache, 2, 1.0);
            assert!(add(&mut cache, 140, f32::NAN)[1].is_nan());
            match kept {
                0 => cache.clear(),
                _ => assert_eq!(cache.truncate(kept), kept),
            }
            let sum = (2 * 4 * (kept + 129)) as f32;
            assert_eq!(add(&mut cache, 129, 1.0), [sum, sum], "after {kept}");
        }
    }
}
