//! The loss of the reader.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use glyph_decode::{Cell, Charset, ReadoutModel};

/// Cross-entropy of the contents of cells, through the readout's two softmaxes.
#[derive(Debug, Clone)]
pub struct ReadingLoss {
    head: Tensor<2, Int>,
    tail_rows: Option<(Tensor<1, Int>, Tensor<2, Int>)>,
    n: usize,
}

impl ReadingLoss {
    /// Takes what the cells hold, in the order of the features that [`ReadingLoss::forward`] gets.
    pub fn new(cells: &[Cell], device: &Device) -> Self {
        let set = Charset::builtin();
        let mut head = Vec::with_capacity(cells.len());
        let (mut rows, mut tail) = (Vec::new(), Vec::new());
        for (i, &cell) in cells.iter().enumerate() {
            let class = set.class_of(cell);
            head.push(class.head as i32);
            if let Some(t) = class.tail {
                rows.push(i as i32);
                tail.push(t as i32);
            }
        }
        let n = head.len();
        let column = |v: Vec<i32>| {
            let n = v.len();
            Tensor::<1, Int>::from_data(TensorData::new(v, [n]), device)
        };
        Self {
            head: column(head).reshape([n, 1]),
            tail_rows: (!rows.is_empty()).then(|| {
                let m = rows.len();
                (column(rows), column(tail).reshape([m, 1]))
            }),
            n,
        }
    }

    /// Mean negative log-likelihood in nats a cell.
    ///
    /// # Shapes
    /// - `features`: `[cells, cell_size]`
    /// - output: `[1]`
    pub fn forward(&self, readout: &ReadoutModel, features: Tensor<2>) -> Tensor<1> {
        let nll = |logits: Tensor<2>, target: Tensor<2, Int>| {
            log_softmax(logits, 1).gather(1, target).sum().neg()
        };
        let mut loss = nll(readout.head(features.clone()), self.head.clone());
        if let Some((rows, targets)) = &self.tail_rows {
            loss = loss
                + nll(
                    readout.tail(features.select(0, rows.clone())),
                    targets.clone(),
                );
        }
        loss.div_scalar(self.n as f64)
    }
}
