//! Rows whose content is known cell by cell, to measure what the built-in reader makes of them.

use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result};
use burn::tensor::Device;
use glyph_align::{Corpus, DrawnLine, Fonts, Sample, TextSource};
use glyph_decode::{BuiltinReadout, CalibrationTable, Cell, LineReading, Readout};
use glyph_encode::builtin::{PATCH_SIZE, ROW_WIDTH};
use glyph_encode::{BuiltinEncoder, Detail, EncoderInput, VisionEncoder};
use glyph_render::{CellLayout, Page, RenderConfig, Typesetter, half_cells};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// A row and where its text is from.
#[derive(Debug, Clone)]
pub struct KnownRow {
    /// Pixels and cells.
    pub sample: Sample,
    /// Cut from a text, not random.
    pub natural: bool,
    /// Moved by a pixel, noisy, or through JPEG.
    pub worn: bool,
}

/// A character as read.
#[derive(Debug, Clone, Copy)]
pub struct Judged {
    /// How sure the reader is.
    pub confidence: f32,
    /// Whether that character stands there.
    pub right: bool,
    /// Whether it is a full-width one.
    pub wide: bool,
}

/// Makes rows from a seed: half from the texts, in equal parts, half random strings (words,
/// printable ASCII, identifiers, any Han, Han between Latin); `worn` of all are worn.
///
/// # Errors
/// If the built-in style cannot be drawn.
pub fn known_rows(texts: &[Corpus], n: usize, worn: f64, seed: u64) -> Result<Vec<KnownRow>> {
    let typesetter = Typesetter::new(RenderConfig::builtin())?;
    let random = TextSource::new(None);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let rows = (0..n).map(|i| {
        let text = texts
            .get(i / 2 % texts.len().max(1))
            .filter(|_| i.is_multiple_of(2));
        let line = match text.and_then(|t| t.lines().choose(&mut rng)) {
            Some(line) => line.clone(),
            None => random.line(&mut rng),
        };
        let sample = Sample::draw(&typesetter, &line);
        let wear = rng.random_bool(worn);
        KnownRow {
            sample: if wear { sample.wear(&mut rng) } else { sample },
            natural: text.is_some(),
            worn: wear,
        }
    });
    Ok(rows.collect())
}

/// Lines of the texts in random hands ([`Fonts::draw`]), each on a page of its own.
pub fn foreign_lines(texts: &[Corpus], n: usize, seed: u64, fonts: &Fonts) -> Vec<DrawnLine> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n)
        .filter_map(|i| {
            let text = texts.get(i % texts.len().max(1))?;
            let line = text.lines().choose(&mut rng)?;
            fonts.draw(line, &mut rng)
        })
        .collect()
}

/// Puts rows on pages in the built-in style, one below the other.
pub fn pages(rows: &[KnownRow]) -> Vec<Page> {
    let layout = CellLayout::BUILTIN;
    let (width, height) = CellLayout::BUILTIN_PAGE;
    let page = |(i, rows): (usize, &[KnownRow])| {
        let mut pixels = vec![255; width as usize * height as usize];
        for (row, own) in rows.iter().enumerate() {
            for (y, line) in own.sample.pixels.chunks_exact(ROW_WIDTH).enumerate() {
                let top = layout.y0 as usize + row * PATCH_SIZE;
                let at = (top + y) * width as usize + layout.x0 as usize;
                pixels[at..at + ROW_WIDTH].copy_from_slice(line);
            }
        }
        Page {
            number: i as u32 + 1,
            width,
            height,
            pixels,
            color: None,
            lines: Vec::new(),
            layout: Some(layout),
        }
    };
    rows.chunks(layout.rows as usize)
        .enumerate()
        .map(page)
        .collect()
}

/// The built-in encoder and readout.
pub struct Reader {
    /// The encoder.
    pub encoder: BuiltinEncoder,
    /// The readout.
    pub readout: BuiltinReadout,
}

impl Reader {
    /// The embedded weights.
    ///
    /// # Errors
    /// If they do not fit.
    pub fn new(device: &Device) -> Result<Self> {
        Ok(Self {
            encoder: BuiltinEncoder::new(device)?,
            readout: BuiltinReadout::new(device)?,
        })
    }

    /// The embedded weights, or those of a folder that `train_reader` exported to, with further ratios
    /// where it has them. The calibration is the folder's `calibration.json`, or the embedded one.
    ///
    /// # Errors
    /// If a file cannot be read or does not fit.
    pub fn open(dir: Option<&Path>, device: &Device) -> Result<Self> {
        let Some(dir) = dir else {
            return Self::new(device);
        };
        let read = |name: &str| {
            let path = dir.join(name);
            std::fs::read(&path).with_context(|| path.display().to_string())
        };
        let (name, bytes) = ("encoder.safetensors", read("encoder.safetensors")?);
        let mut encoder = BuiltinEncoder::from_bytes(name, bytes, device)?;
        let (name, bytes) = ("readout.safetensors", read("readout.safetensors")?);
        let mut readout = BuiltinReadout::from_bytes(name, bytes, device)?;
        // The folder of a reader without further ratios has only the first two files.
        if dir.join("coarser.safetensors").exists() {
            let name = "coarser.safetensors";
            encoder = encoder.with_coarser(name, &read(name)?)?;
            let name = "finer.safetensors";
            readout = readout.with_finer(name, &read(name)?)?;
        }
        if dir.join("foreign.safetensors").exists() {
            let name = "foreign.safetensors";
            encoder = encoder.with_foreign(name, &read(name)?)?;
        }
        let name = "calibration.json";
        let table = match dir.join(name).exists() {
            true => CalibrationTable::from_json(name, &String::from_utf8(read(name)?)?)?,
            false => CalibrationTable::builtin()?,
        };
        let readout = readout.with_calibration(table);
        Ok(Self { encoder, readout })
    }

