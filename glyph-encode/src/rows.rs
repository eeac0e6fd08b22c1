//! Finds the rows of text on a page: on the built-in grid, or, on pages in other styles, letter by
//! letter. The steps of that are public, so that a trainer can draw what the reader will see.

mod ink;
mod letters;
mod line;
mod place;
mod segmenter;

pub use ink::text_lines;
pub use letters::{Letter, letters};
pub use line::{LineScale, PROFILE_SIZE, Strip, TextLine};
pub use place::{PlacedLetter, PlacedRow, place};
pub use segmenter::{
    ColumnScores, SCALE_HIDDEN, SEGMENTER_CHANNELS, SEGMENTER_DILATIONS, SEGMENTER_OUTPUTS,
    SEGMENTER_TAPS, Segmenter,
};

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
    /// Whether the built-in style did not draw it so: another font, no grey edges, noise.
    pub foreign: bool,
    /// Where its patches begin on the page, and where the last one ends, in pixels from the left;
    /// without it they are equal parts of `bbox`.
    pub edges: Option<Vec<u32>>,
}

impl Row<'_> {
    /// The row with its patches half a patch further left, so that a full-width character that
    /// straddled two of them is whole in one. The last half-width cell is lost.
    pub fn staggered(&self) -> Row<'static> {
        const HALF: usize = PATCH_SIZE / 2;
        let mut pixels = vec![255; ROW_WIDTH * PATCH_SIZE];
        for (y, out) in pixels.chunks_exact_mut(ROW_WIDTH).enumerate() {
            let line = &self.pixels[y * self.stride..][..ROW_WIDTH - HALF];
            out[HALF..].copy_from_slice(line);
        }
        let columns = ROW_WIDTH / PATCH_SIZE;
        let at = |column| self.part(column, columns);
        let before = at(0).x.saturating_sub(at(0).width / 2);
        let middles = (0..columns).map(|i| at(i).x + at(i).width / 2);
        let edges: Vec<u32> = std::iter::once(before).chain(middles).collect();
        Row {
            number: self.number,
            bbox: BBox {
                x: before,
                width: edges[columns] - before,
                ..self.bbox
            },
            pixels: Cow::Owned(pixels),
            stride: ROW_WIDTH,
            foreign: self.foreign,
            edges: Some(edges),
        }
    }

    /// The box on the page of one of the `columns` equal runs of patches that the row has.
    pub fn part(&self, column: usize, columns: usize) -> BBox {
        let at = |i: usize| match &self.edges {
            Some(edges) => edges[(edges.len() - 1) * i / columns],
            None => self.bbox.x + (self.bbox.width as usize * i / columns) as u32,
        };
        BBox {
            x: at(column),
            width: at(column + 1) - at(column),
            ..self.bbox
        }
    }
}

/// Ink is what is darker than this.
const INK: u8 = 160;
/// Share of a margin's pixels that noise may ink.
const NOISE: f64 = 0.04;

/// The rows of text of a page that hold ink, from top to bottom.
///
/// Pages with a [`CellLayout`] of the built-in cell size are read on their grid, and so are pages
/// without one that have the built-in size and margins, such as scans of them. On any other page
/// lines are found, scaled, cut into letters and put on the grid, a cell a letter: with mistakes, of
/// which the reader's confidence tells.
pub fn text_rows(page: &Page) -> Vec<Row<'_>> {
    match page.layout.or_else(|| builtin_layout(page)) {
        Some(layout)
            if layout.line_height as usize == PATCH_SIZE
                && layout.cell_width as usize * 2 == PATCH_SIZE
                && layout.x0 as usize + ROW_WIDTH <= page.width as usize
                && (layout.y0 + layout.rows * layout.line_height) <= page.height =>
        {
            // A page that comes with its grid was drawn here and is clean.
            let noisy = page.layout.is_none() && is_noisy(page, layout);
            grid_rows(page, layout, noisy || is_jagged(page, layout))
        }
        _ => foreign_rows(page),
    }
}

