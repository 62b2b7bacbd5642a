//! A line, with an eye on which partitions it has, and on what it tries again.
use std::sync::Arc;

use runtime::{DueTimer, Handler, HandlerError, Record, Step};
use topology::Line;

use super::backoff::log_may_pass;
use super::vitals::Vitals;

/// Where a worker is whose batches fail.
const SENDING: &str = "sending a batch";

/// Why the worker's grouping is in force no more. None: it is.
pub type Regrouped = Arc<dyn Fn() -> anyhow::Result<Option<String>> + Send + Sync>;

/// Does what the line does, and says which partitions its worker was given, and what keeps it from going on.
pub struct Watched {
    line: Line,
    vitals: Arc<Vitals>,
    group: String,
    worker: String,
    regrouped: Regrouped,
    /// It had no partition before, so that the system may have been regrouped: nobody regroups one whose groups have members.
    has_just_joined: bool,
    has_partitions: bool,
    /// What is tried again: its batch is thrown away each time, with all that the worker has.
    waits_at: Option<String>,
}

impl Watched {
    pub fn new(line: Line, vitals: Arc<Vitals>, group: &str, worker: &str, regrouped: Regrouped) -> Watched {
        Watched {
            line,
            vitals,
            group: group.to_owned(),
            worker: worker.to_owned(),
            regrouped,
            has_just_joined: true,
            has_partitions: false,
            waits_at: None,
        }
    }

    /// Before its first step as a member: of another grouping it would do what somebody else does, too.
    fn check_grouping(&mut self) -> Result<(), HandlerError> {
        if !self.has_just_joined {
            return Ok(());
        }
        match (self.regrouped)() {
            Ok(None) => {
                self.has_just_joined = false;
                Ok(())
            }
            Ok(Some(reason)) => Err(HandlerError::Refused { reason }),
            Err(error) if log_may_pass(&error) => {
                Err(HandlerError::Retry(format!("the grouping could not be looked at: {error:#}")))
            }
            Err(error) => Err(HandlerError::Refused { reason: format!("{error:#}") }),
        }
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
        let done = self.check_grouping().and_then(|()| self.line.on_record(step, record));
        self.noted(|| place(record), done)
    }

    fn on_timer(&mut self, step: &mut Step<'_>, timer: &DueTimer) -> Result<(), HandlerError> {
        let done = self.check_grouping().and_then(|()| self.line.on_timer(step, timer));
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
        let had_partitions = std::mem::replace(&mut self.has_partitions, !partitions.is_empty());
        self.has_just_joined |= !had_partitions;
        // It may lie with another by now; if not, that is noted again.
        if self.waits_at.is_some() {
            self.goes_on();
        }
        self.line.on_partitions(partitions);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use runtime::ManualClock;
    use schemas::codec::{Codec, StateCodec};
    use schemas::registry::LocalIds;
    use topology::{LineSettings, SubTopology};

    use super::*;

    /// What the log says of its grouping when it is asked next; after that, that it is the same.
    type Known = Result<Option<&'static str>, runtime::Error>;

    /// A worker whose grouping is as `grouping` has it.
    fn watched(grouping: &Arc<Mutex<Known>>) -> (Watched, Arc<Vitals>) {
        let ids = Arc::new(LocalIds::in_memory());
        let (codec, state) = (Codec::new(ids.clone()), StateCodec::new(ids));
        let group = SubTopology::defaults().remove(0);
        let line = Line::new(group, Arc::new(codec), Arc::new(state), LineSettings::default());
        let vitals =
            Arc::new(Vitals::new(&crate::settings::Settings::default(), Arc::new(ManualClock::at(7))));
        let grouping = grouping.clone();
        let regrouped: Regrouped =
            Arc::new(move || match std::mem::replace(&mut *grouping.lock().unwrap(), Ok(None)) {
                Ok(changed) => Ok(changed.map(str::to_owned)),
                Err(error) => Err(error.into()),
            });
        (Watched::new(line, vitals.clone(), "orders", "orders-0", regrouped), vitals)
    }

    /// A system is regrouped while a worker is between the question how it is grouped and its first partition; or while it had lost all.
    #[test]
    fn a_worker_asks_how_the_log_is_grouped_whenever_it_comes_to_partitions_and_had_none() {
        let grouping: Arc<Mutex<Known>> = Arc::new(Mutex::new(Err(runtime::Error::WaitEnded { wait_ms: 7 })));
        let (mut watched, _) = watched(&grouping);
        let set = |of: Known| *grouping.lock().unwrap() = of;
        watched.on_partitions(&[1]);
        assert!(matches!(watched.check_grouping(), Err(HandlerError::Retry(_))), "the brokers are away");
        set(Err(runtime::Error::Closed));
        assert!(matches!(watched.check_grouping(), Err(HandlerError::Refused { .. })), "that does not pass");
        set(Ok(None));
        assert_eq!(watched.check_grouping(), Ok(()));
        set(Ok(Some("otherwise")));
        watched.on_partitions(&[1, 2]);
        assert_eq!(watched.check_grouping(), Ok(()), "nobody regroups a system that it is a member of");
        watched.on_partitions(&[]);
        watched.on_partitions(&[2]);
        let refused = HandlerError::Refused { reason: "otherwise".to_owned() };
        assert_eq!(watched.check_grouping(), Err(refused));
    }

    #[test]
    fn a_worker_whose_batches_fail_waits_until_one_is_committed_or_its_partitions_change() {
        let (mut watched, vitals) = watched(&Arc::new(Mutex::new(Ok(None))));
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
