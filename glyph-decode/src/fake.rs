//! A model for tests that needs no weights.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::{Device, Tensor, TensorData};

use crate::{
    CachePolicy, DecodeError, KvCache, LanguageModel, LogitsFor, ModelConfig, TokenId, Vocabulary,
};

/// Ends an output; the tokens below are bytes.
pub(crate) const EOS: TokenId = 256;
const VOCAB: usize = 257;

/// Bytes as tokens.
pub(crate) struct Bytes;

impl Vocabulary for Bytes {
    fn vocab_size(&self) -> usize {
        VOCAB
    }

    fn token_bytes(&self, token: TokenId) -> Cow<'_, [u8]> {
        Cow::Owned(u8::try_from(token).into_iter().collect())
    }

    fn special_token(&self, token: TokenId) -> Option<Cow<'_, str>> {
        (token == EOS).then_some(Cow::Borrowed("<end>"))
    }
}

/// Recites a script: after three bytes comes what follows them in it, and at its end [`EOS`]. All
/// other logits depend on everything that the cache holds, so that a cache that is wrong shows.
pub(crate) struct Parrot {
    config: ModelConfig,
    next: HashMap<Vec<TokenId>, TokenId>,
    /// Tokens that were run.
    pub(crate) runs: AtomicUsize,
}

impl Parrot {
    pub(crate) fn new(script: &str) -> Self {
        let mut config = ModelConfig::new(VOCAB, 1, 4096);
        config.eos_token_ids = vec![EOS];
        let mut ids: Vec<TokenId> = script.bytes().map(TokenId::from).collect();
        ids.push(EOS);
        let mut next = HashMap::new();
        for window in ids.windows(4) {
            next.entry(window[..3].to_vec()).or_insert(window[3]);
        }
        Self {
            config,
            next,
            runs: AtomicUsize::new(0),
        }
    }

    /// Adds a token to the cache and gives its logits.
    fn push(&self, token: TokenId, cache: &mut KvCache) -> Result<Vec<f32>, DecodeError> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let (at, slots) = (cache.position(), cache.slots());
        cache.advance(1)?;
        cache.layers_mut()[0].keys[at % slots] = token as u16;
        let held: Vec<TokenId> = (at + 1 - cache.len()..=at)
            .map(|i| TokenId::from(cache.layers_mut()[0].keys[i % slots]))
            .collect();
        let hash = held.iter().fold(17u32, |h, t| {
            (h ^ t).wrapping_mul(0x9E37_79B1).rotate_left(5)
        });
        let mut logits: Vec<f32> = (0..VOCAB as u32)
            .map(|t| (hash ^ t).wrapping_mul(0x85EB_CA6B) as f32 / u32::MAX as f32)
            .collect();
        let tail = &held[held.len().saturating_sub(3)..];
        if let Some(next) = self.next.get(tail) {
            logits[*next as usize] += 10.0;
        }
        Ok(logits)
    }
}

impl LanguageModel for Parrot {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn embed(&self, input_ids: &[TokenId]) -> Result<Tensor<2>, DecodeError> {
        let values: Vec<f32> = input_ids.iter().map(|t| *t as f32).collect();
        let data = TensorData::new(values, [input_ids.len(), 1]);
        Ok(Tensor::from_data(data, &Device::default()))
    }

    fn forward(
        &self,
        inputs_embeds: Tensor<2>,
        cache: &mut KvCache,
        logits: LogitsFor,
    ) -> Result<Tensor<2>, DecodeError> {
        let values = crate::model::floats(inputs_embeds.into_data())?;
        cache.check_room(values.len())?;
        let mut rows = Vec::new();
        for value in values {
            if logits == LogitsFor::Last {
                rows.clear();
            }
            rows.extend(self.push(value as TokenId, cache)?);
        }
        if logits == LogitsFor::None {
            rows.clear();
        }
        let data = TensorData::new(rows.clone(), [rows.len() / VOCAB, VOCAB]);
        Ok(Tensor::from_data(data, &Device::default()))
    }

    fn new_cache(&self, capacity: usize) -> Result<KvCache, DecodeError> {
        Ok(KvCache::new(1, 1, 1, capacity, CachePolicy::Refuse))
    }
}
