//! What a softmax's probability is worth.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::DecodeError;

/// Turns the probability that a network gives into the share of such characters that are right:
/// `sigmoid(slope * logit(p) + intercept)`.
///
/// [Platt, 1999](https://citeseerx.ist.psu.edu/doc/10.1.1.41.1639); with an intercept of 0 it is the
/// temperature of [Guo et al., 2017](https://arxiv.org/abs/1706.04599) for two classes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Above 0, so that what was surer stays surer.
    pub slope: f32,
    /// Log-odds added.
    pub intercept: f32,
}

impl Default for Calibration {
    fn default() -> Self {
        Self {
            slope: 1.0,
            intercept: 0.0,
        }
    }
}

impl Calibration {
    /// Log-odds of a probability, bounded where `f32` knows no difference to 0 or 1.
    pub fn logit(p: f32) -> f32 {
        let p = p.clamp(f32::EPSILON, 1.0 - f32::EPSILON);
        (p / (1.0 - p)).ln()
    }

    /// The corrected probability.
    pub fn apply(self, p: f32) -> f32 {
        if self == Self::default() {
            return p;
        }
        let z = self.slope * Self::logit(p) + self.intercept;
        1.0 / (1.0 + (-z).exp())
    }
}

/// What a character is, as far as its calibration goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CharacterKind {
    /// Of the style that the encoder was made for.
    Own,
    /// A half-width character in another style.
    Foreign,
    /// A full-width character in another style.
    ForeignWide,
}

/// A [`Calibration`] for each ratio, by the half-width cells that a token stands for, and each kind
/// of character.
///
/// As JSON: `{"own": {"8": {"slope": 0.9, "intercept": 0.1}, "32": …}, "foreign": {…},
/// "foreign_wide": {…}}`. The example `calibrate_reader` fits it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationTable {
    own: BTreeMap<usize, Calibration>,
    #[serde(default)]
    foreign: BTreeMap<usize, Calibration>,
    #[serde(default)]
    foreign_wide: BTreeMap<usize, Calibration>,
}

impl CalibrationTable {
    /// The table of the embedded weights.
    ///
    /// # Errors
    /// If the embedded table is not valid, which the tests rule out.
    #[cfg(feature = "builtin-weights")]
    pub fn builtin() -> Result<Self, DecodeError> {
        let json = include_str!("../../assets/calibration.json");
        Self::from_json("embedded calibration.json", json)
    }

    /// Reads a table; `name` says in errors where it is from.
    ///
    /// # Errors
    /// If the JSON is of another form, or a number is not finite or a slope not above 0.
    pub fn from_json(name: &str, json: &str) -> Result<Self, DecodeError> {
        let fail = |reason: String| DecodeError::Weights {
            name: name.to_owned(),
            reason,
        };
        let table: Self = serde_json::from_str(json).map_err(|e| fail(e.to_string()))?;
        let foreign = table.foreign.iter().chain(&table.foreign_wide);
        for (cells, c) in table.own.iter().chain(foreign) {
            if !(c.slope.is_finite() && c.slope > 0.0 && c.intercept.is_finite()) {
                return Err(fail(format!(
                    "calibration of {cells} cells: expected a slope above 0, found {c:?}"
                )));
            }
        }
        Ok(table)
    }

    /// The calibration of characters in tokens of so many cells; none leaves probabilities as they
    /// are.
    pub fn of(&self, cells: usize, kind: CharacterKind) -> Calibration {
        let table = match kind {
            CharacterKind::Own => &self.own,
            CharacterKind::Foreign => &self.foreign,
            CharacterKind::ForeignWide => &self.foreign_wide,
        };
        table.get(&cells).copied().unwrap_or_default()
    }

    /// Sets the calibration of characters in tokens of so many cells.
    pub fn set(&mut self, cells: usize, kind: CharacterKind, calibration: Calibration) {
        let table = match kind {
            CharacterKind::Own => &mut self.own,
            CharacterKind::Foreign => &mut self.foreign,
            CharacterKind::ForeignWide => &mut self.foreign_wide,
        };
        table.insert(cells, calibration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_stay_in_order_and_within_bounds() {
        let calibration = Calibration {
            slope: 0.7,
            intercept: 1.2,
        };
        let values: Vec<f32> = (0..=100)
            .map(|i| calibration.apply(i as f32 / 100.0))
            .collect();
        assert!(values.windows(2).all(|w| w[0] < w[1]), "{values:?}");
        assert!(values.iter().all(|p| (0.0..=1.0).contains(p)));
        let expected = 1.0 / (1.0 + (-1.2f32).exp());
        assert!((calibration.apply(0.5) - expected).abs() < 1e-6);
        assert_eq!(Calibration::default().apply(0.123), 0.123);
    }

    #[test]
    fn tables_come_from_json() {
        let json = r#"{"own": {"8": {"slope": 2.0, "intercept": -0.5}},
                       "foreign": {"8": {"slope": 1.5, "intercept": -1.0}}}"#;
        let table = CalibrationTable::from_json("a.json", json).expect("valid");
        assert_eq!(table.of(8, CharacterKind::Own).slope, 2.0);
        assert_eq!(table.of(8, CharacterKind::Foreign).slope, 1.5);
        assert_eq!(
            table.of(32, CharacterKind::ForeignWide),
            Calibration::default()
        );
        let wrong = json.replace("2.0", "0.0");
        let error = CalibrationTable::from_json("a.json", &wrong).expect_err("no slope");
        assert!(error.to_string().contains("slope above 0"), "{error}");
        assert!(CalibrationTable::from_json("a.json", "[]").is_err());
    }
}
