//! The one thread that writes. It takes batches of workers and records of outsiders as they come, puts all that wait
//! into one write with one fsync, and only then tells anybody.
//!
//! It alone assigns offsets and decides who owns which partition, so neither needs a lock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use metrics::{Histogram, histogram};
use rocksdb::{WriteBatch, WriteOptions};
use tracing::warn;

use super::assignment::{Groups, MemberId};
use super::failing::Failing;
use super::request::{Commit, Encoded, Request, Written};
use super::retention::Maintenance;
use super::signal::Signal;
use super::store::Store;
use super::tail::Fresh;
use super::{Durability, format, options};
use crate::log::{BatchId, GroupPositions, Outcome, Position};
use crate::store::keys;

/// One write takes what waits, up to about this size: beyond it the fsync no longer dominates.
const WRITE_BYTES_MAX: usize = 8 << 20;
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(1);

/// Who is told when the open write is done, and what.
enum Waiting {
    Member(Box<Answer>),
    Outsider { reply: Sender<Written>, placed: Vec<(u32, i64)> },
    Settled(Sender<()>),
}

struct Answer {
    member: MemberId,
    epoch: u64,
    id: BatchId,
    outcome: Outcome,
    outcomes: Sender<(BatchId, Outcome)>,
    signal: Arc<Signal>,
}

struct Watcher {
    id: MemberId,
    topics: Vec<usize>,
    signal: Arc<Signal>,
}

pub(crate) struct Committer {
    store: Arc<Store>,
    requests: Receiver<Request>,
    groups: Groups,
    watchers: Vec<Watcher>,
    maintenance: Maintenance,
    write_options: WriteOptions,
    /// Batches of a member below this epoch are void.
    epochs_valid: HashMap<MemberId, u64>,
    open: WriteBatch,
    waiting: Vec<Waiting>,
    /// Ends of the partitions that the open write makes longer, and the records that do.
    ends: HashMap<(usize, u32), i64>,
    fresh: Vec<Fresh>,
    write_seconds: Histogram,
    failing: Failing,
}

impl Committer {
    pub(crate) fn new(store: Arc<Store>, requests: Receiver<Request>, durability: Durability) -> Self {
        let mut write_options = WriteOptions::default();
        write_options.set_sync(durability == Durability::Fsync);
        Self {
            store,
            requests,
            groups: Groups::default(),
            watchers: Vec::new(),
            maintenance: Maintenance::default(),
            write_options,
            epochs_valid: HashMap::new(),
            open: WriteBatch::default(),
            waiting: Vec::new(),
            ends: HashMap::new(),
            fresh: Vec::new(),
            write_seconds: histogram!("orderstream_log_write_duration_seconds"),
            failing: Failing::default(),
        }
    }

