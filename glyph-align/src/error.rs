use std::path::PathBuf;

/// What can go wrong in training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlignError {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {reason}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// A font that cannot be used.
    #[error("font {}: {reason}", path.display())]
    Font {
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// A checkpoint does not fit.
    #[error("checkpoint {} does not fit: {reason}; delete it or use another folder", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// A corpus without text.
    #[error("{} holds no line of text; expected .txt files in UTF-8", path.display())]
    EmptyCorpus {
        /// The file or folder.
        path: PathBuf,
    },
    /// The renderer failed.
    #[error(transparent)]
    Render(#[from] glyph_render::RenderError),
    /// The encoder failed.
    #[error(transparent)]
    Encode(#[from] glyph_encode::EncodeError),
    /// The readout failed.
    #[error(transparent)]
    Decode(#[from] glyph_decode::DecodeError),
    /// Two tensors whose shapes should agree.
    #[error("{what}: expected shape {expected:?}, found {found:?}")]
    Shape {
        /// Which tensor.
        what: &'static str,
        /// Expected shape.
        expected: Vec<usize>,
        /// Found shape.
        found: Vec<usize>,
    },
    /// Arguments that do not fit the model.
    #[error("{what}: expected {expected}, found {found}")]
    Input {
        /// Which argument.
        what: &'static str,
        /// What the model takes.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A pretrained checkpoint that cannot be loaded.
    #[error(transparent)]
    Pretrained(#[from] glyph_encode::checkpoint::CheckpointError),
    /// A tokenizer that cannot be read, or text that it cannot take.
    #[error("tokenizer {}: {reason}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// The loss is no longer a number.
    #[error("the loss became {loss} at step {step}: lower the learning rate and resume")]
    Diverged {
        /// The step.
        step: usize,
        /// The loss.
        loss: f32,
    },
    /// A step would have made weights that are no numbers.
    #[error(
        "the weights would be no numbers after step {step}: lower the learning rate and resume"
    )]
    DivergedWeights {
        /// The step.
        step: usize,
    },
}
