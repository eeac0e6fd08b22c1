//! A forward pass, as each thread of the team goes through it.

use std::ops::Range;
use std::sync::{PoisonError, RwLock};

use half::f16;

use super::attention::{self, Scratch};
use super::team::{Exchange, Member};
use super::{Block, Linear, Place, Transformer, Window, ops};
use crate::kv_cache::LayerCache;
use crate::quant::{Input, ROWS, Simd, with_simd};

/// Groups of 16 rows that a member of a team computes.
fn share_groups(groups: usize, member: usize, size: usize) -> Range<usize> {
    groups * member / size..groups * (member + 1) / size
}

/// The rows of those groups.
pub(super) fn share(groups: usize, member: usize, size: usize, rows: usize) -> Range<usize> {
    let g = share_groups(groups, member, size);
    (g.start * ROWS).min(rows)..(g.end * ROWS).min(rows)
}

/// What the threads of one pass share.
pub(super) struct Pass<'a> {
    pub(super) model: &'a Transformer,
    pub(super) places: &'a [Place],
    pub(super) embeds: &'a [f32],
    pub(super) windows: &'a [Window],
    pub(super) layers: &'a [Vec<RwLock<&'a mut LayerCache>>],
    pub(super) wanted: &'a [usize],
    /// Threads share the tokens, not the rows of matrices.
    pub(super) by_token: bool,
    pub(super) exchange: Exchange,
}

