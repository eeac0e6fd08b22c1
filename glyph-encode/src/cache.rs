//! Encoded features on disk, or elsewhere.

use std::fmt::Debug;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use burn::tensor::{Device, Tensor, TensorData};
use half::f16;

use crate::{
    Detail, EncodeError, EncoderInput, TokenGrid, TokenPosition, VisionEncoder, VisionTokens,
};

/// Bump when the file format or what a key covers changes.
const FORMAT: &str = "glyph-features-3";
const SUFFIX: &str = ".features";
/// Hexadecimal digits of a key.
const KEY_DIGITS: usize = 40;
/// Entries that are still being written are named by this and a few random letters.
const UNFINISHED: &str = ".new-";
const UNFINISHED_LETTERS: usize = 10;
/// A token's position: eight words.
const POSITION_BYTES: usize = 32;

/// Where encoded pages are kept: [`FeatureCache`] is a folder; another may be one that several
/// machines share.
pub trait FeatureStore: Debug + Send + Sync {
    /// The bytes that were kept under `key`, 40 hexadecimal digits; `None` where there are none, or
    /// where they are damaged or cannot be had: the page is then encoded.
    fn load(&self, key: &str) -> Option<Vec<u8>>;

    /// Keeps bytes under `key`. The same key always has the same bytes.
    ///
    /// # Errors
    /// If they cannot be kept; the page is then encoded again the next time.
    fn store(&self, key: &str, bytes: &[u8]) -> io::Result<()>;
}

impl<S: FeatureStore + ?Sized> FeatureStore for Box<S> {
    fn load(&self, key: &str) -> Option<Vec<u8>> {
        (**self).load(key)
    }

    fn store(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        (**self).store(key, bytes)
    }
}

/// A folder of encoded pages, bounded in size.
///
/// Entries are named by a hash of the pixels, the encoder's fingerprint and the settings, end with
/// a checksum, and appear by renaming a finished file: several processes may share a folder, and
/// one that is killed leaves no broken entry behind.
#[derive(Debug, Clone)]
pub struct FeatureCache {
    dir: PathBuf,
    max_bytes: u64,
    /// Bytes that were added since the folder was looked through.
    added: Arc<AtomicU64>,
}

impl FeatureCache {
    /// Uses `dir`, made if missing, for at most `max_bytes`.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn open(dir: impl Into<PathBuf>, max_bytes: u64) -> Result<Self, EncodeError> {
        let dir = dir.into();
        fs::create_dir_all(&dir).map_err(|source| EncodeError::Cache {
            path: dir.clone(),
            source,
        })?;
        let cache = Self {
            dir,
            max_bytes,
            added: Arc::default(),
        };
        cache.trim();
        Ok(cache)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the entry of a key lies; `None` for what is no key, and might lead out of the folder.
    fn path(&self, key: &str) -> Option<PathBuf> {
        is_key(key).then(|| self.dir.join(format!("{key}{SUFFIX}")))
    }

    /// Deletes the oldest entries until nine tenths of the bound are left, and what killed writers
    /// left behind more than an hour ago. The folder may hold other files, which are none of its
    /// business.
    fn trim(&self) {
        let Ok(dir) = fs::read_dir(&self.dir) else {
            return;
        };
        let mut entries = Vec::new();
        for entry in dir.flatten() {
            // Of a link the metadata are its own: it is no regular file.
            let Ok(meta) = entry.metadata() else { continue };
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|_| meta.is_file()) else {
                continue;
            };
            let time = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            if name.strip_suffix(SUFFIX).is_some_and(is_key) {
                entries.push((time, meta.len(), entry.path()));
            } else if is_unfinished(name) && time.elapsed().is_ok_and(|t| t.as_secs() > 3600) {
                let _ = fs::remove_file(entry.path());
            }
        }
        let mut total: u64 = entries.iter().map(|e| e.1).sum();
        if total <= self.max_bytes {
            return;
        }
        entries.sort();
        for (_, len, path) in entries {
            if total <= self.max_bytes / 10 * 9 {
                break;
            }
            match fs::remove_file(path) {
                Ok(()) => total -= len,
                // Another process was faster: it is gone, which is what was wanted.
                Err(e) if e.kind() == io::ErrorKind::NotFound => total -= len,
                Err(_) => {}
            }
        }
    }
}

fn is_key(name: &str) -> bool {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    name.len() == KEY_DIGITS && name.bytes().all(digit)
}

