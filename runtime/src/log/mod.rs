//! The log, as one worker thread uses it.
//!
//! ```text
//!   poll ──► Assigned, Broadcast, Records ...      the caller stages what follows from them
//!   append ─► a batch is on its way                the caller may go on and stage the next
//!   settle ─► Committed                            the batch is visible, whole
//!          └► Aborted, Unknown, Fenced             it and all after it are void: throw away what is staged, `rewind`
//! ```
//!
//! What every implementation must hold is in [`crate::conformance`], as functions that can be run against it.

pub mod any;
pub mod embedded;
pub mod kafka;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::Error;
use crate::record::{Outgoing, Record, Topics};
use crate::store::keys::{CellKey, TimerKey};
use crate::timer::DueTimer;

/// The most batches on their way at once: one being committed, one waiting for it.
pub const COMMITS_IN_FLIGHT_MAX: usize = 2;

/// A batch of one worker, in the sequence in which it appended them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub u64);

/// Who a worker is in its group, and what it reads there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Partitions are spread over the members of a group, and positions are kept per group.
    pub group: Arc<str>,
    /// The worker's name, for logs and metrics; a log on several machines also knows it again by this.
    pub worker: Arc<str>,
    /// Whose timers it fires. State and timers belong to a processor, and each processor to one group.
    pub processors: Vec<Arc<str>>,
    /// What it reads: topics with equal partition counts, since a partition's number is that of its state too.
    pub topics: Vec<Arc<str>>,
    /// Compacted topics that every member reads whole.
    pub topics_broadcast: Vec<Arc<str>>,
}

/// How much one [`Log::poll`] may hand out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub records_max: usize,
    /// One record is handed out even if it is larger.
    pub bytes_max: usize,
}

/// What [`Log::poll`] found.
#[derive(Clone, Debug, PartialEq)]
pub enum Polled {
    /// Records of assigned partitions; in order per (topic, partition), after the last that were handed out.
    Records(Vec<Record>),
    /// Records of broadcast topics. After opening, all that there are come before anything else.
    Broadcast(Vec<Record>),
    /// These partitions are the caller's from now on: state, timers and records.
    Assigned(Vec<u32>),
    /// These are to be given up. The caller settles what is on its way; the next `poll` hands over.
    Revoked(Vec<u32>),
    /// These are another's already. The caller throws away what is staged or on its way, and calls `rewind`.
    Lost(Vec<u32>),
    /// The oldest batch on its way has an outcome: call `settle`. Or the last one is sent: what is open may go.
    Settled,
    /// Nothing came within the wait.
    Nothing,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Committed,
    /// Nothing of it is there. Trying again may help.
    Aborted {
        reason: String,
    },
    /// It is there whole or not at all; after `rewind` it is known which.
    Unknown {
        reason: String,
    },
    /// A partition that it touches belongs to another by now. Nothing of it is there.
    Fenced,
}

/// How far the records of a (topic, partition) are processed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub topic: Arc<str>,
    pub partition: u32,
    /// The offset of the first record that is not processed.
    pub next_offset: i64,
}

/// Where a group goes on. Without any position: the group is given up, and its own are of no use any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupPositions {
    pub group: Arc<str>,
    pub positions: Vec<Position>,
}

/// A small value that the log keeps for its caller, and how it is to change: only where it still is what the caller knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    pub key: &'a str,
    /// None: there is none yet.
    pub before: Option<&'a [u8]>,
    pub after: Bytes,
}

/// A cell's new value; None: deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellChange {
    pub cell: CellKey,
    pub value: Option<Bytes>,
}

/// A timer's new due time; None: cancelled, or fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerChange {
    pub timer: TimerKey,
    /// Its due time as all batches appended before leave it.
    pub before_ms: Option<i64>,
    pub due_ms: Option<i64>,
}

/// All that follows from a number of inputs: committed whole, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Every partition whose records, state or timers it touches, each once. A log commits a position for each, its
    /// current one where `positions` has none: without it a batch of timers alone would not be fenced.
    pub partitions: Vec<u32>,
    /// What was read, at most one per (topic, partition).
    pub positions: Vec<Position>,
    pub outputs: Vec<Outgoing>,
    /// At most one per cell.
    pub cells: Vec<CellChange>,
    /// At most one per timer.
    pub timers: Vec<TimerChange>,
}

/// A member of a group: it reads the partitions that the group gives it, and commits what follows.
///
/// One thread uses it. State and timers are the committed ones; what is staged is the caller's business.
pub trait Log: Send {
    /// The topics it was opened with.
    fn topics(&self) -> &Arc<Topics>;

    /// What came next; waits at most `wait` for it. Returns at once where there is something.
    fn poll(&mut self, limits: Limits, wait: Duration) -> Result<Polled, Error>;

    /// Starts the commit of a batch: positions, outputs, state and timers, all or nothing. At most
    /// [`COMMITS_IN_FLIGHT_MAX`] may be on their way; one more is our own mistake.
    ///
    /// An error means that nothing was started.
    fn append(&mut self, batch: Batch) -> Result<BatchId, Error>;

    /// Whether a batch that is appended now would only wait until one before it is sent. Its caller may rather put more into it, up
    /// to its limits: [`Log::poll`] returns once that is over. A log that waits for nothing need not say anything.
    fn is_sending(&self) -> bool {
        false
    }

    /// Whether it says by itself, once for all its members, that it cannot be written. Else each worker says so.
    fn tells_failures(&self) -> bool {
        false
    }

    /// The outcome of the oldest batch on its way; None: none is, or it is not known within `wait`. After anything but
    /// [`Outcome::Committed`] all batches appended later are void and get no outcome.
    fn settle(&mut self, wait: Duration) -> Result<Option<(BatchId, Outcome)>, Error>;

    /// Back to the committed positions. Settles what is unknown first; afterwards no batch is on its way. A member that
    /// was expelled joins anew.
    fn rewind(&mut self) -> Result<(), Error>;

    /// The committed value of a cell, by its encoded name ([`CellKey::as_bytes`]).
    fn cell(&mut self, cell: &[u8]) -> Result<Option<Bytes>, Error>;

    /// The committed cells whose encoded names begin with `prefix`, in the order of their names, the first `cells_max`.
    fn cells(&mut self, prefix: &[u8], cells_max: usize) -> Result<Vec<(CellKey, Bytes)>, Error>;

    /// The committed due time of a timer; None: not set.
    fn timer_due_ms(&mut self, timer: &TimerKey) -> Result<Option<i64>, Error>;

    /// The committed timers of the membership's processors in a partition, due at `until_ms` or before, by (due, key, processor, name), the first
    /// `timers_max`. Costs what it returns.
    fn due_timers(
        &mut self,
        partition: u32,
        until_ms: i64,
        timers_max: usize,
    ) -> Result<Vec<DueTimer>, Error>;

    /// How many records of the assigned partitions are not yet handed out, as far as is known without asking.
    fn lag_records(&self) -> u64;

    /// Settles what is on its way and leaves the group: its partitions go to the others at once.
    fn leave(&mut self) -> Result<(), Error>;
}
