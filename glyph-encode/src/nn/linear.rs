//! Products with weights.

use burn::nn::Linear;
use burn::tensor::{DType, Tensor, TensorData, bf16, f16};
use half::slice::HalfFloatSliceExt as _;
use rayon::prelude::*;

use super::host::{self, is_host};

/// Rows up to which `F16` weights are multiplied as they are: then reading them takes longer than
/// computing with them.
const FEW_ROWS: usize = 4;

/// Weights that are widened to `F32` at once: 128 MiB.
const WIDEN: usize = 1 << 25;

/// Multiplies `F32` hidden states by a layer of any type, and gives `F32`.
///
/// # Shapes
/// - input: `[.., d_input]`
/// - output: `[.., d_output]`
pub fn project<const D: usize>(linear: &Linear, x: Tensor<D>) -> Tensor<D> {
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
    if is_host(&x.device()) {
        let product = multiply(x, linear.weight.val());
        return host::add(product, bias(linear), Some(residual));
    }
    residual + project(linear, x)
}

/// The bias of a layer.
pub(super) fn bias(linear: &Linear) -> Option<Tensor<1>> {
    linear.bias.as_ref().map(|bias| bias.val())
}

/// Multiplies `F32` hidden states by a matrix of any type, and gives `F32`.
///
/// # Shapes
/// - `x`: `[.., d_input]`; `weight`: `[d_input, d_output]`, best a transposed view of what has
///   its outputs first
/// - output: `[.., d_output]`
pub fn multiply<const D: usize>(x: Tensor<D>, weight: Tensor<2>) -> Tensor<D> {
    let mut dims = x.dims();
    let [d_input, d_output] = weight.dims();
    let rows = dims.iter().product::<usize>() / d_input.max(1);
    let x: Tensor<2> = x.reshape([rows, d_input]);
    let dtype = weight.dtype();
    let product = if dtype == DType::F32 {
        x.cast(DType::F32).matmul(weight)
    } else if is_host(&x.device()) && (rows > FEW_ROWS || dtype == DType::BF16) {
        multiply_widened(x.cast(DType::F32), weight.transpose())
    } else {
        x.cast(dtype).matmul(weight).cast(DType::F32)
    };
    dims[D - 1] = d_output;
    product.reshape(dims)
}

/// The product with weights of half precision that become `F32` first: processors multiply those
/// faster by far.
///
/// # Shapes
/// - `x`: `[n, d_input]`; `weight`: `[d_output, d_input]`; output: `[n, d_output]`
fn multiply_widened(x: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let [d_output, d_input] = weight.dims();
    let step = (WIDEN / d_input.max(1)).max(1);
    let parts = (0..d_output).step_by(step).map(|start| {
        let part = weight.clone().narrow(0, start, step.min(d_output - start));
        x.clone().matmul(widen(&part).transpose())
    });
    let mut parts: Vec<Tensor<2>> = parts.collect();
    match parts.len() {
        1 => parts.remove(0),
        _ => Tensor::cat(parts, 1),
    }
}

/// Half precision to `F32`, on all threads.
fn widen(weight: &Tensor<2>) -> Tensor<2> {
    let [rows, width] = weight.dims();
    let mut out = vec![0.0f32; rows * width];
    // A copy of the half as many bytes, small enough to stay in the cache.
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
    Tensor::from_data(
        TensorData::new(out, [rows, width]),
        (&weight.device(), DType::F32),
    )
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
            for rows in [1, 2, 40] {
                let x = numbers(rows * 130, [rows, 130]);
                let wide = weight.clone().cast(DType::F32).transpose();
                let expected = x
                    .clone()
                    .matmul(wide)
                    .into_data()
                    .into_vec::<f32>()
                    .unwrap();
                let found = multiply(x, weight.clone().transpose()).into_data();
                for (f, e) in found.into_vec::<f32>().unwrap().iter().zip(expected) {
                    assert!((f - e).abs() < 0.02, "{f}, expected {e}");
                }
            }
        }
    }
}
