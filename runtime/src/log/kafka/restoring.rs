//! Restores partitions, each ready as soon as its own changelog is read: none waits for another whose leader is away, or over which a
//! transaction is still open; and what comes meanwhile joins in.
//!
//! ```text
//!   wanted ──► asked: positions, then the end ──► settled up to that end ──► read to it ──► ready
//!     ▲                                                                        │
//!     └──────────────── what fails in passing begins again, a little later ◄───┘
//! ```
//!
//! Those with little left are read side by side, those with much one after the other, the shortest first (`front`), and by one worker
//! after the other (`turns`): all together would be ready no sooner, and the first of them only with the last.

mod front;
mod reading;
mod turns;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use rdkafka::consumer::Consumer;
use tracing::{debug, info, warn};

use self::front::Front;
pub(super) use self::turns::Turns;
use super::failure::failed;
use super::origin::Bounds;
use super::replay::Replay;
use super::restore::{Committed, Job, Restored, Run, SETTLED_LOOK, SETTLED_WAIT, Wanted};
use super::standby::Standby;
use crate::Error;
use crate::log::embedded::signal::Signal;

/// How long is read before it is looked what else is to be done.
const TURN_WAIT: Duration = Duration::from_millis(100);
/// Between two tries while the brokers do not answer.
const RETRY_MIN: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// What lasts is said again so often.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// How far a restore is, for whoever asks, and for whoever reads the service's log.
const COUNT_EVERY: Duration = Duration::from_millis(200);
const PROGRESS_EVERY: Duration = Duration::from_secs(10);

/// What goes to the worker.
type Ready = Sender<Result<Restored, Error>>;

/// What the brokers said of a partition, in this sequence.
struct Asked {
    committed: Committed,
    /// Whoever has all up to the end that was asked for next is as new as then.
    asked_ms: i64,
    bounds: Bounds,
    at: Instant,
}

/// Wanted, and not being read yet.
struct Waiting {
    wanted: Wanted,
    /// None: to be asked, or to be asked anew.
    asked: Option<Asked>,
}

impl Waiting {
    fn new(wanted: Wanted) -> Self {
        Self { wanted, asked: None }
    }
}

/// Being read.
struct Reading {
    wanted: Wanted,
    committed: Committed,
    replay: Replay,
}

/// All that is wanted at a time.
struct Restoring<'a> {
    run: &'a Run,
    ready: &'a Ready,
    signal: &'a Signal,
    waiting: Vec<Waiting>,
    /// By partition.
    reading: BTreeMap<u32, Reading>,
    /// Those of them whose records are fetched.
    front: Front,
    /// Whether the client was told to read anything.
    is_assigned: bool,
    /// When those that wait are looked at next.
    look_at: Instant,
    retry: Duration,
    told_at: Option<Instant>,
    counted_at: Instant,
    /// As it was counted last.
    replayed: u64,
    progress_at: Instant,
}

