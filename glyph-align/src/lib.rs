//! Training for Glyph: losses that tie vision tokens to text, and the trainer of the built-in reader.
//!
//! - [`SemanticAlignmentLoss`]: `1 - mean(cosine_similarity(text_emb, image_emb))`.
//! - [`InfoNceLoss`] and [`SigLipLoss`], which hold a pair against the rest of its batch, and
//!   [`AlignmentLoss`], the weighted sum of all three.
//! - [`ReadingLoss`]: cross-entropy of every cell that vision tokens should let a readout tell.
//! - [`SentenceEncoder`]: a BERT of one's choice, all-MiniLM-L6-v2 for example, as the text side.
//! - [`AlignmentTrainer`]: trains an [`ImageTower`], yours or an [`AlignmentHead`] on the built-in
//!   encoder, to place images of passages where a text encoder places their text;
//!   [`ImageEmbedder`] uses what it learned.
//! - [`JointModel`]: encoder, readout and head in one step, by losses of reading, alignment and
//!   retrieval.
//! - [`Trainer`]: trains the built-in encoder and readout on drawn lines, with checkpoints: all of
//!   them as a [`ReaderModel`], further ratios on top as a [`RatioModel`],
//!   a second trunk for rows in other hands as a [`ForeignModel`], or all of it at once as a
//!   [`WholeModel`].

mod alignment;
pub mod bert;
mod error;
mod losses;
mod samples;
mod seeded;
mod segmenter;
mod sentences;
mod trainer;

pub use alignment::{
    AlignmentHead, AlignmentHeadConfig, AlignmentReport, AlignmentTrainer, AlignmentTrainingConfig,
    DrawnPassage, HashedFeature, HashedWords, ImageEmbedder, ImageTower, JointModel, Passage,
    PassageWords, TeacherCache, TowerOutput, WordBatch, dot, recall_at_1, sentences, spearman,
};
pub use bert::{BertInput, BertModel};
pub use error::AlignError;
pub use losses::{
    AlignmentLoss, AlignmentLossConfig, InfoNceLoss, InfoNceLossConfig, ReadingLoss,
    SemanticAlignmentLoss, SigLipLoss, SigLipLossConfig,
};
pub use samples::{CELLS_PER_ROW, Corpus, DrawnChar, DrawnLine, Fonts, Sample, TextSource};
pub use segmenter::{SegmenterReport, SegmenterTrainer};
pub use sentences::SentenceEncoder;
pub use trainer::{
    Batch, ForeignModel, RatioModel, ReaderModel, StepReport, Trainable, Trainer, TrainingConfig,
    WholeModel,
};
