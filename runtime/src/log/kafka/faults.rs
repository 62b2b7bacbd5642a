//! What tests let happen to commits: as brokers and networks do it, without waiting for them to.

use std::sync::{Mutex, PoisonError};

use crate::conformance::Fault;

/// The next commit's fate, of whichever worker commits first. Only tests set one; without, nothing here does anything.
#[derive(Debug, Default)]
pub struct Faults {
    next: Mutex<Option<Fault>>,
}

impl Faults {
    /// The next commit meets `fault`; None: it goes well, whatever was set before.
    pub fn set_next(&self, fault: Option<Fault>) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    pub(crate) fn take(&self) -> Option<Fault> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
