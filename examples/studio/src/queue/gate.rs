//! A semaphore that lets the highest priority in first.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::Priority;

/// A bounded number of permits; who waits longest of the highest priority is next.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    free: usize,
    arrivals: u64,
    waiting: BTreeMap<(Reverse<Priority>, u64), oneshot::Sender<Permit>>,
}

/// A place behind the gate, given back when dropped.
#[derive(Debug)]
pub struct Permit(Option<Gate>);

impl Gate {
    /// A gate with a number of places.
    pub fn new(places: usize) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            free: places,
            arrivals: 0,
            waiting: BTreeMap::new(),
        })))
    }

    /// Waits for a place.
    pub async fn enter(&self, priority: Priority) -> Permit {
        let waiting = {
            let mut inner = self.lock();
            if inner.free > 0 {
                inner.free -= 1;
                return Permit(Some(self.clone()));
            }
            inner.arrivals += 1;
            let place = (Reverse(priority), inner.arrivals);
            let (sender, receiver) = oneshot::channel();
            inner.waiting.insert(place, sender);
            receiver
        };
        match waiting.await {
            Ok(permit) => permit,
            // The gate outlives who waits at it, and senders leave it only with a permit.
            Err(_) => Permit(None),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self) {
        loop {
            let next = {
                let mut inner = self.lock();
                match inner.waiting.pop_first() {
                    Some((_, next)) => next,
                    None => {
                        inner.free += 1;
                        return;
                    }
                }
            };
            // Who does not wait any more gives the permit back; it must not leave a second time.
            match next.send(Permit(Some(self.clone()))) {
                Ok(()) => return,
                Err(mut permit) => permit.0 = None,
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(gate) = self.0.take() {
            gate.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_highest_priority_is_next_and_none_is_lost() {
        let gate = Gate::new(1);
        let first = gate.enter(Priority::Low).await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for priority in [
            Priority::Low,
            Priority::Normal,
            Priority::High,
            Priority::Normal,
        ] {
            let (gate, order) = (gate.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                let _permit = gate.enter(priority).await;
                order.lock().unwrap().push(priority);
            }));
            tokio::task::yield_now().await;
        }
        // One that gives up while it waits.
        let gone = tokio::time::timeout(
            std::time::Duration::from_millis(5),
            gate.enter(Priority::High),
        );
        assert!(gone.await.is_err());
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        let order = order.lock().unwrap().clone();
        assert_eq!(
            order,
            [
                Priority::High,
                Priority::Normal,
                Priority::Normal,
                Priority::Low
            ]
        );
        drop(gate.enter(Priority::Low).await);
    }
}
