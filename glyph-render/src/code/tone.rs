//! Ink in steps that leave room for codes.

/// How coverage becomes grey: `background` moved towards the ink by whole steps of 8 levels,
/// so that the three low bits of the distance from the background are free for codes. On pages
/// with a mask of `m` levels the steps are `m + 1` times as wide, and the mask lies between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tone {
    pub(crate) background: u8,
    /// Whether ink is darker than the background.
    pub(crate) dark: bool,
    /// Distance of full ink from the background.
    pub(crate) depth: u8,
    /// Distance between two steps: 8 times a power of two, or 1 where the contrast is too low
    /// for codes.
    step: u8,
}

/// The least distance of ink and background that leaves room for codes.
pub(crate) const LEAST_CONTRAST: u8 = 24;
const STEP: u8 = 8;

impl Tone {
    /// `mask` is 0, or the mask's levels: 1, 3 or 7.
    pub(crate) fn new(background: u8, ink: u8, mask: u8) -> Self {
        let range = background.abs_diff(ink);
        let step = STEP * (mask + 1);
        // The deepest ink must have room for the mask and the highest code, 7.
        let levels = (u16::from(range) + 1) / u16::from(step);
        let coded = range >= LEAST_CONTRAST && levels > 1;
        Self {
            background,
            dark: ink <= background,
            depth: if coded {
                (levels - 1) as u8 * step
            } else {
                range
            },
            step: if coded { step } else { 1 },
        }
    }

    /// The tone of a page whose strip says so.
    pub(crate) const fn coded(background: u8, dark: bool, depth: u8, mask: u8) -> Self {
        Self {
            background,
            dark,
            depth,
            step: STEP * (mask + 1),
        }
    }

    /// Levels of the mask that lies between the steps.
    pub(crate) fn mask_levels(self) -> u8 {
        (self.step / STEP).saturating_sub(1)
    }

    /// The bits of a distance that hold the mask.
    pub(crate) fn mask_bits(self) -> u8 {
        STEP * self.mask_levels()
    }

    /// The same on another background.
    pub(crate) fn on(self, background: u8) -> Self {
        Self { background, ..self }
    }

    /// Whether pages in this tone can carry codes.
    pub(crate) fn is_coded(self) -> bool {
        self.step >= STEP
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
            for mask in [0, 1, 3, 7] {
                let tone = Tone::new(background, ink, mask);
                assert!(tone.is_coded() || background.abs_diff(ink) < 127);
                let (low, high) = (background.min(ink), background.max(ink));
                for coverage in (0..=255).filter(|_| tone.is_coded()) {
                    let distance = tone.ink(coverage);
                    assert_eq!(distance & (tone.mask_bits() | 7), 0);
                    for code in (0..8).flat_map(|code| [code, code | tone.mask_bits()]) {
                        let grey = tone.grey(distance + code);
                        assert!((low..=high).contains(&grey));
                        assert_eq!(tone.distance(grey), distance + code);
                    }
                }
            }
            assert!(Tone::new(background, ink, 0).ink(255) > background.abs_diff(ink) - 15);
        }
        let low = Tone::new(100, 110, 0);
        assert!(!low.is_coded());
        assert_eq!(low.grey(low.ink(255)), 110);
    }
}
