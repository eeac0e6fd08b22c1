//! Turns page images into vision tokens: built-in encoder, global scan, crops, feature cache.
