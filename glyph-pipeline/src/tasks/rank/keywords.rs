//! Exact words and phrases.

use super::super::lines::ReadLine;
use super::super::terms::{Stream, Token, allowed_edits, fold, stem, tokenize, within_edits};

/// What a misread hit scores; an exact one scores 1.
const FUZZY: f32 = 0.5;
/// What another form of the same word scores.
const INFLECTED: f32 = 0.8;

enum Part {
    Word { text: String, fits: Vec<f32> },
    Han(char),
}

/// Scores every line by the keywords that it holds: 1 for each keyword or
/// phrase found as written (letter case aside), 0.8 for another form of the
/// word, 0.5 when characters differ as in a misreading, 0 when there is none.
///
/// A phrase may run over a line's end; it then counts for every line it lies
/// on.
#[must_use]
pub fn rank_keywords<S: AsRef<str>>(keywords: &[S], lines: &[ReadLine]) -> Vec<f32> {
    let stream = Stream::of_lines(lines);
    let mut line_of = Vec::with_capacity(stream.len());
    for line in 0..stream.line_count() {
        line_of.resize(stream.starts[line + 1] as usize, line);
    }
    let mut scores = vec![0.0; lines.len()];
    for keyword in keywords {
        let parts = parts(keyword.as_ref(), &stream);
        if parts.is_empty() || parts.len() > stream.len() {
            continue;
        }
        let mut own = vec![0.0_f32; lines.len()];
        for at in 0..=stream.len() - parts.len() {
            let score = score_at(&parts, &stream, at);
            if score > 0.0 {
                for &line in &line_of[at..at + parts.len()] {
                    own[line] = own[line].max(score);
                }
            }
        }
        for (sum, score) in scores.iter_mut().zip(own) {
            *sum += score;
        }
    }
    scores
}

fn parts(keyword: &str, stream: &Stream) -> Vec<Part> {
    let mut parts = Vec::new();
    tokenize(keyword, |token, _| {
        parts.push(match token {
            Token::Han(c) => Part::Han(c),
            Token::Word(word) => {
                let text = fold(word);
                let fits = stream.words.iter().map(|w| fit(&text, w)).collect();
                Part::Word { text, fits }
            }
        });
    });
    parts
}

fn fit(keyword: &str, word: &str) -> f32 {
    if keyword == word {
        return 1.0;
    }
    if stem(keyword) == stem(word) {
        return INFLECTED;
    }
    if keyword.len().abs_diff(word.len()) > 4 {
        return 0.0;
    }
    let spelled: Vec<char> = keyword.chars().collect();
    let limit = allowed_edits(spelled.len());
    if limit > 0 && within_edits(&spelled, &word.chars().collect::<Vec<_>>(), limit) {
        FUZZY
    } else {
        0.0
    }
}

fn score_at(parts: &[Part], stream: &Stream, at: usize) -> f32 {
    let mut score = 1.0_f32;
    let (mut wrong, mut right) = (0, 0);
    for (offset, part) in parts.iter().enumerate() {
        match (part, stream.token(at + offset)) {
            (Part::Word { fits, .. }, Some(Ok(word))) if fits[word as usize] > 0.0 => {
                score = score.min(fits[word as usize]);
                right += 1;
            }
            (Part::Han(c), Some(Err(read))) if *c == read => right += 1,
            // A misread ideograph, or a short word whose neighbours fit.
            (Part::Han(_), Some(Err(_))) => wrong += 1,
            (Part::Word { text, .. }, Some(Ok(_))) if text.len() <= 4 => wrong += 1,
            _ => return 0.0,
        }
        if wrong > 1 {
            return 0.0;
        }
    }
    match wrong {
        0 => score,
        _ if right >= 2 => score.min(FUZZY),
        _ => 0.0,
    }
}
