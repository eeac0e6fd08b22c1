//! Products with weights.

use burn::nn::Linear;
use burn::tensor::{DType, Tensor, TensorData, bf16, f16};
use half::slice::HalfFloatSliceExt as _;
use rayon::prelude::*;

use super::host::{self, is_host};
use super::kernels;

/// Rows up to which `F16` weights are multiplied as they are, row by row: then reading them takes
/// longer than computing with them.
const FEW_ROWS: usize = 8;

/// Weights that are widened to `F32` at once: 2 MiB, which caches hold.
const WIDEN: usize = 1 << 19;

/// Weights that are worth a thread of their own where there is but one row.
const SPLIT: usize = 1 << 18;

/// Multiplies `F32` hidden states by a layer of any type, and gives `F32`. No rows give no rows.
///
/// # Shapes
/// - input: `[.., d_input]`
/// - output: `[.., d_output]`
pub fn project<const D: usize>(linear: &Linear, x: Tensor<D>) -> Tensor<D> {
    if let Some(nothing) = of_no_rows(&x, &linear.weight.val()) {
        return nothing;
    }
    if is_host(&x.device()) {
        return host::add(multiply(x, linear.weight.val()), bias(linear), None);
    }
    let dtype = linear.weight.val().dtype();
    linear.forward(x.cast(dtype)).cast(DType::F32)
}

/// `residual + linear(x)`: [`project`] at the end of a branch.
///
/// # Shapes
/// - `x`: `[.., d_input]`; `residual` and output: `[.., d_output]`
pub fn project_onto<const D: usize>(
    linear: &Linear,
    x: Tensor<D>,
    residual: Tensor<D>,
) -> Tensor<D> {
    if let Some(nothing) = of_no_rows(&x, &linear.weight.val()) {
        return nothing;
    }
    if is_host(&x.device()) {
        let product = multiply(x, linear.weight.val());
        return host::add(product, bias(linear), Some(residual));
    }
    residual + project(linear, x)
}

/// The product of a tensor without rows: kernels for matrices are not made for that, and some read
/// where there is nothing.
fn of_no_rows<const D: usize>(x: &Tensor<D>, weight: &Tensor<2>) -> Option<Tensor<D>> {
    let mut dims = x.dims();
    if !dims[..D - 1].contains(&0) {
        return None;
    }
    dims[D - 1] = weight.dims()[1];
    Some(Tensor::zeros(dims, (&x.device(), DType::F32)))
}

/// The bias of a layer.
pub(super) fn bias(linear: &Linear) -> Option<Tensor<1>> {
    linear.bias.as_ref().map(|bias| bias.val())
}

/// Multiplies `F32` hidden states by a matrix of any type, and gives `F32`. No rows give no rows.
///
/// # Shapes
/// - `x`: `[.., d_input]`; `weight`: `[d_input, d_output]`, best a transposed view of what has
///   its outputs first
/// - output: `[.., d_output]`
pub fn multiply<const D: usize>(x: Tensor<D>, weight: Tensor<2>) -> Tensor<D> {
    if let Some(nothing) = of_no_rows(&x, &weight) {
        return nothing;
    }
    let mut dims = x.dims();
    let [d_input, d_output] = weight.dims();
    let rows = dims.iter().product::<usize>() / d_input.max(1);
    let x: Tensor<2> = x.reshape([rows, d_input]);
    let dtype = weight.dtype();
    let product = if !is_host(&x.device()) {
        x.cast(dtype).matmul(weight).cast(DType::F32)
    } else if dtype == DType::F32 {
        match rows {
            1 => multiply_row(x.cast(dtype), &weight),
            _ => x.cast(dtype).matmul(weight),
        }
    } else if dtype == DType::F16 && (1..=FEW_ROWS).contains(&rows) {
        multiply_few(x, weight)
    } else {
        multiply_widened(x.cast(DType::F32), weight.transpose())
    };
    dims[D - 1] = d_output;
    product.reshape(dims)
}

/// The product of a few rows with `F16` weights, in `F16` where that holds it: activations of large
/// models outgrow it now and then.
fn multiply_few(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let halves = x.clone().cast(DType::F16);
    let row = |i| multiply_row(halves.clone().narrow(0, i, 1), &weight);
    let product = host::data(joined((0..x.dims()[0]).map(row).collect(), 0));
    if !host::numbers(&product).iter().all(|v| v.is_finite()) {
        return multiply_widened(x.cast(DType::F32), weight.transpose());
    }
    Tensor::from_data(product, (&weight.device(), DType::F32))
}

/// The product with one row. Burn's backend for the CPU computes it on one thread: here each
/// thread takes some of the outputs.
fn multiply_row(x: Tensor<2>, weight: &Tensor<2>) -> Tensor<2> {
    let [d_input, d_output] = weight.dims();
    let parts = (d_input * d_output / SPLIT).clamp(1, rayon::current_num_threads());
    let step = d_output.div_ceil(parts).max(1);
    let starts: Vec<usize> = (0..d_output).step_by(step).collect();
    let products = starts.into_par_iter().map(|start| {
        let part = weight.clone().narrow(1, start, step.min(d_output - start));
        x.clone().matmul(part)
    });
    joined(products.collect(), 1)
}

