//! Files of weights: how they are loaded, and how they are packed in eight bits, matrices as
//! integers with a scale for every 32 of them.
//!
//! The block format is Q8_0 of
//! [GGML](https://github.com/ggml-org/llama.cpp/blob/master/ggml/src/ggml-quants.c), kept in a
//! safetensors file: a matrix `name` of `[rows, columns]` lies there as `name.q8`, integers of the
//! same shape, and `name.scale`, `[rows, columns / 32]` in half precision. All else is in half
//! precision under its own name.

use burn::tensor::DType;
use burn_store::{FloatCastAdapter, ModuleSnapshot, SafetensorsStore};
use half::f16;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

/// Numbers that share a scale.
const BLOCK: usize = 32;

/// A tensor with bytes of its own.
struct Owned {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// Packs a safetensors file of 32-bit numbers.
///
/// # Errors
/// If the bytes are no such file.
pub fn pack(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    for (name, tensor) in parse(bytes)?.tensors() {
        let values = numbers(&name, &tensor)?;
        let shape = tensor.shape().to_vec();
        if shape.len() != 2 || shape[1] % BLOCK != 0 {
            let bytes = halves(&values);
            let dtype = Dtype::F16;
            out.push(Owned {
                name,
                dtype,
                shape,
                bytes,
            });
            continue;
        }
        let (mut integers, mut scales) = (Vec::new(), Vec::new());
        for block in values.chunks_exact(BLOCK) {
            let largest = block.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            let scale = f16::from_f32(largest / 127.0).to_f32();
            scales.push(scale);
            integers.extend(block.iter().map(|v| {
                let q = if scale > 0.0 { v / scale } else { 0.0 };
                q.round().clamp(-127.0, 127.0) as i8 as u8
            }));
        }
        out.push(Owned {
            name: format!("{name}.scale"),
            dtype: Dtype::F16,
            shape: vec![shape[0], shape[1] / BLOCK],
            bytes: halves(&scales),
        });
        out.push(Owned {
            name: format!("{name}.q8"),
            dtype: Dtype::I8,
            shape,
            bytes: integers,
        });
    }
    write(&out)
}

/// The safetensors file that [`pack`] was given, but for rounding, in half precision as the other
/// weights are.
///
/// # Errors
/// If the bytes are no packed file.
pub fn unpack(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let file = parse(bytes)?;
    let mut out = Vec::new();
    for (name, tensor) in file.tensors() {
        let shape = tensor.shape().to_vec();
        let (name, values) = if let Some(matrix) = name.strip_suffix(".q8") {
            let scales = file
                .tensor(&format!("{matrix}.scale"))
                .map_err(|e| format!("{matrix}.scale: {e}"))?;
            let scales = numbers(&name, &scales)?;
            if tensor.dtype() != Dtype::I8 || tensor.data().len() != scales.len() * BLOCK {
                return Err(format!(
                    "{name}: expected {} integers of 8 bits, found {} bytes of {:?}",
                    scales.len() * BLOCK,
                    tensor.data().len(),
                    tensor.dtype()
                ));
            }
            let values = tensor
                .data()
                .chunks_exact(BLOCK)
                .zip(&scales)
                .flat_map(|(block, scale)| block.iter().map(move |&q| f32::from(q as i8) * scale))
                .collect();
            (matrix.to_owned(), values)
        } else if name.ends_with(".scale") && file.tensor(&name.replace(".scale", ".q8")).is_ok() {
            continue;
        } else {
            let values: Vec<f32> = numbers(&name, &tensor)?;
            (name, values)
        };
        out.push(Owned {
            name,
            dtype: Dtype::F16,
            shape,
            bytes: halves(&values),
        });
    }
    write(&out)
}

/// Loads weights in half precision, as `train_reader` exports them, into a module of 32-bit numbers.
///
/// # Errors
/// If a tensor is missing, unused or of another shape; names it.
pub fn load_weights<M: ModuleSnapshot>(
    module: &mut M,
    store: SafetensorsStore,
) -> Result<(), String> {
    let mut store = store.with_from_adapter(FloatCastAdapter::to(DType::F32));
    let result = module.load_from(&mut store).map_err(|e| e.to_string())?;
    if result.unused.is_empty() {
        return Ok(());
    }
    Err(format!("unused tensors: {}", result.unused.join(", ")))
}

fn parse(bytes: &[u8]) -> Result<SafeTensors<'_>, String> {
    SafeTensors::deserialize(bytes).map_err(|e| e.to_string())
}

