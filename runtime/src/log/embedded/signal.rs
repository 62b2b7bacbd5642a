//! What a reader waits on: set when something it reads has come, or something was decided about it.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

#[derive(Debug, Default)]
pub(crate) struct Signal {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    pub(crate) fn notify(&self) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        if !*set {
            *set = true;
            self.changed.notify_one();
        }
    }

    /// To be called before looking: what comes after the look sets it again.
    pub(crate) fn clear(&self) {
        *self.set.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }

    /// Waits until set, at most up to `deadline`.
    pub(crate) fn wait(&self, deadline: Instant) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        while !*set {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            set = self.changed.wait_timeout(set, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
