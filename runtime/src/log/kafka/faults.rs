//! What tests let happen to commits and to what is read: as brokers and networks do it, without waiting for them to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::conformance::Fault;

/// What happens to whichever worker comes first. Only tests set any; without, nothing here does anything.
#[derive(Debug, Default)]
pub struct Faults {
    next: Mutex<Option<Fault>>,
    early_ends: AtomicUsize,
}

impl Faults {
    /// The next commit meets `fault`; None: it goes well, whatever was set before.
    pub fn set_next(&self, fault: Option<Fault>) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    pub(crate) fn take(&self) -> Option<Fault> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// So many times a changelog seems to end before the end that was asked for, as where its leader was just elected.
    pub fn set_early_ends(&self, times: usize) {
        self.early_ends.store(times, Ordering::Relaxed);
    }

    /// How many of them are still to come.
    pub fn early_ends(&self) -> usize {
        self.early_ends.load(Ordering::Relaxed)
    }

    pub(crate) fn take_early_end(&self) -> bool {
        let less = |times: usize| times.checked_sub(1);
        self.early_ends.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}
