//! The stage that writes: a language model behind one method.

use std::ops::ControlFlow;
use std::sync::Arc;

use glyph_decode::{
    DecodeError, FinishReason, Generation, LanguageModel, Session, Tokenizer, Usage,
};
use serde_json::Value;

mod language_model;
mod schemas;

pub use language_model::LanguageModelWriter;
pub(crate) use schemas::Schemas;

/// What a writer is to write.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct WriteRequest<'a> {
    /// What the writer is and how it should write.
    pub system: &'a str,
    /// The task with all that it needs.
    pub user: &'a str,
    /// Most tokens to write.
    pub max_new_tokens: usize,
    /// A JSON schema that the output has to follow.
    pub schema: Option<&'a Value>,
    /// With a schema: a text that the strings which the schema leaves free have to be copied from.
    pub copy_from: Option<&'a str>,
}

/// What a writer has written.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The text.
    pub text: String,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Tokens read and written.
    pub usage: Usage,
}

/// Writes text on request: the stage after reading.
///
/// [`LanguageModelWriter`] is the one that ships. A writer sees only what it is given; what it
/// writes is checked against that.
pub trait Writer: Send + Sync {
    /// Its name, for example that of the model's file.
    fn name(&self) -> &str;

    /// Most tokens of a request and its output together.
    fn context_length(&self) -> usize;

    /// Number of tokens of a text.
    ///
    /// # Errors
    /// If the text cannot be tokenized.
    fn count_tokens(&self, text: &str) -> Result<usize, DecodeError>;

    /// Writes. `progress` is called while a long request is read and after every token, with the
    /// share that is done, 0 to 1, and stops the writing by returning [`ControlFlow::Break`].
    ///
    /// # Errors
    /// If the request is too long, or the model fails.
    fn write(
        &self,
        request: &WriteRequest<'_>,
        progress: &mut (dyn FnMut(f64) -> ControlFlow<()> + Send),
    ) -> Result<Written, DecodeError>;

    /// [`write`](Self::write) that also tells the text as it is made: `text` is called with each
    /// new piece, in order and of whole characters, and stops the writing as `progress` does.
    ///
    /// What counts is the text that is returned: pieces may have held more, for example the rounds
    /// of a loop that is cut off. The provided method tells the whole text in one piece at the end.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    fn stream(
        &self,
        request: &WriteRequest<'_>,
        progress: &mut (dyn FnMut(f64) -> ControlFlow<()> + Send),
        text: &mut (dyn FnMut(&str) -> ControlFlow<()> + Send),
    ) -> Result<Written, DecodeError> {
        let mut written = self.write(request, progress)?;
        if written.finish_reason != FinishReason::Cancelled && text(&written.text).is_break() {
            written.finish_reason = FinishReason::Cancelled;
        }
        Ok(written)
    }
}

/// Sessions grow by this many tokens.
const CAPACITY_STEP: usize = 512;

/// The session that was kept, if it has room for `wanted` tokens, else a new one.
pub(crate) fn session(
    kept: Option<Session>,
    model: Arc<dyn LanguageModel>,
    tokenizer: &Arc<Tokenizer>,
    wanted: usize,
) -> Result<Session, DecodeError> {
    let context = model.config().context_length;
    let capacity = wanted
        .min(context)
        .next_multiple_of(CAPACITY_STEP)
        .min(context);
    match kept {
        Some(session) if session.capacity() >= capacity => Ok(session),
        _ => Session::new(model, tokenizer.clone(), capacity),
    }
}

/// Tells a piece of text; tokens alone are not told.
pub(crate) fn tell(
    piece: &str,
    text: &mut (dyn FnMut(&str) -> ControlFlow<()> + Send),
) -> ControlFlow<()> {
    match piece {
        "" => ControlFlow::Continue(()),
        piece => text(piece),
    }
}

/// Cuts the rounds of a loop but the first, which say nothing new.
pub(crate) fn cut_loop(out: &mut Generation, tokenizer: &Tokenizer) {
    if let FinishReason::Loop { repeated, .. } = out.finish_reason {
        let keep = out.tokens.len().saturating_sub(repeated);
        let ids: Vec<_> = out.tokens[..keep].iter().map(|t| t.token).collect();
        out.text = tokenizer.decode(&ids);
    }
}
