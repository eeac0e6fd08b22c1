//! What goes into the models of the speed programs, and what comes out.

use burn::tensor::{DType, Device, Tensor, TensorData};

/// A picture like no other, the same in all programs.
pub fn pixels<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    let count = shape.iter().product();
    let values: Vec<f32> = (0..count)
        .map(|i: usize| (i * 7919 % 1009) as f32 / 504.5 - 1.0)
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// A number of a result; waits for it.
pub fn number(x: Tensor<2>) -> f32 {
    x.narrow(0, 0, 1)
        .narrow(1, 0, 1)
        .cast(DType::F32)
        .into_scalar()
}
