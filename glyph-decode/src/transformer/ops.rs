//! Element-wise steps, written so that they compile to vector instructions.

use super::Rope;

/// `x / rms(x) * weight`, row by row.
#[inline(always)]
pub(super) fn rms_norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let n = weight.len();
    for (x, out) in x.chunks_exact(n).zip(out.chunks_exact_mut(n)) {
        let mut lanes = [0.0f64; 8];
        let (chunks, rest) = x.as_chunks::<8>();
        for x in chunks {
            for (l, &x) in lanes.iter_mut().zip(x) {
                *l += f64::from(x) * f64::from(x);
            }
        }
        let rest: f64 = rest.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        let mean = (lanes.iter().sum::<f64>() + rest) / n as f64;
        let scale = 1.0 / (mean as f32 + eps).sqrt();
        for ((out, &x), &w) in out.iter_mut().zip(x).zip(weight) {
            *out = x * scale * w;
        }
    }
}

#[inline(always)]
pub(super) fn add(x: &mut [f32], y: &[f32]) {
    for (x, &y) in x.iter_mut().zip(y) {
        *x += y;
    }
}

/// `up *= silu(gate)`.
#[inline(always)]
pub(super) fn gate(up: &mut [f32], gate: &[f32]) {
    for (up, &g) in up.iter_mut().zip(gate) {
        *up *= g / (1.0 + exp(-g));
    }
}

/// `e^x` to within 2 units in the last place, by the polynomial of the Cephes library; below -87
/// and above 88 as at these limits.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let n = x * std::f32::consts::LOG2_E + MAGIC;
    let exponent = n.to_bits().wrapping_sub(MAGIC.to_bits());
    let n = n - MAGIC;
    let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 0.166_666_65;
    p = p * r + 0.5;
    let value = p * r * r + r + 1.0;
    f32::from_bits(value.to_bits().wrapping_add(exponent << 23))
}

/// Turns each head of each token by the token's angles.
///
/// `angles` holds cosine and sine of each pair of each token; pairs beyond them stay.
#[inline(always)]
pub(super) fn rotate(
    x: &mut [f32],
    angles: &[(f32, f32)],
    rope: Rope,
    heads: usize,
    head_dim: usize,
) {
    let tokens = x.len() / (heads * head_dim);
    let pairs = angles.len() / tokens.max(1);
    for (token, angles) in x
        .chunks_exact_mut(heads * head_dim)
        .zip(angles.chunks_exact(pairs))
    {
        for head in token.chunks_exact_mut(head_dim) {
            match rope {
                Rope::Interleaved => {
                    for (pair, &(cos, sin)) in head.as_chunks_mut::<2>().0.iter_mut().zip(angles) {
                        let [a, b] = *pair;
                        *pair = [a * cos - b * sin, a * sin + b * cos];
                    }
                }
                Rope::Halves => {
                    let (first, second) = head.split_at_mut(pairs);
                    for ((a, b), &(cos, sin)) in first.iter_mut().zip(second).zip(angles) {
                        (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_everywhere() {
        for i in -8700..8800 {
            let x = i as f32 / 100.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 3e-7, "{x}: {error}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1000.0) < 1e-37);
    }
}
