//! What a worker's process knows: its batches on their way, what it holds, where it reads, what it is taking over.
//!
//! A batch goes through [`Phase`]s, one per call of [`Process::advance`], so that anything may happen between any two. Its changes
//! and its positions go to different brokers, and either may be there first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use runtime::{Batch, BatchId, Membership, Outcome, Position, TimerKey};

use super::broker::{Broker, Change, Refused};
use super::group::Refusal;
use super::partition::TxnId;
use super::store::{Reached, Store};
use super::takeover::Taking;
use crate::bug::Bug;

/// How many producers a worker uses in turn.
pub const RING: u64 = 2;

/// What the handler was given in one batch; for the auditor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// (topic, partition, offset), in sequence.
    pub inputs: Vec<(Arc<str>, u32, i64)>,
    /// Timers and the time that they were due at.
    pub fired: Vec<(TimerKey, i64)>,
    /// The times that its steps had, each with what the worker's clock showed then. One, as long as all is right.
    pub times: Vec<(i64, i64)>,
}

/// How far a batch is; what is named was done last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Nothing of it has left the process.
    Queued,
    /// Its positions may be sent already.
    OutputsSent,
    ChangesSent,
    /// All of it is sent.
    PositionsSent,
    /// It is decided, and the process has not heard of it.
    Decided,
    /// The process knows that it is committed; the store does not have it yet.
    Known,
    Stored,
}

/// What happens to the next commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFault {
    Aborted,
    UnknownCommitted,
    UnknownNotCommitted,
}

/// One batch on its way.
#[derive(Clone, Debug)]
pub struct Flight {
    pub id: BatchId,
    pub phase: Phase,
    batch: Batch,
    changes: Vec<Change>,
    /// For every input of every partition that it touches.
    positions: Vec<Position>,
    positions_sent: bool,
    generation: u64,
    pub note: Note,
    txn: Option<TxnId>,
    /// By partition: the changelog behind its last entry.
    ends: BTreeMap<u32, i64>,
    /// When its commit was asked for: by then nobody else had changed what it changes.
    known_ms: i64,
    /// It cannot be committed any more.
    refused: Option<Outcome>,
}

/// A producer of the ring.
#[derive(Clone, Debug)]
pub struct Producer {
    pub name: Arc<str>,
    pub epoch: u64,
    /// To be begun anew before it is used again.
    pub is_spoilt: bool,
}

/// What a process works on beside itself.
pub struct Io<'a> {
    pub broker: &'a mut Broker,
    pub store: &'a mut Store,
    pub bug: Option<Bug>,
    /// Of all processes, for tests of the log alone.
    pub fault: &'a mut Option<CommitFault>,
}

/// A member of a group, as long as its process lives.
#[derive(Clone, Debug)]
pub struct Process {
    pub id: u64,
    pub membership: Membership,
    pub ring: Vec<Producer>,
    pub flights: VecDeque<Flight>,
    /// A batch failed: nothing goes on until a rewind.
    pub failed: bool,
    /// Crashed: every call is refused.
    pub dead: bool,
    /// It crashes as soon as its oldest batch has come to this.
    pub fuse: Option<Phase>,
    pub next_commit: Option<CommitFault>,
    /// Its clock is so far ahead of the brokers'.
    pub ahead_ms: i64,
    /// Does not hear from its group.
    pub deaf: bool,
    /// Keeps copies of the state of others.
    pub stands_by: bool,
    pub generation: u64,
    pub held: BTreeSet<u32>,
    pub taking: Vec<Taking>,
    /// Taken over, and not told yet.
    pub taken: Vec<u32>,
    /// Revoked, to be released at the next poll.
    pub releasing: Vec<u32>,
    pub expelled: bool,
    /// Where it reads on: by (topic, partition) of its inputs.
    pub fetches: BTreeMap<(Arc<str>, u32), i64>,
    /// As the last batch on its way leaves them.
    pub appended: BTreeMap<(Arc<str>, u32), i64>,
    pub broadcasts: BTreeMap<(Arc<str>, u32), i64>,
    pub next_id: u64,
    pub turn: usize,
}

impl Process {
    /// Takes a batch; nothing of it is sent.
    pub fn append(&mut self, batch: Batch, bug: Option<Bug>) -> BatchId {
        let id = BatchId(self.next_id);
        self.next_id += 1;
        for position in &batch.positions {
            self.appended.insert((position.topic.clone(), position.partition), position.next_offset);
        }
        let touched = self.appended.iter().filter(|((_, partition), _)| batch.partitions.contains(partition));
        let position = |((topic, partition), next_offset): (&(Arc<str>, u32), &i64)| Position {
            topic: topic.clone(),
            partition: *partition,
            next_offset: *next_offset,
        };
        let of_timers_alone = batch.positions.is_empty();
        let positions = if bug == Some(Bug::TimersWithoutPositions) && of_timers_alone {
            Vec::new()
        } else {
            touched.map(position).collect()
        };
        let cells =
            batch.cells.iter().map(|it| Change::Cell { cell: it.cell.clone(), value: it.value.clone() });
        let timers =
            batch.timers.iter().map(|it| Change::Timer { timer: it.timer.clone(), due_ms: it.due_ms });
        let changes = cells.chain(timers).collect();
        // A partition that is not held has no position to send: the batch must not pass for want of one.
        let is_held = batch.partitions.iter().all(|partition| self.held.contains(partition));
        self.flights.push_back(Flight {
            id,
            phase: Phase::Queued,
            changes,
            positions,
            positions_sent: false,
            generation: self.generation,
            note: Note::default(),
            txn: None,
            ends: BTreeMap::new(),
            known_ms: 0,
            refused: (!is_held).then_some(Outcome::Fenced),
            batch,
        });
        id
    }

