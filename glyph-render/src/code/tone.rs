//! Ink in steps that leave room for codes.

/// How coverage becomes grey: `background` moved towards the ink by whole steps of 8 levels,
/// so that the three low bits of the distance from the background are free for codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tone {
    pub(crate) background: u8,
    /// Whether ink is darker than the background.
    pub(crate) dark: bool,
    /// Distance of full ink from the background.
    pub(crate) depth: u8,
    /// Distance between two steps: 8, or 1 where the contrast is too low for codes.
    step: u8,
}

/// The least distance of ink and background that leaves room for codes.
pub(crate) const LEAST_CONTRAST: u8 = 24;
const STEP: u8 = 8;

impl Tone {
    pub(crate) fn new(background: u8, ink: u8) -> Self {
        let range = background.abs_diff(ink);
        let coded = range >= LEAST_CONTRAST;
        Self {
            background,
            dark: ink <= background,
            // The deepest ink must have room for the highest code, 7.
            depth: if coded {
                (range - 7) / STEP * STEP
            } else {
                range
            },
            step: if coded { STEP } else { 1 },
        }
    }

    /// The tone of a page whose strip says so.
    pub(crate) const fn coded(background: u8, dark: bool, depth: u8) -> Self {
        Self {
            background,
            dark,
            depth,
            step: STEP,
        }
    }

    /// Whether pages in this tone can carry codes.
    pub(crate) fn is_coded(self) -> bool {
        self.step == STEP
    }

    /// The distance from the background that a coverage of 0 to 255 is drawn at.
    pub(crate) fn ink(self, coverage: u8) -> u8 {
        let steps = u32::from(self.depth / self.step);
        let level = (u32::from(coverage) * steps + 127) / 255;
        level as u8 * self.step
    }

    /// The grey value at a distance from the background.
    pub(crate) fn grey(self, distance: u8) -> u8 {
        if self.dark {
            self.background.wrapping_sub(distance)
        } else {
            self.background.wrapping_add(distance)
        }
    }

    /// The distance of a grey value from the background; wraps on the wrong side of it.
    pub(crate) fn distance(self, grey: u8) -> u8 {
        if self.dark {
            self.background.wrapping_sub(grey)
        } else {
            grey.wrapping_sub(self.background)
        }
    }

    /// Adds codes to a row of pixels.
    pub(crate) fn add(self, pixels: &mut [u8], codes: &[u8]) {
        let pairs = pixels.iter_mut().zip(codes);
        if self.dark {
            pairs.for_each(|(pixel, code)| *pixel = pixel.wrapping_sub(*code));
        } else {
            pairs.for_each(|(pixel, code)| *pixel = pixel.wrapping_add(*code));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_never_leave_the_range() {
        for (background, ink) in [(255, 0), (0, 255), (200, 40), (30, 54), (255, 231)] {
            let tone = Tone::new(background, ink);
            assert!(tone.is_coded());
            let (low, high) = (background.min(ink), background.max(ink));
            for coverage in 0..=255 {
                let distance = tone.ink(coverage);
                assert_eq!(distance % 8, 0);
                for code in 0..8 {
                    let grey = tone.grey(distance + code);
                    assert!((low..=high).contains(&grey));
                    assert_eq!(tone.distance(grey), distance + code);
                }
            }
            assert!(tone.ink(255) > background.abs_diff(ink) - 15);
        }
        assert!(!Tone::new(100, 110).is_coded());
        assert_eq!(Tone::new(100, 110).grey(Tone::new(100, 110).ink(255)), 110);
    }
}
