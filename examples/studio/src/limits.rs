//! How often a client may ask.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Clients that are remembered at most.
const MAX_CLIENTS: usize = 100_000;

/// A token bucket for each client: as many requests at once as it may send in six seconds, then
/// evenly.
#[derive(Debug)]
pub struct RateLimit {
    per_second: f64,
    burst: f64,
    clients: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl RateLimit {
    /// `per_minute` requests; 0 allows any number.
    pub fn new(per_minute: u32) -> Self {
        let per_second = f64::from(per_minute) / 60.0;
        Self {
            per_second,
            burst: (per_second * 6.0).max(1.0),
            clients: Mutex::default(),
        }
    }

    /// Takes one request of a client's allowance, or says that there is none left.
    pub fn take(&self, client: &str) -> bool {
        self.take_at(client, Instant::now())
    }

    fn take_at(&self, client: &str, now: Instant) -> bool {
        if self.per_second <= 0.0 {
            return true;
        }
        // The map is whole whatever panicked while it was locked.
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= MAX_CLIENTS && !clients.contains_key(client) {
            let full = |bucket: &Bucket| {
                let since = now.saturating_duration_since(bucket.at).as_secs_f64();
                bucket.left + since * self.per_second >= self.burst
            };
            clients.retain(|_, bucket| !full(bucket));
            if clients.len() >= MAX_CLIENTS {
                return false;
            }
        }
        let bucket = clients.entry(client.to_owned()).or_insert(Bucket {
            left: self.burst,
            at: now,
        });
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.left = (bucket.left + since * self.per_second).min(self.burst);
        bucket.at = now;
        if bucket.left < 1.0 {
            return false;
        }
        bucket.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_client_has_its_allowance_and_gets_it_back() {
        let limit = RateLimit::new(60);
        let start = Instant::now();
        let taken = (0..20).filter(|_| limit.take_at("a", start)).count();
        assert_eq!(taken, 6);
        assert!(limit.take_at("b", start));
        assert!(!limit.take_at("a", start + Duration::from_millis(900)));
        assert!(limit.take_at("a", start + Duration::from_millis(2000)));
        let free = RateLimit::new(0);
        assert!((0..1000).all(|_| free.take_at("a", start)));
    }
}
