//! The decoder-only transformer of the llama family on the CPU: RMSNorm, rotary embedding,
//! grouped-query attention and a gated feed-forward layer.
//!
//! A forward pass is one job of a team of threads that stay together from the first layer to the
//! last and meet at barriers. Few tokens (generation): each thread computes some rows of every
//! matrix, and they exchange the results. Many tokens (a prompt): each thread takes some tokens
//! through all matrices alone, and they only wait for each other's keys and values.

mod attention;
mod ops;
mod pass;
mod team;

use std::ops::Range;
use std::sync::RwLock;

use crate::kv_cache::{LayerCache, SLIDING_CHUNK};
use crate::quant::{Matrix, Simd};
use crate::{CachePolicy, DecodeError, KvCache, LogitsFor, ModelConfig, TokenId};
use pass::{Pass, share};
use team::Exchange;

/// How the numbers of a head pair up in the rotary embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rope {
    /// Neighbours: `0, 1`, `2, 3` … (llama in GGUF files, whose rows are permuted for it).
    Interleaved,
    /// A number of the first half with one of the second (checkpoints of `transformers`).
    Halves,
}

/// `y = W x + b`.
#[derive(Debug)]
pub(crate) struct Linear {
    pub(crate) weight: Matrix,
    pub(crate) bias: Option<Vec<f32>>,
}

/// One transformer block.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) input_norm: Vec<f32>,
    pub(crate) q: Linear,
    pub(crate) k: Linear,
    pub(crate) v: Linear,
    pub(crate) o: Linear,
    pub(crate) ffn_norm: Vec<f32>,
    pub(crate) gate: Linear,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
}

/// A whole model.
#[derive(Debug)]
pub(crate) struct Transformer {
    pub(crate) config: ModelConfig,
    pub(crate) rope: Rope,
    /// Radians a position, for each pair of a head.
    pub(crate) frequencies: Vec<f32>,
    /// Factor of cosines and sines.
    pub(crate) rope_scale: f32,
    pub(crate) embedding: Matrix,
    pub(crate) blocks: Vec<Block>,
    pub(crate) norm: Vec<f32>,
    /// Output matrix; `None` if it is the embedding.
    pub(crate) head: Option<Matrix>,
    pub(crate) threads: usize,
    pub(crate) simd: Simd,
}

/// Tokens of a prompt that go through the model together: bounds memory.
const CHUNK: usize = 256;
/// The same where every token gets logits, which are far wider than anything else.
const CHUNK_ALL: usize = 64;

/// New tokens of one sequence.
pub(crate) struct Run<'a> {
    /// `[n, hidden_size]`.
    pub(crate) embeds: &'a [f32],
    pub(crate) cache: &'a mut KvCache,
}

/// A token of a chunk.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Which of the caches.
    cache: usize,
    position: usize,
}

impl Transformer {
    /// Bytes of all weights.
    pub(crate) fn memory(&self) -> usize {
        let linear = |l: &Linear| l.weight.memory() + l.bias.as_ref().map_or(0, |b| 4 * b.len());
        let block = |b: &Block| {
            [&b.q, &b.k, &b.v, &b.o, &b.gate, &b.up, &b.down]
                .into_iter()
                .map(linear)
                .sum::<usize>()
                + 4 * (b.input_norm.len() + b.ffn_norm.len())
        };
        self.blocks.iter().map(block).sum::<usize>()
            + self.embedding.memory()
            + self.head.as_ref().map_or(0, Matrix::memory)
            + 4 * self.norm.len()
    }

    /// Embeddings of tokens, `[n, hidden_size]`.
    pub(crate) fn embed(&self, ids: &[TokenId]) -> Result<Vec<f32>, DecodeError> {
        let hidden = self.config.hidden_size;
        let mut out = vec![0.0; ids.len() * hidden];
        for (&id, out) in ids.iter().zip(out.chunks_exact_mut(hidden)) {
            if id as usize >= self.embedding.rows() {
                return Err(DecodeError::TokenId {
                    id,
                    vocab_size: self.embedding.rows(),
                });
            }
            self.embedding.row(id as usize, out);
        }
        Ok(out)
    }

    /// Runs one sequence; `out` becomes the logits of the tokens that get some.
    pub(crate) fn forward(
        &self,
        run: Run<'_>,
        logits: LogitsFor,
        out: &mut Vec<f32>,
    ) -> Result<(), DecodeError> {
        let all = logits == LogitsFor::All;
        let (hidden, vocab) = (self.config.hidden_size, self.config.vocab_size);
        let n = run.embeds.len() / hidden;
        let cache = run.cache;
        self.check(n, cache)?;
        let mut chunk = if all { CHUNK_ALL } else { CHUNK };
        if cache.policy() == CachePolicy::SlidingWindow {
            chunk = chunk.min(SLIDING_CHUNK);
        }
        out.clear();
        let rows = match logits {
            LogitsFor::None => 0,
            LogitsFor::Last => 1,
            LogitsFor::All => n,
        };
        out.resize(rows * vocab, 0.0);
        let mut rest = &mut out[..];
        for (i, embeds) in run.embeds.chunks(chunk * hidden).enumerate() {
            let m = embeds.len() / hidden;
            let places: Vec<Place> = (0..m)
                .map(|t| Place {
                    cache: 0,
                    position: cache.position() + t,
                })
                .collect();
            let wanted: Vec<usize> = if all {
                (0..m).collect()
            } else if rows == 1 && i * chunk + m == n {
                vec![m - 1]
            } else {
                Vec::new()
            };
            let (now, later) = std::mem::take(&mut rest).split_at_mut(wanted.len() * vocab);
            self.chunk(&places, embeds, &mut [&mut *cache], &wanted, now);
            rest = later;
            cache.advance(m)?;
        }
        Ok(())
    }

