//! Typesets documents (TXT, PDF, DOCX) into deterministic page images for vision encoders.
