//! Vision towers of published checkpoints.
//!
//! | module | checkpoints |
//! |---|---|
//! | [`qwen2_vl`] | Qwen2-VL |
//! | [`qwen2_5_vl`] | Qwen2.5-VL |
//! | [`glm4v`] | GLM-4.1V, Glyph |
//! | [`idefics3`] | Idefics3, SmolVLM |
//! | [`clip`] | CLIP, both sides |
//!
//! The first three take patches of images of any size, `[n_patches, channels * frames * patch * patch]` with
//! the patches of a merged token next to each other, as
//! [`preprocess`](crate::preprocess) makes them, and give the tokens of all images one after the
//! other, `[n_tokens, hidden_size]`, as wide as the language model. [`idefics3`] takes tiles and
//! [`clip`] pictures of one size.

pub mod clip;
mod encoder;
pub mod glm4v;
pub mod idefics3;
mod patch;
pub mod qwen2_5_vl;
pub mod qwen2_vl;

pub use clip::{ClipConfig, ClipModel, ClipTextTower, ClipVisionTower};
pub use glm4v::{Glm4vTower, Glm4vVisionConfig};
pub use idefics3::{Idefics3Tower, Idefics3VisionConfig};
pub use patch::PatchTower;
pub use qwen2_5_vl::{Qwen2_5VlTower, Qwen2_5VlVisionConfig};
pub use qwen2_vl::{Qwen2VlTower, Qwen2VlVisionConfig};

#[cfg(test)]
mod tests;
