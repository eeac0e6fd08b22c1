//! What a model may be made of, checked before it is: a `config.json` can say anything.

use super::{Checkpoint, CheckpointError};

/// The largest size that a `config.json` may give: products of a few of them can be counted.
const LARGEST: usize = 1 << 20;

/// Attention heads, and the features that they share.
#[derive(Debug, Clone, Copy)]
pub struct Heads<'a> {
    /// Key and value of the number of heads.
    pub heads: (&'a str, usize),
    /// Key and value of the width of all of them.
    pub width: (&'a str, usize),
    /// What the width of one is a multiple of: 4 where positions of rows and columns turn pairs of
    /// its numbers, 1 otherwise.
    pub multiple: usize,
}

impl Checkpoint<'_> {
    /// Checks sizes that `config.json` gives, by their keys: each of `sizes` is at least 1 and no
    /// more than a million; there are no more `layers` than tensors; `heads` divide the width.
    ///
    /// # Errors
    /// With the key, what was expected and what was found.
    pub fn check_sizes(
        &self,
        sizes: &[(&str, usize)],
        layers: (&str, usize),
        heads: Heads<'_>,
    ) -> Result<(), CheckpointError> {
        for &(key, size) in sizes.iter().chain([&heads.heads, &heads.width]) {
            if !(1..=LARGEST).contains(&size) {
                return self.bad_size(key, &format!("1 to {LARGEST}"), size);
            }
        }
        let tensors = self.tensors.len();
        if layers.1 > tensors {
            let expected = format!("at most {tensors}, which is how many tensors there are");
            return self.bad_size(layers.0, &expected, layers.1);
        }
        let (width, unit) = (heads.width.1, heads.multiple.max(1));
        if !width.is_multiple_of(heads.heads.1) || !(width / heads.heads.1).is_multiple_of(unit) {
            let each = match unit {
                1 => String::new(),
                unit => format!(" into multiples of {unit}"),
            };
            let expected = format!("a number that divides {} = {width}{each}", heads.width.0);
            return self.bad_size(heads.heads.0, &expected, heads.heads.1);
        }
        Ok(())
    }

    /// Checks that a picture of `side` pixels holds patches, and how many side by side.
    ///
    /// # Errors
    /// With the key, what was expected and what was found.
    pub fn check_patches(
        &self,
        (key, side): (&str, usize),
        patch_size: usize,
    ) -> Result<usize, CheckpointError> {
        match side.checked_div(patch_size) {
            Some(patches) if (1..=LARGEST).contains(&patches) => Ok(patches),
            _ => {
                let expected = format!("at least a patch of {patch_size} px");
                self.bad_size(key, &expected, side)
            }
        }
    }

    fn bad_size<T>(&self, key: &str, expected: &str, found: usize) -> Result<T, CheckpointError> {
        Err(CheckpointError::File {
            path: self.folder().join("config.json"),
            reason: format!("{key}: expected {expected}, found {found}"),
        })
    }
}
