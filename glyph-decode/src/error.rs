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
    /// A readout of the user's own failed.
    #[error("{0}")]
    Other(Box<dyn std::error::Error + Send + Sync>),
}