    /// Until asked to stop, or nobody is left who could ask for anything.
    pub(crate) fn run(mut self) {
        let mut maintain_at = Instant::now() + MAINTENANCE_INTERVAL;
        loop {
            match self.requests.recv_deadline(maintain_at) {
                Ok(Request::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(request) => {
                    self.take(request);
                    let stopped = self.take_waiting();
                    self.write();
                    if stopped {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            if Instant::now() >= maintain_at {
                if let Err(problem) = self.maintenance.pass(&self.store)
                    && !self.failing.is_failing()
                {
                    warn!(reason = %problem.chain(), "retention pass failed; the next one tries again");
                }
                maintain_at = Instant::now() + MAINTENANCE_INTERVAL;
            }
        }
    }

    /// Adds all that waits to the open write. True: asked to stop.
    fn take_waiting(&mut self) -> bool {
        while self.open.size_in_bytes() < WRITE_BYTES_MAX {
            match self.requests.try_recv() {
                Ok(Request::Stop) => return true,
                Ok(request) => self.take(request),
                Err(_) => break,
            }
        }
        false
    }

    fn take(&mut self, request: Request) {
        match request {
            Request::Commit(commit) => self.commit(*commit),
            Request::Produce { records, reply, taken } => {
                let placed = self.add_records(&records);
                drop(taken);
                self.waiting.push(Waiting::Outsider { reply, placed });
            }
            Request::Positions { group, positions, reply } => {
                self.add_positions(&group, &positions);
                self.waiting.push(Waiting::Outsider { reply, placed: Vec::new() });
            }
            Request::Keep { key, value, positions, reply } => {
                for of_group in &positions {
                    self.set_positions(of_group);
                }
                self.open.put_cf(self.store.family(options::META), key, value);
                self.waiting.push(Waiting::Outsider { reply, placed: Vec::new() });
            }
            Request::Settle { reply } => self.waiting.push(Waiting::Settled(reply)),
            // Whoever takes a partition over reads the store: what its former owner wrote must be there.
            Request::Join { group, partitions, member, events, signal } => {
                self.write();
                self.groups.join(&group, partitions, member, events, signal);
            }
            Request::Release { group, member, partitions } => {
                self.write();
                self.groups.release(&group, member, &partitions);
            }
            Request::Remove { group, member } => {
                self.write();
                self.groups.remove(&group, member);
            }
            Request::Watch { watcher, topics, signal } => {
                self.watchers.push(Watcher { id: watcher, topics, signal });
            }
            Request::Unwatch { watcher } => {
                self.watchers.retain(|watching| watching.id != watcher);
                self.epochs_valid.remove(&watcher);
            }
            Request::Stop => unreachable!("the loop ends at a stop"),
        }
    }

    fn commit(&mut self, commit: Commit) {
        let Commit { member, id, epoch, .. } = commit;
        let outcome = if epoch < self.epochs_valid.get(&member).copied().unwrap_or(0) {
            Outcome::Aborted { reason: "a batch before it failed".to_owned() }
        } else if !self.groups.holds(&commit.group, member, &commit.fences) {
            Outcome::Fenced
        } else {
            self.faulted()
        };
        // The only case in which something is written and something else is told is a fault that a test asked for.
        let written = match &outcome {
            Outcome::Committed => true,
            Outcome::Unknown { reason } => reason == UNKNOWN_COMMITTED,
            Outcome::Aborted { .. } | Outcome::Fenced => false,
        };
        if written {
            self.add(&commit);
        }
        if outcome != Outcome::Committed {
            self.epochs_valid.insert(member, epoch + 1);
        }
        let Commit { outcomes, signal, .. } = commit;
        let answer = Answer { member, epoch, id, outcome, outcomes, signal };
        self.waiting.push(Waiting::Member(Box::new(answer)));
    }

    #[cfg(not(test))]
    fn faulted(&self) -> Outcome {
        Outcome::Committed
    }

    #[cfg(test)]
    fn faulted(&self) -> Outcome {
        use crate::conformance::Fault;
        match self.store.fault.lock().unwrap().take() {
            None => Outcome::Committed,
            Some(Fault::Aborted) => Outcome::Aborted { reason: "injected".to_owned() },
            Some(Fault::UnknownCommitted) => Outcome::Unknown { reason: UNKNOWN_COMMITTED.to_owned() },
            Some(Fault::UnknownNotCommitted) => Outcome::Unknown { reason: "injected".to_owned() },
        }
    }

    fn add(&mut self, commit: &Commit) {
        self.add_records(&commit.records);
        self.add_positions(&commit.group, &commit.positions);
        let state = self.store.family(options::STATE);
        for change in &commit.cells {
            match &change.value {
                Some(value) => self.open.put_cf(state, change.cell.as_bytes(), value),
                None => self.open.delete_cf(state, change.cell.as_bytes()),
            }
        }
        let timers = self.store.family(options::TIMERS);
        let timers_due = self.store.family(options::TIMERS_DUE);
        for change in &commit.timers {
            if let Some(before_ms) = change.before_ms {
                self.open.delete_cf(timers_due, change.timer.at_due_of_processor(before_ms));
            }
            match change.due_ms {
                Some(due_ms) => {
                    self.open.put_cf(timers_due, change.timer.at_due_of_processor(due_ms), []);
                    self.open.put_cf(timers, change.timer.as_bytes(), due_ms.to_le_bytes());
                }
                None => self.open.delete_cf(timers, change.timer.as_bytes()),
            }
        }
    }

    fn add_records(&mut self, records: &Encoded) -> Vec<(u32, i64)> {
        let log = self.store.family(options::LOG);
        let mut placed = Vec::with_capacity(records.records.len());
        let mut start = 0;
        for (topic, partition, stop) in &records.records {
            let end =
                self.ends.entry((*topic, *partition)).or_insert_with(|| self.store.end(*topic, *partition));
            let key = format::log_key(self.store.topic_id(*topic), *partition, *end);
            let raw = records.bytes.slice(start..*stop);
            self.open.put_cf(log, key, &raw);
            self.fresh.push(Fresh { topic: *topic, partition: *partition, offset: *end, raw });
            placed.push((*partition, *end));
            *end += 1;
            start = *stop;
        }
        placed
    }

    /// A group that is left without any is forgotten.
    fn set_positions(&mut self, of_group: &GroupPositions) {
        if of_group.positions.is_empty() {
            let begin = format::group_prefix(&of_group.group);
            let end = keys::prefix_end(&begin).expect("a name begins with no byte that is the largest");
            self.open.delete_range_cf(self.store.family(options::POSITIONS), begin, end);
        }
        self.add_positions(&of_group.group, &of_group.positions);
    }

    fn add_positions(&mut self, group: &str, positions: &[Position]) {
        let family = self.store.family(options::POSITIONS);
        for position in positions {
            // Checked where they were given: a topic never vanishes from an open log.
            let Ok(topic) = self.store.topics().index(&position.topic) else { continue };
            let key = format::position_key(group, self.store.topic_id(topic), position.partition);
            self.open.put_cf(family, key, position.next_offset.to_le_bytes());
        }
    }

    /// Writes what is open, makes it visible, and tells all who wait.
    fn write(&mut self) {
        let batch = std::mem::take(&mut self.open);
        let mut failed: Option<Arc<str>> = None;
        if !batch.is_empty() {
            let started = Instant::now();
            match self.write_batch(batch) {
                Ok(()) if self.failing.is_failing() => {
                    self.failing.succeeded();
                    self.store.set_write_failure(None);
                }
                Ok(()) => {}
                Err(problem) => {
                    self.failing.failed(&problem);
                    self.store.set_write_failure(self.failing.reason());
                    failed = Some(problem.into());
                }
            }
            self.write_seconds.record(started.elapsed().as_secs_f64());
        }
        if failed.is_none() {
            self.store.keep_tail(self.fresh.drain(..));
        }
        self.fresh.clear();
        let mut grown: Vec<usize> = Vec::new();
        for ((topic, partition), end) in self.ends.drain() {
            if failed.is_none() {
                self.store.publish_end(topic, partition, end);
                if !grown.contains(&topic) {
                    grown.push(topic);
                }
            }
        }
        for watcher in &self.watchers {
            if watcher.topics.iter().any(|topic| grown.contains(topic)) {
                watcher.signal.notify();
            }
        }
        self.tell(failed);
    }

    fn write_batch(&self, batch: WriteBatch) -> Result<(), String> {
        #[cfg(test)]
        {
            let mut failing = self.store.writes_failing.lock().unwrap();
            if *failing > 0 {
                *failing -= 1;
                return Err("no space left on device".to_owned());
            }
        }
        self.store.db().write_opt(batch, &self.write_options).map_err(|problem| problem.to_string())?;
        #[cfg(test)]
        if let Some((written, go_on)) = self.store.held_before_visible.lock().unwrap().take() {
            written.send(()).unwrap();
            go_on.recv().unwrap();
        }
        Ok(())
    }

    fn tell(&mut self, failed: Option<Arc<str>>) {
        // Who is gone by now needs no answer: hence the ignored results.
        for waiting in self.waiting.drain(..) {
            match (waiting, &failed) {
                (Waiting::Outsider { reply, placed }, None) => drop(reply.send(Ok(placed))),
                (Waiting::Outsider { reply, .. }, Some(reason)) => drop(reply.send(Err(reason.clone()))),
                (Waiting::Settled(reply), _) => drop(reply.send(())),
                (Waiting::Member(mut answer), failed) => {
                    if let (Some(reason), Outcome::Committed) = (failed, &answer.outcome) {
                        // Not "aborted": the write-ahead log may hold it whole, and a restart would bring it back.
                        answer.outcome = Outcome::Unknown { reason: reason.to_string() };
                        self.epochs_valid.insert(answer.member, answer.epoch + 1);
                    }
                    drop(answer.outcomes.send((answer.id, answer.outcome)));
                    answer.signal.notify();
                }
            }
        }
    }
}

impl Drop for Committer {
    /// However it ends: whoever waits learns that nobody will answer.
    fn drop(&mut self) {
        self.store.close();
        for watcher in &self.watchers {
            watcher.signal.notify();
        }
    }
}

/// What a test's fault says of a batch that is written and reported as unknown.
const UNKNOWN_COMMITTED: &str = "injected, after the write";
