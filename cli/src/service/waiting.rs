//! What parts of the service try again and again, and why: for whoever asks what a lag waits for.
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A part that does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// A worker's name, or the projection's.
    pub part: String,
    /// Where it is: at which record, or timer.
    pub at: String,
    /// Why it cannot be done now.
    pub reason: String,
    pub since_ms: i64,
}

/// All of them, by part.
#[derive(Debug, Default)]
pub struct Waits(Mutex<BTreeMap<String, Waiting>>);

impl Waits {
    fn parts(&self) -> MutexGuard<'_, BTreeMap<String, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The part tries this again. Since when is as it was where it is the same as before.
    pub fn note(&self, part: &str, at: &str, reason: &str, now_ms: i64) {
        let mut parts = self.parts();
        let before = parts.get(part).filter(|before| before.at == at);
        let since_ms = before.map_or(now_ms, |before| before.since_ms);
        let [part, at, reason] = [part, at, reason].map(str::to_owned);
        parts.insert(part.clone(), Waiting { part, at, reason, since_ms });
    }

    /// The part goes on.
    pub fn forget(&self, part: &str) {
        self.parts().remove(part);
    }

    pub fn all(&self) -> Vec<Waiting> {
        self.parts().values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_again_is_known_since_the_first_time_and_until_it_is_done() {
        let waits = Waits::default();
        waits.note("orders-0", "t 0:1", "away", 1_000);
        waits.note("orders-0", "t 0:1", "still away", 2_000);
        waits.note("orders-1", "t 1:7", "away", 3_000);
        let shown = |waits: &Waits| -> Vec<(String, String, i64)> {
            waits.all().into_iter().map(|one| (one.at, one.reason, one.since_ms)).collect()
        };
        let of = |at: &str, reason: &str, since_ms| (at.to_owned(), reason.to_owned(), since_ms);
        assert_eq!(shown(&waits), [of("t 0:1", "still away", 1_000), of("t 1:7", "away", 3_000)]);
        waits.note("orders-0", "t 0:9", "away", 4_000);
        waits.forget("orders-1");
        assert_eq!(shown(&waits), [of("t 0:9", "away", 4_000)], "another is waited for anew");
    }
}
