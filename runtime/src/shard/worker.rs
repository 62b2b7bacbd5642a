//! One worker: one thread, one log member, one handler.

mod commit;
mod due;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use self::due::{DUE_UNKNOWN, Held};
use super::settings::IDLE_WAIT_MS_MAX;
use super::worker_metrics::WorkerMetrics;
use super::{Handler, HandlerError, Settings, Step, dead_letter};
use crate::clock::CLOCK_BACK_MS_MAX;
use crate::log::{Limits, Log, Polled};
use crate::record::{Outgoing, Record};
use crate::store::overlay::Overlay;
use crate::store::timers::Timers;
use crate::{Clock, Error, StopSignal};

/// What one turn of the loop did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Something came in, fired, or was settled.
    Worked,
    /// Nothing was there, and nothing is on its way.
    Idle,
    /// What was staged is thrown away and will be tried again, after this pause.
    SetBack { pause: Duration, reason: String },
}

/// What stops a turn half-way.
enum Setback {
    /// The handler asked for it; batches on their way are not concerned.
    Retry(String),
    /// A batch on its way failed, or the partitions it is about are another's: all that is staged is void.
    Void(String),
    Log(Error),
}

impl From<Error> for Setback {
    fn from(error: Error) -> Self {
        Self::Log(error)
    }
}

/// The batch that is being staged.
#[derive(Debug, Default)]
struct Open {
    partitions: BTreeSet<u32>,
    positions: BTreeMap<(Arc<str>, u32), i64>,
    outputs: Vec<Outgoing>,
    outputs_bytes: usize,
    records: usize,
    timers: usize,
}

struct InFlight {
    appended: Instant,
    outputs: u64,
}

/// Runs a handler on the partitions that the log assigns.
pub struct Worker<L: Log, H: Handler> {
    log: L,
    handler: H,
    clock: Arc<dyn Clock>,
    settings: Settings,
    overlay: Overlay,
    timers: Timers,
    open: Open,
    in_flight: VecDeque<InFlight>,
    /// Of each assigned partition: no timer is due before this; [`DUE_UNKNOWN`].
    partitions: BTreeMap<u32, i64>,
    held: Option<Held>,
    now_ms: i64,
    setbacks: u32,
    log_failures: u32,
    /// The log is not back at the committed positions yet: nothing may be staged before it is.
    rewind_due: bool,
    metrics: WorkerMetrics,
}

