//! How near image embeddings are to those of the text.

use crate::AlignError;

/// Scalar product of two embeddings: their cosine, where both have length 1.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Share of `queries` whose nearest neighbour among `candidates` is the one at the same place.
///
/// # Shapes
/// - `queries`, `candidates`: `[n, width]`, row after row, of length 1
pub fn recall_at_1(queries: &[f32], candidates: &[f32], width: usize) -> f64 {
    let width = width.max(1);
    let n = queries.len() / width;
    let right = queries
        .chunks_exact(width)
        .enumerate()
        .filter(|(i, query)| {
            let own = candidates.get(i * width..(i + 1) * width);
            own.is_some_and(|own| {
                let own = dot(query, own);
                // A tie is no find.
                candidates
                    .chunks_exact(width)
                    .enumerate()
                    .all(|(j, other)| j == *i || dot(query, other) < own)
            })
        });
    right.count() as f64 / n.max(1) as f64
}

/// Spearman's correlation of two series: Pearson's of their ranks, equal values sharing a rank.
/// `NaN` where a series has a single value, or one that is no number.
///
/// # Errors
/// If one series is longer than the other.
pub fn spearman(a: &[f32], b: &[f32]) -> Result<f64, AlignError> {
    if a.len() != b.len() {
        return Err(AlignError::Shape {
            what: "second series of a correlation",
            expected: vec![a.len()],
            found: vec![b.len()],
        });
    }
    if a.iter().chain(b).any(|v| v.is_nan()) {
        return Ok(f64::NAN);
    }
    let (a, b) = (ranks(a), ranks(b));
    let n = a.len() as f64;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
    let (ma, mb) = (mean(&a), mean(&b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(&b) {
        ab += (x - ma) * (y - mb);
        aa += (x - ma).powi(2);
        bb += (y - mb).powi(2);
    }
    Ok(ab / (aa * bb).sqrt())
}

/// Ranks of numbers, from 0, equal ones sharing the mean of theirs.
fn ranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut out = vec![0.0; values.len()];
    let mut at = 0;
    while at < order.len() {
        let same = order[at..]
            .iter()
            .take_while(|&&i| values[i] == values[order[at]])
            .count();
        for &i in &order[at..at + same] {
            out[i] = at as f64 + (same - 1) as f64 / 2.0;
        }
        at += same;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spearman_sees_order_alone_and_shares_ranks() {
        let spearman = |a: &[f32], b: &[f32]| spearman(a, b).expect("as long");
        let a = [1.0, 2.0, 3.0, 4.0];
        assert!((spearman(&a, &[1.0, 10.0, 100.0, 1e6]) - 1.0).abs() < 1e-12);
        assert!((spearman(&a, &[4.0, 3.0, 2.0, -9.0]) + 1.0).abs() < 1e-12);
        // scipy.stats.spearmanr([1, 2, 3, 4, 5], [2, 1, 2, 5, 5]).statistic
        let tied = spearman(&[1.0, 2.0, 3.0, 4.0, 5.0], &[2.0, 1.0, 2.0, 5.0, 5.0]);
        assert!((tied - 0.790_569_415).abs() < 1e-8, "{tied}");
    }

    #[test]
    fn spearman_of_what_is_no_number_is_none() {
        for odd in [[f32::NAN, 2.0], [1.0, f32::NAN], [f32::NAN; 2]] {
            assert!(spearman(&odd, &[1.0, 2.0]).expect("as long").is_nan());
            assert!(spearman(&[1.0, 2.0], &odd).expect("as long").is_nan());
        }
        let infinite = [f32::NEG_INFINITY, 0.0, f32::INFINITY];
        assert_eq!(
            spearman(&infinite, &[-1.0, 0.0, 1.0]).expect("as long"),
            1.0
        );
        let e = spearman(&[1.0, 2.0, 3.0], &[1.0, 2.0]).expect_err("one is longer");
        assert!(e.to_string().contains("expected shape [3], found [2]"));
    }

    #[test]
    fn a_find_is_nearer_than_all_others() {
        let texts = [1.0, 0.0, 0.0, 1.0];
        assert_eq!(recall_at_1(&texts, &texts, 2), 1.0);
        assert_eq!(recall_at_1(&[0.9, 0.1, 0.8, 0.2], &texts, 2), 0.5);
        assert_eq!(recall_at_1(&[0.5, 0.5, 0.5, 0.5], &texts, 2), 0.0);
    }
}
