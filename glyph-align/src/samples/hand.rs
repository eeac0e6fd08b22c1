//! Lines drawn as other programs draw them: any font, size, anti-aliasing and wear, each character's
//! place known.

use std::path::Path;

use fontdue::{Font, FontSettings};
use glyph_render::{Page, half_cells};
use rand::Rng;
use rand::seq::IndexedRandom;

use super::jpeg;
use crate::AlignError;

/// Fonts to draw with.
pub struct Fonts {
    latin: Vec<Font>,
    han: Vec<Font>,
}

impl std::fmt::Debug for Fonts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fonts")
            .field("latin", &self.latin.len())
            .field("han", &self.han.len())
            .finish()
    }
}

/// A character on a drawn line, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DrawnChar {
    /// The character.
    pub c: char,
    /// Left and right edge of its ink.
    pub ink: (f32, f32),
    /// Where the pen was before and after it.
    pub advance: (f32, f32),
}

/// A line drawn on a page of its own.
#[derive(Debug, Clone)]
pub struct DrawnLine {
    /// The page.
    pub page: Page,
    /// Its visible characters.
    pub chars: Vec<DrawnChar>,
    /// Size of the type in pixels: that of Han, or 1/0.72 of the height of capitals.
    pub em: f32,
    /// The baseline, from the page's top edge.
    pub baseline: f32,
}

impl Fonts {
    /// Reads every `.ttf`, `.otf` and `.ttc` file of some folders, in the order of their names.
    ///
    /// # Errors
    /// If a folder or font cannot be read, or there is none with Latin letters.
    pub fn open(dirs: &[impl AsRef<Path>]) -> Result<Self, AlignError> {
        let mut fonts = Self {
            latin: Vec::new(),
            han: Vec::new(),
        };
        for dir in dirs {
            let dir = dir.as_ref();
            let fail = |source| AlignError::Read {
                path: dir.to_owned(),
                source,
            };
            let mut paths = std::fs::read_dir(dir)
                .and_then(|d| {
                    d.map(|e| e.map(|e| e.path()))
                        .collect::<Result<Vec<_>, _>>()
                })
                .map_err(fail)?;
            paths.retain(|p| {
                let known = ["ttf", "otf", "ttc"];
                p.extension().is_some_and(|e| known.iter().any(|k| e == *k))
            });
            paths.sort();
            for path in paths {
                let bytes = std::fs::read(&path).map_err(|source| AlignError::Read {
                    path: path.clone(),
                    source,
                })?;
                let settings = FontSettings {
                    scale: 64.0,
                    ..FontSettings::default()
                };
                let font =
                    Font::from_bytes(bytes, settings).map_err(|reason| AlignError::Font {
                        path: path.clone(),
                        reason: reason.to_owned(),
                    })?;
                if font.has_glyph('国') {
                    fonts.han.push(font);
                } else if font.has_glyph('e') {
                    fonts.latin.push(font);
                }
            }
        }
        if fonts.latin.is_empty() {
            return Err(AlignError::Input {
                what: "fonts",
                expected: "a font with Latin letters".to_owned(),
                found: "none in the folders given".to_owned(),
            });
        }
        Ok(fonts)
    }

    /// Draws a line in a random hand; characters that its fonts lack are left out. `None` if nothing
    /// is left.
    pub fn draw(&self, text: &str, rng: &mut impl Rng) -> Option<DrawnLine> {
        let latin = self.latin.choose(rng)?;
        let han = self.han.choose(rng);
        let has_han = han.is_some() && text.chars().any(|c| half_cells(c) == 2);
        let small = if has_han { 11.0..18.0 } else { 7.5..16.0 };
        let px = match rng.random_range(0..100) {
            0..=64 => rng.random_range(small),
            65..=84 => rng.random_range(16.0..28.0f32),
            _ => rng.random_range(28.0..48.0),
        };
        // Many programs draw at whole sizes.
        let px: f32 = if rng.random_bool(0.6) { px.round() } else { px };
        let over = if px < 18.0 { 4 } else { 2 };
        let pen = Pen {
            over,
            whole: rng.random_bool(0.5),
            spacing: if rng.random_bool(0.2) {
                px * rng.random_range(-0.02..0.06)
            } else {
                0.0
            },
            kern: rng.random_bool(0.7),
            stretch: 1.0,
            space: if rng.random_bool(0.25) {
                rng.random_range(0.8..1.6)
            } else {
                1.0
            },
        };
        let pen = if px < 24.0 && rng.random_bool(0.4) {
            pen.hinted(latin, px)
        } else {
            pen
        };
        let line = pen.draw(latin, han, text, px, rng)?;
        Some(line.inked(has_han, px, latin, rng))
    }
}

