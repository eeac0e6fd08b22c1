//! Training for Glyph: semantic alignment losses and the trainer of the built-in reader.
