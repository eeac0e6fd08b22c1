//! Ink in the levels that the text has.

/// How coverage becomes grey: the background moved towards the ink by whole steps
/// of `8 * (mask + 1)` grey values, so that `mask` levels of 8 fit between two
/// steps, and codes below them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ink {
    background: u8,
    dark: bool,
    /// Steps from the background to full ink.
    steps: u8,
    step: u8,
}

impl Ink {
    pub(crate) fn new(background: u8, ink: u8, mask: u8) -> Self {
        let range = background.abs_diff(ink);
        // The deepest level has room for the highest code, 7.
        let levels = (u32::from(range) + 1) / 8 / (u32::from(mask) + 1);
        let (steps, step) = match levels {
            0 | 1 => (range, 1),
            levels => (levels as u8 - 1, 8 * (mask + 1)),
        };
        Self {
            background,
            dark: ink <= background,
            steps,
            step,
        }
    }

    /// The grey value of a coverage of 0 to 255.
    pub(crate) fn grey(self, coverage: u8) -> u8 {
        let level = (u32::from(coverage) * u32::from(self.steps) + 127) / 255;
        let distance = level as u8 * self.step;
        if self.dark {
            self.background - distance
        } else {
            self.background + distance
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mask_and_code_fit_between_steps() {
        for mask in [0, 1, 3, 7u8] {
            for (background, ink) in [(255, 0u8), (0, 255), (200, 50), (18, 230)] {
                let paint = Ink::new(background, ink, mask);
                for coverage in 0..=255 {
                    let distance = paint.grey(coverage).abs_diff(background);
                    assert_eq!(distance % (8 * (mask + 1)), 0);
                    assert!(u32::from(distance) + u32::from(8 * mask + 7) <= 255);
                    assert!(distance + 8 * mask + 7 <= background.abs_diff(ink));
                }
            }
        }
    }
}