/// The restorer's thread: until nobody asks any more.
pub(super) fn serve(run: &Run, mut standby: Standby, jobs: &Receiver<Job>, ready: &Ready, signal: &Signal) {
    let mut restoring = Restoring::new(run, ready, signal);
    loop {
        if restoring.is_idle() {
            if standby.follows_all() {
                run.glance.borrow_mut().rest();
            }
            match jobs.recv_timeout(standby.wait(Instant::now())) {
                Ok(job) => restoring.take(job, &mut standby),
                Err(RecvTimeoutError::Timeout) => standby.turn(run),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        for job in jobs.try_iter() {
            restoring.take(job, &mut standby);
        }
        if let Err(problem) = restoring.turn() {
            // What trying again does not mend is for the worker to tell; the rest would meet it as well.
            restoring.give_all_up();
            let _ = ready.send(Err(problem));
            signal.notify();
        }
    }
}

impl<'a> Restoring<'a> {
    fn new(run: &'a Run, ready: &'a Ready, signal: &'a Signal) -> Self {
        let now = Instant::now();
        Self {
            run,
            ready,
            signal,
            waiting: Vec::new(),
            reading: BTreeMap::new(),
            front: Front::new(run.together_records_max(), now),
            is_assigned: false,
            look_at: now,
            retry: RETRY_MIN,
            told_at: None,
            counted_at: now,
            replayed: 0,
            progress_at: now,
        }
    }

    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.reading.is_empty()
    }

    fn take(&mut self, job: Job, standby: &mut Standby) {
        match job {
            Job::Restore(wanted) => {
                if self.is_idle() {
                    self.progress_at = Instant::now();
                }
                standby.give_up(wanted.partition);
                // An older order for it is of no interest any more.
                self.reading.remove(&wanted.partition);
                self.waiting.retain(|waiting| waiting.wanted.partition != wanted.partition);
                self.waiting.push(Waiting::new(wanted));
                (self.look_at, self.retry) = (Instant::now(), RETRY_MIN);
            }
            Job::Follow(partitions) => standby.follow(partitions),
        }
    }

    fn give_all_up(&mut self) {
        self.waiting.clear();
        self.reading.clear();
        self.run.shared.turns.leave(&self.run.worker);
        // It is closed with the worker, which ends.
        let _ = self.run.consumer.unassign();
        self.count();
    }

    /// What can be done now, for about [`TURN_WAIT`].
    ///
    /// Errors: one that trying again does not mend.
    fn turn(&mut self) -> Result<(), Error> {
        let (was_idle, run) = (self.is_idle(), self.run);
        self.waiting.retain(|waiting| run.known.wants(waiting.wanted.ticket));
        self.reading.retain(|_, reading| run.known.wants(reading.wanted.ticket));
        if !self.waiting.is_empty() && Instant::now() >= self.look_at {
            if self.retry > RETRY_MIN {
                // Brokers that did not answer may let this wait, too. What is being read goes on beside that of the next.
                run.shared.turns.pass_on(&run.worker);
            }
            let begun = self.begin();
            self.waited_for(begun)?;
        }
        let until = match self.waiting.is_empty() {
            true => Instant::now() + TURN_WAIT,
            false => self.look_at.min(Instant::now() + TURN_WAIT),
        };
        if !self.reading.is_empty() {
            let read = self.read(until);
            if read.is_err() {
                self.begin_again();
            }
            self.waited_for(read)?;
        } else if !self.waiting.is_empty() {
            run.known.stop.wait(until.saturating_duration_since(Instant::now()));
        }
        if self.reading.is_empty() && std::mem::take(&mut self.is_assigned) {
            if run.shared.turns.leave(&run.worker) {
                // What is left in memory is shared, and this store may have nothing to write for long.
                run.store.write_out();
            }
            // Nothing is fetched any more that nobody would take.
            let ended = run.consumer.unassign().map_err(failed("end the reading of the changelog"));
            self.waited_for(ended)?;
        }
        self.tell_progress(was_idle);
        Ok(())
    }

    /// What fails in passing is tried again after a while, and said now and then.
    fn waited_for(&mut self, done: Result<(), Error>) -> Result<(), Error> {
        let problem = match done {
            Ok(()) => return Ok(()),
            Err(problem) if problem.is_passing() => problem,
            Err(problem) => return Err(problem),
        };
        let (worker, reason, retry) = (&self.run.worker, problem.chain(), self.retry);
        let partitions: Vec<u32> = self.waiting.iter().map(|waiting| waiting.wanted.partition).collect();
        if self.told_at.is_none_or(|told_at| told_at.elapsed() >= TELL_EVERY) {
            self.told_at = Some(Instant::now());
            warn!(%worker, ?partitions, reason, "state could not be restored; it is tried again");
        } else {
            debug!(%worker, ?partitions, reason, ?retry, "restore is tried once more");
        }
        self.look_at = self.look_at.max(Instant::now() + retry);
        self.retry = (retry * 2).min(RETRY_MAX);
        Ok(())
    }

    /// What was being read begins anew from where the store stands.
    fn begin_again(&mut self) {
        let reading = std::mem::take(&mut self.reading).into_values();
        self.waiting.extend(reading.map(|reading| Waiting::new(reading.wanted)));
    }

    /// Asks about those that wait, and begins to read those over which nothing is open any more. What is not answered comes last at the next
    /// try, so that it holds up no other.
    fn begin(&mut self) -> Result<(), Error> {
        let began = Instant::now();
        let (mut settled, mut problem) = (Vec::new(), None);
        let (mut left, mut last) = (Vec::new(), Vec::new());
        for mut waiting in std::mem::take(&mut self.waiting) {
            if problem.is_some() {
                left.push(waiting);
                continue;
            }
            match self.settled(&mut waiting) {
                Ok(Some(asked)) => settled.push((waiting.wanted, asked)),
                Ok(None) => left.push(waiting),
                Err(one) => {
                    problem = Some(one);
                    last.push(waiting);
                }
            }
        }
        self.waiting = left;
        self.waiting.append(&mut last);
        let begun = self.begin_reading(settled);
        self.front.was_not_asked(began.elapsed(), Instant::now());
        // Half of the time is left for those that are being read.
        let share = if self.reading.is_empty() { Duration::ZERO } else { began.elapsed() };
        self.look_at = self.look_at.max(Instant::now() + SETTLED_LOOK.max(share));
        match (begun, problem) {
            // What passes does not hide what does not.
            (Err(begun), Some(problem)) if begun.is_passing() => Err(problem),
            (Err(begun), _) => Err(begun),
            (Ok(()), problem) => problem.map_or(Ok(()), Err),
        }
    }

    /// What was asked, once all that was written before the end that was asked for is either committed or aborted. Asks for positions, and
    /// only then for that end, where that was not done yet.
    ///
    /// Errors: the brokers do not answer; it takes longer than any transaction may. Then so much may not be there any more, and the end is
    /// asked for anew.
    fn settled(&self, waiting: &mut Waiting) -> Result<Option<Asked>, Error> {
        let (run, partition) = (self.run, waiting.wanted.partition);
        let asked = match waiting.asked.take() {
            Some(asked) if asked.at.elapsed() >= SETTLED_WAIT => {
                return Err(Error::WaitEnded { wait_ms: SETTLED_WAIT.as_millis() as u64 });
            }
            Some(asked) => asked,
            None => {
                let committed = run.committed(partition)?;
                let asked_ms = run.shared.clock.now_ms();
                let bounds = run.ends.written(&run.inputs.changelog, partition)?;
                Asked { committed, asked_ms, bounds, at: Instant::now() }
            }
        };
        match run.ends.committed(&run.inputs.changelog, partition) {
            Ok((_, end)) if end >= asked.bounds.1 => Ok(Some(asked)),
            looked => {
                waiting.asked = Some(asked);
                looked.map(|_| None)
            }
        }
    }

    fn tell_progress(&mut self, was_idle: bool) {
        if was_idle {
            return;
        }
        if self.is_idle() || self.counted_at.elapsed() >= COUNT_EVERY {
            self.count();
        }
        if self.progress_at.elapsed() >= PROGRESS_EVERY {
            self.progress_at = Instant::now();
            let left_records: u64 = self.reading.values().map(|reading| reading.replay.left_records()).sum();
            let (reading, waiting) = (self.reading.len(), self.waiting.len());
            info!(worker = %self.run.worker, reading, waiting, left_records, "state is being restored");
        }
    }

    fn count(&mut self) {
        self.counted_at = Instant::now();
        let replayed = self.run.known.replayed.load(Ordering::Relaxed);
        metrics::counter!("orderstream_replayed_records_total").increment(replayed - self.replayed);
        self.replayed = replayed;
        let waiting = self.waiting.iter().map(|waiting| (waiting.wanted.partition, None));
        let reading =
            self.reading.iter().map(|(partition, one)| (*partition, Some(one.replay.left_records())));
        self.run.shared.tell_restoring(&self.run.worker, waiting.chain(reading).collect());
    }
}
