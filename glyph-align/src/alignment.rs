//! Training image towers to place passages where a text encoder places their text.

mod embedder;
mod head;
mod joint;
mod metrics;
mod sentences;
mod teacher;
mod trainer;
mod words;

pub use embedder::ImageEmbedder;
pub use head::{AlignmentHead, AlignmentHeadConfig, WordBatch};
pub use joint::{DrawnPassage, JointModel};
pub use metrics::{dot, recall_at_1, spearman};
pub use sentences::sentences;
pub use teacher::TeacherCache;
pub use trainer::{AlignmentReport, AlignmentTrainer, AlignmentTrainingConfig, Passage};
pub use words::{HashedFeature, HashedWords, PassageWords};

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::AlignError;

/// A model that turns images of passages into embeddings: what an [`AlignmentTrainer`] trains.
///
/// Implement it for an encoder of one's own; `examples/align_own_encoder.rs` is one in 100 lines.
pub trait ImageTower: Module {
    /// What is known of a passage before the weights are: pixels, or, of a frozen encoder, its
    /// vision tokens or what was read from them.
    type Input: Send + Sync;

    /// What the tower makes of some passages.
    ///
    /// # Shapes
    /// - [`TowerOutput::image_emb`]: `[passages.len(), d]`, `d` being the text encoder's width
    ///
    /// # Errors
    /// If a passage does not fit the tower.
    fn embed_images(
        &self,
        passages: &[&Self::Input],
        device: &Device,
    ) -> Result<TowerOutput, AlignError>;
}

/// What an [`ImageTower`] makes of a batch.
#[derive(Debug)]
pub struct TowerOutput {
    /// One embedding a passage, `[passages, d]`; of any length, since losses take cosines.
    pub image_emb: Tensor<2>,
    /// A loss that goes beside alignment, `[1]`: of reading, for example, so that one step trains
    /// both.
    pub reading: Option<Tensor<1>>,
}

/// An [`AlignmentHead`] over passages that a frozen encoder and readout have read.
impl ImageTower for AlignmentHead {
    type Input = PassageWords;

    fn embed_images(
        &self,
        passages: &[&PassageWords],
        device: &Device,
    ) -> Result<TowerOutput, AlignError> {
        Ok(TowerOutput {
            image_emb: self.forward(WordBatch::new(passages, device), None)?,
            reading: None,
        })
    }
}
