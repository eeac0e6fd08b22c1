//! Keys and values of the tokens that a model has seen.

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
/// Numbers are kept as f16, as llama.cpp keeps them: half the memory of f32 and, since attention
/// over a long context is bound by memory, faster.
#[derive(Debug, Clone)]
pub struct KvCache {
    layers: Vec<LayerCache>,
    kv_heads: usize,
    head_dim: usize,
    capacity: usize,
    slots: usize,
    policy: CachePolicy,
    /// Tokens seen since the start, dropped ones included.
    seen: usize,
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
            kv_heads: num_key_value_heads,
            head_dim,
            capacity,
            slots,
            policy,
            seen: 0,
        }
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

    /// Bytes of keys and values.
    pub fn memory(&self) -> usize {
        self.layers.len() * 2 * self.kv_heads * self.slots * self.head_dim * size_of::<u16>()
    }

    /// Keeps the first `len` tokens and returns how many are now held: `len`, or fewer where there
    /// were fewer. A sliding window that has dropped tokens no longer has the first ones and
    /// becomes empty.
    ///
    /// A second question on the same document so skips the document: truncate to the common
    /// prefix and run only what follows it.
    pub fn truncate(&mut self, len: usize) -> usize {
        if len < self.seen {
            self.seen = if self.seen > self.capacity { 0 } else { len };
        }
        self.len()
    }

    /// Forgets all tokens.
    pub fn clear(&mut self) {
        self.seen = 0;
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

    /// Layers, key-value heads and head width.
    pub(crate) fn shape(&self) -> [usize; 3] {
        [self.layers.len(), self.kv_heads, self.head_dim]
    }

    /// Slots of each head in the layers' arrays; position `p` lies in slot `p % slots`.
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
}
