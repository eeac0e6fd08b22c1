//! Benchmarks of Glyph.
