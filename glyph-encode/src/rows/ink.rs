//! Where ink lies on a page that is not in the built-in style, and the lines of text it makes.

use glyph_render::{BBox, Page};

use super::line::TextLine;

/// Ink, 0 to 255, that counts when lines are looked for.
const SEEN: u8 = 56;
/// Lines lower than this many pixels are rules, not text.
const LOWEST: usize = 4;

/// How much darker than its background (lighter, on a dark page) each pixel is.
struct Ink {
    width: usize,
    ink: Vec<u8>,
    /// Share of the pixels that stand alone: noise.
    specks: f64,
    /// Ink that is seen and does not stand alone.
    seen: Vec<bool>,
}

impl Ink {
    fn of(page: &Page) -> Self {
        let (width, height) = (page.width as usize, page.height as usize);
        let mut histogram = [0usize; 256];
        for &p in &page.pixels {
            histogram[usize::from(p)] += 1;
        }
        // Neighbouring greys count together, so that noise on the background does not split it.
        let around = |i: usize| -> usize {
            histogram[i.saturating_sub(2)..=(i + 2).min(255)]
                .iter()
                .sum()
        };
        let background = (0..256).max_by_key(|&i| around(i)).unwrap_or(255);
        let darker: usize = histogram[..background.saturating_sub(40)].iter().sum();
        let lighter: usize = histogram.iter().skip(background + 41).sum();
        let background = background as i32;
        let sign = if lighter > darker { 1 } else { -1 };
        let ink: Vec<u8> = page
            .pixels
            .iter()
            .map(|&p| (sign * (i32::from(p) - background)).clamp(0, 255) as u8)
            .collect();
        // The scale of ink: what the darkest hundredth of the inked pixels has.
        let mut inked = [0usize; 256];
        for &i in &ink {
            inked[usize::from(i)] += 1;
        }
        let total: usize = inked[24..].iter().sum();
        let mut left = total / 100;
        let full = (24..256usize)
            .rev()
            .find(|&i| {
                let enough = inked[i] > left;
                left = left.saturating_sub(inked[i]);
                enough
            })
            .unwrap_or(255)
            .max(64) as u32;
        let ink: Vec<u8> = ink
            .iter()
            .map(|&i| (u32::from(i) * 255 / full).min(255) as u8)
            .collect();
        let mut seen: Vec<bool> = ink.iter().map(|&i| i >= SEEN).collect();
        let all = seen.clone();
        let mut specks = 0;
        for y in 0..height {
            for x in 0..width {
                if !all[y * width + x] {
                    continue;
                }
                let rows = y.saturating_sub(1)..(y + 2).min(height);
                let alone = rows
                    .flat_map(|v| (x.saturating_sub(1)..(x + 2).min(width)).map(move |u| (u, v)))
                    .filter(|&(u, v)| all[v * width + u])
                    .count()
                    == 1;
                if alone {
                    specks += 1;
                    seen[y * width + x] = false;
                }
            }
        }
        let specks = specks as f64 / (width * height).max(1) as f64;
        if specks < 0.002 {
            seen = all;
        }
        Self {
            width,
            ink,
            specks,
            seen,
        }
    }

    /// Pixels of a row between two columns that have to be seen before noise is ruled out.
    fn least(&self, pixels: usize) -> usize {
        if self.specks < 0.002 {
            1
        } else {
            2 + (pixels as f64 * self.specks * self.specks * 16.0) as usize
        }
    }
}

/// A run of rows with ink.
#[derive(Clone, Copy)]
struct Band {
    top: usize,
    bottom: usize,
}

impl Band {
    fn height(self) -> usize {
        self.bottom - self.top
    }
}

/// The lines of text of a page in any style, from top to bottom: runs of rows with ink. Dark pages
/// are turned to light ones.
pub fn text_lines(page: &Page) -> Vec<TextLine> {
    let (width, height) = (page.width as usize, page.height as usize);
    if width == 0 || height == 0 || page.pixels.len() != width * height {
        return Vec::new();
    }
    let ink = Ink::of(page);
    let mut lines = Vec::new();
    block(&ink, (0, width), (0, height), 0, &mut lines);
    lines
}

/// The lines of a block: its columns one after the other, where a wide gap runs through it.
fn block(ink: &Ink, xs: (usize, usize), ys: (usize, usize), depth: usize, out: &mut Vec<TextLine>) {
    let bands = bands(ink, xs, ys);
    if bands.is_empty() {
        return;
    }
    let typical = typical(&bands);
    if depth < 3
        && let Some(parts) = columns(ink, xs, ys, typical)
    {
        for part in parts {
            block(ink, part, ys, depth + 1, out);
        }
        return;
    }
    for band in bands {
        out.extend(line(ink, xs, band));
    }
}

/// The height of most lines, in pixels.
fn typical(bands: &[Band]) -> usize {
    let mut heights: Vec<usize> = bands
        .iter()
        .map(|b| b.height())
        .filter(|&h| h >= LOWEST)
        .collect();
    heights.sort_unstable();
    heights.get(heights.len() / 2).copied().unwrap_or(LOWEST)
}

