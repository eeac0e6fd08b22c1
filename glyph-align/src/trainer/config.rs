//! Settings of a run.

use glyph_encode::builtin::CoarserConfig;
use serde::{Deserialize, Serialize};

use super::cosine_schedule;
use crate::AlignError;

/// How to train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingConfig {
    /// Optimiser steps in all.
    pub steps: usize,
    /// Rows of text a step.
    pub batch_rows: usize,
    /// Peak learning rate; it warms up linearly and decays along a cosine to a hundredth.
    pub learning_rate: f64,
    /// Steps of warm-up.
    pub warmup_steps: usize,
    /// Decoupled weight decay of AdamW.
    pub weight_decay: f32,
    /// Share of rows made illegible on purpose.
    pub spoiled: f64,
    /// Share of rows worn, legible still ([`Sample::wear`](crate::Sample::wear)).
    #[serde(default)]
    pub worn: f64,
    /// Share of natural passages in which some characters are exchanged for random ones, so that the
    /// reader looks instead of guessing ([`TextSource::with_strangers`](crate::TextSource::with_strangers)).
    #[serde(default)]
    pub strangers: f64,
    /// Share of rows in another hand: drawn in other fonts and sizes and found on the page as the
    /// encoder finds them, or in the built-in style without anti-aliasing or worn harder
    /// ([`Trainer::with_fonts`](crate::Trainer::with_fonts)).
    #[serde(default)]
    pub foreign: f64,
    /// First steps in which a [`RatioModel`](crate::RatioModel) does not read yet, but learns to give back the tokens
    /// that it merges.
    #[serde(default)]
    pub rehearsal: usize,
    /// Patches of a token, for each of the ratios that a [`RatioModel`](crate::RatioModel) learns; others stay as they
    /// are.
    #[serde(default)]
    pub ratios: Vec<usize>,
    /// Seed of the samples and of the first weights.
    pub seed: u64,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            steps: 9000,
            batch_rows: 32,
            learning_rate: 1.5e-3,
            warmup_steps: 200,
            weight_decay: 0.01,
            spoiled: 0.03,
            worn: 0.0,
            strangers: 0.0,
            foreign: 0.0,
            rehearsal: 0,
            ratios: vec![8, 24, 48],
            seed: 1,
        }
    }
}

impl TrainingConfig {
    /// Checks that a run can be made of these settings: at least one row a step, shares of rows from
    /// 0 to 1, numbers of at least 0, and ratios that tokens can have, each once.
    ///
    /// # Errors
    /// With the first setting that is out of its range.
    pub fn check(&self) -> Result<(), AlignError> {
        let fail = |what, expected: &str, found: String| {
            Err(AlignError::Input {
                what,
                expected: expected.to_owned(),
                found,
            })
        };
        if self.batch_rows == 0 {
            return fail("batch_rows", "at least 1", "0".to_owned());
        }
        for (what, share) in [
            ("spoiled", self.spoiled),
            ("worn", self.worn),
            ("strangers", self.strangers),
            ("foreign", self.foreign),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return fail(what, "a share from 0 to 1", share.to_string());
            }
        }
        for (what, number) in [
            ("learning_rate", self.learning_rate),
            ("weight_decay", f64::from(self.weight_decay)),
        ] {
            if !(number.is_finite() && number >= 0.0) {
                return fail(what, "a number of at least 0", number.to_string());
            }
        }
        let sizes: Vec<usize> = CoarserConfig::default().merge_sizes().collect();
        let once =
            |(i, size): (usize, &usize)| sizes.contains(size) && !self.ratios[..i].contains(size);
        if !self.ratios.iter().enumerate().all(once) {
            let expected = format!("some of {sizes:?}, each once");
            return fail("ratios", &expected, format!("{:?}", self.ratios));
        }
        Ok(())
    }

    /// Learning rate at a step.
    pub fn learning_rate_at(&self, step: usize) -> f64 {
        cosine_schedule(self.learning_rate, self.warmup_steps, self.steps, step)
    }
}
