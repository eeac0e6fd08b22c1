//! What generation needs of a tokenizer.

use std::borrow::Cow;

use crate::{TokenId, Tokenizer};

/// The tokens of a model as bytes.
///
/// Bytes, since one character may be split over several tokens.
pub trait Vocabulary: Send + Sync {
    /// Number of token ids, unused ones included.
    fn vocab_size(&self) -> usize;

    /// What a token adds to the text: nothing if the token is special or unused.
    fn token_bytes(&self, token: TokenId) -> Cow<'_, [u8]>;

    /// The name of a special token such as `<|im_end|>`; `None` for those that stand for text.
    fn special_token(&self, token: TokenId) -> Option<Cow<'_, str>>;
}

impl Vocabulary for Tokenizer {
    fn vocab_size(&self) -> usize {
        Self::vocab_size(self)
    }

    fn token_bytes(&self, token: TokenId) -> Cow<'_, [u8]> {
        Self::token_bytes(self, token)
    }

    fn special_token(&self, token: TokenId) -> Option<Cow<'_, str>> {
        Self::special_token(self, token).map(Cow::Borrowed)
    }
}
