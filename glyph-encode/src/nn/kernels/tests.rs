use super::*;

fn numbers(n: usize) -> Vec<f32> {
    (0..n)
        .map(|i| (i * 7919 % 1009) as f32 / 100.0 - 5.0)
        .collect()
}

fn close(found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (&f, &e)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(f) - e).abs();
        assert!(
            error <= tolerance * e.abs().max(1.0),
            "{i}: {f}, expected {e}"
        );
    }
}

#[test]
fn the_exponential_is_exact_to_a_few_units_in_the_last_place() {
    for i in -8700..8800 {
        let x = i as f32 / 100.0;
        let expected = f64::from(x).exp();
        let error = (f64::from(exp(x)) - expected).abs() / expected;
        assert!(error < 3e-7, "exp({x}) is off by {error}");
    }
    assert!(exp(f32::NEG_INFINITY) < 1e-37);
    assert!(exp(f32::NAN).is_nan());
}

#[test]
fn activations_are_what_their_names_say() {
    // More than a task, and no multiple of the vectors.
    let (width, rows) = (1003, 40);
    let x = numbers(width * rows);
    let bias: Vec<f32> = (0..width).map(|i| i as f32 / 1000.0 - 0.5).collect();
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let tanh = |x: f64| (0.797_884_560_802_865_4 * (x + 0.044715 * x * x * x)).tanh();
    let all: [(Activation, &dyn Fn(f64) -> f64); 4] = [
        (Activation::GeluTanh, &|x| 0.5 * x * (1.0 + tanh(x))),
        (Activation::QuickGelu, &|x| x * sigmoid(1.702 * x)),
        (Activation::Silu, &|x| x * sigmoid(x)),
        (Activation::Relu, &|x| x.max(0.0)),
    ];
    for (activation, f) in all {
        let expected: Vec<f64> = x
            .iter()
            .enumerate()
            .map(|(i, &x)| f(f64::from(x + bias[i % width])))
            .collect();
        let mut found = x.clone();
        activate(&mut found, width, Some(&bias), activation);
        close(&found, &expected, 1e-6);
    }
    // Values of erf: Abramowitz and Stegun, table 7.1.
    close(
        &[erf(0.0), erf(0.5), erf(-1.0), erf(2.0)],
        &[0.0, 0.520_499_878, -0.842_700_793, 0.995_322_265],
        2e-7,
    );
}

#[test]
fn rows_become_columns() {
    let (rows, width) = (45, 70);
    let x = numbers(rows * width);
    let mut out = vec![0.0; x.len()];
    transpose(&x, width, &mut out);
    for (i, found) in out.iter().enumerate() {
        assert_eq!(*found, x[i % rows * width + i / rows]);
    }
}

#[test]
fn gates_come_first() {
    let mut x = vec![-1.0, 2.0, 3.0, 4.0, 5.0, -6.0, 7.0, 8.0];
    let out = activate_gated(&mut x, 4, &[1.0, 0.0, 0.0, 1.0], Activation::Relu);
    assert_eq!(out, [0.0, 10.0, 42.0, 0.0]);
}

#[test]
fn softmax_leaves_out_what_lies_ahead() {
    let (width, block) = (37, 3);
    let mut x = numbers(width * block * 2);
    let before = x.clone();
    softmax(&mut x, width, 0.5, Some((block, 35)));
    for (i, (row, before)) in x.chunks(width).zip(before.chunks(width)).enumerate() {
        let visible = 35 + i % block;
        let weights: Vec<f64> = before[..visible]
            .iter()
            .map(|&x| (0.5 * f64::from(x)).exp())
            .collect();
        let sum: f64 = weights.iter().sum();
        let mut expected: Vec<f64> = weights.iter().map(|w| w / sum).collect();
        expected.resize(width, 0.0);
        close(row, &expected, 1e-6);
    }
}

#[test]
fn rows_come_out_with_a_mean_square_of_one() {
    let (width, rows) = (1003, 40);
    let mut x = numbers(width * rows);
    rms_norm(&mut x, &vec![2.0; width], 0.0);
    for row in x.chunks(width) {
        let mean = row.iter().map(|x| f64::from(x * x)).sum::<f64>() / width as f64;
        assert!((mean - 4.0).abs() < 1e-4, "{mean}");
    }
}