/// How letters follow one another.
struct Pen {
    /// Pixels drawn for one that is kept, in each direction.
    over: usize,
    /// Letters start at whole pixels.
    whole: bool,
    /// Added to each advance, in pixels.
    spacing: f32,
    kern: bool,
    /// Width of spaces, 1 being the font's.
    space: f32,
    /// Height of letters, 1 being the font's.
    stretch: f32,
}

/// A line before it is worn.
struct Raw {
    width: usize,
    height: usize,
    /// Coverage from 0 to 1.
    ink: Vec<f32>,
    chars: Vec<DrawnChar>,
    baseline: f32,
    stretch: f32,
}

impl Pen {
    /// Rounds the height of small letters to whole pixels, as hinting does.
    fn hinted(mut self, latin: &Font, px: f32) -> Self {
        let height = latin.metrics('x', 200.0).height as f32 / 200.0 * px;
        if height > 1.0 {
            self.stretch = height.round().max(1.0) / height;
        }
        self.whole = true;
        self
    }

    fn draw(
        &self,
        latin: &Font,
        han: Option<&Font>,
        text: &str,
        px: f32,
        rng: &mut impl Rng,
    ) -> Option<Raw> {
        let over = self.over as f32;
        let size = px * over;
        let font_of = |c: char| -> Option<&Font> {
            let wide = half_cells(c) == 2;
            let order = if wide {
                [han, Some(latin)]
            } else {
                [Some(latin), None]
            };
            order.into_iter().flatten().find(|f| f.has_glyph(c))
        };
        let margin = (
            rng.random_range(2.0..9.0f32).round(),
            rng.random_range(3.0..8.0f32).round(),
        );
        let phase = if self.whole {
            0.0
        } else {
            rng.random_range(0.0..1.0f32)
        };
        let mut x = margin.0 + phase;
        let mut glyphs = Vec::new();
        let mut chars = Vec::new();
        let mut before: Option<char> = None;
        for c in text.chars().filter(|c| !c.is_control()) {
            let Some(font) = (if c == ' ' { Some(latin) } else { font_of(c) }) else {
                continue;
            };
            if self.kern
                && let Some(before) = before
                && let Some(kern) = font.horizontal_kern(before, c, px)
                && kern.abs() < px / 3.0
            {
                x += kern;
            }
            before = Some(c);
            if self.whole {
                x = x.round();
            }
            let from = x;
            if c.is_whitespace() {
                x += font.metrics(' ', px).advance_width * self.space * half_cells(c).max(1) as f32;
                continue;
            }
            let (metrics, bitmap) = font.rasterize(c, size);
            x += (metrics.advance_width / over + self.spacing).max(0.0);
            if metrics.width == 0 || metrics.height == 0 {
                continue;
            }
            let at = (from * over).round() as i64 + i64::from(metrics.xmin);
            let ink = (at as f32 / over, (at + metrics.width as i64) as f32 / over);
            chars.push(DrawnChar {
                c,
                ink,
                advance: (from, x),
            });
            glyphs.push((at, metrics, bitmap));
        }
        if chars.is_empty() {
            return None;
        }
        let tall = over / self.stretch;
        let tops = glyphs.iter().map(|g| g.1.ymin + g.1.height as i32);
        let top = tops.max()? as f32 / tall;
        let bottom = glyphs.iter().map(|g| -g.1.ymin).max()?.max(0) as f32 / tall;
        let phase = if self.whole {
            0.0
        } else {
            rng.random_range(0.0..1.0f32)
        };
        let baseline = ((margin.1 + top.max(1.0)).ceil() + phase) * over;
        let baseline = baseline.round() / over;
        let width = (x + margin.0).ceil() as usize + 2;
        let height = (baseline + bottom + margin.1).ceil() as usize + 1;
        let (wide, high) = (width * self.over, height * self.over);
        let mut large = vec![0u8; wide * high];
        for (at, metrics, bitmap) in glyphs {
            // Rows above the baseline, of the bitmap and of the page.
            let above = i64::from(metrics.ymin) + metrics.height as i64;
            let zero = (baseline * over).round() as i64;
            let row_of = |i: i64| zero - (i as f32 * self.stretch).round() as i64;
            for y in row_of(above)..row_of(i64::from(metrics.ymin)) {
                let height = ((zero - y) as f32 - 0.5) / self.stretch;
                let source = above - 1 - height.floor() as i64;
                if !(0..high as i64).contains(&y) || !(0..metrics.height as i64).contains(&source) {
                    continue;
                }
                let row = &bitmap[source as usize * metrics.width..][..metrics.width];
                for (x, &v) in row.iter().enumerate() {
                    let x = at + x as i64;
                    if (0..wide as i64).contains(&x) {
                        let pixel = &mut large[y as usize * wide + x as usize];
                        *pixel = (*pixel).max(v);
                    }
                }
            }
        }
        let mut ink = vec![0.0f32; width * height];
        let unit = 1.0 / (255.0 * over * over);
        for (y, row) in large.chunks_exact(wide).enumerate() {
            let out = &mut ink[y / self.over * width..][..width];
            for (x, &v) in row.iter().enumerate() {
                out[x / self.over] += f32::from(v) * unit;
            }
        }
        Some(Raw {
            width,
            height,
            ink,
            chars,
            baseline,
            stretch: self.stretch,
        })
    }
}

