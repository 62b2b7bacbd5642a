//! The log for one machine: durable, on RocksDB, with nothing to install.
//!
//! One committer thread writes for all: positions, outputs, state and timers of a batch go into one write with one
//! fsync, together with whatever else waits at that moment. So there is nothing to restore after a crash: the store is
//! the log, and both end at the same batch.

mod assignment;
mod committer;
pub(crate) mod directory;
mod failing;
mod fetch;
mod format;
mod inspection;
mod member;
pub(crate) mod options;
mod producer;
mod reader;
mod registration;
mod request;
mod retention;
pub(crate) mod room;
pub(crate) mod signal;
mod sizes;
mod store;
mod tail;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

pub use inspection::{Group, Inspection, StoredTimer};
pub use member::Member;
pub use options::Memory;
pub use producer::{Pending, Producer};
pub use reader::{Reader, Start};
pub use sizes::Sizes;

use crate::log::{GroupPositions, Limits, Membership, Note};
use crate::record::{Outgoing, Record, TopicSpec, Topics};
use crate::{Clock, Error};
use committer::Committer;
use request::{REQUESTS_MAX, Request};
use store::Store;

/// The bytes of a record as they lie in the store; [`record_of_bytes`] reads them. For tools that look at damaged data, and for tests.
pub fn bytes_of_record(record: &Outgoing) -> Vec<u8> {
    let mut bytes = Vec::new();
    format::encode_record(&mut bytes, record);
    bytes
}

/// A record out of its bytes in the store; topic, partition and offset are its place there. None: damaged.
pub fn record_of_bytes(topic: &Arc<str>, partition: u32, offset: i64, bytes: &[u8]) -> Option<Record> {
    format::decode_record(topic, partition, offset, bytes, &mut crate::Names::default())
}

const META_WAIT: Duration = Duration::from_secs(30);

/// What a commit survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A power cut: a commit is told only after an fsync.
    #[default]
    Fsync,
    /// The end of the process, not of the machine. The state after a power cut is older, and still whole.
    Os,
}

/// The open log. Clones are the same log; it closes with the last of them, and members, producers and readers that are
/// left then find it closed.
#[derive(Clone, Debug)]
pub struct Embedded {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Arc<Store>,
    requests: Sender<Request>,
    room: Arc<room::Room>,
    committer: Mutex<Option<JoinHandle<()>>>,
    next_member: AtomicU64,
}

impl Embedded {
    /// Opens or creates the log in `directory`, which is then locked against a second process.
    ///
    /// Errors: the directory is in use, written by a newer program, or not accessible; a topic is refused, or has another
    /// partition count than before. Topics that were there before and are not named now stay, untouched.
    pub fn open(
        directory: &Path,
        topics: Vec<TopicSpec>,
        durability: Durability,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        Self::open_within(Memory::default(), directory, topics, durability, clock)
    }

    /// The same, with as much memory as it is given.
    pub fn open_within(
        memory: Memory,
        directory: &Path,
        topics: Vec<TopicSpec>,
        durability: Durability,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let store = Arc::new(Store::open(directory, Topics::checked(topics)?, memory, durability, clock)?);
        let (requests, incoming) = bounded(REQUESTS_MAX);
        let committer = Committer::new(store.clone(), incoming, durability);
        let thread = std::thread::Builder::new()
            .name("log-committer".to_owned())
            .spawn(move || committer.run())
            .map_err(|source| Error::Store { doing: "start the committer thread", source: source.into() })?;
        tracing::info!(directory = %directory.display(), ?durability, "log is open");
        let committer = Mutex::new(Some(thread));
        let (room, next_member) = (Arc::default(), AtomicU64::new(1));
        Ok(Self { inner: Arc::new(Inner { store, requests, room, committer, next_member }) })
    }

    /// Joins a group. Refused if its topics are unknown, or differ in their partition counts.
    pub fn member(&self, membership: Membership) -> Result<Member, Error> {
        Member::join(self.inner.store.clone(), self.inner.requests.clone(), membership, self.next_id())
    }

    /// Holds a member for dead that has not left: its partitions go to the others, and what it appends is fenced. For a
    /// worker that hangs; it joins anew should it come back.
    pub fn expire(&self, group: &str, member: u64) -> Result<(), Error> {
        self.request(Request::Remove { group: group.into(), member })
    }

    pub fn producer(&self) -> Producer {
        Producer::new(self.inner.store.clone(), self.inner.requests.clone(), self.inner.room.clone())
    }

    pub fn reader(&self, topics: &[Arc<str>], start: &Start) -> Result<Reader, Error> {
        let (store, requests) = (self.inner.store.clone(), self.inner.requests.clone());
        Reader::open(store, requests, topics, start, self.next_id())
    }

