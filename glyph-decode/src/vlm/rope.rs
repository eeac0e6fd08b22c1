//! Rotary positions of text and images, with the scalings that checkpoints of all families name.

use std::f64::consts::PI;

use burn::tensor::Device;
use glyph_encode::nn::{Rotary, RotaryApart, RotaryPairs, inverse_frequencies};
use serde::Deserialize;
use serde_json::Value;

use crate::families::stretch_llama3;

/// Where a token stands: its temporal position, row and column. The three are equal for text.
pub type RotaryPosition = [u32; 3];

/// `rope_parameters` of a config, or `rope_scaling` as older files have it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct RopeParameters {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    rope_theta: Option<f64>,
    partial_rotary_factor: Option<f64>,
    mrope_section: Option<Vec<usize>>,
    factor: Option<f64>,
    attention_factor: Option<f64>,
    beta_fast: Option<f64>,
    beta_slow: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
    truncate: Option<bool>,
}

/// The rotary embedding of a text decoder.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rope {
    theta: f64,
    frequencies: Vec<f32>,
    /// Which of the three positions turns each pair.
    axes: Vec<usize>,
    pairs: RotaryPairs,
    /// Factor of cosines and sines.
    scale: f32,
}

impl Rope {
    /// Reads the parameters of a text config. `config` may carry some of them at its top.
    pub(crate) fn from_config(
        config: &Value,
        head_dim: usize,
        pairs: RotaryPairs,
    ) -> Result<Self, String> {
        let nested = ["rope_parameters", "rope_scaling"]
            .iter()
            .map(|key| &config[*key])
            .find(|v| v.is_object());
        let parameters = match nested {
            Some(v) => {
                // Files that were written by both generations have both names of the type.
                let mut v = v.clone();
                if let Some(map) = v.as_object_mut()
                    && map.contains_key("rope_type")
                {
                    map.remove("type");
                }
                serde_json::from_value(v).map_err(|e| format!("rope parameters: {e}"))?
            }
            None => RopeParameters::default(),
        };
        let number = |key: &str| config[key].as_f64();
        let theta = parameters.rope_theta.or(number("rope_theta"));
        let partial = parameters
            .partial_rotary_factor
            .or(number("partial_rotary_factor"));
        let rotated = (head_dim as f64 * partial.unwrap_or(1.0)) as usize;
        if rotated < 2 || rotated > head_dim || rotated % 2 == 1 {
            return Err(format!(
                "partial_rotary_factor: expected an even number of up to {head_dim} numbers of a \
                 head, found {rotated}"
            ));
        }
        let theta = theta.unwrap_or(10_000.0);
        if theta.is_nan() || theta <= 1.0 {
            return Err(format!("rope_theta: expected more than 1, found {theta}"));
        }
        let mut rope = Self {
            theta,
            frequencies: inverse_frequencies(theta, rotated),
            axes: vec![0; rotated / 2],
            pairs,
            scale: 1.0,
        };
        if let Some(section) = &parameters.mrope_section {
            let pairs = section.iter().try_fold(0usize, |n, &s| n.checked_add(s));
            if pairs != Some(rotated / 2) {
                return Err(format!(
                    "mrope_section: expected {} pairs, found {section:?}",
                    rotated / 2
                ));
            }
            rope.axes = section
                .iter()
                .enumerate()
                .flat_map(|(i, &n)| std::iter::repeat_n(i % 3, n))
                .collect();
        }
        rope.rescale(&parameters, theta, rotated)?;
        Ok(rope)
    }

    /// Base of the wavelengths.
    pub(crate) fn theta(&self) -> f64 {
        self.theta
    }

    /// Radians a position of each pair.
    pub(crate) fn frequencies(&self) -> &[f32] {
        &self.frequencies
    }

    /// Factor of cosines and sines.
    pub(crate) fn scale(&self) -> f32 {
        self.scale
    }

