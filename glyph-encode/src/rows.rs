//! Finds the rows of text on a page.

use std::borrow::Cow;

use glyph_render::{BBox, CellLayout, Page};

use crate::builtin::{PATCH_SIZE, ROW_WIDTH};

/// A row of text, as pixels of the size that the built-in encoder reads.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    /// Number of the row on its page, from 1. On the cell grid blank rows count too.
    pub number: u32,
    /// The row on the page, in pixels.
    pub bbox: BBox,
    /// Grey pixels, `ROW_WIDTH` x `PATCH_SIZE`, starting at the row's top-left pixel.
    pub pixels: Cow<'a, [u8]>,
    /// Bytes from one line of `pixels` to the next.
    pub stride: usize,
}

/// Ink is what is darker than this.
const INK: u8 = 160;
/// Share of a margin's pixels that noise may ink.
const NOISE: f64 = 0.02;

/// The rows of text of a page that hold ink, from top to bottom.
///
/// Pages with a [`CellLayout`] of the built-in cell size are read on their grid, and so are pages
/// without one that have the built-in size and margins, such as scans of them. On any other page,
/// rows are found by their horizontal projection and scaled to the built-in size: a guess, which the
/// reader's confidence then judges.
pub fn text_rows(page: &Page) -> Vec<Row<'_>> {
    match page.layout.or_else(|| builtin_layout(page)) {
        Some(layout)
            if layout.line_height as usize == PATCH_SIZE
                && layout.cell_width as usize * 2 == PATCH_SIZE
                && layout.x0 as usize + ROW_WIDTH <= page.width as usize
                && (layout.y0 + layout.rows * layout.line_height) <= page.height =>
        {
            grid_rows(page, layout)
        }
        _ => projected_rows(page),
    }
}

/// The built-in grid, if the page has its size and next to no ink outside it: noise may lie there,
/// text takes more.
fn builtin_layout(page: &Page) -> Option<CellLayout> {
    let (layout, width) = (CellLayout::BUILTIN, page.width as usize);
    if (page.width, page.height) != CellLayout::BUILTIN_PAGE {
        return None;
    }
    let columns = layout.x0 as usize..layout.x0 as usize + ROW_WIDTH;
    let rows = layout.y0 as usize..(layout.y0 + layout.rows * layout.line_height) as usize;
    let (mut margin, mut inked) = (0, 0);
    for (y, line) in page.pixels.chunks_exact(width).enumerate() {
        for (x, &p) in line.iter().enumerate() {
            if !rows.contains(&y) || !columns.contains(&x) {
                margin += 1;
                inked += usize::from(p < INK);
            }
        }
    }
    (inked as f64 <= margin as f64 * NOISE).then_some(layout)
}

fn grid_rows(page: &Page, layout: CellLayout) -> Vec<Row<'_>> {
    let stride = page.width as usize;
    (0..layout.rows)
        .filter_map(|i| {
            let y = layout.y0 + i * layout.line_height;
            let from = y as usize * stride + layout.x0 as usize;
            let to = from + (PATCH_SIZE - 1) * stride + ROW_WIDTH;
            let pixels = &page.pixels[from..to];
            let inked = !crate::builtin::is_blank(pixels, stride, 0, ROW_WIDTH);
            inked.then(|| Row {
                number: i + 1,
                bbox: BBox {
                    x: layout.x0,
                    y,
                    width: ROW_WIDTH as u32,
                    height: PATCH_SIZE as u32,
                },
                pixels: Cow::Borrowed(pixels),
                stride,
            })
        })
        .collect()
}

fn projected_rows(page: &Page) -> Vec<Row<'_>> {
    let (width, height) = (page.width as usize, page.height as usize);
    if width == 0 {
        return Vec::new();
    }
    let inked: Vec<bool> = page
        .pixels
        .chunks_exact(width)
        .take(height)
        .map(|line| line.iter().any(|&p| p < INK))
        .collect();
    let mut bands: Vec<(usize, usize)> = Vec::new();
    for (y, _) in inked.iter().enumerate().filter(|(_, ink)| **ink) {
        match bands.last_mut() {
            // One empty pixel line parts an i from its dot, not two rows.
            Some((_, end)) if y <= *end + 1 => *end = y + 1,
            _ => bands.push((y, y + 1)),
        }
    }
    bands.retain(|(top, bottom)| bottom - top >= 4);
    let mut rows = Vec::new();
    for (top, bottom) in bands {
        rows.extend(scaled_pieces(page, top, bottom, rows.len() as u32));
    }
    rows
}