    /// Up to `limits` records of a partition, from the offset `from` on; the oldest there are if those are gone.
    pub fn read_range(
        &self,
        topic: &str,
        partition: u32,
        from: i64,
        mut limits: Limits,
    ) -> Result<Vec<Record>, Error> {
        let store = &self.inner.store;
        let index = store.topics().index(topic)?;
        let spec = store.topics().at(index);
        if partition >= spec.partitions {
            let (topic, partitions) = (spec.name.clone(), spec.partitions);
            return Err(Error::PartitionUnknown { topic, partition, partitions });
        }
        let mut records = Vec::new();
        // The oldest there are, without the warning that a reader gets who missed some.
        let from = from.max(store.earliest(index, partition));
        store.fetch((index, partition), from, &mut limits, &mut crate::Names::default(), &mut records)?;
        Ok(records)
    }

    /// Per partition, the offset that the next record will get.
    pub fn end_offsets(&self, topic: &str) -> Result<Vec<i64>, Error> {
        let store = &self.inner.store;
        let index = store.topics().index(topic)?;
        Ok((0..store.topics().at(index).partitions).map(|partition| store.end(index, partition)).collect())
    }

    /// The offset that the next record of a partition will get, all that is being written counted: a position that can be seen is never of
    /// a commit whose records are missing.
    pub fn last_record_end(&self, topic: &str, partition: u32) -> Result<i64, Error> {
        // Checked before anything is waited for.
        let (topic, partitions) = (self.topics().index(topic)?, self.end_offsets(topic)?.len());
        if partition as usize >= partitions {
            let (topic, partitions) =
                (self.topics().at(topic).name.clone(), u32::try_from(partitions).unwrap_or(u32::MAX));
            return Err(Error::PartitionUnknown { topic, partition, partitions });
        }
        let (reply, settled) = bounded(1);
        self.request(Request::Settle { reply })?;
        settled.recv_timeout(META_WAIT).map_err(|problem| match problem {
            RecvTimeoutError::Timeout => Error::WaitEnded { wait_ms: META_WAIT.as_millis() as u64 },
            RecvTimeoutError::Disconnected => Error::Closed,
        })?;
        Ok(self.inner.store.end(topic, partition))
    }

    /// Per partition, how many records the group has not processed.
    pub fn lag_records(&self, group: &str, topic: &str) -> Result<Vec<u64>, Error> {
        let store = &self.inner.store;
        let index = store.topics().index(topic)?;
        (0..store.topics().at(index).partitions)
            .map(|partition| {
                let earliest = store.earliest(index, partition);
                let position = store.position(group, index, partition)?.unwrap_or(0).max(earliest);
                Ok((store.end(index, partition) - position).max(0).unsigned_abs())
            })
            .collect()
    }

    pub fn topics(&self) -> &Arc<Topics> {
        self.inner.store.topics()
    }

    /// A small value that the caller keeps here: ids of schemas, an epoch.
    pub fn meta_get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.inner.store.meta(&caller_key(key))
    }

    /// Waits until it is durable.
    pub fn meta_put(&self, key: &str, value: Bytes) -> Result<(), Error> {
        self.keep(key, value, Vec::new())
    }

    /// Sets positions of groups and a caller's value in one write, durably, where the value still is `before`: whether it was. Only
    /// while no group has members.
    pub fn regroup(&self, positions: Vec<GroupPositions>, note: Note<'_>) -> Result<bool, Error> {
        if self.meta_get(note.key)?.as_deref() != note.before {
            return Ok(false);
        }
        self.keep(note.key, note.after, positions).map(|()| true)
    }

    fn keep(&self, key: &str, value: Bytes, positions: Vec<GroupPositions>) -> Result<(), Error> {
        let (reply, written) = bounded(1);
        self.request(Request::Keep { key: caller_key(key), value, positions, reply })?;
        Pending::new(written).wait(META_WAIT).map(|_| ())
    }

    fn request(&self, request: Request) -> Result<(), Error> {
        self.inner.requests.send(request).map_err(|_| Error::Closed)
    }

    fn next_id(&self) -> u64 {
        self.inner.next_member.fetch_add(1, Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(crate) fn fault_next_commit(&self, fault: crate::conformance::Fault) {
        *self.inner.store.fault.lock().unwrap() = Some(fault);
    }
}

/// What callers keep never meets what the log itself keeps.
fn caller_key(key: &str) -> Vec<u8> {
    format!("caller/{key}").into_bytes()
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Whatever was sent before is written and answered first.
        let _ = self.requests.send(Request::Stop);
        let thread = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("committer thread panicked");
        }
    }
}
