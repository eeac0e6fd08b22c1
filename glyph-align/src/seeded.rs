//! Fresh weights from a seed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes what a model draws in a step, for dropout, depend on the seed and the step alone, as long as
/// the guard is held: no other model of this crate is made or run forward in the meantime.
pub(crate) fn drawing(device: &Device, seed: u64, step: usize) -> MutexGuard<'static, ()> {
    let own = alone();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Samples and the order of passages take the streams from 0 on.
    rng.set_stream(u64::MAX - step as u64);
    device.seed(rng.next_u64());
    own
}

/// Makes a module whose weights depend on the seed alone.
///
/// A device has one generator in the whole process, and parameters draw from it only when they are
/// first looked at. So all of them are looked at here, by one thread at a time.
pub(crate) fn seeded<M: Module>(device: &Device, seed: u64, init: impl FnOnce() -> M) -> M {
    let _own = alone();
    device.seed(seed);
    let module = init();
    module.visit(&mut Look);
    module
}

struct Look;

impl ModuleVisitor for Look {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        drop(param.val());
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{Linear, LinearConfig};

    use super::*;

    fn weights(linear: &Linear) -> Vec<f32> {
        let data = linear.weight.val().into_data();
        data.try_to_vec().expect("f32")
    }

    #[test]
    fn weights_are_the_same_whatever_other_threads_draw() {
        let device = Device::default();
        let draw = || {
            weights(&seeded(&device, 7, || {
                LinearConfig::new(40, 50).init(&device)
            }))
        };
        let alone = draw();
        let among_others: Vec<Vec<f32>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(draw)).collect();
            threads
                .into_iter()
                .map(|t| t.join().expect("no panic"))
                .collect()
        });
        assert!(among_others.iter().all(|own| *own == alone));
        let other = seeded(&device, 8, || LinearConfig::new(40, 50).init(&device));
        assert_ne!(weights(&other), alone);
    }
}