/// Scales the band `top..bottom` so that its ink takes 11 of the row's 14 pixels, and cuts it into
/// pieces of at most a row's width, at the widest gap near each cut.
fn scaled_pieces(page: &Page, top: usize, bottom: usize, already: u32) -> Vec<Row<'static>> {
    let width = page.width as usize;
    let scale = 11.0 / (bottom - top) as f64;
    let column_ink = |x: usize| (top..bottom).any(|y| page.pixels[y * width + x] < INK);
    let Some(mut left) = (0..width).find(|&x| column_ink(x)) else {
        return Vec::new();
    };
    let end = (0..width)
        .rev()
        .find(|&x| column_ink(x))
        .map_or(left, |x| x + 1);
    let piece_width = ((ROW_WIDTH as f64 / scale) as usize).max(1);
    let mut out = Vec::new();
    while left < end {
        let mut right = (left + piece_width).min(end);
        if right < end {
            let gap = (left + piece_width * 3 / 4..right)
                .rev()
                .find(|&x| !column_ink(x));
            right = gap.map_or(right, |x| x + 1);
        }
        let mut pixels = vec![255u8; ROW_WIDTH * PATCH_SIZE];
        for y in 0..PATCH_SIZE {
            for x in 0..ROW_WIDTH {
                let (x0, x1) = (
                    left as f64 + x as f64 / scale,
                    left as f64 + (x + 1) as f64 / scale,
                );
                if x0 >= right as f64 {
                    break;
                }
                let (y0, y1) = (
                    top as f64 + (y as f64 - 2.0) / scale,
                    top as f64 + (y as f64 - 1.0) / scale,
                );
                pixels[y * ROW_WIDTH + x] = mean(page, (x0, x1), (y0, y1), (top, bottom), right);
            }
        }
        out.push(Row {
            number: already + out.len() as u32 + 1,
            bbox: BBox {
                x: left as u32,
                y: top as u32,
                width: (right - left) as u32,
                height: (bottom - top) as u32,
            },
            pixels: Cow::Owned(pixels),
            stride: ROW_WIDTH,
        });
        left = right;
    }
    out
}

/// Mean grey of a box of the page; what lies outside the band is paper.
fn mean(page: &Page, xs: (f64, f64), ys: (f64, f64), band: (usize, usize), right: usize) -> u8 {
    let width = page.width as usize;
    let (mut sum, mut n) = (0u32, 0u32);
    let last = |a: f64, b: f64| (b.ceil() as i64).max(a.floor() as i64 + 1);
    for y in ys.0.floor() as i64..last(ys.0, ys.1) {
        for x in xs.0.floor() as i64..last(xs.0, xs.1) {
            let inside = y >= band.0 as i64 && y < band.1 as i64 && x >= 0 && x < right as i64;
            sum += if inside {
                u32::from(page.pixels[y as usize * width + x as usize])
            } else {
                255
            };
            n += 1;
        }
    }
    (sum / n.max(1)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank() -> Page {
        let (width, height) = CellLayout::BUILTIN_PAGE;
        Page {
            number: 1,
            width,
            height,
            pixels: vec![255; width as usize * height as usize],
            color: None,
            lines: Vec::new(),
            layout: None,
        }
    }

    #[test]
    fn noise_does_not_hide_the_grid() {
        let mut page = blank();
        let mut state = 7u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 16
        };
        for pixel in &mut page.pixels {
            if next() % 50 == 0 {
                *pixel = next() as u8;
            }
        }
        assert_eq!(builtin_layout(&page), Some(CellLayout::BUILTIN));
    }

    #[test]
    fn text_in_the_margins_is_no_grid() {
        let mut page = blank();
        assert!(builtin_layout(&page).is_some());
        // Words from edge to edge, every fifth pixel of some rows inked.
        for y in (0..page.height as usize).filter(|y| y % 20 < 9) {
            for x in (0..page.width as usize).step_by(5) {
                page.pixels[y * page.width as usize + x] = 0;
            }
        }
        assert_eq!(builtin_layout(&page), None);
    }
}
