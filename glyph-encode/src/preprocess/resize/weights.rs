//! The weights of one axis.

use std::f64::consts::PI;

use super::Resample;

impl Resample {
    /// Half the width of the filter, in pixels of the larger picture.
    fn support(self) -> f64 {
        match self {
            Self::Lanczos => 3.0,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    fn filter(self, x: f64) -> f64 {
        let x = x.abs();
        match self {
            Self::Lanczos if x < 3.0 => sinc(x) * sinc(x / 3.0),
            Self::Bilinear if x < 1.0 => 1.0 - x,
            Self::Bicubic if x < 1.0 => ((CUBIC + 2.0) * x - (CUBIC + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => {
                ((CUBIC * x - 5.0 * CUBIC) * x + 8.0 * CUBIC) * x - 4.0 * CUBIC
            }
            _ => 0.0,
        }
    }
}

const CUBIC: f64 = -0.5;

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * PI;
    x.sin() / x
}

/// What each pixel of a resampled axis is made of.
pub(super) struct AxisWeights {
    starts: Vec<usize>,
    /// Where the weights of each pixel end.
    ends: Vec<usize>,
    weights: Vec<i16>,
    precision: u32,
}

/// What one pixel is made of.
pub(super) struct Taps<'a> {
    /// The first pixel of the source.
    pub(super) start: usize,
    /// The weight of that pixel and of those after it, times two to the power of the precision.
    pub(super) weights: &'a [i16],
}

impl Taps<'_> {
    /// One after the last pixel of the source.
    #[inline(always)]
    pub(super) fn end(&self) -> usize {
        self.start + self.weights.len()
    }
}

impl AxisWeights {
    /// `_compute_index_ranges_int16_weights` of ATen.
    pub(super) fn new(from: usize, to: usize, resample: Resample) -> Self {
        let scale = from as f64 / to as f64;
        let stretch = scale.max(1.0);
        let support = resample.support() * stretch;
        let shrink = 1.0 / stretch;
        let max_taps = support.ceil() as usize * 2 + 1;

        let mut starts = Vec::with_capacity(to);
        let mut ends = Vec::with_capacity(to);
        let mut exact = Vec::new();
        for i in 0..to {
            let center = scale * (i as f64 + 0.5);
            // The conversions cut towards zero, and negative numbers become zero.
            let start = (center - support + 0.5) as usize;
            let end = ((center + support + 0.5) as usize).min(from);
            let taps = end.saturating_sub(start).min(max_taps);
            let first = exact.len();
            exact.extend(
                (start..start + taps)
                    .map(|source| resample.filter((source as f64 - center + 0.5) * shrink)),
            );
            let sum: f64 = exact[first..].iter().sum();
            if sum != 0.0 {
                exact[first..].iter_mut().for_each(|weight| *weight /= sum);
            }
            starts.push(start);
            ends.push(exact.len());
        }

        let largest = exact.iter().copied().fold(0.0, f64::max);
        let fits = |precision: u32| 0.5 + largest * f64::from(1 << (precision + 1)) < 32768.0;
        let precision = (0..22).find(|&precision| !fits(precision)).unwrap_or(22);
        let one = f64::from(1 << precision);
        // Half away from zero.
        let weights = exact.iter().map(|weight| (weight * one).round() as i16);
        Self {
            starts,
            ends,
            weights: weights.collect(),
            precision,
        }
    }

    /// Pixels of the resampled axis.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// What pixel `i` is made of.
    #[inline(always)]
    pub(super) fn taps(&self, i: usize) -> Taps<'_> {
        let first = i.checked_sub(1).map_or(0, |before| self.ends[before]);
        Taps {
            start: self.starts[i],
            weights: &self.weights[first..self.ends[i]],
        }
    }

    /// The most pixels that one pixel is made of.
    pub(super) fn max_taps(&self) -> usize {
        (0..self.len())
            .map(|i| self.taps(i).weights.len())
            .max()
            .unwrap_or(0)
    }

    /// Binary places of the weights.
    #[inline(always)]
    pub(super) fn precision(&self) -> u32 {
        self.precision
    }
}
