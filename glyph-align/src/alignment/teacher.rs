//! The text encoder's embeddings, computed once and kept on disk.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::{AlignError, SentenceEncoder};

/// Texts of a file.
const CHUNK: usize = 512;

/// A folder of a teacher's embeddings.
///
/// Texts are embedded in files of 512, named by a hash of the texts and of the teacher, so that a run
/// that was cut off goes on, and other texts or another teacher get other files.
#[derive(Debug)]
pub struct TeacherCache {
    folder: PathBuf,
    teacher: String,
}

impl TeacherCache {
    /// Uses `folder`, which is made when something is kept. `teacher` names the model and its weights.
    pub fn new(folder: impl Into<PathBuf>, teacher: impl Into<String>) -> Self {
        Self {
            folder: folder.into(),
            teacher: teacher.into(),
        }
    }

    /// Embeddings of `texts`, of length 1, row after row. `progress` is told how many texts are done.
    ///
    /// # Shapes
    /// - output: `[texts.len(), hidden_size]`
    ///
    /// # Errors
    /// If the folder cannot be written, a file of it is damaged, or a text cannot be embedded.
    pub fn embed(
        &self,
        encoder: &SentenceEncoder,
        texts: &[impl AsRef<str>],
        mut progress: impl FnMut(usize),
    ) -> Result<Vec<f32>, AlignError> {
        let width = encoder.model().hidden_size();
        let mut out = Vec::with_capacity(texts.len() * width);
        for chunk in texts.chunks(CHUNK) {
            let path = self.path(chunk);
            match read(&path, chunk.len() * width)? {
                Some(values) => out.extend(values),
                None => {
                    let data = encoder.embed(chunk)?.into_data().convert::<f32>();
                    let values: Vec<f32> = data.try_to_vec().map_err(|e| AlignError::Write {
                        path: path.clone(),
                        reason: format!("embeddings: {e:?}"),
                    })?;
                    write(&path, &values)?;
                    out.extend(values);
                }
            }
            progress(out.len() / width);
        }
        Ok(out)
    }

    /// The file of some texts: FNV-1a over the teacher's name and each text, each after a zero.
    fn path(&self, texts: &[impl AsRef<str>]) -> PathBuf {
        let mut h = 0xcbf2_9ce4_8422_2325u64;
        let mut add = |bytes: &[u8]| {
            for b in bytes.iter().chain(&[0]) {
                h = (h ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        };
        add(self.teacher.as_bytes());
        texts.iter().for_each(|t| add(t.as_ref().as_bytes()));
        self.folder.join(format!("{h:016x}.f32"))
    }
}

fn read(path: &Path, numbers: usize) -> Result<Option<Vec<f32>>, AlignError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(AlignError::Read {
                path: path.to_owned(),
                source,
            });
        }
    };
    if bytes.len() != 4 * numbers {
        return Err(AlignError::Checkpoint {
            path: path.to_owned(),
            reason: format!("expected {} bytes, found {}", 4 * numbers, bytes.len()),
        });
    }
    let (numbers, _) = bytes.as_chunks::<4>();
    Ok(Some(
        numbers.iter().map(|b| f32::from_le_bytes(*b)).collect(),
    ))
}

/// Writes beside and renames, so that a file is whole or not there.
fn write(path: &Path, values: &[f32]) -> Result<(), AlignError> {
    let fail = |e: std::io::Error| AlignError::Write {
        path: path.to_owned(),
        reason: e.to_string(),
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    let beside = path.with_extension(format!("{}.part", std::process::id()));
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    std::fs::File::create(&beside)
        .and_then(|mut file| file.write_all(&bytes))
        .and_then(|()| std::fs::rename(&beside, path))
        .map_err(fail)
}
