//! Reads documents longer than a language model's context: render, encode, decode, answer.
