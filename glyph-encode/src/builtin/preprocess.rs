//! Page pixels to the windows that the built-in encoder reads.

use super::model::{PATCH_SIZE, PATCHES_PER_ROW, WINDOW_SIZE, WINDOW_WIDTH};

/// Width in pixels of a row of text.
pub const ROW_WIDTH: usize = PATCHES_PER_ROW * PATCH_SIZE;

/// Cuts one row of text, [`ROW_WIDTH`] x [`PATCH_SIZE`] grey pixels, into overlapping windows.
///
/// `pixels` starts at the row's top-left pixel and has `stride` bytes a line. `out` takes
/// [`PATCHES_PER_ROW`] windows of [`WINDOW_SIZE`] values, ink = 1 and paper = 0; what lies outside
/// the row counts as paper.
///
/// # Panics
/// If `pixels` or `out` is shorter than a row needs.
pub fn row_windows(pixels: &[u8], stride: usize, out: &mut [f32]) {
    const MARGIN: usize = (WINDOW_WIDTH - PATCH_SIZE) / 2;
    let mut line = [0.0f32; ROW_WIDTH + 2 * MARGIN];
    for y in 0..PATCH_SIZE {
        let row = &pixels[y * stride..y * stride + ROW_WIDTH];
        for (ink, &grey) in line[MARGIN..].iter_mut().zip(row) {
            *ink = f32::from(255 - grey) * (1.0 / 255.0);
        }
        for patch in 0..PATCHES_PER_ROW {
            let to = patch * WINDOW_SIZE + y * WINDOW_WIDTH;
            let from = patch * PATCH_SIZE;
            out[to..to + WINDOW_WIDTH].copy_from_slice(&line[from..from + WINDOW_WIDTH]);
        }
    }
}

/// Whether a box of pixels holds no ink.
pub(crate) fn is_blank(pixels: &[u8], stride: usize, x: usize, width: usize) -> bool {
    (0..PATCH_SIZE).all(|y| {
        pixels[y * stride + x..y * stride + x + width]
            .iter()
            .all(|&p| p == 255)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_overlap_by_half_a_patch() {
        let mut pixels = vec![255u8; ROW_WIDTH * PATCH_SIZE];
        pixels[3 * ROW_WIDTH + 20] = 0; // in patch 1, and in the right margin of patch 0
        let mut out = vec![0.0; PATCHES_PER_ROW * WINDOW_SIZE];
        row_windows(&pixels, ROW_WIDTH, &mut out);
        let inked: Vec<usize> = (0..out.len()).filter(|&i| out[i] > 0.0).collect();
        assert_eq!(
            inked,
            [3 * WINDOW_WIDTH + 27, WINDOW_SIZE + 3 * WINDOW_WIDTH + 13]
        );
        assert!(is_blank(&pixels, ROW_WIDTH, 28, 56) && !is_blank(&pixels, ROW_WIDTH, 14, 14));
    }
}
