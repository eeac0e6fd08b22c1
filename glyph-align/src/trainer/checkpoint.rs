//! Checkpoints of a training run: model, optimiser and progress.

use std::path::Path;

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::AlignError;

/// A checkpoint that was read.
pub(crate) struct Loaded<M, P> {
    pub(crate) model: M,
    pub(crate) optimizer: ModuleOptimizer,
    pub(crate) progress: P,
}

/// Reads the checkpoint in `dir`, if there is one.
pub(crate) fn load<M: Module, P: DeserializeOwned>(
    dir: &Path,
    model: &M,
    optimizer: &ModuleOptimizer,
) -> Result<Option<Loaded<M, P>>, AlignError> {
    let path = dir.join("progress.json");
    if !path.exists() {
        return Ok(None);
    }
    let bad = |reason: String| AlignError::Checkpoint {
        path: path.clone(),
        reason,
    };
    let text = std::fs::read_to_string(&path).map_err(|source| AlignError::Read {
        path: path.clone(),
        source,
    })?;
    let progress = serde_json::from_str(&text).map_err(|e| bad(e.to_string()))?;
    let model = model.clone().try_load_file(dir.join("model.bpk"));
    let model = model.map_err(|e| bad(e.to_string()))?;
    let optimizer = optimizer
        .clone()
        .load(dir.join("optimizer.bpk"))
        .map_err(|e| bad(e.to_string()))?;
    Ok(Some(Loaded {
        model,
        optimizer,
        progress,
    }))
}

/// Writes a checkpoint to `dir`; the one before stays whole until the new one is.
pub(crate) fn save<M: Module>(
    dir: &Path,
    model: &M,
    optimizer: &ModuleOptimizer,
    progress: &impl Serialize,
) -> Result<(), AlignError> {
    let next = dir.join("next");
    let fail = |path: &Path, e: &dyn std::fmt::Display| AlignError::Write {
        path: path.to_owned(),
        reason: e.to_string(),
    };
    std::fs::create_dir_all(&next).map_err(|e| fail(&next, &e))?;
    model
        .clone()
        .save_file(next.join("model.bpk"))
        .map_err(|e| fail(&next, &e))?;
    optimizer
        .save(next.join("optimizer.bpk"))
        .map_err(|e| fail(&next, &e))?;
    let text = serde_json::to_string(progress).map_err(|e| fail(&next, &e))?;
    std::fs::write(next.join("progress.json"), text).map_err(|e| fail(&next, &e))?;
    for name in ["model.bpk", "optimizer.bpk", "progress.json"] {
        std::fs::rename(next.join(name), dir.join(name)).map_err(|e| fail(&next, &e))?;
    }
    Ok(())
}

/// A learning rate that warms up linearly and decays along a cosine to a hundredth of its peak.
pub(crate) fn cosine_schedule(peak: f64, warmup: usize, steps: usize, step: usize) -> f64 {
    let warm = ((step + 1) as f64 / warmup.max(1) as f64).min(1.0);
    let done = step as f64 / steps.max(1) as f64;
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos());
    peak * warm * (0.01 + 0.99 * cosine)
}