    /// Reads rows at one detail and judges every inked character that was read as one, row by row;
    /// what was called illegible is not among them.
    ///
    /// # Errors
    /// If a page cannot be encoded or read.
    pub fn judge(&self, rows: &[KnownRow], detail: Detail) -> Result<Vec<Vec<Judged>>> {
        let per_page = CellLayout::BUILTIN.rows as usize;
        let judged: Vec<Vec<Vec<Judged>>> = pages(rows)
            .par_iter()
            .zip(rows.par_chunks(per_page))
            .map(|(page, rows)| -> Result<_> {
                let tokens = self.encoder.encode(EncoderInput::page(page, detail))?;
                let mut judged = vec![Vec::new(); rows.len()];
                for line in self.readout.read(&tokens)? {
                    let row = line.row as usize - 1;
                    judged[row] = judge(&rows[row].sample, &line);
                }
                Ok(judged)
            })
            .collect::<Result<_>>()?;
        Ok(judged.into_iter().flatten().collect())
    }

    /// [`judge`](Self::judge) of lines in other hands, each found and cut into letters on its own
    /// page. What is right is told by the alignment of both texts with the fewest edits.
    ///
    /// # Errors
    /// If a page cannot be encoded or read.
    pub fn judge_foreign(&self, lines: &[DrawnLine], detail: Detail) -> Result<Vec<Judged>> {
        let judged: Vec<Vec<Judged>> = lines
            .par_iter()
            .map(|drawn| -> Result<_> {
                let input = EncoderInput::page(&drawn.page, detail);
                let read = self.readout.read(&self.encoder.encode(input)?)?;
                let read: Vec<(char, f32)> = read
                    .iter()
                    .flat_map(legible)
                    .map(|(c, confidence, _)| (c, confidence))
                    .collect();
                let found: Vec<char> = read.iter().map(|r| r.0).collect();
                let expected: Vec<char> = drawn.chars.iter().map(|d| d.c).collect();
                let right = matched(&found, &expected);
                let judge = |((c, confidence), right)| Judged {
                    confidence,
                    right,
                    wide: half_cells(c) == 2,
                };
                Ok(read.into_iter().zip(right).map(judge).collect())
            })
            .collect::<Result<_>>()?;
        Ok(judged.concat())
    }
}

/// Which of the characters found an alignment with the fewest edits puts on an equal one.
fn matched(found: &[char], expected: &[char]) -> Vec<bool> {
    let (n, m) = (found.len(), expected.len());
    // Edits from the ends: cost[i][j] aligns what begins at i with what begins at j.
    let mut cost = vec![vec![0usize; m + 1]; n + 1];
    for i in (0..=n).rev() {
        for j in (0..=m).rev() {
            cost[i][j] = match (i < n, j < m) {
                (true, true) => (cost[i + 1][j + 1] + usize::from(found[i] != expected[j]))
                    .min(1 + cost[i + 1][j])
                    .min(1 + cost[i][j + 1]),
                _ => (n - i) + (m - j),
            };
        }
    }
    let mut right = vec![false; n];
    let (mut i, mut j) = (0, 0);
    while i < n && j < m {
        let same = found[i] == expected[j];
        if cost[i][j] == cost[i + 1][j + 1] + usize::from(!same) {
            right[i] = same;
            (i, j) = (i + 1, j + 1);
        } else if cost[i][j] == 1 + cost[i + 1][j] {
            i += 1;
        } else {
            j += 1;
        }
    }
    right
}

/// The characters of a line that are neither blank nor illegible, how sure the reader is of each,
/// and which columns of the page it takes.
fn legible(line: &LineReading) -> impl Iterator<Item = (char, f32, &Range<u32>)> {
    let characters = line.text.chars().zip(&line.confidences).zip(&line.columns);
    characters
        .filter(|((c, _), _)| !matches!(*c, ' ' | char::REPLACEMENT_CHARACTER))
        .map(|((c, &confidence), columns)| (c, confidence, columns))
}

fn judge(sample: &Sample, line: &LineReading) -> Vec<Judged> {
    let layout = CellLayout::BUILTIN;
    legible(line)
        .map(|(c, confidence, columns)| {
            let cell = (columns.start - layout.x0) / layout.cell_width;
            Judged {
                confidence,
                right: sample.cells[cell as usize] == Cell::Char(c),
                wide: half_cells(c) == 2,
            }
        })
        .collect()
}

/// Characters that stand in a row.
pub fn inked(sample: &Sample) -> usize {
    let inked = |c: &&Cell| matches!(c, Cell::Char(_));
    sample.cells.iter().filter(inked).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_or_exchanged_is_not_right() {
        let right = |found: &str, expected: &str| -> String {
            let chars = |s: &str| s.chars().collect::<Vec<_>>();
            let right = matched(&chars(found), &chars(expected));
            right
                .into_iter()
                .map(|r| if r { '+' } else { '-' })
                .collect()
        };
        assert_eq!(right("rnodern", "modern"), "--+++++");
        assert_eq!(right("modern", "rnodern"), "-+++++");
        assert_eq!(right("tlme", "time"), "+-++");
        assert_eq!(right("me", "time"), "++");
        assert_eq!(right("abc", ""), "---");
    }
}
