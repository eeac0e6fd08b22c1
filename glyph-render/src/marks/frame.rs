//! Frames around blocks, and corner marks.

use super::{Ink, PageMut};
use crate::config::{FlowStyle, Geometry};
use crate::layout::PlacedLine;

/// Draws the background and frame of every block, a column at a time.
pub(super) fn boxes(
    style: &FlowStyle,
    geometry: &Geometry,
    page: &mut PageMut<'_>,
    lines: &[PlacedLine<'_>],
) {
    if geometry.border == 0 && style.para_bg_color.is_none() {
        return;
    }
    let inset = geometry.inset as i64;
    let border = i64::from(geometry.border);
    let background = style.page_bg_color.grey();
    let mask = style.mask_levels();
    // Levels that leave room for the mask; the background itself is one.
    let frame = Ink::new(background, style.para_border_color.grey(), mask).grey(255);
    let fill = style.text_background();
    let same = |a: &PlacedLine<'_>, b: &PlacedLine<'_>| (a.block, a.column) == (b.block, b.column);
    for lines in lines.chunk_by(same) {
        let (first, last) = (&lines[0], &lines[lines.len() - 1]);
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
/// the edges.
pub(super) fn corners(side: u32, ink: Ink, page: &mut PageMut<'_>) {
    if side == 0 {
        return;
    }
    let side = i64::from(side);
    let edge = side / 2;
    let (width, height) = (page.width as i64, page.height() as i64);
    let (far_x, far_y) = (width - edge - side, height - edge - side);
    let (full, none) = (ink.grey(255), ink.grey(0));
    for (x, y) in [(edge, edge), (far_x, edge), (edge, far_y), (far_x, far_y)] {
        page.fill(x..x + side, y..y + side, full);
    }
    let line = (side / 4).max(1);
    page.fill(
        far_x + line..far_x + side - line,
        far_y + line..far_y + side - line,
        none,
    );
}