    /// Runs several sequences at once; `out` becomes the logits of the last token of each.
    pub(crate) fn forward_batch(
        &self,
        runs: &mut [Run<'_>],
        out: &mut Vec<f32>,
    ) -> Result<(), DecodeError> {
        let (hidden, vocab) = (self.config.hidden_size, self.config.vocab_size);
        for run in runs.iter() {
            self.check(run.embeds.len() / hidden, run.cache)?;
        }
        out.clear();
        out.resize(runs.len() * vocab, 0.0);
        // Sequences of one token share a pass over the weights; longer ones fill one alone.
        let mut embeds = Vec::new();
        let mut together = Vec::new();
        let mut caches = Vec::new();
        let mut places = Vec::new();
        for (i, run) in runs.iter_mut().enumerate() {
            if run.embeds.len() > hidden {
                let mut row = Vec::new();
                let alone = Run {
                    embeds: run.embeds,
                    cache: &mut *run.cache,
                };
                self.forward(alone, LogitsFor::Last, &mut row)?;
                out[i * vocab..(i + 1) * vocab].copy_from_slice(&row);
            } else {
                places.push(Place {
                    cache: caches.len(),
                    position: run.cache.position(),
                });
                embeds.extend_from_slice(run.embeds);
                caches.push(&mut *run.cache);
                together.push(i);
            }
        }
        if together.is_empty() {
            return Ok(());
        }
        let wanted: Vec<usize> = (0..together.len()).collect();
        let mut rows = vec![0.0; together.len() * vocab];
        self.chunk(&places, &embeds, &mut caches, &wanted, &mut rows);
        for (&i, row) in together.iter().zip(rows.chunks_exact(vocab)) {
            out[i * vocab..(i + 1) * vocab].copy_from_slice(row);
        }
        for cache in caches {
            cache.advance(1)?;
        }
        Ok(())
    }

    fn check(&self, n: usize, cache: &KvCache) -> Result<(), DecodeError> {
        if n == 0 {
            return Err(DecodeError::Input {
                what: "inputs",
                expected: "at least one token".to_owned(),
                found: "none".to_owned(),
            });
        }
        let c = &self.config;
        let expected = [c.num_hidden_layers, c.num_key_value_heads, c.head_dim];
        if cache.shape() != expected {
            return Err(DecodeError::Input {
                what: "cache",
                expected: format!("layers, heads and head width {expected:?}"),
                found: format!("{:?}, from another model", cache.shape()),
            });
        }
        cache.check_room(n)
    }

    /// Runs tokens through the model together. The caches have room; the caller advances them.
    /// `out` is `[wanted.len(), vocab_size]`.
    fn chunk(
        &self,
        places: &[Place],
        embeds: &[f32],
        caches: &mut [&mut KvCache],
        wanted: &[usize],
        out: &mut [f32],
    ) {
        let threads = self.threads.max(1);
        let windows: Vec<Window> = caches.iter().map(|c| Window::of(c)).collect();
        let layers: Vec<Vec<RwLock<&mut LayerCache>>> = caches
            .iter_mut()
            .map(|c| c.layers_mut().iter_mut().map(RwLock::new).collect())
            .collect();
        let pass = Pass {
            model: self,
            places,
            embeds,
            windows: &windows,
            layers: &layers,
            wanted,
            by_token: threads == 1 || places.len() >= 4 * threads,
            exchange: Exchange::new(threads),
        };
        let parts = team::run(threads, |member| pass.work(member));
        let vocab = self.config.vocab_size;
        for (i, part) in parts.iter().enumerate() {
            let rows = share(self.head().groups(), i, threads, vocab);
            let width = rows.len();
            if width == 0 {
                continue;
            }
            for (part, out) in part.chunks_exact(width).zip(out.chunks_exact_mut(vocab)) {
                out[rows.clone()].copy_from_slice(part);
            }
        }
    }

    fn head(&self) -> &Matrix {
        self.head.as_ref().unwrap_or(&self.embedding)
    }
}

/// Which positions a cache holds, and where.
#[derive(Debug, Clone, Copy)]
struct Window {
    slots: usize,
    /// Most positions that a token sees, itself included.
    span: usize,
}

impl Window {
    fn of(cache: &KvCache) -> Self {
        Self {
            slots: cache.slots(),
            span: cache.capacity(),
        }
    }

    /// Positions that the token at `position` sees.
    fn seen(&self, position: usize) -> Range<usize> {
        (position + 1).saturating_sub(self.span)..position + 1
    }
}