    fn rescale(&mut self, p: &RopeParameters, theta: f64, width: usize) -> Result<(), String> {
        let kind = p.rope_type.as_deref().unwrap_or("default");
        let need = |what: &str, value: Option<f64>| {
            value
                .filter(|v| *v > 0.0)
                .ok_or_else(|| format!("rope type {kind} without {what}"))
        };
        match kind {
            "default" | "mrope" => {}
            "linear" => {
                let factor = need("factor", p.factor)? as f32;
                self.frequencies.iter_mut().for_each(|f| *f /= factor);
            }
            "yarn" => {
                let factor = need("factor", p.factor)?;
                let trained = need(
                    "original_max_position_embeddings",
                    p.original_max_position_embeddings,
                )?;
                self.yarn(p, factor, trained, theta, width);
            }
            "llama3" => {
                let factor = need("factor", p.factor)?;
                let low = need("low_freq_factor", p.low_freq_factor)?;
                let high = need("high_freq_factor", p.high_freq_factor)?;
                let trained = need(
                    "original_max_position_embeddings",
                    p.original_max_position_embeddings,
                )?;
                let numbers = [factor, low, high, trained].map(|v| v as f32);
                stretch_llama3(&mut self.frequencies, numbers);
            }
            other => {
                return Err(format!(
                    "rope type: expected default, mrope, linear, yarn or llama3, found {other}"
                ));
            }
        }
        Ok(())
    }

    /// YaRN (Peng et al., arXiv 2309.00071): long wavelengths are stretched, short ones kept.
    fn yarn(&mut self, p: &RopeParameters, factor: f64, trained: f64, theta: f64, width: usize) {
        let dim = width as f64;
        // The pair that turns so many times over the trained context.
        let pair = |turns: f64| dim * (trained / (turns * 2.0 * PI)).ln() / (2.0 * theta.ln());
        let mut low = pair(p.beta_fast.unwrap_or(32.0));
        let mut high = pair(p.beta_slow.unwrap_or(1.0));
        if p.truncate.unwrap_or(true) {
            (low, high) = (low.floor(), high.ceil());
        }
        let low = low.max(0.0);
        let high = high.min(dim - 1.0).max(low + 0.001);
        for (i, f) in self.frequencies.iter_mut().enumerate() {
            let stretched = ((i as f64 - low) / (high - low)).clamp(0.0, 1.0);
            let kept = f64::from(*f);
            *f = (kept / factor * stretched + kept * (1.0 - stretched)) as f32;
        }
        let scale = p.attention_factor.unwrap_or(match factor <= 1.0 {
            true => 1.0,
            false => 0.1 * factor.ln() + 1.0,
        });
        self.scale = scale as f32;
    }

    /// The tables of a sequence.
    pub(crate) fn tables(&self, positions: &[RotaryPosition], device: &Device) -> Rotary {
        let pairs = self.frequencies.len();
        Rotary::new(&self.angles(positions), pairs, self.pairs, device).scaled(self.scale)
    }

    /// The order of a joint product's outputs for [`tables_apart`](Self::tables_apart), if there
    /// is one: `heads`, `kv_heads` and `head_dim`.
    pub(crate) fn order_apart(&self, sizes: [usize; 3]) -> Option<Vec<usize>> {
        RotaryApart::order(sizes, self.frequencies.len(), self.pairs)
    }

    /// The tables of a sequence for products in that order.
    pub(crate) fn tables_apart(
        &self,
        positions: &[RotaryPosition],
        head_dim: usize,
        device: &Device,
    ) -> RotaryApart {
        let pairs = self.frequencies.len();
        RotaryApart::new(&self.angles(positions), pairs, head_dim, self.scale, device)
    }

    fn angles(&self, positions: &[RotaryPosition]) -> Vec<f32> {
        let mut angles = Vec::with_capacity(positions.len() * self.frequencies.len());
        for position in positions {
            angles.extend(
                self.frequencies
                    .iter()
                    .zip(&self.axes)
                    .map(|(f, &axis)| position[axis] as f32 * f),
            );
        }
        angles
    }
}

