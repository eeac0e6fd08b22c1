//! Examples of Glyph.
