//! Output that follows a JSON schema.

#[cfg(feature = "json-schema")]
use std::sync::OnceLock;

#[cfg(feature = "json-schema")]
use glyph_decode::SchemaCompiler;
use glyph_decode::{DecodeError, Generator, TokenId, Tokenizer};
use serde_json::Value;

/// Turns schemas into constraints for one tokenizer, which is looked through once.
#[derive(Default)]
pub(crate) struct Schemas {
    #[cfg(feature = "json-schema")]
    compiler: OnceLock<SchemaCompiler>,
}

impl Schemas {
    /// Holds what is generated to a schema, where there is one, and the strings that it leaves free
    /// to a text that they are copied from.
    #[cfg(feature = "json-schema")]
    pub(crate) fn constrain<'s>(
        &self,
        generator: Generator<'s>,
        schema: Option<&Value>,
        copy_from: Option<&str>,
        tokenizer: &Tokenizer,
        eos: &[TokenId],
    ) -> Result<Generator<'s>, DecodeError> {
        let Some(schema) = schema else {
            return Ok(generator);
        };
        let compiler = match self.compiler.get() {
            Some(compiler) => compiler,
            None => {
                let compiler = SchemaCompiler::new(tokenizer, eos)?;
                self.compiler.get_or_init(|| compiler)
            }
        };
        let mut constraint = compiler.compile(schema)?;
        if let Some(text) = copy_from {
            constraint = constraint.copying_from(text);
        }
        Ok(generator.constrained_by(constraint))
    }

    /// Without the feature there is nothing that could hold it.
    #[cfg(not(feature = "json-schema"))]
    pub(crate) fn constrain<'s>(
        &self,
        generator: Generator<'s>,
        schema: Option<&Value>,
        _copy_from: Option<&str>,
        _tokenizer: &Tokenizer,
        _eos: &[TokenId],
    ) -> Result<Generator<'s>, DecodeError> {
        match schema {
            None => Ok(generator),
            Some(_) => Err(DecodeError::Constraint(
                "JSON of a schema was asked for, which needs the feature json-schema".to_owned(),
            )),
        }
    }
}