    /// What its own clock shows.
    pub fn now_ms(&self, broker: &Broker) -> i64 {
        broker.now_ms + self.ahead_ms
    }

    /// What the batches on their way change.
    pub fn partitions_on_their_way(&self) -> impl Iterator<Item = u32> {
        self.flights.iter().flat_map(|flight| flight.batch.partitions.iter().copied())
    }

    /// Whether some batch can go on.
    pub fn can_advance(&self) -> bool {
        !self.dead && !self.failed && (0..self.flights.len()).any(|at| self.is_next(at))
    }

    fn is_next(&self, at: usize) -> bool {
        let flight = &self.flights[at];
        match flight.phase {
            _ if flight.refused.is_some() => false,
            // Nothing is sent before all of the batch before is: two producers would reorder one key.
            Phase::Queued => at == 0 || self.flights[at - 1].phase >= Phase::PositionsSent,
            Phase::OutputsSent | Phase::ChangesSent => true,
            Phase::PositionsSent | Phase::Decided | Phase::Known => at == 0 || self.is_settled_before(at),
            Phase::Stored => false,
        }
    }

    fn is_settled_before(&self, at: usize) -> bool {
        self.flights.iter().take(at).all(|flight| flight.phase == Phase::Stored)
    }

    /// One phase of one batch, the `turn`-th of those that can go on; says which and what, for the trace.
    pub fn advance(&mut self, io: &mut Io<'_>, turn: usize) -> Option<(BatchId, Phase)> {
        if self.dead || self.failed {
            return None;
        }
        let able: Vec<usize> = (0..self.flights.len()).filter(|at| self.is_next(*at)).collect();
        let count = able.len().max(1);
        let at = *able.get(turn % count)?;
        let are_positions_first = turn / count % 2 == 1 && !self.flights[at].positions_sent;
        match self.flights[at].phase {
            Phase::Queued => self.send_outputs(at, io),
            Phase::OutputsSent if are_positions_first => self.send_positions(at, io),
            Phase::OutputsSent => self.send_changes(at, io),
            Phase::ChangesSent => self.send_positions(at, io),
            Phase::PositionsSent => self.commit(at, io),
            Phase::Decided => self.flights[at].phase = Phase::Known,
            Phase::Known => self.store(at, io),
            Phase::Stored => {}
        }
        let flight = &self.flights[at];
        let moved = (flight.id, flight.phase);
        if self.fuse.is_some_and(|fuse| fuse <= flight.phase) {
            self.dead = true;
        }
        Some(moved)
    }

    fn producer_of(&self, at: usize) -> usize {
        (self.flights[at].id.0 % RING) as usize
    }

    fn refuse(&mut self, at: usize, outcome: Outcome) {
        let producer = self.producer_of(at);
        self.ring[producer].is_spoilt = true;
        self.flights[at].refused = Some(outcome);
    }

    fn send_outputs(&mut self, at: usize, io: &mut Io<'_>) {
        let producer = self.ring[self.producer_of(at)].clone();
        let begun = io.broker.begin(&producer.name, producer.epoch, &self.membership.group);
        let txn = match begun {
            Ok(txn) => txn,
            Err(Refused::Busy) => {
                // The client waits for the markers of the transaction before.
                io.broker.write_marker(0);
                return;
            }
            Err(Refused::Fenced) => return self.refuse(at, aborted("its producer is fenced")),
        };
        let flight = &mut self.flights[at];
        flight.txn = Some(txn);
        let transaction = io.broker.transaction_mut(txn);
        transaction.note = flight.note.clone();
        transaction.timers = flight.batch.timers.clone();
        for outgoing in std::mem::take(&mut flight.batch.outputs) {
            if io.broker.produce(txn, producer.epoch, outgoing).is_err() {
                return self.refuse(at, aborted("its producer is fenced"));
            }
        }
        self.flights[at].phase = Phase::OutputsSent;
    }

