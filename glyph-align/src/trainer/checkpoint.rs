//! Checkpoints of a training run: model, optimiser and progress.
//!
//! A checkpoint is a folder of its own, [`SLOTS`] in turn, and the file [`CURRENT`] names the one
//! that is whole. That file is replaced when all others are on the disk, so that a run that is
//! killed at any moment goes on from one checkpoint, never from parts of two.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::AlignError;

const SLOTS: [&str; 2] = ["checkpoint-a", "checkpoint-b"];
const CURRENT: &str = "checkpoint";
const PROGRESS: &str = "progress.json";
const OPTIMIZER: &str = "optimizer.bpk";
/// Weights of the model.
pub(crate) const MODEL: &str = "model.bpk";

/// A checkpoint that was read.
pub(crate) struct Loaded<T, P> {
    pub(crate) modules: T,
    pub(crate) optimizer: ModuleOptimizer,
    pub(crate) progress: P,
}

/// Reads the checkpoint in `dir`, if there is one. `check` is given its file of settings and what it
/// says before anything else is read, since weights of other settings have other shapes; `modules`
/// reads what else lies in its folder.
pub(crate) fn load<T, P: DeserializeOwned>(
    dir: &Path,
    optimizer: &ModuleOptimizer,
    check: impl FnOnce(&Path, &P) -> Result<(), AlignError>,
    modules: impl FnOnce(&Path) -> Result<T, AlignError>,
) -> Result<Option<Loaded<T, P>>, AlignError> {
    let Some(folder) = current(dir)? else {
        return Ok(None);
    };
    let path = folder.join(PROGRESS);
    let text = fs::read_to_string(&path).map_err(|source| AlignError::Read {
        path: path.clone(),
        source,
    })?;
    let progress = serde_json::from_str(&text).map_err(|e| unfit(&path, e.to_string()))?;
    check(&path, &progress)?;
    let state = folder.join(OPTIMIZER);
    let optimizer = optimizer.clone().load(&state);
    Ok(Some(Loaded {
        modules: modules(&folder)?,
        optimizer: optimizer.map_err(|e| unfit(&state, e.to_string()))?,
        progress,
    }))
}

/// The folder of the checkpoint that is whole.
fn current(dir: &Path) -> Result<Option<PathBuf>, AlignError> {
    let path = dir.join(CURRENT);
    match fs::read_to_string(&path) {
        Ok(name) => match SLOTS.iter().find(|slot| **slot == name.trim()) {
            Some(slot) => Ok(Some(dir.join(slot))),
            None => {
                let expected = SLOTS.join(" or ");
                Err(unfit(&path, format!("expected {expected}, found {name:?}")))
            }
        },
        // Earlier versions kept the files in the folder itself.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Ok(dir.join(PROGRESS).exists().then(|| dir.to_owned()))
        }
        Err(source) => Err(AlignError::Read { path, source }),
    }
}

/// Writes a checkpoint to `dir`; the one before stays whole until the new one is. `modules` writes
/// what else belongs to it.
pub(crate) fn save(
    dir: &Path,
    optimizer: &ModuleOptimizer,
    progress: &impl Serialize,
    modules: impl FnOnce(&Path) -> Result<(), AlignError>,
) -> Result<(), AlignError> {
    let before = current(dir)?;
    let slot = SLOTS
        .into_iter()
        .find(|slot| before.as_ref() != Some(&dir.join(slot)))
        .expect("of two one is another");
    let next = dir.join(slot);
    // What a killed run left there is no checkpoint.
    match fs::remove_dir_all(&next) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(unwritten(&next, &e)),
        _ => fs::create_dir_all(&next).map_err(|e| unwritten(&next, &e))?,
    }
    modules(&next)?;
    let state = next.join(OPTIMIZER);
    optimizer.save(&state).map_err(|e| unwritten(&state, &e))?;
    let path = next.join(PROGRESS);
    let text = serde_json::to_string(progress).map_err(|e| unwritten(&path, &e))?;
    fs::write(&path, text).map_err(|e| unwritten(&path, &e))?;
    sync_all(&next).map_err(|e| unwritten(&next, &e))?;

    let path = dir.join(CURRENT);
    let renamed = dir.join(format!("{CURRENT}.new"));
    File::create(&renamed)
        .and_then(|mut file| {
            file.write_all(slot.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&renamed, &path))
        .map_err(|e| unwritten(&path, &e))?;
    sync_folder(dir);
    // The new checkpoint stands; what cannot be deleted only takes room.
    match before {
        Some(folder) if folder == dir => {
            for name in [MODEL, OPTIMIZER, PROGRESS] {
                let _ = fs::remove_file(dir.join(name));
            }
        }
        Some(folder) => drop(fs::remove_dir_all(folder)),
        None => {}
    }
    Ok(())
}

