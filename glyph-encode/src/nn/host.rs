//! Tensors that lie in this machine's memory can be worked on where they lie.
//!
//! Burn's backend for the CPU walks memory once for every operation, most of them on one thread.
//! What stands between two products of matrices is done here in one walk, on all threads. On other
//! devices Burn's own operations run, which it fuses.

use std::sync::{Mutex, PoisonError};

use burn::nn::RmsNorm;
use burn::tensor::{DType, Device, Tensor, TensorData};

use super::{Activation, kernels};

/// Devices that were asked, and what they said.
static KNOWN: Mutex<Vec<(Device, bool)>> = Mutex::new(Vec::new());

/// Whether the tensors of a device lie in this machine's memory, and come out and go in without
/// being copied. Not where gradients are wanted: what happens outside leaves no trace in a graph.
pub fn is_host(device: &Device) -> bool {
    if device.is_autodiff() {
        return false;
    }
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, host)) = known.iter().find(|(known, _)| known == device) {
        return *host;
    }
    // Whoever copies gives another address back.
    let data = TensorData::new(vec![0.0f32; 4096], [4096]);
    let address = data.as_bytes().as_ptr();
    let host = Tensor::<1>::from_data(data, (device, DType::F32))
        .try_into_data()
        .is_ok_and(|data| data.as_bytes().as_ptr() == address);
    known.push((device.clone(), host));
    host
}

/// The numbers of a tensor; a copy, where others hold it too.
pub(super) fn data<const D: usize>(x: Tensor<D>) -> TensorData {
    x.cast(DType::F32).into_data()
}

/// The numbers of a tensor that [`data`] gave.
pub(super) fn numbers(data: &TensorData) -> &[f32] {
    data.as_slice().expect("it was cast to F32")
}

/// Changes the numbers of a tensor where they lie.
pub(super) fn in_place<const D: usize>(x: Tensor<D>, f: impl FnOnce(&mut [f32])) -> Tensor<D> {
    let device = x.device();
    let mut data = data(x);
    f(data.as_mut_slice().expect("it was cast to F32"));
    Tensor::from_data(data, (&device, DType::F32))
}

fn width<const D: usize>(x: &Tensor<D>) -> usize {
    x.dims()[D - 1]
}

/// `x + bias + residual`.
pub(super) fn add<const D: usize>(
    x: Tensor<D>,
    bias: Option<Tensor<1>>,
    residual: Option<Tensor<D>>,
) -> Tensor<D> {
    if bias.is_none() && residual.is_none() {
        return x;
    }
    let width = width(&x);
    let (bias, residual) = (bias.map(data), residual.map(data));
    in_place(x, |x| {
        kernels::add(
            x,
            width,
            bias.as_ref().map(numbers),
            residual.as_ref().map(numbers),
        );
    })
}

/// `activation(x + bias)`.
pub(super) fn activate(x: Tensor<2>, bias: Option<Tensor<1>>, activation: Activation) -> Tensor<2> {
    let (width, bias) = (width(&x), bias.map(data));
    in_place(x, |x| {
        kernels::activate(x, width, bias.as_ref().map(numbers), activation);
    })
}

/// `activation(gate + bias) * (up + bias)`.
///
/// # Shapes
/// - `x`: `[n, 2 * width]`, the gate first
/// - output: `[n, width]`
pub(super) fn activate_gated(
    x: Tensor<2>,
    bias: Option<Tensor<1>>,
    activation: Activation,
) -> Tensor<2> {
    let ([n, width], device) = (x.dims(), x.device());
    let bias = bias.map(data);
    let mut x = data(x);
    let out = kernels::activate_gated(
        x.as_mut_slice().expect("it was cast to F32"),
        width,
        bias.as_ref().map_or(&[], numbers),
        activation,
    );
    Tensor::from_data(TensorData::new(out, [n, width / 2]), (&device, DType::F32))
}

/// RMSNorm.
pub(super) fn rms_norm<const D: usize>(norm: &RmsNorm, x: Tensor<D>) -> Tensor<D> {
    let gamma = data(norm.gamma.val());
    in_place(x, |x| {
        kernels::rms_norm(x, numbers(&gamma), norm.epsilon as f32);
    })
}

/// `softmax(scale * x)` along the last dimension. With `visible`, the first row of each matrix
/// has so many numbers that count, and each later one more.
pub(super) fn softmax(x: Tensor<4>, scale: f32, visible: Option<usize>) -> Tensor<4> {
    let [_, _, rows, width] = x.dims();
    in_place(x, |x| {
        kernels::softmax(x, width, scale, visible.map(|v| (rows, v)));
    })
}

/// A matrix with rows and columns exchanged in memory, not only as a view.
pub(super) fn transposed(x: Tensor<2>) -> Tensor<2> {
    let ([rows, width], device) = (x.dims(), x.device());
    let data = data(x);
    let mut out = vec![0.0; rows * width];
    kernels::transpose(numbers(&data), width, &mut out);
    Tensor::from_data(TensorData::new(out, [width, rows]), (&device, DType::F32))
}
