//! Vision-language checkpoints against `transformers`.

mod fixture;
mod loading;
mod parity;
