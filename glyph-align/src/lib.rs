//! Training for Glyph: losses that tie vision tokens to text, and the trainer of the built-in reader.
//!
//! - [`SemanticAlignmentLoss`]: `1 - mean(cosine_similarity(text_emb, image_emb))`.
//! - [`ReadingLoss`]: cross-entropy of every cell that vision tokens should let a readout tell.
//! - [`ReaderTrainer`]: trains the built-in encoder and readout on drawn lines, with checkpoints.

mod error;
mod losses;
mod samples;
mod trainer;

pub use error::AlignError;
pub use losses::{ReadingLoss, SemanticAlignmentLoss};
pub use samples::{CELLS_PER_ROW, Corpus, Sample, TextSource};
pub use trainer::{ReaderModel, ReaderTrainer, StepReport, TrainingConfig};
