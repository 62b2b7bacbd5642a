//! The commits of one worker, off its thread: one batch is committed while the next is sent.
//!
//! ```text
//!   append ──► sender: begin, records, positions, all acknowledged ──► committer: commit, store, outcome
//!                 ▲                      a ring of producers                │
//!                 └──────────────────────── in turn ◄──────────────────────┘
//! ```
//!
//! The sender sends one batch at a time, so batch n + 1 sends nothing before all of n is acknowledged. The committer
//! commits in the same sequence; once one fails, all behind it are aborted.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::producer::{BaseProducer, Producer};
use tracing::{debug, warn};

use super::Shared;
use super::context::RingContext;
use super::failure::{Kind, failed, refused};
use super::options::CALL_WAIT;
use super::store::{Store, Written};
use super::transaction::{self, Failure, RingProducer, Work};
use crate::Error;
use crate::conformance::Fault;
use crate::log::embedded::signal::Signal;
use crate::log::{BatchId, COMMITS_IN_FLIGHT_MAX, Outcome};

/// To whoever has to find out which of the two it is.
const SUPERSEDED: &str = "another process works under the same name (node.name), or the brokers took long: \
     each process needs a name of its own";

pub(crate) struct Pipeline {
    works: Sender<Work>,
    outcomes: Receiver<(BatchId, Outcome)>,
    state: Arc<State>,
}

/// What both threads and the worker know.
struct State {
    shared: Arc<Shared>,
    /// A batch failed: those behind it are aborted.
    void: AtomicBool,
    /// What is left of the producers is unknown: they must be replaced.
    broken: AtomicBool,
    /// Batches that are not done with, void ones included.
    running: AtomicUsize,
    /// Those of them that the sender is not done with.
    unsent: AtomicUsize,
    /// None: given up, nothing may be written any more. Held while writing, so that nothing comes after that.
    store: Mutex<Option<Arc<Store>>>,
    signal: Arc<Signal>,
}

/// A batch that was sent, with where it ends in the changelog; or why it could not be.
struct Ready {
    work: Work,
    producer: RingProducer,
    /// None: it was void before anything was begun.
    sent: Option<Result<Written, Failure>>,
}

impl Pipeline {
    /// Takes the transactional ids over: whoever had them is fenced, and what it left open is settled.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        worker: &str,
        store: Arc<Store>,
        signal: Arc<Signal>,
    ) -> Result<Self, Error> {
        let options = &shared.options;
        let (free_in, free) = bounded(options.producers);
        let ids: Vec<String> = (1..=options.producers)
            .map(|number| {
                options.wire(&format!("{}-{}-{worker}-{number}", options.application, options.node))
            })
            .collect();
        for producer in take_over(shared, &ids)? {
            free_in.send(producer).expect("there is room for each");
        }
        let (works, incoming) = bounded(COMMITS_IN_FLIGHT_MAX);
        let (ready_in, ready) = bounded(COMMITS_IN_FLIGHT_MAX);
        let (outcomes_in, outcomes) = bounded(COMMITS_IN_FLIGHT_MAX);
        let state = Arc::new(State {
            shared: shared.clone(),
            void: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            running: AtomicUsize::new(0),
            unsent: AtomicUsize::new(0),
            store: Mutex::new(Some(store)),
            signal,
        });
        let sending = state.clone();
        spawn(format!("{worker}-send"), move || send_all(&sending, &incoming, &free, &ready_in))?;
        let committing = state.clone();
        spawn(format!("{worker}-commit"), move || commit_all(&committing, &ready, &free_in, &outcomes_in))?;
        Ok(Self { works, outcomes, state })
    }

    /// The caller keeps to [`COMMITS_IN_FLIGHT_MAX`], so this never waits.
    pub(crate) fn push(&self, work: Work) -> Result<(), Error> {
        self.state.running.fetch_add(1, Ordering::AcqRel);
        self.state.unsent.fetch_add(1, Ordering::AcqRel);
        self.works.try_send(work).map_err(|_| {
            self.state.running.fetch_sub(1, Ordering::AcqRel);
            self.state.unsent.fetch_sub(1, Ordering::AcqRel);
            Error::Closed
        })
    }

    pub(crate) fn outcome(&self) -> Option<(BatchId, Outcome)> {
        self.outcomes.try_recv().ok()
    }

    pub(crate) fn has_outcome(&self) -> bool {
        !self.outcomes.is_empty()
    }

    /// Whether another batch would have to wait for the sender.
    pub(crate) fn is_sending(&self) -> bool {
        self.state.unsent.load(Ordering::Acquire) > 0
    }

    /// Everything on its way that is not being committed yet is aborted.
    pub(crate) fn make_void(&self) {
        self.state.void.store(true, Ordering::Release);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.state.running.load(Ordering::Acquire) == 0
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.state.broken.load(Ordering::Acquire)
    }

    /// Batches are taken again. Only while idle.
    pub(crate) fn resume(&self) {
        assert!(
            self.is_idle() && !self.is_broken(),
            "a pipeline goes on only once nothing is left of what failed"
        );
        while self.outcomes.try_recv().is_ok() {}
        self.state.void.store(false, Ordering::Release);
    }
}

