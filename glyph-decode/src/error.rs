use std::path::PathBuf;

/// What can go wrong in decoding.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Weights that do not fit the model.
    #[error("weights {name}: {reason}")]
    Weights {
        /// File or embedded asset.
        name: String,
        /// What does not fit; names the tensors.
        reason: String,
    },
    /// Tokens of a width that this readout was not trained for.
    #[error(
        "vision tokens of width {found}, expected {expected}: this readout belongs to another encoder"
    )]
    HiddenSize {
        /// Width of the readout.
        expected: usize,
        /// Width of the tokens.
        found: usize,
    },
    /// Tokens of a ratio that the readout was not trained on.
    #[error("vision tokens of {found} patches: this readout has no layers for them")]
    MergeSize {
        /// Patches that were merged to a token.
        found: usize,
    },
    /// A number of positions that is not the number of tokens.
    #[error("{positions} positions for {tokens} vision tokens")]
    Positions {
        /// Number of tokens.
        tokens: usize,
        /// Number of positions.
        positions: usize,
    },
    /// Tensor data of an unexpected kind.
    #[error("cannot read a tensor back from the device: {0}")]
    Tensor(String),
    /// A model file that cannot be read from the disk.
    #[error("cannot read {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A model file that is not what it claims to be, or of a kind that this crate does not know.
    #[error("{file}: {reason}")]
    ModelFile {
        /// The file.
        file: String,
        /// What was expected and what was found.
        reason: String,
    },
    /// A tensor of another shape or type than the model needs.
    #[error("{file}: tensor {tensor} is {found}, expected {expected}")]
    TensorMismatch {
        /// The file.
        file: String,
        /// Name of the tensor.
        tensor: String,
        /// What the model needs.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// Tensors that the model needs and the file does not have.
    #[error("{file}: missing tensors: {}", .tensors.join(", "))]
    MissingTensors {
        /// The file.
        file: String,
        /// Their names.
        tensors: Vec<String>,
    },
    /// Tensors in the file that the model has no place for: it is likely another model.
    #[error("{file}: unused tensors: {}", .tensors.join(", "))]
    UnusedTensors {
        /// The file.
        file: String,
        /// Their names.
        tensors: Vec<String>,
    },
    /// A tokenizer that cannot be built, or text that it cannot take.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// A token outside the vocabulary.
    #[error("token id {id}, expected less than {vocab_size}")]
    TokenId {
        /// The token.
        id: u32,
        /// Size of the vocabulary.
        vocab_size: usize,
    },
    /// More tokens than the cache takes.
    #[error("no room for {new} more tokens: {held} of {capacity} are taken")]
    ContextFull {
        /// Tokens in the cache.
        held: usize,
        /// Tokens to come.
        new: usize,
        /// Most tokens that the cache takes.
        capacity: usize,
    },
    /// A checkpoint that cannot be loaded.
    #[error(transparent)]
    Checkpoint(#[from] glyph_encode::checkpoint::CheckpointError),
    /// A vision tower that refuses its input.
    #[error(transparent)]
    Encode(#[from] glyph_encode::EncodeError),
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
    /// No token is left to choose from.
    #[error(
        "no token left to choose after {step} generated: the filters exclude all, or the logits are not numbers"
    )]
    NoCandidate {
        /// Tokens generated before.
        step: usize,
    },
    /// A constraint that cannot be made or kept.
    #[error("constraint: {0}")]
    Constraint(String),
    /// A chat template that cannot be parsed, or a chat that it refuses.
    #[error("chat template: {0}")]
    ChatTemplate(String),
    /// A readout of the user's own failed.
    #[error("{0}")]
    Other(Box<dyn std::error::Error + Send + Sync>),
}
