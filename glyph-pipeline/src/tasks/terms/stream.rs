//! The tokens of many lines, and where the terms of a question occur.

use super::super::lines::ReadLine;
use super::super::text::is_word_char;
use super::fuzzy::allowed_edits;
use super::{Kind, Query, Token, fold, stem, tokenize, within_edits};
use std::collections::HashMap;

/// What another form of a word counts for.
const STEMMED: f32 = 0.95;
/// Set on a token that is an ideograph rather than the number of a word.
const HAN: u32 = 1 << 31;

/// Interned tokens of lines.
pub(crate) struct Stream {
    /// Folded words by number.
    pub(crate) words: Vec<String>,
    /// How often each word occurs.
    pub(crate) counts: Vec<u32>,
    tokens: Vec<u32>,
    /// Where each line's tokens begin; one more than there are lines.
    pub(crate) starts: Vec<u32>,
}

impl Stream {
    /// Interns the tokens of texts, one line each.
    pub(crate) fn of_texts<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut builder = Builder::default();
        for text in texts {
            builder.begin_line();
            builder.push_text(text);
        }
        builder.finish()
    }

    /// Interns the tokens of lines; a word continued on the next line counts
    /// as one word of the line that it begins on.
    pub(crate) fn of_lines(lines: &[ReadLine]) -> Self {
        let mut builder = Builder::default();
        let mut skip = 0;
        for (index, line) in lines.iter().enumerate() {
            builder.begin_line();
            let text = line.text.get(skip..).unwrap_or_default();
            skip = 0;
            let next = lines.get(index + 1).filter(|next| {
                line.continues
                    && text.ends_with(is_word_char)
                    && (next.page == line.page && next.line == line.line + 1
                        || next.page == line.page + 1)
            });
            let rest = next.map_or("", |next| {
                let word = next.text.split(|c| !is_word_char(c)).next();
                word.unwrap_or_default()
            });
            if rest.is_empty() {
                builder.push_text(text);
            } else {
                skip = rest.len();
                builder.push_text(&format!("{text}{rest}"));
            }
        }
        builder.finish()
    }

    /// The token at a position: the number of a word, or an ideograph.
    pub(crate) fn token(&self, at: usize) -> Option<Result<u32, char>> {
        let token = *self.tokens.get(at)?;
        Some(if token & HAN == 0 {
            Ok(token)
        } else {
            Err(char::from_u32(token & !HAN).unwrap_or(char::REPLACEMENT_CHARACTER))
        })
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// How many lines there are.
    pub(crate) fn line_count(&self) -> usize {
        self.starts.len() - 1
    }
}

#[derive(Default)]
struct Builder {
    numbers: HashMap<String, u32>,
    /// Spellings seen, so that most words are neither folded nor allocated.
    spellings: HashMap<String, u32>,
    counts: Vec<u32>,
    tokens: Vec<u32>,
    starts: Vec<u32>,
}

impl Builder {
    fn begin_line(&mut self) {
        self.starts.push(self.tokens.len() as u32);
    }

    fn push_text(&mut self, text: &str) {
        tokenize(text, |token, _| match token {
            Token::Han(c) => self.tokens.push(u32::from(c) | HAN),
            Token::Word(word) => {
                let id = self.spellings.get(word).copied().unwrap_or_else(|| {
                    let next = self.numbers.len() as u32;
                    let id = *self.numbers.entry(fold(word)).or_insert(next);
                    self.spellings.insert(word.to_owned(), id);
                    id
                });
                if id as usize == self.counts.len() {
                    self.counts.push(0);
                }
                self.counts[id as usize] += 1;
                self.tokens.push(id);
            }
        });
    }

    fn finish(mut self) -> Stream {
        self.begin_line();
        let mut words = vec![String::new(); self.numbers.len()];
        for (word, id) in self.numbers {
            words[id as usize] = word;
        }
        Stream {
            words,
            counts: self.counts,
            tokens: self.tokens,
            starts: self.starts,
        }
    }
}

/// One occurrence of a term.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hit {
    /// Index of the line.
    pub(crate) line: usize,
    /// Position of the token in the stream.
    pub(crate) at: usize,
    /// Index of the term.
    pub(crate) term: usize,
    /// 1 for an exact match, less for a fuzzy one.
    pub(crate) weight: f32,
}