impl Pass<'_> {
    /// One thread's part; returns its columns of the logits, `[wanted.len(), rows of its share]`.
    pub(super) fn work(&self, member: Member<'_>) -> Vec<f32> {
        let model = self.model;
        let config = &model.config;
        let simd = model.simd;
        let (hidden, head_dim) = (config.hidden_size, config.head_dim);
        let (heads, kv_heads) = (config.num_attention_heads, config.num_key_value_heads);
        let mine: Vec<usize> = (0..self.places.len())
            .filter(|i| !self.by_token || i % member.size == member.index)
            .collect();
        let n = mine.len();
        let places: Vec<Place> = mine.iter().map(|&i| self.places[i]).collect();
        let mut x: Vec<f32> = mine
            .iter()
            .flat_map(|&i| &self.embeds[i * hidden..(i + 1) * hidden])
            .copied()
            .collect();
        let angles = self.angles(&places);

        let mut w = Workspace::default();
        let mut scratch = Scratch::default();
        let scale = 1.0 / (head_dim as f32).sqrt();
        for (l, block) in model.blocks.iter().enumerate() {
            norm(
                simd,
                &x,
                &block.input_norm,
                config.rms_norm_eps,
                w.input.start(hidden),
            );
            let Workspace { input, q, k, v, .. } = &mut w;
            self.project(
                member,
                n,
                input,
                &[&block.q, &block.k, &block.v],
                &mut [&mut *q, &mut *k, &mut *v],
            );
            for (values, heads) in [(&mut *q, heads), (&mut *k, kv_heads)] {
                let rope = model.rope;
                with_simd!(simd, |_| ops::rotate(
                    values, &angles, rope, heads, head_dim
                ));
            }
            if self.by_token || member.index == 0 {
                self.store(l, &places, k, v);
            }
            member.wait();
            q.iter_mut().for_each(|q| *q *= scale);
            let attended = w.input.start(heads * head_dim);
            attended.clear();
            if self.by_token {
                attended.resize(n * heads * head_dim, 0.0);
                self.attend(l, &places, &w.q, &mut scratch, attended);
            } else {
                let items = n * heads;
                let range =
                    items * member.index / member.size..items * (member.index + 1) / member.size;
                w.part.clear();
                w.part.resize(range.len() * head_dim, 0.0);
                for (item, out) in range.zip(w.part.chunks_exact_mut(head_dim)) {
                    let (place, head) = (places[item / heads], item % heads);
                    let q = &w.q[item * head_dim..(item + 1) * head_dim];
                    self.attend_one(l, place, head, q, &mut scratch, out);
                }
                self.exchange.swap(member, &mut w.part, |_, part| {
                    attended.extend_from_slice(part);
                });
            }
            let Workspace { input, sum, .. } = &mut w;
            self.project(member, n, input, &[&block.o], &mut [sum]);
            add(simd, &mut x, &w.sum);

            norm(
                simd,
                &x,
                &block.ffn_norm,
                config.rms_norm_eps,
                w.input.start(hidden),
            );
            self.feed_forward(member, n, block, &mut w);
            let Workspace { input, sum, .. } = &mut w;
            self.project(member, n, input, &[&block.down], &mut [sum]);
            add(simd, &mut x, &w.sum);
        }

        if self.wanted.is_empty() {
            return Vec::new();
        }
        // Everyone needs the wanted tokens' states.
        let mut states = Vec::new();
        if self.by_token {
            w.part.clear();
            for &i in self.wanted {
                if i % member.size == member.index {
                    let at = i / member.size * hidden;
                    w.part.extend_from_slice(&x[at..at + hidden]);
                }
            }
            let mut parts = vec![Vec::new(); member.size];
            self.exchange
                .swap(member, &mut w.part, |m, part| parts[m] = part.to_vec());
            let mut next = vec![0; member.size];
            for &i in self.wanted {
                let m = i % member.size;
                states.extend_from_slice(&parts[m][next[m]..next[m] + hidden]);
                next[m] += hidden;
            }
        } else {
            for &i in self.wanted {
                states.extend_from_slice(&x[i * hidden..(i + 1) * hidden]);
            }
        }
        norm(
            simd,
            &states,
            &model.norm,
            config.rms_norm_eps,
            w.input.start(hidden),
        );
        let head = model.head();
        let groups = share_groups(head.groups(), member.index, member.size);
        let rows = share(head.groups(), member.index, member.size, config.vocab_size);
        let mut logits = vec![0.0; self.wanted.len() * rows.len()];
        head.matmul(simd, groups, &mut w.input, &mut logits, rows.len());
        logits
    }

    /// Cosines and sines of each token's angles: `[n, head_dim / 2]` pairs.
    fn angles(&self, places: &[Place]) -> Vec<(f32, f32)> {
        let scale = self.model.rope_scale;
        places
            .iter()
            .flat_map(|p| {
                self.model.frequencies.iter().map(|&f| {
                    let angle = p.position as f64 * f64::from(f);
                    (angle.cos() as f32 * scale, angle.sin() as f32 * scale)
                })
            })
            .collect()
    }

    /// Applies matrices to the same input; each of `outs` becomes `[n, rows]`.
    fn project(
        &self,
        member: Member<'_>,
        n: usize,
        input: &mut Input,
        matrices: &[&Linear],
        outs: &mut [&mut Vec<f32>],
    ) {
        let simd = self.model.simd;
        for (linear, out) in matrices.iter().zip(outs.iter_mut()) {
            let rows = linear.weight.rows();
            out.clear();
            out.resize(n * rows, 0.0);
            if self.by_token {
                linear
                    .weight
                    .matmul(simd, 0..linear.weight.groups(), input, out, rows);
            }
        }
        if !self.by_token {
            let mut part = self.exchange.take(member);
            part.clear();
            for linear in matrices {
                let groups = linear.weight.groups();
                let rows = share(groups, member.index, member.size, linear.weight.rows()).len();
                let start = part.len();
                part.resize(start + n * rows, 0.0);
                let groups = share_groups(groups, member.index, member.size);
                linear
                    .weight
                    .matmul(simd, groups, input, &mut part[start..], rows);
            }
            self.exchange.swap(member, &mut part, |m, part| {
                let mut rest = part;
                for (linear, out) in matrices.iter().zip(outs.iter_mut()) {
                    let all = linear.weight.rows();
                    let rows = share(linear.weight.groups(), m, member.size, all);
                    for out in out.chunks_exact_mut(all) {
                        let (head, tail) = rest.split_at(rows.len());
                        out[rows.clone()].copy_from_slice(head);
                        rest = tail;
                    }
                }
            });
            self.exchange.give(member, part);
        }
        for (linear, out) in matrices.iter().zip(outs.iter_mut()) {
            if let Some(bias) = &linear.bias {
                for out in out.chunks_exact_mut(bias.len()) {
                    add(simd, out, bias);
                }
            }
        }
    }

    /// `silu(gate x) * up x`, from `w.input` to `w.input`.
    fn feed_forward(&self, member: Member<'_>, n: usize, block: &Block, w: &mut Workspace) {
        let simd = self.model.simd;
        let all = block.gate.weight.rows();
        let groups = block.gate.weight.groups();
        let (groups, rows) = if self.by_token {
            (0..groups, 0..all)
        } else {
            (
                share_groups(groups, member.index, member.size),
                share(groups, member.index, member.size, all),
            )
        };
        let width = rows.len();
        for (linear, out) in [(&block.gate, &mut w.q), (&block.up, &mut w.part)] {
            out.clear();
            out.resize(n * width, 0.0);
            linear
                .weight
                .matmul(simd, groups.clone(), &mut w.input, out, width);
            if let Some(bias) = &linear.bias {
                for out in out.chunks_exact_mut(width) {
                    add(simd, out, &bias[rows.clone()]);
                }
            }
        }
        let (gate, part) = (&w.q, &mut w.part);
        with_simd!(simd, |_| ops::gate(part, gate));
        let out = w.input.start(all);
        if self.by_token {
            out.clear();
            out.extend_from_slice(&w.part);
        } else {
            out.clear();
            out.resize(n * all, 0.0);
            self.exchange.swap(member, &mut w.part, |m, part| {
                let rows = share(block.gate.weight.groups(), m, member.size, all);
                if !rows.is_empty() {
                    let parts = part.chunks_exact(rows.len());
                    for (part, out) in parts.zip(out.chunks_exact_mut(all)) {
                        out[rows.clone()].copy_from_slice(part);
                    }
                }
            });
        }
    }

    /// Writes keys and values of some tokens into the caches.
    fn store(&self, layer: usize, places: &[Place], k: &[f32], v: &[f32]) {
        let config = &self.model.config;
        let (kv_heads, head_dim) = (config.num_key_value_heads, config.head_dim);
        let width = kv_heads * head_dim;
        for (t, place) in places.iter().enumerate() {
            let slots = self.windows[place.cache].slots;
            let mut cache = self.layers[place.cache][layer]
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            for head in 0..kv_heads {
                let at = (head * slots + place.position % slots) * head_dim;
                let from = t * width + head * head_dim;
                let convert = |to: &mut [u16], from: &[f32]| {
                    for (to, &from) in to.iter_mut().zip(from) {
                        *to = f16::from_f32(from).to_bits();
                    }
                };
                convert(
                    &mut cache.keys[at..at + head_dim],
                    &k[from..from + head_dim],
                );
                convert(
                    &mut cache.values[at..at + head_dim],
                    &v[from..from + head_dim],
                );
            }
        }
    }

    /// Attention of one head of one token; `q` is scaled.
    fn attend_one(
        &self,
        layer: usize,
        place: Place,
        head: usize,
        q: &[f32],
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let config = &self.model.config;
        let head_dim = config.head_dim;
        let window = self.windows[place.cache];
        let kv_head = head / (config.num_attention_heads / config.num_key_value_heads);
        let cache = self.layers[place.cache][layer]
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let at = kv_head * window.slots * head_dim..(kv_head + 1) * window.slots * head_dim;
        attention::one(
            self.model.simd,
            q,
            &cache.keys[at.clone()],
            &cache.values[at],
            window,
            place.position,
            scratch,
            out,
        );
    }

    /// Attention of all heads of some tokens; `q` is scaled, `out` is `[n, heads * head_dim]`.
    fn attend(
        &self,
        layer: usize,
        places: &[Place],
        q: &[f32],
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let config = &self.model.config;
        let head_dim = config.head_dim;
        let heads = config.num_attention_heads;
        let kv_heads = config.num_key_value_heads;
        let width = heads * head_dim;
        let mut start = 0;
        for places in places.chunk_by(|a, b| a.cache == b.cache) {
            let end = start + places.len();
            let (q, out) = (
                &q[start * width..end * width],
                &mut out[start * width..end * width],
            );
            start = end;
            if places.len() < 4 {
                for (t, &place) in places.iter().enumerate() {
                    for head in 0..heads {
                        let at = t * width + head * head_dim;
                        let (q, out) = (&q[at..at + head_dim], &mut out[at..at + head_dim]);
                        self.attend_one(layer, place, head, q, scratch, out);
                    }
                }
                continue;
            }
            let window = self.windows[places[0].cache];
            let cache = self.layers[places[0].cache][layer]
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            let positions: Vec<usize> = places.iter().map(|p| p.position).collect();
            for kv_head in 0..kv_heads {
                let at = kv_head * window.slots * head_dim..(kv_head + 1) * window.slots * head_dim;
                attention::many(
                    self.model.simd,
                    attention::Queries {
                        q,
                        width,
                        positions: &positions,
                        heads: heads / kv_heads * kv_head..heads / kv_heads * (kv_head + 1),
                        head_dim,
                    },
                    &cache.keys[at.clone()],
                    &cache.values[at],
                    window,
                    scratch,
                    out,
                );
            }
        }
    }
}

/// Buffers of a thread.
#[derive(Debug, Default)]
struct Workspace {
    input: Input,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    sum: Vec<f32>,
    part: Vec<f32>,
}

fn norm(simd: Simd, x: &[f32], weight: &[f32], eps: f32, out: &mut Vec<f32>) {
    out.clear();
    out.resize(x.len(), 0.0);
    with_simd!(simd, |_| ops::rms_norm(x, weight, eps, out));
}

fn add(simd: Simd, x: &mut [f32], y: &[f32]) {
    with_simd!(simd, |_| ops::add(x, y));
}
