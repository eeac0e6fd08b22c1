//! Outputs of a given form.

use crate::{DecodeError, Logits, TokenId};

#[cfg(feature = "json-schema")]
mod json_schema;
#[cfg(all(test, feature = "json-schema"))]
mod tests;

#[cfg(feature = "json-schema")]
pub use json_schema::{JsonConstraint, SchemaCompiler};

/// Allows at each step only the tokens that keep the output in a given form.
pub trait Constraint: Send {
    /// Excludes the tokens that may not come next.
    ///
    /// # Errors
    /// If the constraint cannot tell.
    fn mask(&mut self, logits: &mut Logits) -> Result<(), DecodeError>;

    /// Takes the token that was chosen.
    ///
    /// # Errors
    /// If the token is not allowed.
    fn accept(&mut self, token: TokenId) -> Result<(), DecodeError>;

    /// Whether the output has its form and nothing may follow.
    fn is_complete(&self) -> bool;

    /// Is told when few tokens are left: from now on, prefer the tokens that bring the output to
    /// its end.
    fn hurry(&mut self) {}
}
