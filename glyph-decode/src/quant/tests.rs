use super::*;

/// Bytes of a matrix with every bit pattern but sane scales.
fn random_bytes(kind: GgmlType, blocks: usize, seed: &mut u32) -> Vec<u8> {
    let mut next = || {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*seed >> 24) as u8
    };
    let mut bytes: Vec<u8> = (0..blocks * kind.block_bytes()).map(|_| next()).collect();
    let scales: &[usize] = match kind {
        GgmlType::Q4_0 | GgmlType::Q5_0 | GgmlType::Q8_0 => &[0],
        GgmlType::Q6_K => &[208],
        _ => &[0, 2],
    };
    for block in bytes.chunks_exact_mut(kind.block_bytes()) {
        for &at in scales {
            let scale = half::f16::from_f32((f32::from(next()) - 99.0) / 1e4);
            block[at..at + 2].copy_from_slice(&scale.to_le_bytes());
        }
    }
    bytes
}

const QUANTIZED: [GgmlType; 8] = [
    GgmlType::Q4_0,
    GgmlType::Q4_1,
    GgmlType::Q5_0,
    GgmlType::Q5_1,
    GgmlType::Q8_0,
    GgmlType::Q4_K,
    GgmlType::Q5_K,
    GgmlType::Q6_K,
];

fn packed(kind: GgmlType, rows: usize, cols: usize, bytes: &[u8]) -> PackedMatrix {
    let mut rest = bytes;
    PackedMatrix::read(kind, rows, cols, |out| {
        let (head, tail) = rest.split_at(out.len());
        out.copy_from_slice(head);
        rest = tail;
        Ok::<_, ()>(())
    })
    .unwrap()
}

fn activations(rows: usize, cols: usize) -> Vec<f32> {
    (0..rows * cols)
        .map(|i| (i as f32 * 0.37).sin() * (1.0 + (i % 7) as f32))
        .collect()
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let (rows, cols) = (40, 512);
    let mut seed = 1;
    for kind in QUANTIZED {
        let bytes = random_bytes(kind, rows * cols / kind.block_len(), &mut seed);
        let w = packed(kind, rows, cols, &bytes);
        for tokens in [1, 2, 3, 8, 13] {
            let mut x = Activations::default();
            x.quantize(&activations(tokens, cols), cols, w.activation_block());
            let outputs: Vec<Vec<u32>> = Simd::all()
                .into_iter()
                .map(|simd| {
                    let mut out = vec![f32::NAN; tokens * rows];
                    w.matmul(simd, 0..rows.div_ceil(ROWS), &x, &mut out, rows);
                    out.into_iter().map(f32::to_bits).collect()
                })
                .collect();
            for (i, other) in outputs.iter().enumerate().skip(1) {
                assert_eq!(&outputs[0], other, "{kind:?}, {tokens} tokens, set {i}");
            }
        }
    }
}

#[test]
fn products_are_those_of_the_numbers() {
    let (rows, cols) = (24, 512);
    let mut seed = 7;
    for kind in QUANTIZED {
        let bytes = random_bytes(kind, rows * cols / kind.block_len(), &mut seed);
        let mut numbers = vec![0.0; rows * cols];
        dequantize(kind, &bytes, &mut numbers);
        let w = packed(kind, rows, cols, &bytes);
        let x = activations(3, cols);
        let mut q = Activations::default();
        q.quantize(&x, cols, w.activation_block());
        let mut out = vec![0.0; 3 * 16];
        // The second group alone, which is only half full.
        w.matmul(Simd::detect(), 1..2, &q, &mut out, 16);
        let mut row = vec![0.0; cols];
        for r in 16..rows {
            w.dequantize_row(r, &mut row);
            assert_eq!(row, numbers[r * cols..(r + 1) * cols], "{kind:?} row {r}");
            for t in 0..3 {
                let terms = row.iter().zip(&x[t * cols..]).map(|(w, x)| w * x);
                let exact: f32 = terms.clone().sum();
                let size: f32 = terms.map(|t| t * t).sum::<f32>().sqrt();
                let found = out[t * 16 + r - 16];
                assert!(
                    (exact - found).abs() < 0.02 * size,
                    "{kind:?}: {exact} {found}"
                );
            }
        }
    }
}

#[test]
fn plain_matrices_multiply_and_keep_their_type() {
    let (rows, cols) = (20, 33);
    let numbers = activations(rows, cols);
    for kind in [GgmlType::F32, GgmlType::F16, GgmlType::BF16] {
        let bytes: Vec<u8> = match kind {
            GgmlType::F32 => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
            GgmlType::F16 => numbers
                .iter()
                .flat_map(|&x| half::f16::from_f32(x).to_le_bytes())
                .collect(),
            _ => numbers
                .iter()
                .flat_map(|&x| half::bf16::from_f32(x).to_le_bytes())
                .collect(),
        };
        let mut rounded = vec![0.0; rows * cols];
        dequantize(kind, &bytes, &mut rounded);
        let mut rest = &bytes[..];
        let w = DenseMatrix::read(kind, rows, cols, |out| {
            let (head, tail) = rest.split_at(out.len());
            out.copy_from_slice(head);
            rest = tail;
            Ok::<_, ()>(())
        })
        .unwrap();
        assert_eq!(w.memory(), 32 * cols * kind.block_bytes());
        let x = activations(9, cols);
        for simd in Simd::all() {
            let mut out = vec![0.0; 9 * rows];
            w.matmul(simd, 0..2, &x, &mut out, rows);
            let mut row = vec![0.0; cols];
            for r in 0..rows {
                w.row(r, &mut row);
                assert_eq!(row, rounded[r * cols..(r + 1) * cols]);
                for t in 0..9 {
                    let exact: f32 = row.iter().zip(&x[t * cols..]).map(|(w, x)| w * x).sum();
                    let found = out[t * rows + r];
                    assert!((exact - found).abs() < 2e-3, "{kind:?}: {exact} {found}");
                }
            }
        }
    }
}

#[test]
fn half_precision_numbers_convert_exactly() {
    for bits in 0..=u16::MAX {
        let h = half::f16::from_bits(bits);
        if h.is_finite() {
            assert_eq!(dense::f16_to_f32(bits).to_bits(), h.to_f32().to_bits());
        }
    }
}