impl Drop for Pipeline {
    /// Its threads end by themselves, however long their calls hang; what they know by then is of no use to anyone.
    fn drop(&mut self) {
        self.make_void();
        self.state.store.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    std::thread::Builder::new()
        .name(name)
        .spawn(run)
        .map(|_| ())
        .map_err(|source| Error::Store { doing: "start a thread of the log", source: source.into() })
}

/// All of the ring at once: each takes some round trips, and as long as the brokers need to settle what was open.
fn take_over(shared: &Shared, ids: &[String]) -> Result<Vec<RingProducer>, Error> {
    let take = |id: &String| {
        let config = shared.options.transacting(id, shared.record_bytes_max);
        let producer: RingProducer =
            BaseProducer::from_config_and_context(&config, RingContext::default()).map_err(refused)?;
        producer.init_transactions(CALL_WAIT).map_err(failed("take over a transactional id"))?;
        Ok(producer)
    };
    std::thread::scope(|scope| {
        let taking: Vec<_> = ids.iter().map(|id| scope.spawn(move || take(id))).collect();
        taking.into_iter().map(|thread| thread.join().map_err(|_| Error::Closed)?).collect()
    })
}

fn send_all(state: &State, incoming: &Receiver<Work>, free: &Receiver<RingProducer>, ready: &Sender<Ready>) {
    for work in incoming {
        // The one that has rested longest: its markers are written.
        let Ok(producer) = free.recv() else { return };
        let sent = (!state.void.load(Ordering::Acquire)).then(|| {
            if let Some(faults) = &state.shared.options.faults {
                faults.hang();
            }
            transaction::send(&producer, &work)
        });
        let handed_over = ready.send(Ready { work, producer, sent });
        state.unsent.fetch_sub(1, Ordering::AcqRel);
        state.signal.notify();
        if handed_over.is_err() {
            return;
        }
    }
}

fn commit_all(
    state: &State,
    ready: &Receiver<Ready>,
    free: &Sender<RingProducer>,
    outcomes: &Sender<(BatchId, Outcome)>,
) {
    for Ready { work, producer, sent } in ready {
        if let Some(sent) = sent {
            if state.void.load(Ordering::Acquire) {
                state.clean_up(&producer);
            } else {
                let outcome = state.settle(&producer, &work, sent);
                if outcome != Outcome::Committed {
                    debug!(batch = work.id.0, ?outcome, "batch failed");
                    state.void.store(true, Ordering::Release);
                }
                // A worker that is gone hears nothing.
                let _ = outcomes.send((work.id, outcome));
            }
        }
        state.running.fetch_sub(1, Ordering::AcqRel);
        state.signal.notify();
        if free.send(producer).is_err() {
            return;
        }
    }
}

impl State {
    fn settle(&self, producer: &RingProducer, work: &Work, sent: Result<Written, Failure>) -> Outcome {
        let written = match sent {
            Ok(written) => written,
            Err(failure) => return self.failed(producer, failure, false),
        };
        match self.shared.options.faults.as_ref().and_then(|faults| faults.take()) {
            None => {}
            Some(Fault::Aborted) => {
                let reason = "a test aborts it".to_owned();
                return self.failed(producer, Failure { kind: Kind::Abort, reason }, false);
            }
            Some(Fault::UnknownNotCommitted) => return self.unknown("a test lost it".to_owned()),
            Some(Fault::UnknownCommitted) => {
                let reason = match transaction::commit(producer) {
                    Ok(()) => "a test committed it and keeps silent".to_owned(),
                    Err(failure) => failure.reason,
                };
                return self.unknown(reason);
            }
        }
        // What another does after the commit, the store does not have: it is as new as it was before.
        let known_ms = self.shared.clock.now_ms();
        if let Err(failure) = transaction::commit(producer) {
            return self.failed(producer, failure, true);
        }
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(store) = &*store else { return self.unknown("the worker has given it up".to_owned()) };
        match store.apply(&work.batch, &written, known_ms) {
            Ok(()) => Outcome::Committed,
            // The changelog has it; what the store lacks is replayed from there.
            Err(problem) => self.unknown(format!("it is committed, and {}", problem.chain())),
        }
    }

    /// `asked`: a commit was asked for, so that a fence may stand after it.
    fn failed(&self, producer: &RingProducer, failure: Failure, asked: bool) -> Outcome {
        let Failure { kind, reason } = failure;
        match kind {
            Kind::Unknown if asked => self.unknown(reason),
            Kind::Unknown | Kind::Abort => match self.clean_up(producer) {
                true => Outcome::Aborted { reason },
                false => Outcome::Unknown { reason },
            },
            Kind::Fenced => {
                if asked {
                    self.broken.store(true, Ordering::Release);
                } else {
                    self.clean_up(producer);
                }
                Outcome::Fenced
            }
            // Nothing of it is there where no commit was asked for; whoever has its id now has settled that.
            Kind::Superseded => {
                self.broken.store(true, Ordering::Release);
                let reason = format!("{reason}; {SUPERSEDED}");
                if asked { Outcome::Unknown { reason } } else { Outcome::Aborted { reason } }
            }
        }
    }

    fn unknown(&self, reason: String) -> Outcome {
        self.broken.store(true, Ordering::Release);
        Outcome::Unknown { reason }
    }

    /// Whether nothing is left of the transaction.
    fn clean_up(&self, producer: &RingProducer) -> bool {
        // Nothing can be settled any more where its ids are another's already.
        if self.is_broken() {
            return false;
        }
        match transaction::abort(producer) {
            Ok(()) => true,
            Err(failure) => {
                warn!(reason = failure.reason, "transaction could not be aborted; its producer is replaced");
                self.broken.store(true, Ordering::Release);
                false
            }
        }
    }

    fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }
}
