//! Edit distance with a bound.

/// Whether `a` becomes `b` with at most `limit` edits (insertion, deletion,
/// substitution, transposition of neighbours).
pub(crate) fn within_edits(a: &[char], b: &[char], limit: usize) -> bool {
    if a.len().abs_diff(b.len()) > limit {
        return false;
    }
    let prefix = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[prefix..], &b[prefix..]);
    let suffix = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .take_while(|(x, y)| x == y)
        .count();
    let (a, b) = (&a[..a.len() - suffix], &b[..b.len() - suffix]);
    if a.is_empty() || b.is_empty() {
        return a.len().max(b.len()) <= limit;
    }
    if limit == 0 {
        return false;
    }
    // What is left differs at both of its ends.
    if limit == 1 {
        return a.len() == 1 && b.len() == 1
            || a.len() == 2 && b.len() == 2 && a[0] == b[1] && a[1] == b[0];
    }
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut cost = (row[j] + usize::from(x != y))
                .min(row[j + 1] + 1)
                .min(next[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                cost = cost.min(before[j - 1] + 1);
            }
            next.push(cost);
        }
        if next.iter().all(|&c| c > limit) {
            return false;
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()] <= limit
}

/// How many wrong characters a word of `length` characters may hold.
pub(crate) fn allowed_edits(length: usize) -> usize {
    match length {
        0..=4 => 0,
        5..=8 => 1,
        _ => 2,
    }
}
