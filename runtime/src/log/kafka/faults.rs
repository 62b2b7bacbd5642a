//! What tests let happen to commits and to what is read: as brokers and networks do it, without waiting for them to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::conformance::Fault;

/// What happens to whichever worker comes first. Only tests set any; without, nothing here does anything.
#[derive(Debug, Default)]
pub struct Faults {
    next: Mutex<Option<Fault>>,
    early_ends: AtomicUsize,
    hangs: Mutex<Hangs>,
    together_records_max: OnceLock<u64>,
    read_together_max: AtomicUsize,
}

/// A client whose next call does not come back.
#[derive(Debug, Default)]
struct Hangs {
    /// Closed, it comes back.
    until: Option<Receiver<()>>,
    /// Instead of what the product waits for it.
    wait: Option<Duration>,
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

    /// Changelogs with more records left are read one after the other, as they are where there are far more. To be set before a worker joins.
    pub fn set_together_records_max(&self, records: u64) {
        let _ = self.together_records_max.set(records);
    }

    pub(crate) fn together_records_max(&self) -> Option<u64> {
        self.together_records_max.get().copied()
    }

    /// The most changelogs that a worker has read side by side to restore them.
    pub fn read_together_max(&self) -> usize {
        self.read_together_max.load(Ordering::Relaxed)
    }

    pub(crate) fn note_read_together(&self, changelogs: usize) {
        self.read_together_max.fetch_max(changelogs, Ordering::Relaxed);
    }

    /// How many of them are still to come.
    pub fn early_ends(&self) -> usize {
        self.early_ends.load(Ordering::Relaxed)
    }

    pub(crate) fn take_early_end(&self) -> bool {
        let less = |times: usize| times.checked_sub(1);
        self.early_ends.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// The next transaction is not even begun before what is given back is dropped. The worker waits for so long, and not as long as it
    /// would for a client.
    #[must_use]
    pub fn hang_next(&self, wait: Duration) -> Sender<()> {
        let (held, until) = bounded(0);
        *self.hangs.lock().unwrap_or_else(PoisonError::into_inner) =
            Hangs { until: Some(until), wait: Some(wait) };
        held
    }

    /// Where the client hangs, until it does so no longer.
    pub(crate) fn hang(&self) {
        let until = self.hangs.lock().unwrap_or_else(PoisonError::into_inner).until.take();
        if let Some(until) = until {
            // Nothing is ever sent: it ends with the other side.
            let _ = until.recv();
        }
    }

    pub(crate) fn hang_wait(&self) -> Option<Duration> {
        self.hangs.lock().unwrap_or_else(PoisonError::into_inner).wait
    }
}