/// Runs of rows with ink; what is far lower than the others (dots, accents, strokes below) joins its
/// neighbour, what is far higher is cut where it has least ink.
fn bands(ink: &Ink, xs: (usize, usize), ys: (usize, usize)) -> Vec<Band> {
    let least = ink.least(xs.1 - xs.0);
    let count = |y: usize| {
        ink.seen[y * ink.width + xs.0..y * ink.width + xs.1]
            .iter()
            .filter(|s| **s)
            .count()
    };
    let counts: Vec<usize> = (ys.0..ys.1).map(count).collect();
    let mut raw: Vec<Band> = Vec::new();
    for (i, _) in counts.iter().enumerate().filter(|(_, n)| **n >= least) {
        let y = ys.0 + i;
        match raw.last_mut() {
            Some(band) if band.bottom == y => band.bottom = y + 1,
            _ => raw.push(Band {
                top: y,
                bottom: y + 1,
            }),
        }
    }
    let high = typical(&raw);
    let mut joined: Vec<Band> = Vec::new();
    for band in raw {
        if let Some(last) = joined.last_mut() {
            let gap = band.top - last.bottom;
            let small = band.height().min(last.height());
            let whole = band.bottom - last.top;
            if 5 * small <= 2 * high
                && 4 * gap <= high.max(4)
                && 10 * whole <= 15 * high.max(LOWEST)
            {
                last.bottom = band.bottom;
                continue;
            }
        }
        joined.push(band);
    }
    let high = typical(&joined);
    let mut out = Vec::new();
    for band in joined {
        split(band, high, &|y| counts[y - ys.0], &mut out);
    }
    out
}

fn split(band: Band, high: usize, count: &impl Fn(usize) -> usize, out: &mut Vec<Band>) {
    if 10 * band.height() < 17 * high {
        out.push(band);
        return;
    }
    let from = band.top + high * 3 / 5;
    let to = (band.top + high * 7 / 5).min(band.bottom - LOWEST.min(band.height() / 2));
    let most = (band.top..band.bottom).map(count).max().unwrap_or(0);
    match (from..to).min_by_key(|&y| count(y)) {
        Some(at) if 4 * count(at) < most => {
            out.push(Band {
                top: band.top,
                bottom: at,
            });
            split(
                Band {
                    top: at,
                    bottom: band.bottom,
                },
                high,
                count,
                out,
            );
        }
        // A picture, or a letter as large as that.
        _ => out.push(band),
    }
}

/// Parts a block at gaps without ink that run through all its lines.
fn columns(
    ink: &Ink,
    xs: (usize, usize),
    ys: (usize, usize),
    typical: usize,
) -> Option<Vec<(usize, usize)>> {
    if ys.1 - ys.0 < 6 * typical {
        return None;
    }
    let least = ink.least(ys.1 - ys.0);
    let mut counts = vec![0usize; xs.1 - xs.0];
    for y in ys.0..ys.1 {
        let row = &ink.seen[y * ink.width + xs.0..y * ink.width + xs.1];
        counts
            .iter_mut()
            .zip(row)
            .for_each(|(n, seen)| *n += usize::from(*seen));
    }
    let inked: Vec<bool> = counts.iter().map(|&n| n >= least).collect();
    let first = inked.iter().position(|i| *i)?;
    let last = inked.iter().rposition(|i| *i)?;
    let mut parts = Vec::new();
    let (mut start, mut blank) = (first, 0);
    for (x, inked) in inked.iter().enumerate().take(last + 1).skip(first) {
        if *inked {
            let wide = 2 * blank >= 3 * typical.max(8);
            if wide && x - blank - start >= 10 * typical && last + 1 - x >= 10 * typical {
                parts.push((xs.0 + start, xs.0 + x - blank));
                start = x;
            }
            blank = 0;
        } else {
            blank += 1;
        }
    }
    if parts.is_empty() {
        return None;
    }
    parts.push((xs.0 + start, xs.0 + last + 1));
    Some(parts)
}

fn line(ink: &Ink, xs: (usize, usize), band: Band) -> Option<TextLine> {
    if band.height() < LOWEST {
        return None;
    }
    let least = ink.least(band.height());
    let inked = |x: &usize| {
        (band.top..band.bottom)
            .filter(|&y| ink.seen[y * ink.width + x])
            .count()
            >= least
    };
    let left = (xs.0..xs.1).find(inked)?.saturating_sub(1).max(xs.0);
    let right = ((xs.0..xs.1).rfind(inked)? + 2).min(xs.1);
    let width = right - left;
    let pixels: Vec<u8> = (band.top..band.bottom)
        .flat_map(|y| {
            ink.ink[y * ink.width + left..y * ink.width + right]
                .iter()
                .copied()
        })
        .collect();
    Some(TextLine {
        bbox: BBox {
            x: left as u32,
            y: band.top as u32,
            width: width as u32,
            height: band.height() as u32,
        },
        ink: pixels,
    })
}
