//! JSON that follows a JSON schema, by the crate `llguidance`.

use std::fmt;
use std::sync::Arc;

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde_json::Value;

use super::Constraint;
use crate::{DecodeError, Logits, TokenId, Vocabulary};

/// Makes [`JsonConstraint`]s for one vocabulary.
///
/// The index over the vocabulary is made once; each schema is then quick.
pub struct SchemaCompiler {
    factory: ParserFactory,
    closers: Arc<[(TokenId, u8)]>,
}

impl fmt::Debug for SchemaCompiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaCompiler")
            .field("vocab_size", &self.factory.tok_env().tok_trie().vocab_size())
            .finish_non_exhaustive()
    }
}

fn fail(what: &str, error: impl fmt::Display) -> DecodeError {
    DecodeError::Constraint(format!("{what}: {error}"))
}

impl SchemaCompiler {
    /// Indexes a vocabulary; `eos` are the tokens that end an output.
    ///
    /// # Errors
    /// If there is no end token or the vocabulary cannot be indexed.
    pub fn new(vocabulary: &dyn Vocabulary, eos: &[TokenId]) -> Result<Self, DecodeError> {
        let Some(&first) = eos.first() else {
            return Err(DecodeError::Constraint(
                "the model has no token that ends an output".to_owned(),
            ));
        };
        let mut words = Vec::with_capacity(vocabulary.vocab_size());
        let mut closers = Vec::new();
        for token in 0..vocabulary.vocab_size() as TokenId {
            if let Some(name) = vocabulary.special_token(token) {
                let mut word = vec![TokTrie::SPECIAL_TOKEN_MARKER];
                word.extend_from_slice(name.as_bytes());
                words.push(word);
                continue;
            }
            let bytes = vocabulary.token_bytes(token);
            if let [mark @ (b'}' | b']' | b'"' | b',')] = *bytes {
                closers.push((token, mark));
            }
            words.push(bytes.into_owned());
        }
        let info = TokRxInfo::new(words.len() as u32, first);
        let trie = TokTrie::from(&info, &words).with_eos_tokens(eos);
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory =
            ParserFactory::new_simple(&env).map_err(|e| fail("the vocabulary", e))?;
        factory.quiet();
        Ok(Self {
            factory,
            closers: closers.into(),
        })
    }

    /// A constraint to JSON that follows `schema`, on one line.
    ///
    /// # Errors
    /// If it is no JSON schema, or one with parts that can't be enforced; the message names them.
    pub fn compile(&self, schema: &Value) -> Result<JsonConstraint, DecodeError> {
        let mut schema = schema.clone();
        if let Value::Object(object) = &mut schema {
            // Free whitespace lets a model spend its tokens on blanks.
            object.insert(
                "x-guidance".to_owned(),
                serde_json::json!({
                    "whitespace_flexible": false,
                    "item_separator": ", ",
                    "key_separator": ": ",
                }),
            );
        }
        let grammar = TopLevelGrammar::from_json_schema(schema);
        let matcher = Matcher::new(self.factory.create_parser(grammar));
        if let Some(error) = matcher.get_error() {
            return Err(fail("the schema", error));
        }
        Ok(JsonConstraint {
            matcher,
            closers: Arc::clone(&self.closers),
            hurried: false,
        })
    }
}

/// Lets only JSON through that follows a schema.
pub struct JsonConstraint {
    matcher: Matcher,
    closers: Arc<[(TokenId, u8)]>,
    hurried: bool,
}

impl fmt::Debug for JsonConstraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonConstraint")
            .field("hurried", &self.hurried)
            .finish_non_exhaustive()
    }
}

impl Constraint for JsonConstraint {
    fn mask(&mut self, logits: &mut Logits) -> Result<(), DecodeError> {
        let mask = self
            .matcher
            .compute_mask_or_eos()
            .map_err(|e| fail("the next tokens", e))?;
        if self.hurried {
            // The end of the text, else of the value, else of the string; else the next item.
            let best = self
                .closers
                .iter()
                .filter(|(token, _)| mask.is_allowed(*token))
                .min_by_key(|(_, mark)| b"}]\",".iter().position(|m| m == mark));
            let ends = self.matcher.is_accepting().unwrap_or(false);
            if let (Some((token, _)), false) = (best, ends) {
                logits.retain(|t| t == *token);
                return Ok(());
            }
        }
        logits.retain(|token| mask.is_allowed(token));
        Ok(())
    }

    fn accept(&mut self, token: TokenId) -> Result<(), DecodeError> {
        self.matcher
            .consume_token(token)
            .map_err(|e| fail(&format!("token {token}"), e))
    }

    fn is_complete(&self) -> bool {
        self.matcher.is_stopped()
    }

    fn hurry(&mut self) {
        self.hurried = true;
    }
}
