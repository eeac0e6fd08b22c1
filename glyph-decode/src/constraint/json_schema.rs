//! JSON that follows a JSON schema, by the crate `llguidance`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
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
    /// Tokens that go on with a number, each with how many characters of it they begin with.
    digits: BTreeMap<TokenId, usize>,
    /// Tokens that begin with the letter of an exponent.
    exponents: Vec<TokenId>,
    /// Tokens that hold a digit and the letter of an exponent after it, or too long a number.
    powers: Vec<TokenId>,
    /// Tokens that, outside a string, open one and go on with what it holds.
    openers: Vec<TokenId>,
    /// Tokens that, inside a string, end it and go on with what the next one holds.
    reopeners: Vec<TokenId>,
    /// Tokens that end a string and do not begin another one.
    enders: Vec<TokenId>,
    /// Tokens of the same bytes, under each of them: a vocabulary with byte fallback has a byte
    /// `A` besides the letter.
    twins: BTreeMap<TokenId, Vec<TokenId>>,
}

/// Characters that a number may have. JSON knows no limit, but an integer of more digits has no
/// room in 64 bits, and a floating-point number does not tell more of them apart.
const MAX_DIGITS: usize = 18;

impl Tokens {
    /// Whether one of the allowed tokens is this mark alone.
    fn may_close(&self, mark: u8, allowed: &dyn Fn(TokenId) -> bool) -> bool {
        let mut closers = self.closers.iter();
        closers.any(|(token, m)| *m == mark && allowed(*token))
    }
}

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
        let mut by_bytes: HashMap<Vec<u8>, Vec<TokenId>> = HashMap::new();
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
            let run = place::number_length(&bytes);
            if run > 0 && bytes[0] != b'-' {
                tokens.digits.insert(token, run);
            }
            if bytes.first().is_some_and(e) {
                tokens.exponents.push(token);
            }
            let too_long = (0..bytes.len()).any(|i| place::number_length(&bytes[i..]) > MAX_DIGITS);
            if too_long || bytes.windows(2).any(|w| digit(&w[0]) && e(&w[1])) {
                tokens.powers.push(token);
            }
            let bytes = bytes.into_owned();
            if !bytes.is_empty() {
                by_bytes.entry(bytes.clone()).or_default().push(token);
            }
            words.push(bytes);
        }
        for twins in by_bytes.into_values().filter(|t| t.len() > 1) {
            tokens
                .twins
                .extend(twins.iter().map(|t| (*t, twins.clone())));
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
        let closer = |mark: u8| self.tokens.may_close(mark, allowed);
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
            .flat_map(|token| match self.tokens.twins.get(&token) {
                Some(twins) => twins.clone(),
                None => vec![token],
            })
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
        // A model may have more logits than its tokenizer has tokens: many pad the vocabulary.
        let allowed = |token: TokenId| (token as usize) < mask.len() && mask.is_allowed(token);
        if self.hurried {
            let closes = |mark: u8| self.tokens.may_close(mark, &allowed);
            // Only inside a string can both come next. Its end, else that of the object or list
            // with the fewest items; else the next item.
            let order = if closes(b'}') && closes(b']') {
                *b"\"}],"
            } else {
                *b"}]\","
            };
            let best = order.into_iter().find(|mark| closes(*mark));
            let ends = self.matcher.is_accepting().unwrap_or(false);
            if let (Some(mark), false) = (best, ends) {
                let closers = &self.tokens.closers;
                logits.retain(|t| allowed(t) && closers.contains(&(t, mark)));
                return Ok(());
            }
        }
        match self.copies(&allowed) {
            Some(copies) => logits.retain(|token| copies.contains(&token)),
            None => logits.retain(allowed),
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
            let room = MAX_DIGITS.saturating_sub(self.place.number);
            let too_long =
                |token: &TokenId| self.tokens.digits.get(token).is_some_and(|n| *n > room);
            let (long, other): (Vec<_>, Vec<_>) =
                logits.iter().map(|(token, _)| token).partition(too_long);
            // The schema itself may ask for a longer number.
            if !other.is_empty() {
                long.iter().for_each(|token| logits.exclude(*token));
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