fn write(tensors: &[Owned]) -> Result<Vec<u8>, String> {
    let mut views = Vec::with_capacity(tensors.len());
    for t in tensors {
        let view = TensorView::new(t.dtype, t.shape.clone(), &t.bytes)
            .map_err(|e| format!("{}: {e}", t.name))?;
        views.push((t.name.as_str(), view));
    }
    safetensors::serialize(views, None).map_err(|e| e.to_string())
}

fn halves(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|&v| f16::from_f32(v).to_le_bytes())
        .collect()
}

/// The numbers of a tensor.
pub(crate) fn numbers(name: &str, tensor: &TensorView<'_>) -> Result<Vec<f32>, String> {
    let bytes = tensor.data();
    match tensor.dtype() {
        Dtype::F32 => Ok(bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect()),
        Dtype::F16 => Ok(bytes
            .chunks_exact(2)
            .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
            .collect()),
        other => Err(format!("{name}: expected F32 or F16, found {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_come_back_to_within_half_a_step_and_the_rest_in_half_precision() {
        let matrix: Vec<f32> = (0..3 * 64)
            .map(|i| ((i * 37 % 101) as f32 - 50.0) / 17.0)
            .collect();
        let bias = [0.25f32, -3.0, 1e-3];
        let bytes = |v: &[f32]| v.iter().flat_map(|v| v.to_le_bytes()).collect();
        let file = write(&[
            Owned {
                name: "up.weight".into(),
                dtype: Dtype::F32,
                shape: vec![3, 64],
                bytes: bytes(&matrix),
            },
            Owned {
                name: "up.bias".into(),
                dtype: Dtype::F32,
                shape: vec![3],
                bytes: bytes(&bias),
            },
        ])
        .unwrap();
        let packed = pack(&file).unwrap();
        assert!(packed.len() < file.len() / 2);
        let unpacked = unpack(&packed).unwrap();
        let unpacked = parse(&unpacked).unwrap();
        assert_eq!(unpacked.names().len(), 2);
        let weight = unpacked.tensor("up.weight").unwrap();
        assert_eq!(weight.shape(), [3, 64]);
        let found = numbers("up.weight", &weight).unwrap();
        for (block, found) in matrix.chunks(BLOCK).zip(found.chunks(BLOCK)) {
            let largest = block.iter().fold(0.0f32, |m, v| m.max(v.abs()));
            for (v, f) in block.iter().zip(found) {
                assert!(
                    (v - f).abs() <= largest / 127.0 * 0.51 + largest * 1e-3,
                    "{v} {f}"
                );
            }
        }
        let found = numbers("up.bias", &unpacked.tensor("up.bias").unwrap()).unwrap();
        assert!(
            bias.iter()
                .zip(&found)
                .all(|(a, b)| (a - b).abs() <= a.abs() * 1e-3)
        );
    }

    #[test]
    fn a_file_that_is_not_packed_is_an_error() {
        assert!(unpack(b"no safetensors").is_err());
        let file = write(&[Owned {
            name: "up.weight.q8".into(),
            dtype: Dtype::I8,
            shape: vec![1, 32],
            bytes: vec![0; 32],
        }])
        .unwrap();
        assert!(unpack(&file).unwrap_err().contains("up.weight.scale"));
    }
}
