//! The text that samples are drawn from: a corpus where there is one, and random strings that no
//! language model could guess, so that the reader must look.

use std::path::Path;

use glyph_decode::Charset;
use glyph_render::half_cells;
use rand::Rng;
use rand::seq::IndexedRandom;

use crate::AlignError;

/// Plain text to cut training lines from.
#[derive(Debug, Default, Clone)]
pub struct Corpus {
    lines: Vec<String>,
    /// Where the texts that were added end, and the share of passages that begin in them or before.
    texts: Vec<(usize, f64)>,
}

impl Corpus {
    /// Reads every `.txt` file (UTF-8) of a folder, or one file.
    ///
    /// # Errors
    /// If nothing can be read or no line holds text.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, AlignError> {
        let path = path.as_ref();
        let fail = |source| AlignError::Read {
            path: path.to_owned(),
            source,
        };
        let mut files = vec![path.to_owned()];
        if path.is_dir() {
            files = std::fs::read_dir(path)
                .and_then(|dir| {
                    dir.map(|entry| entry.map(|e| e.path()))
                        .collect::<Result<Vec<_>, _>>()
                })
                .map_err(fail)?;
            files.retain(|f| f.extension().is_some_and(|e| e == "txt"));
            files.sort();
        }
        let mut corpus = Self::default();
        for file in files {
            corpus.push_text(&std::fs::read_to_string(file).map_err(fail)?);
        }
        if corpus.lines.is_empty() {
            return Err(AlignError::EmptyCorpus {
                path: path.to_owned(),
            });
        }
        Ok(corpus)
    }

    /// Adds a text. Passages come from texts by the square roots of their numbers of lines, so that
    /// languages of which there is little are read often enough.
    pub fn push_text(&mut self, text: &str) {
        let before = self.lines.len();
        self.lines.extend(
            text.lines()
                .map(str::trim)
                .filter(|l| l.len() > 2)
                .map(str::to_owned),
        );
        let all = self.texts.last().map_or(0.0, |(_, share)| *share);
        let share = ((self.lines.len() - before) as f64).sqrt();
        if share > 0.0 {
            self.texts.push((self.lines.len(), all + share));
        }
    }

    /// The lines, in order.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// A run of text of at least `cells` characters, starting at a random place.
    fn passage(&self, rng: &mut impl Rng, cells: usize) -> String {
        let all = self.texts.last().map_or(0.0, |(_, share)| *share);
        let at = rng.random::<f64>() * all;
        let text = self.texts.partition_point(|(_, share)| *share <= at);
        let text = text.min(self.texts.len() - 1);
        let from = text.checked_sub(1).map_or(0, |t| self.texts[t].0);
        let mut i = rng.random_range(from..self.texts[text].0);
        let first = &self.lines[i];
        let skip = rng.random_range(0..first.chars().count().max(1));
        let mut out: String = first.chars().skip(skip).collect();
        while out.chars().count() < cells {
            i = (i + 1) % self.lines.len();
            if !out.ends_with(|c: char| c > '\u{2e80}') {
                out.push(' ');
            }
            out.push_str(&self.lines[i]);
        }
        out
    }
}

/// Draws lines of text of every kind the reader should read.
#[derive(Debug)]
pub struct TextSource {
    corpus: Option<Corpus>,
    strangers: f64,
    han: Vec<char>,
    frequent: Vec<char>,
    others: Vec<char>,
    /// Half-width characters beyond ASCII: letters, signs, typographic punctuation.
    beyond_ascii: Vec<char>,
    /// The frequent ones of these.
    frequent_beyond_ascii: Vec<char>,
    /// Full-width ones that are not Han.
    wide: Vec<char>,
}

impl TextSource {
    /// Uses `corpus` for natural text; without one, random words stand in for it.
    pub fn new(corpus: Option<Corpus>) -> Self {
        let all: Vec<char> = Charset::builtin().chars().collect();
        let is_han = |c: &char| ('\u{4e00}'..='\u{9fff}').contains(c);
        Self {
            corpus,
            strangers: 0.0,
            han: all.iter().copied().filter(is_han).collect(),
            frequent: all
                .iter()
                .copied()
                .take(Charset::builtin().head_classes() - 4)
                .collect(),
            others: all
                .iter()
                .copied()
                .filter(|c| !is_han(c) && !c.is_ascii())
                .collect(),
            beyond_ascii: all
                .iter()
                .copied()
                .filter(|&c| !c.is_ascii() && half_cells(c) == 1)
                .collect(),
            frequent_beyond_ascii: all[..Charset::builtin().head_classes() - 4]
                .iter()
                .copied()
                .filter(|&c| !c.is_ascii() && half_cells(c) == 1)
                .collect(),
            wide: all
                .iter()
                .copied()
                .filter(|c| !is_han(c) && half_cells(*c) == 2)
                .collect(),
        }
    }

