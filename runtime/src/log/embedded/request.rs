//! What the committer is asked for.
use std::sync::Arc;

use bytes::Bytes;
use crossbeam_channel::Sender;

use super::assignment::{Event, Generation, MemberId};
use super::format;
use super::room::Taken;
use super::signal::Signal;
use super::store::Store;
use crate::Error;
use crate::log::{BatchId, CellChange, GroupPositions, Outcome, Position, TimerChange};
use crate::record::Outgoing;

/// The most requests that wait for the committer; who has one more waits, or is refused.
pub(crate) const REQUESTS_MAX: usize = 1_024;
/// Records encoded by whoever sends them, so that the committer only copies.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    pub(super) bytes: Bytes,
    /// (topic index, partition, where its bytes end)
    pub(super) records: Vec<(usize, u32, usize)>,
}

impl Encoded {
    /// Refuses the first record that no topic would take, and with it all.
    pub(crate) fn checked(store: &Store, outputs: &[Outgoing]) -> Result<Self, Error> {
        let (mut bytes, mut records) = (Vec::new(), Vec::with_capacity(outputs.len()));
        for output in outputs {
            let (topic, partition) = store.topics().place(output)?;
            format::encode_record(&mut bytes, output);
            records.push((topic, partition, bytes.len()));
        }
        // Some of it is kept for readers for a while: as much as it is, and not as much as it grew to.
        bytes.shrink_to_fit();
        Ok(Self { bytes: bytes.into(), records })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// A worker's batch.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) member: MemberId,
    pub(crate) group: Arc<str>,
    /// Raised by a rewind: what was appended before one that failed is void.
    pub(crate) epoch: u64,
    pub(crate) id: BatchId,
    pub(crate) fences: Vec<(u32, Generation)>,
    pub(crate) positions: Vec<Position>,
    pub(crate) records: Encoded,
    pub(crate) cells: Vec<CellChange>,
    pub(crate) timers: Vec<TimerChange>,
    pub(crate) outcomes: Sender<(BatchId, Outcome)>,
    pub(crate) signal: Arc<Signal>,
}

/// Where each record of an outsider lies: (partition, offset), in the sequence in which they were sent.
pub(crate) type Written = Result<Vec<(u32, i64)>, Arc<str>>;

#[derive(Debug)]
pub(crate) enum Request {
    Commit(Box<Commit>),
    Produce {
        records: Encoded,
        reply: Sender<Written>,
        /// The room that it takes in the queue.
        taken: Taken,
    },
    /// A reader's positions.
    Positions {
        group: Arc<str>,
        positions: Vec<Position>,
        reply: Sender<Written>,
    },
    /// A small value of a caller, with positions that are set in the same write.
    Keep {
        key: Vec<u8>,
        value: Bytes,
        positions: Vec<GroupPositions>,
        reply: Sender<Written>,
    },
    /// An answer once everything before it is visible, or could not be written.
    Settle {
        reply: Sender<()>,
    },
    Join {
        group: Arc<str>,
        partitions: u32,
        member: MemberId,
        events: Sender<Event>,
        signal: Arc<Signal>,
    },
    Release {
        group: Arc<str>,
        member: MemberId,
        partitions: Vec<u32>,
    },
    Remove {
        group: Arc<str>,
        member: MemberId,
    },
    /// Wakes `signal` whenever one of these topics grows.
    Watch {
        watcher: MemberId,
        topics: Vec<usize>,
        signal: Arc<Signal>,
    },
    Unwatch {
        watcher: MemberId,
    },
    Stop,
}