impl<L: Log, H: Handler> std::fmt::Debug for Worker<L, H> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Worker").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<L: Log, H: Handler> Worker<L, H> {
    /// Refuses settings that the log's topics do not fit.
    pub fn new(log: L, handler: H, clock: Arc<dyn Clock>, settings: Settings) -> Result<Self, Error> {
        settings.check(log.topics())?;
        let metrics = WorkerMetrics::new(&settings.worker);
        Ok(Self {
            log,
            handler,
            clock,
            settings,
            overlay: Overlay::new(),
            timers: Timers::new(),
            open: Open::default(),
            in_flight: VecDeque::new(),
            partitions: BTreeMap::new(),
            held: None,
            now_ms: i64::MIN,
            setbacks: 0,
            log_failures: 0,
            rewind_due: false,
            metrics,
        })
    }

    /// Until `stop`: then finishes the batch, settles, and leaves the group. An error means that it cannot go on at all.
    pub fn run(mut self, stop: &StopSignal) -> Result<(), Error> {
        info!(worker = %self.settings.worker, "worker started");
        while !stop.is_stopped() {
            match self.turn(Duration::from_millis(IDLE_WAIT_MS_MAX))? {
                Turn::Worked | Turn::Idle => {}
                Turn::SetBack { pause, .. } => self.clock.pause(pause, stop),
            }
        }
        self.finish()
    }

    /// Settles what is on its way and leaves the group.
    pub fn finish(mut self) -> Result<(), Error> {
        match self.append().and_then(|()| self.settle_all()) {
            Ok(()) => {}
            Err(Setback::Log(error)) => return Err(error),
            // It is not committed, so whoever has the partitions next does it again.
            Err(Setback::Retry(reason) | Setback::Void(reason)) => {
                info!(worker = %self.settings.worker, reason, "last batch is left to the next owner");
            }
        }
        self.log.leave()?;
        info!(worker = %self.settings.worker, "worker stopped");
        Ok(())
    }

    /// The log, as it is: what is staged or on its way is nobody's any more.
    pub fn into_log(self) -> L {
        self.log
    }

    /// The handler, for a look at it between turns.
    pub fn handler(&self) -> &H {
        &self.handler
    }

    /// When the next timer of the assigned partitions is due, at the earliest; None: none is set. For simulations, which
    /// move the clock there.
    pub fn next_due_ms(&mut self) -> Result<Option<i64>, Error> {
        self.look_up_due()?;
        Ok(self.partitions.values().copied().min().filter(|due_ms| *due_ms != i64::MAX))
    }

    /// One round: settle what is ready, fire what is due, process what came, append. Waits at most `wait` for something
    /// to come, and not beyond the next timer. An error means that it cannot go on at all.
    pub fn turn(&mut self, wait: Duration) -> Result<Turn, Error> {
        match self.try_turn(wait) {
            Ok(turn) => Ok(turn),
            Err(setback) => self.set_back(setback),
        }
    }

    fn try_turn(&mut self, wait: Duration) -> Result<Turn, Setback> {
        if self.rewind_due {
            self.log.rewind()?;
            self.rewind_due = false;
            // As they are by now: whoever asked since the failure saw them as they were before.
            for next_due_ms in self.partitions.values_mut() {
                *next_due_ms = DUE_UNKNOWN;
            }
        }
        let mut worked = false;
        while self.settle_one(Duration::ZERO)? {
            worked = true;
        }
        self.make_room()?;
        self.look_at_clock();
        worked |= self.fire_due()?;
        let is_waiting = !worked && self.open.is_empty();
        let wait = if is_waiting || self.is_held_open() { self.until_due(wait) } else { Duration::ZERO };
        let limits = Limits {
            records_max: self.settings.batch_records_max.saturating_sub(self.open.records).max(1),
            bytes_max: self.settings.batch_bytes_max,
        };
        match self.log.poll(limits, wait)? {
            Polled::Records(records) => self.process(&records)?,
            Polled::Broadcast(records) => self.broadcast(&records),
            Polled::Assigned(partitions) => self.assigned(&partitions),
            Polled::Revoked(partitions) => self.revoked(&partitions)?,
            Polled::Lost(partitions) => {
                self.given_up(&partitions);
                return Err(Setback::Void(format!("partitions {partitions:?} were lost")));
            }
            Polled::Settled => {}
            Polled::Nothing => {
                if is_waiting {
                    // What is counted and does not come (a transaction's marker has an offset, too) holds nothing up.
                    self.handled(u64::MAX);
                }
                self.append_unless_held()?;
                let idle = !worked && self.in_flight.is_empty();
                return Ok(if idle { Turn::Idle } else { Turn::Worked });
            }
        }
        self.append_unless_held()?;
        Ok(Turn::Worked)
    }

    /// One batch has one time. It stands still where the clock goes back a little. Where the clock goes back far it was wrong before:
    /// the time goes back with it, or nothing would come due until all that was skipped has passed.
    fn look_at_clock(&mut self) {
        if !self.open.is_empty() {
            return;
        }
        let clock_ms = self.clock.now_ms();
        let back_ms = self.now_ms.saturating_sub(clock_ms);
        if back_ms <= CLOCK_BACK_MS_MAX {
            self.now_ms = self.now_ms.max(clock_ms);
            return;
        }
        warn!(
            worker = %self.settings.worker, back_ms,
            "clock was turned back; timers that were set meanwhile are late by as much"
        );
        self.now_ms = clock_ms;
        // They were due by a time that has not come: no handler expects a timer before its time.
        self.held = None;
    }

    fn process(&mut self, records: &[Record]) -> Result<(), Setback> {
        // They may have been waited for.
        self.look_at_clock();
        self.metrics.input_records.increment(records.len() as u64);
        self.handled(records.len() as u64);
        for record in records {
            let outcome = self.step(record.partition, |handler, step| handler.on_record(step, record));
            if let Err(reason) = outcome? {
                warn!(
                    topic = %record.topic, partition = record.partition, offset = record.offset, reason,
                    "record goes to the dead-letter topic"
                );
                let topic = &self.settings.dead_letter_topic;
                let bytes_max = self.log.topics().get(topic).map_or(0, |spec| spec.record_bytes_max);
                let letter = dead_letter::of_record(topic, record, &reason, self.now_ms, bytes_max);
                self.dead_letter(letter);
            }
            self.open.records += 1;
            match self.open.positions.get_mut(&(record.topic.clone(), record.partition)) {
                Some(next_offset) => *next_offset = record.offset + 1,
                None => {
                    let place = (record.topic.clone(), record.partition);
                    self.open.positions.insert(place, record.offset + 1);
                }
            }
            if self.staged_bytes() > self.settings.batch_bytes_max {
                self.append()?;
            }
        }
        Ok(())
    }

    fn dead_letter(&mut self, letter: Outgoing) {
        self.metrics.dead_letters.increment(1);
        self.open.outputs_bytes += letter.bytes();
        self.open.outputs.push(letter);
    }

    /// One call of the handler, all or nothing. Ok(Err(reason)): it failed for good, and what it staged is undone.
    fn step(
        &mut self,
        partition: u32,
        call: impl FnOnce(&mut H, &mut Step<'_>) -> Result<(), HandlerError>,
    ) -> Result<Result<(), String>, Setback> {
        self.open.partitions.insert(partition);
        let (outputs_mark, bytes_mark) = (self.open.outputs.len(), self.open.outputs_bytes);
        let mut step = Step {
            log: &mut self.log,
            overlay: &mut self.overlay,
            timers: &mut self.timers,
            outputs: &mut self.open.outputs,
            outputs_bytes: &mut self.open.outputs_bytes,
            next_due_ms: self.partitions.entry(partition).or_insert(DUE_UNKNOWN),
            now_ms: self.now_ms,
            partition,
        };
        // What a panic leaves half-done in the step is undone below; the handler promises the rest.
        let done = catch_unwind(AssertUnwindSafe(|| call(&mut self.handler, &mut step)));
        let reason = match done {
            Ok(Ok(())) => {
                self.overlay.step_done();
                self.timers.step_done();
                return Ok(Ok(()));
            }
            Ok(Err(HandlerError::Retry(reason))) => return Err(Setback::Retry(reason)),
            Ok(Err(HandlerError::Damaged { what })) => return Err(Setback::Log(Error::Damaged { what })),
            Ok(Err(HandlerError::Refused { reason })) => {
                let worker = self.settings.worker.clone();
                return Err(Setback::Log(Error::WorkerRefused { worker, reason }));
            }
            Ok(Err(HandlerError::DeadLetter { reason })) => reason,
            Err(panic) => {
                let reason = panic_text(panic.as_ref());
                // Input is never to blame for a panic: an invariant of ours broke.
                error!(worker = %self.settings.worker, partition, reason, "handler panicked");
                format!("panicked: {reason}")
            }
        };
        self.overlay.step_undo();
        self.timers.step_undo();
        self.open.outputs.truncate(outputs_mark);
        self.open.outputs_bytes = bytes_mark;
        Ok(Err(reason))
    }

    fn broadcast(&mut self, records: &[Record]) {
        for record in records {
            let done = catch_unwind(AssertUnwindSafe(|| self.handler.on_broadcast(record)));
            if let Err(panic) = done {
                let reason = panic_text(panic.as_ref());
                error!(topic = %record.topic, offset = record.offset, reason, "broadcast record was passed over");
            }
        }
    }

    fn assigned(&mut self, partitions: &[u32]) {
        info!(worker = %self.settings.worker, ?partitions, "partitions assigned");
        for partition in partitions {
            self.partitions.insert(*partition, DUE_UNKNOWN);
        }
        self.tell_partitions();
    }

    /// Commits what is staged, so that the next poll can hand over.
    fn revoked(&mut self, partitions: &[u32]) -> Result<(), Setback> {
        let settled = self.append().and_then(|()| self.settle_all());
        self.given_up(partitions);
        settled
    }

    fn given_up(&mut self, partitions: &[u32]) {
        info!(worker = %self.settings.worker, ?partitions, "partitions given up");
        self.partitions.retain(|partition, _| !partitions.contains(partition));
        if self.in_flight.is_empty() && self.open.is_empty() {
            // Should they come back, another may have changed them.
            self.overlay.forget();
        }
        self.tell_partitions();
    }

    fn tell_partitions(&mut self) {
        let partitions: Vec<u32> = self.partitions.keys().copied().collect();
        self.handler.on_partitions(&partitions);
    }
}

impl Open {
    /// Whether there is anything to commit.
    fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "without a text",
    }
}
