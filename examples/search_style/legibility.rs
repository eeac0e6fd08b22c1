//! How well glyphs can be told from one another, without a model.
//!
//! Every character of the text is drawn in the style, blurred over 3 x 3 px (a camera, a
//! resize, a patch embedding) and covered with noise, and takes part for the one whose clean
//! blurred glyph is nearest. The share that is told right, each character as often as the text
//! has it, is the accuracy. Glyphs of few pixels and little contrast between their shapes lose.

use std::collections::BTreeMap;

use anyhow::Result;
use glyph_pipeline::render::{
    Alignment, Banner, Document, FontSize, RenderConfig, Renderer, Style, Typesetter,
};

use super::objective::StyleObjective;
use super::search::Random;

/// Noisy copies of each glyph.
const COPIES: usize = 6;
/// The most characters that are compared: all of a Latin text, the frequent ones of a Chinese.
const MOST: usize = 500;

pub(crate) struct Legibility {
    noise: f32,
    seed: u64,
}

impl Legibility {
    pub(crate) fn new(noise: f32, seed: u64) -> Self {
        Self { noise, seed }
    }
}

/// A glyph's blurred pixels, rows of `width`.
struct Glyph {
    count: usize,
    width: usize,
    pixels: Vec<f32>,
}

impl StyleObjective for Legibility {
    fn name(&self) -> &'static str {
        "legibility"
    }

    fn accuracy(&mut self, config: &RenderConfig, text: &str) -> Result<f64> {
        let mut counts: BTreeMap<char, usize> = BTreeMap::new();
        for c in text
            .chars()
            .filter(|c| !c.is_whitespace() && !c.is_control())
        {
            *counts.entry(c).or_default() += 1;
        }
        let mut counts: Vec<(char, usize)> = counts.into_iter().collect();
        counts.sort_by_key(|(c, count)| (std::cmp::Reverse(*count), *c));
        counts.truncate(MOST);
        let glyphs = glyphs(config, &counts)?;
        let mut random = Random::new(self.seed);
        let (mut all, mut right) = (0.0, 0.0);
        for (i, glyph) in glyphs.iter().enumerate() {
            for _ in 0..COPIES {
                let noisy: Vec<f32> = (glyph.pixels.iter())
                    .map(|pixel| pixel + self.noise * random.normal())
                    .collect();
                // The width is seen too, give or take a pixel.
                let rivals = glyphs.iter().enumerate();
                let rivals = rivals.filter(|(_, rival)| rival.width.abs_diff(glyph.width) <= 1);
                let nearest = rivals.min_by(|(_, a), (_, b)| {
                    let (a, b) = (apart(&noisy, glyph.width, a), apart(&noisy, glyph.width, b));
                    a.total_cmp(&b)
                });
                all += glyph.count as f64;
                if nearest.is_some_and(|(nearest, _)| nearest == i) {
                    right += glyph.count as f64;
                }
            }
        }
        Ok(right / f64::max(all, 1.0))
    }
}

/// Squared distance of noisy pixels and a rival of almost the same width.
fn apart(noisy: &[f32], width: usize, rival: &Glyph) -> f32 {
    let shared = width.min(rival.width);
    let rows = noisy
        .chunks_exact(width)
        .zip(rival.pixels.chunks_exact(rival.width));
    let mut sum = 0.0;
    for (noisy, clean) in rows {
        let pairs = noisy[..shared].iter().zip(&clean[..shared]);
        sum += pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        // A column that only one of them has is blank in the other.
        sum += noisy[shared..].iter().map(|a| a * a).sum::<f32>();
        sum += clean[shared..].iter().map(|b| b * b).sum::<f32>();
    }
    sum
}

/// Draws each character on a line of its own and cuts it out.
fn glyphs(config: &RenderConfig, counts: &[(char, usize)]) -> Result<Vec<Glyph>> {
    let mut config = config.clone();
    config.invertible = false;
    if let Style::Flow(style) = &mut config.style {
        style.alignment = Alignment::Left;
        style.font_size = FontSize::Points(style.font_size.points());
        (style.columns, style.first_line_indent) = (1, 0.0);
        (style.header, style.footer) = (Banner::default(), Banner::default());
        (style.line_numbers, style.grid, style.watermark) = (None, None, None);
        style.auto_crop_width = false;
    }
    let text: String = counts.iter().flat_map(|(c, _)| [*c, '\n']).collect();
    let pages = Typesetter::new(config)?.render(&Document::from_text(&text))?;
    let lines = pages
        .iter()
        .flat_map(|page| page.lines.iter().map(move |line| (page, line)));
    let mut glyphs = Vec::with_capacity(counts.len());
    for ((page, line), (_, count)) in lines.zip(counts) {
        let bbox = line.bbox;
        let background = f32::from(page.pixels[0]);
        let at = |x: i64, y: i64| {
            let inside =
                (0..i64::from(bbox.width)).contains(&x) && (0..i64::from(bbox.height)).contains(&y);
            match inside {
                true => {
                    let row = (i64::from(bbox.y) + y) as usize * page.width as usize;
                    f32::from(page.pixels[row + bbox.x as usize + x as usize]) - background
                }
                false => 0.0,
            }
        };
        let width = (bbox.width as usize).max(1);
        let pixels = (0..i64::from(bbox.height))
            .flat_map(|y| (0..width as i64).map(move |x| (x, y)))
            .map(|(x, y)| {
                let around = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy)));
                around.map(|(dx, dy)| at(x + dx, y + dy)).sum::<f32>() / 9.0
            })
            .collect();
        glyphs.push(Glyph {
            count: *count,
            width,
            pixels,
        });
    }
    Ok(glyphs)
}
