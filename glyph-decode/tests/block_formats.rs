//! Every format gives the numbers that gguf-py gives (`tools/parity/tiny_models.py`).

use glyph_decode::{GgmlType, dequantize};
use safetensors::SafeTensors;

#[test]
fn blocks_are_read_as_gguf_py_reads_them() {
    let bytes = include_bytes!("fixtures/block_formats.safetensors");
    let file = SafeTensors::deserialize(bytes).expect("the fixture is safetensors");
    let kinds = [
        GgmlType::F16,
        GgmlType::BF16,
        GgmlType::Q4_0,
        GgmlType::Q4_1,
        GgmlType::Q5_0,
        GgmlType::Q5_1,
        GgmlType::Q8_0,
        GgmlType::Q4_K,
        GgmlType::Q5_K,
        GgmlType::Q6_K,
    ];
    assert_eq!(file.len(), 2 * kinds.len());
    for kind in kinds {
        let tensor = |what| {
            let view = file.tensor(&format!("{kind:?}.{what}"));
            view.expect("two tensors a format").data().to_vec()
        };
        let numbers: Vec<f32> = tensor("numbers")
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect();
        let mut found = vec![f32::NAN; numbers.len()];
        dequantize(kind, &tensor("bytes"), &mut found);
        for (i, (found, expected)) in found.iter().zip(&numbers).enumerate() {
            let error = (found - expected).abs();
            assert!(
                error <= 1e-6 * expected.abs(),
                "{kind:?} {i}: {found}, not {expected}"
            );
        }
    }
}