/// Waits until the files of a folder are on the disk: a rename may get there before what it names.
fn sync_all(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        // Windows flushes only what is open for writing.
        File::options()
            .write(true)
            .open(entry?.path())?
            .sync_all()?;
    }
    sync_folder(folder);
    Ok(())
}

/// The same for a folder's names, where the system can: some open no folders.
fn sync_folder(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// Writes a module's weights.
pub(crate) fn write_module<M: Module>(module: &M, path: &Path) -> Result<(), AlignError> {
    let written = module.clone().save_file(path);
    written.map_err(|e| unwritten(path, &e))
}

/// Reads a module's weights.
pub(crate) fn read_module<M: Module>(module: &M, path: &Path) -> Result<M, AlignError> {
    let read = module.clone().try_load_file(path);
    read.map_err(|e| unfit(path, e.to_string()))
}

fn unfit(path: &Path, reason: String) -> AlignError {
    AlignError::Checkpoint {
        path: path.to_owned(),
        reason,
    }
}

fn unwritten(path: &Path, e: &dyn std::fmt::Display) -> AlignError {
    AlignError::Write {
        path: path.to_owned(),
        reason: e.to_string(),
    }
}

/// Checks that a checkpoint's settings are those of the run that goes on from it, `free` ones aside:
/// fields by name, those of a struct behind a dot.
pub(crate) fn same_settings<C: Serialize + DeserializeOwned>(
    path: &Path,
    saved: &C,
    own: &C,
    free: &[&str],
) -> Result<(), AlignError> {
    let fail = |e: serde_json::Error| unfit(path, e.to_string());
    // Numbers lose a digit on their way through a file; so these go there and back too.
    let text = serde_json::to_string(own).map_err(fail)?;
    let own: C = serde_json::from_str(&text).map_err(fail)?;
    let saved = serde_json::to_value(saved).map_err(fail)?;
    let own = serde_json::to_value(own).map_err(fail)?;
    match difference("", &saved, &own, free) {
        None => Ok(()),
        Some((field, saved, own)) => Err(unfit(
            path,
            format!("{field} was {saved} when it was saved, and is {own} now"),
        )),
    }
}

type Difference<'a> = (String, &'a Value, &'a Value);

fn difference<'a>(
    name: &str,
    saved: &'a Value,
    own: &'a Value,
    free: &[&str],
) -> Option<Difference<'a>> {
    match (saved, own) {
        _ if free.contains(&name) => None,
        (Value::Object(a), Value::Object(b)) => a.keys().chain(b.keys()).find_map(|key| {
            let name = match name {
                "" => key.clone(),
                name => format!("{name}.{key}"),
            };
            let of = |map: &'a serde_json::Map<String, Value>| map.get(key).unwrap_or(&Value::Null);
            difference(&name, of(a), of(b), free)
        }),
        _ => (saved != own).then(|| (name.to_owned(), saved, own)),
    }
}

/// A learning rate that warms up linearly and decays along a cosine to a hundredth of its peak.
pub(crate) fn cosine_schedule(peak: f64, warmup: usize, steps: usize, step: usize) -> f64 {
    let warm = ((step + 1) as f64 / warmup.max(1) as f64).min(1.0);
    let done = step as f64 / steps.max(1) as f64;
    let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos());
    peak * warm * (0.01 + 0.99 * cosine)
}

#[cfg(test)]
mod tests;
