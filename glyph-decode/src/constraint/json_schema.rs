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
    tokens: Arc<Tokens>,
}

/// Tokens that need a closer look than the grammar's.
#[derive(Debug, Default)]
struct Tokens {
    /// Single marks that bring an output nearer to its end.
    closers: Vec<(TokenId, u8)>,
    /// Tokens that go on with a number.
    digits: Vec<TokenId>,
    /// Tokens that begin with the letter of an exponent.
    exponents: Vec<TokenId>,
    /// Tokens that hold a digit and the letter of an exponent after it.
    powers: Vec<TokenId>,
}

/// Digits that a number may have. JSON knows no limit, but parsers do.
const MAX_DIGITS: usize = 24;

impl fmt::Debug for SchemaCompiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemaCompiler")
            .field(
                "vocab_size",
                &self.factory.tok_env().tok_trie().vocab_size(),
            )
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
        let mut tokens = Tokens::default();
        for token in 0..vocabulary.vocab_size() as TokenId {
            if let Some(name) = vocabulary.special_token(token) {
                let mut word = vec![TokTrie::SPECIAL_TOKEN_MARKER];
                word.extend_from_slice(name.as_bytes());
                words.push(word);
                continue;
            }
            let bytes = vocabulary.token_bytes(token);
            if let [mark @ (b'}' | b']' | b'"' | b',')] = *bytes {
                tokens.closers.push((token, mark));
            }
            let digit = |b: &u8| b.is_ascii_digit();
            let e = |b: &u8| matches!(b, b'e' | b'E');
            if bytes.first().is_some_and(|b| digit(b) || *b == b'.') {
                tokens.digits.push(token);
            }
            if bytes.first().is_some_and(e) {
                tokens.exponents.push(token);
            }
            if bytes.windows(2).any(|w| digit(&w[0]) && e(&w[1])) {
                tokens.powers.push(token);
            }
            words.push(bytes.into_owned());
        }
        let info = TokRxInfo::new(words.len() as u32, first);
        let trie = TokTrie::from(&info, &words).with_eos_tokens(eos);
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new_simple(&env).map_err(|e| fail("the vocabulary", e))?;
        factory.quiet();
        Ok(Self {
            factory,
            tokens: Arc::new(tokens),
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
            env: self.factory.tok_env().clone(),
            tokens: Arc::clone(&self.tokens),
            hurried: false,
            place: Place::default(),
        })
    }
}

/// Lets only JSON through that follows a schema.
pub struct JsonConstraint {
    matcher: Matcher,
    env: TokEnv,
    tokens: Arc<Tokens>,
    hurried: bool,
    place: Place,
}

/// Where in the JSON the output stands.
#[derive(Debug, Default)]
struct Place {
    in_string: bool,
    escaped: bool,
    /// Digits, points and signs at the end, outside strings.
    number: usize,
    last: u8,
}

impl Place {
    fn push(&mut self, byte: u8) {
        if self.in_string {
            self.in_string = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
        } else {
            self.in_string = byte == b'"';
            let goes_on = byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
            self.number = if goes_on { self.number + 1 } else { 0 };
        }
        self.last = byte;
    }

    fn after_digit(&self) -> bool {
        !self.in_string && self.last.is_ascii_digit()
    }
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
            let allowed = |mark: u8| {
                let closer = self.tokens.closers.iter().find(|(_, m)| *m == mark);
                closer.is_some_and(|(token, _)| mask.is_allowed(*token))
            };
            // Only inside a string can both come next. Its end, else that of the object or list
            // with the fewest items; else the next item.
            let order = if allowed(b'}') && allowed(b']') {
                *b"\"}],"
            } else {
                *b"}]\","
            };
            let best = self
                .tokens
                .closers
                .iter()
                .filter(|(token, _)| mask.is_allowed(*token))
                .min_by_key(|(_, mark)| order.iter().position(|m| m == mark));
            let ends = self.matcher.is_accepting().unwrap_or(false);
            if let (Some((token, _)), false) = (best, ends) {
                logits.retain(|t| t == *token);
                return Ok(());
            }
        }
        logits.retain(|token| mask.is_allowed(token));
        // 1e999 and numbers of a thousand digits are JSON, but no parser's number.
        let mut exclude = |tokens: &[TokenId]| tokens.iter().for_each(|t| logits.exclude(*t));
        if !self.place.in_string {
            exclude(&self.tokens.powers);
        }
        if self.place.after_digit() {
            exclude(&self.tokens.exponents);
            if self.place.number >= MAX_DIGITS {
                exclude(&self.tokens.digits);
            }
        }
        Ok(())
    }

    fn accept(&mut self, token: TokenId) -> Result<(), DecodeError> {
        self.matcher
            .consume_token(token)
            .map_err(|e| fail(&format!("token {token}"), e))?;
        for byte in self.env.tok_trie().token(token) {
            self.place.push(*byte);
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        self.matcher.is_stopped()
    }

    fn hurry(&mut self) {
        self.hurried = true;
    }
}
