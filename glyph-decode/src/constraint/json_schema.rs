//! JSON that follows a JSON schema, by the crate `llguidance`.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde_json::Value;

use copying::Source;
use place::Place;

use super::Constraint;
use crate::{DecodeError, Logits, TokenId, Vocabulary};

mod copying;
mod place;

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
    /// Tokens that, outside a string, open one and go on with what it holds.
    openers: Vec<TokenId>,
    /// Tokens that, inside a string, end it and go on with what the next one holds.
    reopeners: Vec<TokenId>,
    /// Tokens that end a string and do not begin another one.
    enders: Vec<TokenId>,
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
            if bytes.contains(&b'"') {
                if opens_with_content(&bytes, false) {
                    tokens.openers.push(token);
                }
                if opens_with_content(&bytes, true) {
                    tokens.reopeners.push(token);
                } else if bytes.first() == Some(&b'"') {
                    tokens.enders.push(token);
                }
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
            source: None,
            in_free_string: false,
        })
    }
}

/// Whether a token opens a string and goes on with its content, for a token that begins inside or
/// outside a string.
pub(super) fn opens_with_content(bytes: &[u8], in_string: bool) -> bool {
    let mut place = Place::default();
    place.in_string = in_string;
    let mut opened = false;
    bytes.iter().any(|byte| {
        let was_inside = place.in_string;
        place.push(*byte);
        opened |= !was_inside && place.in_string;
        opened && was_inside && place.in_string
    })
}

/// Lets only JSON through that follows a schema.
pub struct JsonConstraint {
    matcher: Matcher,
    env: TokEnv,
    tokens: Arc<Tokens>,
    hurried: bool,
    place: Place,
    source: Option<Source>,
    /// Whether the schema leaves the open string free.
    in_free_string: bool,
}

impl JsonConstraint {
    /// Lets strings that the schema leaves free hold only what stands in `text`, from the
    /// beginning of a word to the end of one, or nothing. So a model can't make up a name or an
    /// address.
    #[must_use]
    pub fn copying_from(mut self, text: &str) -> Self {
        self.source = Some(Source::new(text));
        self
    }

    /// Of the tokens that the grammar allows, those that copy; `None` where anything may stand.
    fn copies(&mut self, allowed: &dyn Fn(TokenId) -> bool) -> Option<BTreeSet<TokenId>> {
        let source = self.source.as_ref()?;
        if !self.place.in_string {
            return None;
        }
        let closer = |mark: u8| {
            let closer = self.tokens.closers.iter().find(|(_, m)| *m == mark);
            closer.is_some_and(|(token, _)| allowed(*token))
        };
        // Names of fields and the values of enumerations are the schema's own. Inside a character
        // the grammar allows neither, so what holds at the beginning holds to the end.
        if self.place.content.is_empty() {
            self.in_free_string = closer(b'}') && closer(b']');
        }
        if !self.in_free_string {
            return None;
        }
        let trie = self.env.tok_trie();
        let ends = source.ends_of(&self.place.content);
        let mut copies: BTreeSet<TokenId> = ends
            .iter()
            .flat_map(|end| trie.all_prefixes(source.from(*end, trie.max_token_len())))
            .filter(|token| allowed(*token))
            .collect();
        if self.place.content.is_empty() || ends.iter().any(|end| source.is_word_end(*end)) {
            copies.extend(self.tokens.enders.iter().filter(|t| allowed(**t)));
        }
        (!copies.is_empty()).then_some(copies)
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
        match self.copies(&|token| mask.is_allowed(token)) {
            Some(copies) => logits.retain(|token| copies.contains(&token)),
            None => logits.retain(|token| mask.is_allowed(token)),
        }
        // 1e999 and numbers of a thousand digits are JSON, but no parser's number.
        let mut exclude = |tokens: &[TokenId]| tokens.iter().for_each(|t| logits.exclude(*t));
        if !self.place.in_string {
            exclude(&self.tokens.powers);
            if self.source.is_some() {
                exclude(&self.tokens.openers);
            }
        } else if self.source.is_some() {
            exclude(&self.tokens.reopeners);
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