/// Every occurrence of the query's terms, in order of position.
pub(crate) fn hits(query: &Query, stream: &Stream) -> Vec<Hit> {
    let words = word_matches(query, stream);
    let mut bigrams: HashMap<(char, char), usize> = HashMap::new();
    let mut unigrams: HashMap<char, usize> = HashMap::new();
    for (id, term) in query.terms.iter().enumerate() {
        match term.kind {
            Kind::Word => {}
            Kind::Bigram(a, b) => drop(bigrams.insert((a, b), id)),
            Kind::Unigram(c) => drop(unigrams.insert(c, id)),
        }
    }
    let mut found = Vec::new();
    for line in 0..stream.line_count() {
        for at in stream.starts[line] as usize..stream.starts[line + 1] as usize {
            let mut push = |term: usize, weight: f32| {
                found.push(Hit {
                    line,
                    at,
                    term,
                    weight,
                });
            };
            match stream.token(at) {
                Some(Ok(word)) => {
                    if let Some(found) = words.get(&word) {
                        push(found.term, found.weight);
                        if let Some(second) = found.second {
                            push(second, found.weight);
                        }
                    }
                }
                Some(Err(c)) if !unigrams.is_empty() => {
                    if let Some(&term) = unigrams.get(&c) {
                        push(term, 1.0);
                        if let Some(Err(next)) = stream.token(at + 1)
                            && let Some(&term) = bigrams.get(&(c, next))
                        {
                            push(term, 1.0);
                        }
                    }
                }
                _ => {}
            }
        }
    }
    found
}

/// The term that a word stands for, and how well.
struct WordMatch {
    term: usize,
    weight: f32,
    /// The second of two terms that are one word here: "filename" for "file name".
    second: Option<usize>,
}

/// Which words of the vocabulary stand for which term.
fn word_matches(query: &Query, stream: &Stream) -> HashMap<u32, WordMatch> {
    let mut found: HashMap<u32, WordMatch> = HashMap::new();
    let terms: Vec<(usize, Vec<char>)> = query
        .terms
        .iter()
        .enumerate()
        .filter(|(_, t)| t.kind == Kind::Word)
        .map(|(id, t)| (id, t.text.chars().collect()))
        .collect();
    if terms.is_empty() {
        return found;
    }
    let in_vocabulary: Vec<bool> = terms
        .iter()
        .map(|(id, _)| stream.words.contains(&query.terms[*id].text))
        .collect();
    let compounds = compounds(query);
    let mut chars: Vec<char> = Vec::new();
    for (number, word) in stream.words.iter().enumerate() {
        let root = stem(word);
        chars.clear();
        chars.extend(word.chars());
        let mut best: Option<(usize, f32)> = None;
        for (slot, (id, spelled)) in terms.iter().enumerate() {
            let term = &query.terms[*id];
            let weight = if term.text == *word {
                1.0
            } else if term.stem == root {
                STEMMED
            } else {
                // A frequent spelling next to the exact word is another word.
                let own = in_vocabulary[slot] && stream.counts[number] > 2;
                fuzzy_weight(spelled, &chars) * if own { 0.4 } else { 1.0 }
            };
            if weight > best.map_or(0.0, |(_, w)| w) {
                best = Some((*id, weight));
            }
        }
        let compound = compounds
            .get(root)
            .filter(|_| best.is_none_or(|(_, weight)| weight < STEMMED));
        let best = match (compound, best) {
            (Some(&(first, second)), _) => Some(WordMatch {
                term: first,
                weight: STEMMED,
                second: Some(second),
            }),
            (None, Some((term, weight))) => Some(WordMatch {
                term,
                weight,
                second: None,
            }),
            (None, None) => None,
        };
        if let Some(best) = best {
            found.insert(number as u32, best);
        }
    }
    found
}

/// Stems of the words that two neighbours in the question make together.
fn compounds(query: &Query) -> HashMap<String, (usize, usize)> {
    let word = |id: usize| Some(&query.terms[id]).filter(|t| t.kind == Kind::Word);
    query
        .pairs
        .iter()
        .filter_map(|&(a, b)| {
            let together = format!("{}{}", word(a)?.text, word(b)?.text);
            Some((stem(&together).to_owned(), (a, b)))
        })
        .collect()
}

/// How well a misread word stands for a term; 0 for not at all.
fn fuzzy_weight(term: &[char], word: &[char]) -> f32 {
    let limit = allowed_edits(term.len());
    if limit > 0 {
        if within_edits(term, word, 1) {
            return 0.7;
        }
        if limit > 1 && within_edits(term, word, 2) {
            return 0.5;
        }
        // Two words run together, or a compound.
        if word.len() >= term.len() + 3 && (word.starts_with(term) || word.ends_with(term)) {
            return 0.45;
        }
    } else if term.len() == 4 && word.len() == 4 {
        let wrong = term.iter().zip(word).filter(|(a, b)| a != b).count();
        if wrong == 1 && !term.iter().any(char::is_ascii_digit) {
            return 0.3;
        }
    }
    0.0
}