    /// In this share of the natural passages, exchanges some characters for random ones of the same
    /// width.
    #[must_use]
    pub fn with_strangers(mut self, share: f64) -> Self {
        self.strangers = share;
        self
    }

    /// One line of up to about 96 half-width cells.
    pub fn line(&self, rng: &mut impl Rng) -> String {
        let indent = if rng.random_bool(0.3) {
            rng.random_range(0..9)
        } else {
            0
        };
        let cells = if rng.random_bool(0.7) {
            96
        } else {
            rng.random_range(4..96)
        };
        let body = match rng.random_range(0..100) {
            0..=44 => {
                let text = match &self.corpus {
                    Some(corpus) if rng.random_bool(0.78) => corpus.passage(rng, cells),
                    _ => self.words(rng, cells),
                };
                if self.strangers > 0.0 && rng.random_bool(self.strangers) {
                    self.exchange(rng, &text)
                } else {
                    text
                }
            }
            45..=56 => run(
                rng,
                cells,
                |rng| char::from(rng.random_range(0x21..0x7fu8)),
                0.12,
            ),
            57..=64 => self.identifiers(rng, cells),
            65..=82 => run(rng, cells, |rng| pick(&self.han, rng), 0.0),
            83..=93 => self.mixed(rng, cells),
            94..=96 => run(rng, cells, |rng| pick(&self.frequent, rng), 0.1),
            _ => run(rng, cells, |rng| pick(&self.others, rng), 0.1),
        };
        let body: String = body.chars().take(cells).collect();
        format!("{}{}", " ".repeat(indent), body)
    }

    /// The text with some of its characters exchanged for random ones: rare characters amid
    /// plausible words, where a reader that guesses from what surrounds them goes wrong. Some
    /// passages have a stranger in every line, others in every word.
    fn exchange(&self, rng: &mut impl Rng, text: &str) -> String {
        let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
        let share = *[0.02, 0.06, 0.15, 0.3].choose(rng).unwrap_or(&0.06);
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            if c.is_whitespace() || !rng.random_bool(share) {
                out.push(c);
            } else if is_han(c) {
                let wide = rng.random_bool(0.2);
                out.push(pick(if wide { &self.wide } else { &self.han }, rng));
            } else if half_cells(c) == 2 {
                out.push(pick(&self.wide, rng));
            } else if rng.random_bool(0.4) {
                out.push(pick(&self.frequent_beyond_ascii, rng));
            } else if rng.random_bool(0.6) {
                out.push(pick(&self.beyond_ascii, rng));
            } else {
                out.push(char::from(rng.random_range(0x21..0x7fu8)));
            }
        }
        out
    }

    /// Random words in one alphabet, as texts have them: a letter that looks alike in two alphabets
    /// is told by its neighbours.
    fn words(&self, rng: &mut impl Rng, cells: usize) -> String {
        let letters = match rng.random_range(0..10) {
            0 => CYRILLIC,
            1 => GREEK,
            _ => LATIN,
        };
        let letters: Vec<char> = letters.chars().collect();
        let mut out = String::new();
        let mut n = 0;
        while n < cells {
            let len = rng.random_range(1..12);
            let style = rng.random_range(0..12);
            for i in 0..len {
                let c = if style == 0 {
                    char::from(rng.random_range(b'0'..=b'9'))
                } else {
                    pick(&letters, rng)
                };
                let upper = style == 1 || (style == 2 && i == 0);
                let upper = Some(c.to_uppercase()).filter(|u| upper && u.len() == 1);
                out.push(upper.and_then(|mut u| u.next()).unwrap_or(c));
            }
            if rng.random_bool(0.15) {
                out.push(*b",.;:!?)'\"-/".choose(rng).unwrap_or(&b',') as char);
            }
            out.push(' ');
            n += len + 1;
        }
        out
    }

    fn identifiers(&self, rng: &mut impl Rng, cells: usize) -> String {
        const HEX: &[u8] = b"0123456789abcdef";
        const BASE64: &[u8] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-.";
        const CODE: &[u8] =
            b"(){}[]<>=+-*/%&|!~^;:,._#@$\\\"'`?0123456789abcdefghijklmnopqrstuvwxyz ";
        let mut out = String::new();
        while out.len() < cells {
            let (set, len) = match rng.random_range(0..5) {
                0 => (HEX, rng.random_range(4..40)),
                1 => (BASE64, rng.random_range(8..60)),
                2 => (&HEX[..10], rng.random_range(1..14)),
                3 => (CODE, rng.random_range(8..60)),
                _ => {
                    for n in [8, 4, 4, 4, 12] {
                        (0..n)
                            .for_each(|_| out.push(char::from(*HEX.choose(rng).unwrap_or(&b'0'))));
                        out.push('-');
                    }
                    out.pop();
                    out.push(' ');
                    continue;
                }
            };
            (0..len).for_each(|_| out.push(char::from(*set.choose(rng).unwrap_or(&b'0'))));
            out.push(' ');
        }
        out
    }

    /// Runs of Han and Latin of random lengths, so that full-width characters start at odd cells.
    fn mixed(&self, rng: &mut impl Rng, cells: usize) -> String {
        let mut out = String::new();
        let mut n = 0;
        while n < cells {
            let len = rng.random_range(1..8);
            match rng.random_range(0..5) {
                0 | 1 => (0..len).for_each(|_| out.push(pick(&self.han, rng))),
                2 => (0..len).for_each(|_| out.push(char::from(rng.random_range(0x21..0x7fu8)))),
                3 => (0..len).for_each(|_| out.push(char::from(letter(rng)))),
                _ => out.push(if rng.random() {
                    ' '
                } else {
                    pick(&self.others, rng)
                }),
            }
            n += len;
        }
        out
    }
}