/// The positions of an image's tokens, row after row: `grid` counts frames, rows and columns of
/// tokens, and frames lie `step` apart. With them the position of what follows.
///
/// After `get_rope_index` of `transformers` (`models/qwen2_vl/modeling_qwen2_vl.py`).
pub(crate) fn image_positions(
    start: usize,
    grid: [usize; 3],
    step: f64,
) -> (Vec<RotaryPosition>, usize) {
    let [frames, rows, columns] = grid;
    let mut out = Vec::with_capacity(frames * rows * columns);
    for t in 0..frames {
        let t = start + (t as f64 * step) as usize;
        for y in start..start + rows {
            out.extend((start..start + columns).map(|x| [t as u32, y as u32, x as u32]));
        }
    }
    (out, start + rows.max(columns))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_image_is_as_long_as_its_longer_side() {
        let (positions, next) = image_positions(5, [1, 2, 3], 1.0);
        assert_eq!(
            positions,
            [
                [5, 5, 5],
                [5, 5, 6],
                [5, 5, 7],
                [5, 6, 5],
                [5, 6, 6],
                [5, 6, 7]
            ]
        );
        assert_eq!(next, 8);
        let (positions, next) = image_positions(0, [2, 1, 1], 1.5);
        assert_eq!(positions, [[0, 0, 0], [1, 0, 0]]);
        assert_eq!(next, 1);
    }

    #[test]
    fn both_layouts_of_config_say_the_same() {
        let old = json!({"rope_theta": 1e6, "rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 2]}});
        let new = json!({"rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [1, 1, 2]}});
        let both = json!({"rope_theta": 1e6, "rope_scaling": {"type": "default", "rope_type": "default", "mrope_section": [1, 1, 2]}});
        let rope = |v: &Value| Rope::from_config(v, 8, RotaryPairs::Halves).unwrap();
        assert_eq!(rope(&old), rope(&new));
        assert_eq!(rope(&old), rope(&both));
        assert_eq!(rope(&old).axes, [0, 1, 2, 2]);
    }

    /// The numbers are what `ROPE_INIT_FUNCTIONS` of transformers 5.24 give for a head of 16 and
    /// theta 10000.
    #[test]
    fn long_wavelengths_are_stretched_as_in_transformers() {
        let cases = [
            (
                json!({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}),
                [
                    1.0,
                    2.371_708_2e-1,
                    5e-2,
                    7.905_695e-3,
                    2.5e-3,
                    7.905_695e-4,
                    2.5e-4,
                    7.905_695e-5,
                ],
                1.138_629_4,
            ),
            (
                json!({"type": "linear", "factor": 4.0}),
                [
                    0.25,
                    7.905_694e-2,
                    2.5e-2,
                    7.905_695e-3,
                    2.5e-3,
                    7.905_695e-4,
                    2.5e-4,
                    7.905_695e-5,
                ],
                1.0,
            ),
            (
                json!({
                    "type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                    "high_freq_factor": 4.0, "original_max_position_embeddings": 64,
                }),
                [
                    1.0,
                    2.443_846e-1,
                    1.304_225_6e-2,
                    3.952_847e-3,
                    1.25e-3,
                    3.952_847e-4,
                    1.25e-4,
                    3.952_847e-5,
                ],
                1.0,
            ),
        ];
        for (scaling, frequencies, scale) in cases {
            let config = json!({"rope_theta": 10000.0, "rope_scaling": scaling});
            let rope = Rope::from_config(&config, 16, RotaryPairs::Halves).unwrap();
            assert!((rope.scale - scale).abs() < 1e-6, "{config}");
            for (found, expected) in rope.frequencies.iter().zip(frequencies) {
                assert!(
                    (found / expected - 1.0f32).abs() < 1e-5,
                    "{config}: {found} {expected}"
                );
            }
        }
    }

    #[test]
    fn sections_are_counted_before_they_are_written_out() {
        for section in [
            json!([1_000_000_000_000u64, 1, 1]),
            json!([u64::MAX, u64::MAX, 2]),
            json!([1, 1, 1]),
        ] {
            let bad = json!({"rope_scaling": {"type": "mrope", "mrope_section": section}});
            let error = Rope::from_config(&bad, 8, RotaryPairs::Halves).unwrap_err();
            assert!(error.contains("expected 4 pairs"), "{error}");
        }
    }

    #[test]
    fn a_scaling_that_is_not_known_is_named() {
        let bad = json!({"rope_scaling": {"type": "dynamic", "factor": 2.0}});
        assert!(
            Rope::from_config(&bad, 16, RotaryPairs::Halves)
                .unwrap_err()
                .contains("dynamic")
        );
        let bad = json!({"rope_scaling": {"type": "yarn"}});
        assert!(
            Rope::from_config(&bad, 16, RotaryPairs::Halves)
                .unwrap_err()
                .contains("factor")
        );
    }
}