    fn send_changes(&mut self, at: usize, io: &mut Io<'_>) {
        let epoch = self.ring[self.producer_of(at)].epoch;
        let Some(txn) = self.flights[at].txn else { return };
        for change in self.flights[at].changes.clone() {
            match io.broker.change(txn, epoch, change.clone()) {
                Ok(offset) => drop(self.flights[at].ends.insert(change.partition(), offset + 1)),
                Err(_) => return self.refuse(at, aborted("its producer is fenced")),
            }
        }
        if io.bug == Some(Bug::StoreBeforeCommit) {
            self.write(at, io);
        }
        let flight = &mut self.flights[at];
        flight.phase = if flight.positions_sent { Phase::PositionsSent } else { Phase::ChangesSent };
    }

    fn send_positions(&mut self, at: usize, io: &mut Io<'_>) {
        let epoch = self.ring[self.producer_of(at)].epoch;
        let flight = &self.flights[at];
        let Some(txn) = flight.txn else { return };
        let sent = if flight.positions.is_empty() {
            Ok(())
        } else {
            io.broker.send_positions(txn, epoch, (self.id, flight.generation), &flight.positions)
        };
        match sent {
            Ok(()) => {
                let flight = &mut self.flights[at];
                flight.positions_sent = true;
                if flight.phase == Phase::ChangesSent {
                    flight.phase = Phase::PositionsSent;
                }
            }
            Err(None) => self.refuse(at, aborted("its producer is fenced")),
            Err(Some(Refusal::StaleGeneration)) => self.refuse(at, aborted("the group has moved on")),
            Err(Some(Refusal::UnknownMember)) => self.refuse(at, Outcome::Fenced),
        }
    }

    fn commit(&mut self, at: usize, io: &mut Io<'_>) {
        let epoch = self.ring[self.producer_of(at)].epoch;
        let Some(txn) = self.flights[at].txn else { return };
        let unknown = || Outcome::Unknown { reason: "no answer to the commit".to_owned() };
        self.flights[at].known_ms = self.now_ms(io.broker);
        match self.next_commit.take().or_else(|| io.fault.take()) {
            Some(CommitFault::Aborted) => {
                let _ = io.broker.end(txn, epoch, false);
                self.refuse(at, aborted("by the coordinator"));
            }
            Some(CommitFault::UnknownCommitted) => {
                // Refused where the coordinator gave it up before; not known either way.
                let _ = io.broker.end(txn, epoch, true);
                self.refuse(at, unknown());
            }
            Some(CommitFault::UnknownNotCommitted) => self.refuse(at, unknown()),
            None => match io.broker.end(txn, epoch, true) {
                Ok(()) => self.flights[at].phase = Phase::Decided,
                Err(_) => self.refuse(at, unknown()),
            },
        }
    }

    fn store(&mut self, at: usize, io: &mut Io<'_>) {
        if io.bug != Some(Bug::StoreBeforeCommit) {
            self.write(at, io);
        }
        self.flights[at].phase = Phase::Stored;
    }

    /// The changes and how far the changelog is applied by them, in one write.
    fn write(&self, at: usize, io: &mut Io<'_>) {
        let flight = &self.flights[at];
        let reached = |(at, end): (&u32, &i64)| (*at, (*end, flight.known_ms));
        let positions: Vec<(u32, Reached)> = flight.ends.iter().map(reached).collect();
        io.store.write(&flight.changes, &positions);
    }

    /// Whether `settle` has something to say.
    pub fn has_outcome(&self) -> bool {
        let oldest = self.flights.front().filter(|_| !self.failed);
        oldest.is_some_and(|oldest| oldest.phase == Phase::Stored || oldest.refused.is_some())
    }

    /// The outcome of the oldest batch, if there is one.
    pub fn settle(&mut self) -> Option<(BatchId, Outcome)> {
        if !self.has_outcome() {
            return None;
        }
        let flight = self.flights.front()?;
        let id = flight.id;
        let Some(outcome) = flight.refused.clone() else {
            self.flights.pop_front();
            return Some((id, Outcome::Committed));
        };
        self.failed = true;
        Some((id, outcome))
    }

    /// Throws away what is on its way, and begins the producers anew that need it: afterwards nothing of it is undecided.
    pub fn void(&mut self, io: &mut Io<'_>) {
        if io.bug == Some(Bug::CommitAfterAbort) && self.failed && self.flights.len() > 1 {
            // The mistake: what is behind the failed batch is driven to its end.
            self.flights.pop_front();
            self.failed = false;
            while self.advance(io, 0).is_some() {}
        }
        for flight in std::mem::take(&mut self.flights) {
            let producer = &mut self.ring[(flight.id.0 % RING) as usize];
            if let Some(txn) = flight.txn {
                producer.is_spoilt |= io.broker.end(txn, producer.epoch, false).is_err();
            }
        }
        for producer in &mut self.ring {
            if std::mem::take(&mut producer.is_spoilt) {
                producer.epoch = io.broker.init(&producer.name);
            }
        }
        self.failed = false;
    }
}

fn aborted(reason: &str) -> Outcome {
    Outcome::Aborted { reason: reason.to_owned() }
}
