//! Frames around blocks, and corner marks.

use super::PageMut;
use crate::code::Tone;
use crate::config::{FlowStyle, Geometry};
use crate::layout::PlacedLine;

/// Draws the background and frame of every block, a column at a time.
pub(super) fn boxes(
    style: &FlowStyle,
    geometry: &Geometry,
    page: &mut PageMut<'_>,
    lines: &[PlacedLine<'_>],
) {
    if !geometry.is_boxed() {
        return;
    }
    let inset = geometry.inset as i64;
    let border = i64::from(geometry.border);
    let background = style.page_bg_color.grey();
    // Levels that leave room for codes and the mask.
    let tone = Tone::new(
        background,
        style.para_border_color.grey(),
        style.mask_levels(),
    );
    let frame = tone.grey(if tone.is_coded() { tone.depth } else { 0 });
    let fill = style.text_background();
    let same = |a: &PlacedLine<'_>, b: &PlacedLine<'_>| (a.block, a.column) == (b.block, b.column);
    for lines in lines.chunk_by(same) {
        // Lines that hold nothing stand where the block before has its frame.
        let mut drawn = lines.iter().filter(|line| !line.line.range.is_empty());
        let Some(first) = drawn.next() else {
            continue;
        };
        let last = drawn.next_back().unwrap_or(first);
        let left = geometry.columns[first.column] + style.px_across(style.left_indent);
        let right = geometry.columns[first.column] + geometry.column_width
            - style.px_across(style.right_indent);
        let x = left.floor() as i64 - inset..right.ceil() as i64 + inset;
        let y = first.top.round() as i64 - inset..(last.top + last.height).round() as i64 + inset;
        if border > 0 {
            page.fill(x.clone(), y.clone(), frame);
        }
        page.fill(
            x.start + border..x.end - border,
            y.start + border..y.end - border,
            fill,
        );
    }
}

/// Squares of `side` pixels in the corners, the last one hollow, half a side from
/// the edges, and beyond the `rows` that are kept clear.
pub(super) fn corners(side: u32, rows: usize, tone: Tone, page: &mut PageMut<'_>) {
    if side == 0 {
        return;
    }
    let side = i64::from(side);
    let edge = side / 2;
    let (width, height) = (page.width as i64, page.height() as i64);
    let top = edge.max(rows as i64);
    let (far_x, far_y) = (width - edge - side, height - top - side);
    let (full, none) = (tone.grey(tone.depth), tone.background);
    for (x, y) in [(edge, top), (far_x, top), (edge, far_y), (far_x, far_y)] {
        page.fill(x..x + side, y..y + side, full);
    }
    let line = (side / 4).max(1);
    page.fill(
        far_x + line..far_x + side - line,
        far_y + line..far_y + side - line,
        none,
    );
}
