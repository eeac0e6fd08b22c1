//! How far confidences are from the share that is right, and what brings them nearer.

use glyph_decode::Calibration;

use crate::rows::Judged;

/// Bins of the calibration error.
pub const BINS: usize = 15;

/// A bin of characters of like confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Characters in it.
    pub n: usize,
    /// Their mean confidence.
    pub confidence: f64,
    /// The share of them that is right.
    pub right: f64,
}

fn bin(own: &[Judged]) -> Option<Bin> {
    let n = own.len();
    let mean = |f: fn(&Judged) -> f64| own.iter().map(f).sum::<f64>() / n as f64;
    (n > 0).then(|| Bin {
        n,
        confidence: mean(|j| f64::from(j.confidence)),
        right: mean(|j| f64::from(u8::from(j.right))),
    })
}

/// [`BINS`] bins of equally many characters.
pub fn equal_mass(judged: &[Judged]) -> Vec<Bin> {
    let mut sorted = judged.to_vec();
    sorted.sort_by(|a, b| a.confidence.total_cmp(&b.confidence));
    let at = |i: usize| i * sorted.len() / BINS;
    (0..BINS)
        .filter_map(|i| bin(&sorted[at(i)..at(i + 1)]))
        .collect()
}

/// [`BINS`] bins of equal width; empty ones are left out.
pub fn equal_width(judged: &[Judged]) -> Vec<Bin> {
    let of = |j: &Judged| ((j.confidence * BINS as f32) as usize).min(BINS - 1);
    (0..BINS)
        .filter_map(|i| {
            let own: Vec<Judged> = judged.iter().copied().filter(|j| of(j) == i).collect();
            bin(&own)
        })
        .collect()
}

/// Expected calibration error: the mean distance between confidence and share right, each bin
/// counting by its characters.
pub fn expected_error(bins: &[Bin]) -> f64 {
    let n: usize = bins.iter().map(|b| b.n).sum();
    let sum: f64 = bins
        .iter()
        .map(|b| b.n as f64 * (b.confidence - b.right).abs())
        .sum();
    sum / n.max(1) as f64
}

/// Fits slope and intercept of the log-odds by Newton's method on the likelihood, with Platt's
/// targets, which are not quite 0 and 1.
pub fn fit(judged: &[Judged]) -> Calibration {
    let right = judged.iter().filter(|j| j.right).count() as f64;
    let wrong = judged.len() as f64 - right;
    let (high, low) = ((right + 1.0) / (right + 2.0), 1.0 / (wrong + 2.0));
    let (mut slope, mut intercept) = (1.0f64, 0.0f64);
    for _ in 0..100 {
        let (mut g, mut h) = ([0.0; 2], [[1e-9, 0.0], [0.0, 1e-9]]);
        for j in judged {
            let x = f64::from(Calibration::logit(j.confidence));
            let p = 1.0 / (1.0 + (-(slope * x + intercept)).exp());
            let error = p - if j.right { high } else { low };
            let weight = p * (1.0 - p);
            g[0] += error * x;
            g[1] += error;
            h[0][0] += weight * x * x;
            h[0][1] += weight * x;
            h[1][1] += weight;
        }
        let det = h[0][0] * h[1][1] - h[0][1] * h[0][1];
        if det.abs() < 1e-12 {
            break;
        }
        let step = [
            (h[1][1] * g[0] - h[0][1] * g[1]) / det,
            (h[0][0] * g[1] - h[0][1] * g[0]) / det,
        ];
        // Full steps may leap over the optimum where nearly all is right.
        let damp = (1.0 / step[0].abs().max(step[1].abs() / 4.0)).min(1.0);
        slope = (slope - damp * step[0]).max(0.05);
        intercept -= damp * step[1];
        if step[0].abs() < 1e-6 && step[1].abs() < 1e-6 {
            break;
        }
    }
    Calibration {
        slope: slope as f32,
        intercept: intercept as f32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Characters whose confidence is overstated: the share right is `0.5 p`.
    fn overstated() -> Vec<Judged> {
        (0..20_000)
            .map(|i| {
                let confidence = (i % 200) as f32 / 200.0;
                // A fraction of i spread over 0 to 1.
                let draw = (i * 7919 % 20_000) as f32 / 20_000.0;
                Judged {
                    confidence,
                    right: draw < 0.5 * confidence,
                    wide: false,
                }
            })
            .collect()
    }

    #[test]
    fn the_error_is_the_distance_from_the_diagonal() {
        for bins in [equal_mass(&overstated()), equal_width(&overstated())] {
            assert_eq!(bins.len(), BINS);
            assert!((expected_error(&bins) - 0.25).abs() < 0.02, "{bins:?}");
        }
        assert_eq!(expected_error(&[]), 0.0);
    }

    #[test]
    fn fitting_takes_the_error_away() {
        let calibration = fit(&overstated());
        let judged: Vec<Judged> = overstated()
            .into_iter()
            .map(|j| Judged {
                confidence: calibration.apply(j.confidence),
                ..j
            })
            .collect();
        let error = expected_error(&equal_mass(&judged));
        assert!(error < 0.05, "{calibration:?}: {error}");
    }
}