fn pick(set: &[char], rng: &mut impl Rng) -> char {
    set.choose(rng).copied().unwrap_or(' ')
}

/// Letters of alphabets by their frequency.
const LATIN: &str = "eeeeeetttttaaaaoooiiinnnssshhhrrrdddllccuummwwffggyyppbbvkjxqz";
const CYRILLIC: &str =
    "ооооооеееееаааааиииииннннтттсссррввввлллккммддппууяяыыььггззббччйхжшюцщэфъёіїєґўђјљњћџѓќѕ";
const GREEK: &str = "αααααιιιιοοοοεεετττσσσννηηυυυρρππκκμμλλςςςωωγδχθφβξζψάάέέήήίίόόύύώώϊϋΐΰ";

/// A lower-case letter by its frequency in English.
fn letter(rng: &mut impl Rng) -> u8 {
    *LATIN.as_bytes().choose(rng).unwrap_or(&b'e')
}

fn run<R: Rng>(
    rng: &mut R,
    cells: usize,
    mut next: impl FnMut(&mut R) -> char,
    space: f64,
) -> String {
    (0..cells)
        .map(|_| {
            if space > 0.0 && rng.random_bool(space) {
                ' '
            } else {
                next(rng)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn texts_of_few_lines_are_read_more_often_than_their_share() {
        let mut corpus = Corpus::default();
        corpus.push_text(&"common\n".repeat(10_000));
        corpus.push_text("");
        corpus.push_text(&"seldom\n".repeat(100));
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let seldom = (0..2000)
            .filter(|_| corpus.passage(&mut rng, 40).ends_with("seldom"))
            .count();
        // One of eleven, as the roots of 100 and 10,000.
        assert!((120..=260).contains(&seldom), "{seldom}");
    }

    #[test]
    fn strangers_stand_amid_words_and_keep_every_width() {
        let source = TextSource::new(None);
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let text = "The lamp is lit at dusk and put out at dawn, 一行文字，写在这里。".repeat(40);
        let planted = source.exchange(&mut rng, &text);
        let widths = |s: &str| s.chars().map(half_cells).collect::<Vec<_>>();
        assert_eq!(widths(&planted), widths(&text));
        // In words of ASCII, beside Han, and spaces stay.
        let strangers: Vec<char> = (text.chars().zip(planted.chars()))
            .filter(|(before, after)| before != after)
            .map(|(before, after)| {
                assert!(!before.is_whitespace());
                after
            })
            .collect();
        let share = strangers.len() as f64 / text.chars().count() as f64;
        assert!((0.01..0.4).contains(&share), "{share}");
        for kind in [
            |c: char| ('\u{a1}'..='\u{ff}').contains(&c),
            |c: char| c > '\u{ff}' && half_cells(c) == 1,
            |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c),
        ] {
            assert!(strangers.iter().copied().any(kind), "{strangers:?}");
        }
    }
}
