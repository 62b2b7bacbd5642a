//! A line, with an eye on which partitions it has, and on what it tries again.
use std::sync::Arc;

use runtime::{DueTimer, Handler, HandlerError, Record, Step};
use topology::Line;

use super::vitals::Vitals;

/// Where a worker is whose batches fail.
const SENDING: &str = "sending a batch";

/// Does what the line does, and says which partitions its worker was given, and what keeps it from going on.
pub struct Watched {
    line: Line,
    vitals: Arc<Vitals>,
    group: String,
    worker: String,
    /// What is tried again: its batch is thrown away each time, with all that the worker has.
    waits_at: Option<String>,
}

impl Watched {
    pub fn new(line: Line, vitals: Arc<Vitals>, group: &str, worker: &str) -> Watched {
        Watched { line, vitals, group: group.to_owned(), worker: worker.to_owned(), waits_at: None }
    }

    /// Says so where it is to be tried again, and where that is done at last. Others may be done before its turn comes again.
    fn noted(&mut self, at: impl Fn() -> String, done: Result<(), HandlerError>) -> Result<(), HandlerError> {
        if let Err(HandlerError::Retry(reason)) = &done {
            let at = at();
            self.vitals.waits(&self.worker, &at, reason);
            self.waits_at = Some(at);
        } else if self.waits_at.as_ref().is_some_and(|waits_at| *waits_at == at()) {
            self.goes_on();
        }
        done
    }

    fn goes_on(&mut self) {
        self.vitals.goes_on(&self.worker);
        self.waits_at = None;
    }
}

/// A record by its place, as dead letters have it.
pub(super) fn place(record: &Record) -> String {
    format!("{} {}:{}", record.topic, record.partition, record.offset)
}

impl Handler for Watched {
    fn on_broadcast(&mut self, record: &Record) {
        self.line.on_broadcast(record);
    }

    fn on_record(&mut self, step: &mut Step<'_>, record: &Record) -> Result<(), HandlerError> {
        let done = self.line.on_record(step, record);
        self.noted(|| place(record), done)
    }

    fn on_timer(&mut self, step: &mut Step<'_>, timer: &DueTimer) -> Result<(), HandlerError> {
        let done = self.line.on_timer(step, timer);
        let at = || {
            let key = String::from_utf8_lossy(&timer.key);
            format!("timer {} of {}, {key}", timer.name, timer.processor)
        };
        self.noted(at, done)
    }

    fn on_appended(&mut self) {
        self.line.on_appended();
    }

    fn on_committed(&mut self) {
        if self.waits_at.as_deref() == Some(SENDING) {
            self.goes_on();
        }
        self.line.on_committed();
    }

    fn on_failed(&mut self, reason: &str) {
        self.vitals.waits(&self.worker, SENDING, reason);
        self.waits_at = Some(SENDING.to_owned());
        self.line.on_failed(reason);
    }

    fn on_discarded(&mut self) {
        self.line.on_discarded();
    }

    fn on_partitions(&mut self, partitions: &[u32]) {
        self.vitals.assigned(&self.group, &self.worker, partitions);
        // It may lie with another by now; if not, that is noted again.
        if self.waits_at.is_some() {
            self.goes_on();
        }
        self.line.on_partitions(partitions);
    }
}

#[cfg(test)]
mod tests {
    use runtime::ManualClock;
    use schemas::codec::{Codec, StateCodec};
    use schemas::registry::LocalIds;
    use topology::{LineSettings, SubTopology};

    use super::*;

    #[test]
    fn a_worker_whose_batches_fail_waits_until_one_is_committed_or_its_partitions_change() {
        let ids = Arc::new(LocalIds::in_memory());
        let (codec, state) = (Codec::new(ids.clone()), StateCodec::new(ids));
        let group = SubTopology::defaults().remove(0);
        let line = Line::new(group, Arc::new(codec), Arc::new(state), LineSettings::default());
        let vitals =
            Arc::new(Vitals::new(&crate::settings::Settings::default(), Arc::new(ManualClock::at(7))));
        let mut watched = Watched::new(line, vitals.clone(), "orders", "orders-0");
        let waits = || vitals.waiting().into_iter().map(|one| (one.at, one.reason)).collect::<Vec<_>>();
        let sending = |reason: &str| vec![(SENDING.to_owned(), reason.to_owned())];
        watched.on_failed("too large");
        assert_eq!(waits(), sending("too large"));
        watched.on_failed("away");
        assert_eq!(waits(), sending("away"));
        watched.on_committed();
        assert_eq!(waits(), []);
        watched.on_failed("away");
        watched.on_partitions(&[1]);
        assert_eq!(waits(), []);
    }
}
