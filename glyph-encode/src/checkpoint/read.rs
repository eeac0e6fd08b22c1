//! Numbers of a file into numbers of a tensor, a chunk at a time.

use std::io::{self, Read};

use burn::tensor::{DType, TensorData, bf16, f16};

use super::safetensors::StoredKind;

/// Numbers that are converted at once.
const CHUNK: usize = 1 << 16;

/// Reads `len` numbers of the format `kind` as `dtype`, which is `F32`, `F16` or `BF16`.
pub(super) fn read(
    reader: impl Read,
    kind: StoredKind,
    len: usize,
    dtype: DType,
    shape: &[usize],
) -> io::Result<TensorData> {
    let shape = shape.to_vec();
    Ok(match (kind, dtype) {
        (StoredKind::F32, DType::F16) => {
            TensorData::new(convert(reader, len, |b| f16::from_f32(f32_of(b)))?, shape)
        }
        (StoredKind::F32, DType::BF16) => {
            TensorData::new(convert(reader, len, |b| bf16::from_f32(f32_of(b)))?, shape)
        }
        (StoredKind::F32, _) => TensorData::new(convert(reader, len, f32_of)?, shape),
        (StoredKind::F16, DType::F16) => TensorData::new(convert(reader, len, f16_of)?, shape),
        (StoredKind::F16, DType::BF16) => TensorData::new(
            convert(reader, len, |b| bf16::from_f32(f16_of(b).to_f32()))?,
            shape,
        ),
        (StoredKind::F16, _) => {
            TensorData::new(convert(reader, len, |b| f16_of(b).to_f32())?, shape)
        }
        (StoredKind::BF16, DType::BF16) => TensorData::new(convert(reader, len, bf16_of)?, shape),
        (StoredKind::BF16, DType::F16) => TensorData::new(
            convert(reader, len, |b| f16::from_f32(bf16_of(b).to_f32()))?,
            shape,
        ),
        (StoredKind::BF16, _) => {
            TensorData::new(convert(reader, len, |b| bf16_of(b).to_f32())?, shape)
        }
    })
}

fn f32_of(bytes: [u8; 4]) -> f32 {
    f32::from_le_bytes(bytes)
}

fn f16_of(bytes: [u8; 2]) -> f16 {
    f16::from_le_bytes(bytes)
}

fn bf16_of(bytes: [u8; 2]) -> bf16 {
    bf16::from_le_bytes(bytes)
}

fn convert<const N: usize, T>(
    mut reader: impl Read,
    len: usize,
    number: impl Fn([u8; N]) -> T,
) -> io::Result<Vec<T>> {
    let mut out = Vec::with_capacity(len);
    let mut bytes = vec![0; CHUNK.min(len) * N];
    while out.len() < len {
        let chunk = &mut bytes[..CHUNK.min(len - out.len()) * N];
        reader.read_exact(chunk)?;
        out.extend(chunk.as_chunks::<N>().0.iter().map(|b| number(*b)));
    }
    Ok(out)
}