fn is_unfinished(name: &str) -> bool {
    name.strip_prefix(UNFINISHED).is_some_and(|rest| {
        rest.len() == UNFINISHED_LETTERS && rest.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

impl FeatureStore for FeatureCache {
    fn load(&self, key: &str) -> Option<Vec<u8>> {
        let mut bytes = fs::read(self.path(key)?).ok()?;
        let body = bytes.len().checked_sub(blake3::OUT_LEN)?;
        if blake3::hash(&bytes[..body]).as_bytes() != &bytes[body..] {
            return None;
        }
        bytes.truncate(body);
        Some(bytes)
    }

    fn store(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(key).ok_or_else(|| {
            let reason = format!("key: expected {KEY_DIGITS} hexadecimal digits, found {key:?}");
            io::Error::new(io::ErrorKind::InvalidInput, reason)
        })?;
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .rand_bytes(UNFINISHED_LETTERS)
            .tempfile_in(&self.dir)?;
        file.write_all(bytes)?;
        file.write_all(blake3::hash(bytes).as_bytes())?;
        file.persist(path).map_err(|e| e.error)?;
        // What runs for weeks stays within its bound too.
        let added = self.added.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if added > self.max_bytes / 10 {
            self.added.store(0, Ordering::Relaxed);
            self.trim();
        }
        Ok(())
    }
}

impl Drop for FeatureCache {
    fn drop(&mut self) {
        self.trim();
    }
}

/// An encoder that looks into a [`FeatureStore`] first.
///
/// Features are kept in half precision; what is handed out was rounded to it also when it was just
/// encoded, so that a first and a second run read the same. Features that half precision cannot hold
/// (above 65,504, or no numbers) are handed out as they are and not kept.
#[derive(Debug)]
pub struct CachedEncoder<E, S = FeatureCache> {
    encoder: E,
    cache: S,
    device: Device,
}

impl<E: VisionEncoder, S: FeatureStore> CachedEncoder<E, S> {
    /// Puts `cache` before `encoder`; `device` is where cached features are put.
    pub fn new(encoder: E, cache: S, device: &Device) -> Self {
        Self {
            encoder,
            cache,
            device: device.clone(),
        }
    }

    fn key(&self, input: &EncoderInput<'_>) -> String {
        let page = input.page;
        let mut hasher = blake3::Hasher::new();
        let settings = format!(
            "{FORMAT} {} {:?} {:?} {} {} {:?}",
            self.encoder.fingerprint(),
            input.detail,
            input.region,
            page.width,
            page.height,
            page.layout
        );
        hasher
            .update(settings.as_bytes())
            .update(&[0])
            .update(&page.pixels);
        // Pages without colours keep the keys that they had.
        if let Some(color) = &page.color {
            hasher.update(b"color").update(color);
        }
        hasher.finalize().to_hex()[..KEY_DIGITS].to_owned()
    }

    fn decode(&self, bytes: &[u8], page: u32, detail: Detail) -> Option<VisionTokens> {
        let d = self.encoder.hidden_size();
        let (n, rest) = bytes.split_first_chunk::<4>()?;
        let n = u32::from_le_bytes(*n) as usize;
        let (positions, features) = rest.split_at_checked(n.checked_mul(POSITION_BYTES)?)?;
        if features.len() != n.checked_mul(2 * d)? {
            return None;
        }
        let word = |c: &[u8], i: usize| {
            u32::from_le_bytes([c[4 * i], c[4 * i + 1], c[4 * i + 2], c[4 * i + 3]])
        };
        let positions = positions
            .chunks_exact(POSITION_BYTES)
            .map(|c| TokenPosition {
                page,
                detail,
                row: word(c, 0),
                column: word(c, 1),
                merge_size: word(c, 6),
                foreign: word(c, 7) != 0,
                bbox: glyph_render::BBox {
                    x: word(c, 2),
                    y: word(c, 3),
                    width: word(c, 4),
                    height: word(c, 5),
                },
            })
            .collect();
        let features = features
            .chunks_exact(2)
            .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
            .collect();
        Some(self.tokens(features, positions))
    }

    fn tokens(&self, features: Vec<f32>, positions: Vec<TokenPosition>) -> VisionTokens {
        let shape = [positions.len(), self.encoder.hidden_size()];
        VisionTokens {
            features: Tensor::from_data(TensorData::new(features, shape), &self.device),
            positions,
        }
    }
}

impl<E: VisionEncoder, S: FeatureStore> VisionEncoder for CachedEncoder<E, S> {
    fn encode(&self, input: EncoderInput<'_>) -> Result<VisionTokens, EncodeError> {
        let key = self.key(&input);
        if let Some(tokens) = self
            .cache
            .load(&key)
            .and_then(|bytes| self.decode(&bytes, input.page.number, input.detail))
        {
            return Ok(tokens);
        }
        let tokens = self.encoder.encode(input)?;
        let expected = [tokens.positions.len(), self.encoder.hidden_size()];
        if tokens.features.dims() != expected {
            return Err(EncodeError::Input {
                what: "features of the encoder's tokens",
                expected: format!("{expected:?}, a row for each position"),
                found: format!("{:?}", tokens.features.dims()),
            });
        }
        let wide: Vec<f32> = tokens
            .features
            .into_data()
            .convert::<f32>()
            .try_to_vec()
            .map_err(|e| EncodeError::Tensor(format!("{e:?}")))?;
        let features: Vec<f16> = wide.iter().map(|&v| f16::from_f32(v)).collect();
        if !features.iter().all(|v| v.is_finite()) {
            return Ok(self.tokens(wide, tokens.positions));
        }
        let mut bytes =
            Vec::with_capacity(4 + tokens.positions.len() * POSITION_BYTES + features.len() * 2);
        bytes.extend((tokens.positions.len() as u32).to_le_bytes());
        for p in &tokens.positions {
            for word in [
                p.row,
                p.column,
                p.bbox.x,
                p.bbox.y,
                p.bbox.width,
                p.bbox.height,
                p.merge_size,
                u32::from(p.foreign),
            ] {
                bytes.extend(word.to_le_bytes());
            }
        }
        bytes.extend(features.iter().flat_map(|v| v.to_le_bytes()));
        // A full disk costs the next run its time, not this one its answer.
        let _ = self.cache.store(&key, &bytes);
        Ok(self.tokens(
            features.into_iter().map(f16::to_f32).collect(),
            tokens.positions,
        ))
    }

    /// Not kept: second looks are few.
    fn encode_staggered(
        &self,
        input: EncoderInput<'_>,
    ) -> Result<Option<VisionTokens>, EncodeError> {
        self.encoder.encode_staggered(input)
    }

    fn token_grid(&self, height: u32, width: u32, detail: Detail) -> TokenGrid {
        self.encoder.token_grid(height, width, detail)
    }

    fn hidden_size(&self) -> usize {
        self.encoder.hidden_size()
    }

    fn fingerprint(&self) -> String {
        self.encoder.fingerprint()
    }
}

#[cfg(test)]
mod tests;
