//! A bounded cache in memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Values by name, the least recently used leaving first once their weights exceed a bound.
#[derive(Debug)]
pub struct Cache<T> {
    most: usize,
    inner: Mutex<Inner<T>>,
}

#[derive(Debug)]
struct Inner<T> {
    values: HashMap<String, Kept<T>>,
    weight: usize,
    clock: u64,
}

#[derive(Debug)]
struct Kept<T> {
    value: T,
    weight: usize,
    used: u64,
}

impl<T: Clone> Cache<T> {
    /// A cache whose values weigh at most `most` together.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            inner: Mutex::new(Inner {
                values: HashMap::new(),
                weight: 0,
                clock: 0,
            }),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner<T>> {
        // Nothing here panics half-way, so a poisoned lock guards whole values.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<T> {
        let mut inner = self.lock();
        inner.clock += 1;
        let now = inner.clock;
        let kept = inner.values.get_mut(name)?;
        kept.used = now;
        Some(kept.value.clone())
    }

    /// Keeps a value; one that weighs more than the bound alone is not kept.
    pub fn put(&self, name: &str, value: T, weight: usize) {
        let mut inner = self.lock();
        inner.remove(name);
        if weight > self.most {
            return;
        }
        inner.clock += 1;
        let used = inner.clock;
        inner.weight += weight;
        let kept = Kept {
            value,
            weight,
            used,
        };
        inner.values.insert(name.to_owned(), kept);
        while inner.weight > self.most {
            let oldest = inner.values.iter().min_by_key(|(_, kept)| kept.used);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else {
                break;
            };
            inner.remove(&oldest);
        }
    }

    /// Forgets a value.
    pub fn remove(&self, name: &str) {
        self.lock().remove(name);
    }
}

impl<T> Inner<T> {
    fn remove(&mut self, name: &str) {
        if let Some(kept) = self.values.remove(name) {
            self.weight -= kept.weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_leaves() {
        let cache = Cache::new(10);
        cache.put("a", 1, 4);
        cache.put("b", 2, 4);
        assert_eq!(cache.get("a"), Some(1));
        cache.put("c", 3, 4);
        assert_eq!(
            (cache.get("a"), cache.get("b"), cache.get("c")),
            (Some(1), None, Some(3))
        );
        cache.put("d", 4, 11);
        assert_eq!(cache.get("d"), None);
        cache.put("a", 5, 6);
        assert_eq!((cache.get("a"), cache.get("c")), (Some(5), Some(3)));
    }
}
