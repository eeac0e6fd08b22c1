use std::path::PathBuf;

/// What can go wrong in encoding.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Pixels that do not fill the page they belong to.
    #[error("page {page}: expected {expected} grey pixels ({width} x {height}), found {found}")]
    PixelCount {
        /// Page number.
        page: u32,
        /// Width of the page.
        width: u32,
        /// Height of the page.
        height: u32,
        /// `width * height`.
        expected: usize,
        /// What was found.
        found: usize,
    },
    /// A page's colours do not fill its size.
    #[error(
        "page {page}: expected {expected} bytes of colour ({width} x {height} pixels, three each), \
         found {found}"
    )]
    ColorCount {
        /// Page number.
        page: u32,
        /// Width of the page.
        width: u32,
        /// Height of the page.
        height: u32,
        /// `3 * width * height`.
        expected: usize,
        /// What was found.
        found: usize,
    },
    /// Weights that do not fit the model.
    #[error("weights {name}: {reason}")]
    Weights {
        /// File or embedded asset.
        name: String,
        /// What does not fit; names the tensors.
        reason: String,
    },
    /// The feature cache's folder cannot be used.
    #[error("feature cache {}: {source}", path.display())]
    Cache {
        /// The folder or file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Tokens of different widths in one sequence.
    #[error("cannot join vision tokens of width {found} to tokens of width {expected}")]
    HiddenSize {
        /// Width of the first tokens.
        expected: usize,
        /// Width that differs.
        found: usize,
    },
    /// Arguments that do not fit the encoder.
    #[error("{what}: expected {expected}, found {found}")]
    Input {
        /// Which argument.
        what: &'static str,
        /// What the encoder takes.
        expected: String,
        /// What was given.
        found: String,
    },
    /// A checkpoint that cannot be loaded.
    #[error(transparent)]
    Checkpoint(#[from] crate::checkpoint::CheckpointError),
    /// Tensor data of an unexpected kind.
    #[error("cannot read a tensor back from the device: {0}")]
    Tensor(String),
    /// A picture or its configuration does not fit a model's preprocessing.
    #[error(transparent)]
    Preprocess(#[from] crate::preprocess::PreprocessError),
    /// An encoder or scorer of the user's own failed.
    #[error("{0}")]
    Other(Box<dyn std::error::Error + Send + Sync>),
}
