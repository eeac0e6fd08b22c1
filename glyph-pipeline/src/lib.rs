//! Reads documents longer than a language model's context: render, encode, decode, answer.

pub mod device;

pub use device::{DeviceError, DeviceSpec, ResolvedDevice};