/// Whether the ink on the built-in grid has no grey edges; the first of it tells.
fn is_jagged(page: &Page, layout: CellLayout) -> bool {
    /// Inked pixels that are enough to tell.
    const ENOUGH: usize = 4000;
    let (mut grey, mut ink) = (0, 0);
    let lines = page.pixels.chunks_exact(page.width as usize);
    let height = (layout.rows * layout.line_height) as usize;
    for line in lines.skip(layout.y0 as usize).take(height) {
        for &p in &line[layout.x0 as usize..layout.x0 as usize + ROW_WIDTH] {
            ink += usize::from(p < INK);
            grey += usize::from((16..240).contains(&p));
        }
        if ink > ENOUGH {
            break;
        }
    }
    ink > 0 && 200 * grey < ink
}

/// Whether noise inks the margins of a page on the built-in grid.
fn is_noisy(page: &Page, layout: CellLayout) -> bool {
    let rows = layout.y0 as usize..(layout.y0 + layout.rows * layout.line_height) as usize;
    let columns = layout.x0 as usize..layout.x0 as usize + ROW_WIDTH;
    let (mut margin, mut specks) = (0, 0);
    for (y, line) in page.pixels.chunks_exact(page.width as usize).enumerate() {
        let parts = match rows.contains(&y) {
            true => [&line[..columns.start], &line[columns.end..]],
            false => [line, &[][..]],
        };
        for part in parts {
            margin += part.len();
            specks += part.iter().filter(|&&p| p < INK).count();
        }
    }
    500 * specks > margin
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

fn grid_rows(page: &Page, layout: CellLayout, foreign: bool) -> Vec<Row<'_>> {
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
                foreign,
                edges: None,
            })
        })
        .collect()
}

/// The rows of a page in any other style: its lines, letter by letter in the cells of the grid.
fn foreign_rows(page: &Page) -> Vec<Row<'static>> {
    let segmenter = Segmenter::builtin();
    let lines = text_lines(page);
    let mut rows = Vec::new();
    for (line, scale) in lines.iter().zip(scales(segmenter, &lines)) {
        let strip = line.strip(scale);
        // A line too long for one row goes on in the next; a pixel is of one of them.
        let mut end = 0;
        for row in place(&strip, &letters(segmenter, &strip)) {
            let ends = row.letters.first().zip(row.letters.last());
            let Some((first, last)) = ends else { continue };
            let x = (first.from as u32).max(end);
            let to = (last.to.ceil() as u32).min(page.width).max(x);
            end = to;
            rows.push(Row {
                number: rows.len() as u32 + 1,
                bbox: BBox {
                    x,
                    width: to - x,
                    ..line.bbox
                },
                edges: Some(row.patch_edges(page.width)),
                pixels: Cow::Owned(row.pixels),
                stride: ROW_WIDTH,
                foreign: true,
            });
        }
    }
    rows
}

/// The row that the first cells of the only line of a page are read as; of several, the widest.
pub fn foreign_line(page: &Page, segmenter: &Segmenter) -> Option<PlacedRow> {
    let line = text_lines(page).into_iter().max_by_key(|l| l.bbox.width)?;
    let strip = line.strip(segmenter.scale(&line));
    place(&strip, &letters(segmenter, &strip))
        .into_iter()
        .next()
}

/// The measures of lines. Most lines of a page are of one size, and a short line tells its own
/// badly: where it is near those around it, it takes theirs.
fn scales(segmenter: &Segmenter, lines: &[TextLine]) -> Vec<LineScale> {
    const NEIGHBOURS: usize = 4;
    let own: Vec<LineScale> = lines.iter().map(|l| segmenter.scale(l)).collect();
    (0..lines.len())
        .map(|i| {
            let around = i.saturating_sub(NEIGHBOURS)..(i + NEIGHBOURS + 1).min(lines.len());
            let near = |j: &usize| (own[*j].em / own[i].em).ln().abs() < 0.2;
            let (mut sum, mut weight) = (0.0, 0.0);
            for j in around.filter(near) {
                let width = lines[j].bbox.width as f32;
                sum += width * own[j].em.ln();
                weight += width;
            }
            LineScale {
                em: (sum / weight.max(1.0)).exp(),
                ..own[i]
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
