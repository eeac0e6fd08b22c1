//! Threads that go through a forward pass together.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

/// One thread of a team.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member<'a> {
    pub(super) index: usize,
    pub(super) size: usize,
    barrier: &'a Barrier,
}

impl Member<'_> {
    /// Waits until all members have come here.
    pub(super) fn wait(self) {
        self.barrier.wait(self.size);
    }
}

/// Runs `work` on `size` threads, the caller's among them, and returns what each one returns.
///
/// The threads are the operating system's, not a pool's: a pool whose threads are busy would
/// leave the others waiting at a barrier for ever.
pub(super) fn run<R: Send>(size: usize, work: impl Fn(Member<'_>) -> R + Sync) -> Vec<R> {
    let barrier = Barrier::default();
    let run = |index| {
        let guard = PanicGuard(&barrier);
        let result = work(Member {
            index,
            size,
            barrier: &barrier,
        });
        std::mem::forget(guard);
        result
    };
    std::thread::scope(|scope| {
        let run = &run;
        let others: Vec<_> = (1..size).map(|i| scope.spawn(move || run(i))).collect();
        let mut results = vec![run(0)];
        for other in others {
            match other.join() {
                Ok(result) => results.push(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        results
    })
}

/// A barrier that spins: the work between two of them is a few microseconds.
#[derive(Debug, Default)]
struct Barrier {
    arrived: AtomicUsize,
    generation: AtomicUsize,
    broken: AtomicBool,
}

/// Turns of waiting before the processor is left to others.
const SPINS: u32 = 4_000;

impl Barrier {
    fn wait(&self, size: usize) {
        let generation = self.generation.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == size {
            self.arrived.store(0, Ordering::Relaxed);
            self.generation.store(generation + 1, Ordering::Release);
            return;
        }
        let mut turns = 0;
        while self.generation.load(Ordering::Acquire) == generation {
            assert!(
                !self.broken.load(Ordering::Relaxed),
                "another thread of the team panicked"
            );
            turns += 1;
            if turns < SPINS {
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
        }
    }
}

/// Lets the others of a team go when a member panics.
struct PanicGuard<'a>(&'a Barrier);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        self.0.broken.store(true, Ordering::Relaxed);
    }
}

/// Passes what each member has computed to all of them.
///
/// There are two sets of buffers: a member that is ahead writes to one while another still reads
/// the other, and cannot be ahead by more, since there is a barrier in between.
#[derive(Debug)]
pub(super) struct Exchange {
    sets: [Vec<RwLock<Vec<f32>>>; 2],
    /// Which set each member uses next.
    turns: Vec<AtomicUsize>,
    /// A buffer for each member to build its part in.
    spare: Vec<RwLock<Vec<f32>>>,
}

impl Exchange {
    pub(super) fn new(size: usize) -> Self {
        let buffers = || (0..size).map(|_| RwLock::default()).collect();
        Self {
            sets: [buffers(), buffers()],
            turns: (0..size).map(|_| AtomicUsize::new(0)).collect(),
            spare: buffers(),
        }
    }

    /// Gives `part` away, waits for the others and calls `read` with each member's part in order.
    /// `part` becomes some old buffer.
    pub(super) fn swap(
        &self,
        member: Member<'_>,
        part: &mut Vec<f32>,
        mut read: impl FnMut(usize, &[f32]),
    ) {
        let turn = self.turns[member.index].fetch_xor(1, Ordering::Relaxed);
        let set = &self.sets[turn];
        std::mem::swap(
            &mut *set[member.index]
                .write()
                .unwrap_or_else(PoisonError::into_inner),
            part,
        );
        member.wait();
        for (i, part) in set.iter().enumerate() {
            read(i, &part.read().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Takes the member's spare buffer.
    pub(super) fn take(&self, member: Member<'_>) -> Vec<f32> {
        std::mem::take(
            &mut *self.spare[member.index]
                .write()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Brings the member's spare buffer back.
    pub(super) fn give(&self, member: Member<'_>, buffer: Vec<f32>) {
        *self.spare[member.index]
            .write()
            .unwrap_or_else(PoisonError::into_inner) = buffer;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_reach_every_member_in_order() {
        let exchange = Exchange::new(3);
        let sums = run(3, |member| {
            let mut sum = 0.0;
            for round in 0..200 {
                let mut part = vec![(round * 3 + member.index) as f32];
                let mut seen = Vec::new();
                exchange.swap(member, &mut part, |i, part| {
                    assert_eq!(part, [(round * 3 + i) as f32]);
                    seen.extend_from_slice(part);
                });
                sum += seen.iter().sum::<f32>();
            }
            sum
        });
        assert_eq!(sums, [179_700.0; 3]);
    }

    #[test]
    fn a_panic_frees_the_others() {
        let outcome = std::panic::catch_unwind(|| {
            run(2, |member| {
                assert!(member.index == 0, "one fails");
                member.wait();
            })
        });
        assert!(outcome.is_err());
    }
}
