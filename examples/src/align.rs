//! Which character became which.

/// One step of an alignment of two sequences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pair {
    /// One of each, equal or not.
    Both(usize, usize),
    /// One that is missing in the second sequence, before this place of it.
    Left(usize, usize),
    /// One that only the second sequence has.
    Right(usize),
}

/// An alignment of the fewest edits, in order.
pub fn align<T: PartialEq>(a: &[T], b: &[T]) -> Vec<Pair> {
    let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let mut pairs: Vec<Pair> = (0..same).map(|i| Pair::Both(i, i)).collect();
    let (rest_a, rest_b) = (&a[same..], &b[same..]);
    let width = rest_b.len() + 1;
    let mut cost = vec![0u32; (rest_a.len() + 1) * width];
    for i in 0..=rest_a.len() {
        for j in 0..width {
            cost[i * width + j] = match (i, j) {
                (0, n) | (n, 0) => n as u32,
                _ => {
                    let other = u32::from(rest_a[i - 1] != rest_b[j - 1]);
                    (cost[(i - 1) * width + j - 1] + other)
                        .min(cost[(i - 1) * width + j] + 1)
                        .min(cost[i * width + j - 1] + 1)
                }
            };
        }
    }
    let (mut i, mut j) = (rest_a.len(), rest_b.len());
    let end = pairs.len();
    while i > 0 || j > 0 {
        let here = cost[i * width + j];
        if i > 0 && j > 0 {
            let other = u32::from(rest_a[i - 1] != rest_b[j - 1]);
            if cost[(i - 1) * width + j - 1] + other == here {
                (i, j) = (i - 1, j - 1);
                pairs.push(Pair::Both(same + i, same + j));
                continue;
            }
        }
        if i > 0 && cost[(i - 1) * width + j] + 1 == here {
            i -= 1;
            pairs.push(Pair::Left(same + i, same + j));
        } else {
            j -= 1;
            pairs.push(Pair::Right(same + j));
        }
    }
    pairs[end..].reverse();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_stands_in_one_pair() {
        let aligned = |a: &str, b: &str| {
            align(
                &a.chars().collect::<Vec<_>>(),
                &b.chars().collect::<Vec<_>>(),
            )
        };
        use Pair::{Both, Left, Right};
        assert_eq!(aligned("abc", "abc"), [Both(0, 0), Both(1, 1), Both(2, 2)]);
        assert_eq!(aligned("abc", "axc"), [Both(0, 0), Both(1, 1), Both(2, 2)]);
        assert_eq!(aligned("abc", "ac"), [Both(0, 0), Left(1, 1), Both(2, 1)]);
        assert_eq!(aligned("ac", "abc"), [Both(0, 0), Right(1), Both(1, 2)]);
        assert_eq!(aligned("", "x"), [Right(0)]);
        assert!(aligned("", "").is_empty());
    }
}