fn joined(mut parts: Vec<Tensor<2>>, dim: usize) -> Tensor<2> {
    match parts.len() {
        1 => parts.remove(0),
        _ => Tensor::cat(parts, dim),
    }
}

/// The product with weights of half precision that become `F32` first: processors multiply those
/// faster by far, and faster still with inputs first.
///
/// # Shapes
/// - `x`: `[n, d_input]`; `weight`: `[d_output, d_input]`; output: `[n, d_output]`
fn multiply_widened(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let [d_output, d_input] = weight.dims();
    let device = weight.device();
    let step = (WIDEN / d_input.max(1)).max(1);
    let (mut wide, mut turned) = (Vec::new(), Vec::new());
    let parts = (0..d_output).step_by(step).map(|start| {
        let rows = step.min(d_output - start);
        wide.resize(rows * d_input, 0.0);
        widen(&weight.clone().narrow(0, start, rows), &mut wide);
        turned.resize(rows * d_input, 0.0);
        kernels::transpose(&wide, d_input, &mut turned);
        let data = TensorData::new(std::mem::take(&mut turned), [d_input, rows]);
        let part = Tensor::<2>::from_data(data, (&device, DType::F32));
        let product = x.clone().matmul(part.clone());
        // The same memory serves the next part.
        turned = part
            .into_data()
            .try_into_vec()
            .expect("the type it was made of");
        product
    });
    joined(parts.collect(), 1)
}

/// Half precision to `F32`, on all threads.
fn widen(weight: &Tensor<2>, out: &mut [f32]) {
    let [_, width] = weight.dims();
    // A part goes through a copy that stays in the cache.
    let step = ((1 << 16) / width.max(1)).max(1);
    out.par_chunks_mut(step * width)
        .enumerate()
        .for_each(|(i, out)| {
            let part = weight.clone().narrow(0, i * step, out.len() / width);
            let data = part.into_data();
            match data.dtype() {
                DType::F16 => data
                    .as_slice::<f16>()
                    .expect("the type it has")
                    .convert_to_f32_slice(out),
                _ => data
                    .as_slice::<bf16>()
                    .expect("the only other type of half precision")
                    .convert_to_f32_slice(out),
            }
        });
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn weights_of_half_precision_are_multiplied_as_if_they_were_wide() {
        let device = Device::flex();
        let numbers = |n: usize, shape: [usize; 2]| {
            let values: Vec<f32> = (0..n).map(|i| (i * 31 % 17) as f32 / 16.0 - 0.5).collect();
            Tensor::<2>::from_data(TensorData::new(values, shape), &device)
        };
        for dtype in [DType::F16, DType::BF16] {
            let weight = numbers(700 * 130, [700, 130]).cast(dtype);
            for rows in [1, 3, 40] {
                let x = numbers(rows * 130, [rows, 130]);
                let wide = weight.clone().cast(DType::F32).transpose();
                let expected = x
                    .clone()
                    .matmul(wide)
                    .into_data()
                    .try_into_vec::<f32>()
                    .unwrap();
                let found = multiply(x, weight.clone().transpose()).into_data();
                for (f, e) in found.try_into_vec::<f32>().unwrap().iter().zip(expected) {
                    assert!((f - e).abs() < 0.02, "{f}, expected {e}");
                }
            }
        }
    }

    #[test]
    fn what_outgrows_half_precision_is_still_right() {
        let device = Device::default();
        // 1e5 is infinite in F16, and so is 4 x 30,000.
        for x in [[1e5f32, 1.0, 0.0, 0.0], [3e4, 3e4, 3e4, 3e4]] {
            let expected: f32 = x.iter().sum();
            let weight = Tensor::<2>::ones([4, 6], (&device, DType::F16));
            let x = Tensor::<2>::from_data([x], &device);
            let out: Vec<f32> = multiply(x, weight).into_data().try_to_vec().unwrap();
            assert!(out.iter().all(|v| (v - expected).abs() < 1.0), "{out:?}");
        }
    }

    #[test]
    fn no_rows_give_no_rows() {
        let device = Device::default();
        let linear = burn::nn::LinearConfig::new(4, 6).init(&device);
        let none = || Tensor::<3>::zeros([2, 0, 4], &device);
        assert_eq!(project(&linear, none()).dims(), [2, 0, 6]);
        assert_eq!(multiply(none(), linear.weight.val()).dims(), [2, 0, 6]);
        let residual = Tensor::zeros([2, 0, 6], &device);
        assert_eq!(project_onto(&linear, none(), residual).dims(), [2, 0, 6]);
    }
}