impl Raw {
    /// Anti-aliasing, colours, blur, noise and JPEG, each at random.
    fn inked(mut self, has_han: bool, px: f32, latin: &Font, rng: &mut impl Rng) -> DrawnLine {
        let jagged = px >= 9.0 && rng.random_bool(0.15);
        let gamma = rng.random_range(0.6..1.3f32);
        for v in &mut self.ink {
            *v = if jagged {
                f32::from(u8::from(*v >= 0.45))
            } else {
                v.min(1.0).powf(gamma)
            };
        }
        if rng.random_bool(0.2) {
            self.blur(rng.random_range(0.05..0.3));
        }
        let (mut paper, mut black) = (255.0, 0.0);
        if rng.random_bool(0.4) {
            (paper, black) = (
                rng.random_range(200.0..255.0f32),
                rng.random_range(0.0..110.0f32),
            );
        }
        if rng.random_bool(0.05) {
            std::mem::swap(&mut paper, &mut black);
        }
        let mut pixels: Vec<u8> = self
            .ink
            .iter()
            .map(|v| (paper + (black - paper) * v).round() as u8)
            .collect();
        if rng.random_bool(0.12) {
            let share = rng.random_range(0.002..0.03);
            for pixel in &mut pixels {
                if rng.random_bool(share) {
                    *pixel = rng.random();
                }
            }
        }
        if rng.random_bool(0.2) {
            let quality = rng.random_range(55..92);
            pixels = jpeg(&pixels, self.width, self.height, quality);
        }
        let capital = latin.metrics('H', 200.0).height as f32 / 200.0 * px;
        DrawnLine {
            page: Page {
                number: 1,
                width: self.width as u32,
                height: self.height as u32,
                pixels,
                color: None,
                lines: Vec::new(),
                layout: None,
            },
            chars: self.chars,
            em: self.stretch * if has_han { px } else { capital / 0.72 },
            baseline: self.baseline,
        }
    }

    /// Mixes each pixel with its neighbours, in both directions.
    fn blur(&mut self, share: f32) {
        for (step, n) in [(1, self.width), (self.width, self.height)] {
            let source = self.ink.clone();
            for (i, v) in self.ink.iter_mut().enumerate() {
                let place = i / step % n;
                let before = if place > 0 { source[i - step] } else { 0.0 };
                let after = if place + 1 < n { source[i + step] } else { 0.0 };
                *v = *v * (1.0 - share) + (before + after) * share / 2.0;
            }
        }
    }
}
