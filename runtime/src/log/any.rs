//! Whichever log the settings name, behind one type: for whoever does the same on all of them.
//!
//! What only one of them can do says so by an `Option`, or is asked of it by name ([`AnyLog::embedded`]).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::embedded::{self, Embedded, Group, Sizes, Start};
use super::kafka::{self, Following, Kafka, Restoration};
use super::{Batch, BatchId, GroupPositions, Limits, Log, Membership, Note, Outcome, Polled, Position};
use crate::record::{Outgoing, Record, TopicSpec, Topics};
use crate::store::keys::{CellKey, TimerKey};
use crate::timer::DueTimer;
use crate::{Clock, Error};

/// An open log. Clones are the same log.
#[derive(Clone, Debug)]
pub enum AnyLog {
    Embedded(Embedded),
    /// With the one producer that all who send from outside share: each has its threads and connections.
    Kafka(Kafka, kafka::Producer),
}

impl AnyLog {
    /// Errors: as [`Kafka::open`].
    pub fn on_kafka(
        options: kafka::Options,
        topics: Vec<TopicSpec>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let log = Kafka::open(options, topics, clock)?;
        let producer = log.producer()?;
        Ok(Self::Kafka(log, producer))
    }

    /// The log of one machine; None: it is another.
    pub fn embedded(&self) -> Option<&Embedded> {
        match self {
            Self::Embedded(log) => Some(log),
            Self::Kafka(..) => None,
        }
    }

    /// Errors: as [`Embedded::member`] and [`Kafka::member`].
    pub fn member(&self, membership: Membership) -> Result<AnyMember, Error> {
        Ok(match self {
            Self::Embedded(log) => AnyMember::Embedded(Box::new(log.member(membership)?)),
            Self::Kafka(log, _) => AnyMember::Kafka(Box::new(log.member(membership)?)),
        })
    }

    pub fn producer(&self) -> AnyProducer {
        match self {
            Self::Embedded(log) => AnyProducer::Embedded(log.producer()),
            Self::Kafka(_, producer) => AnyProducer::Kafka(producer.clone()),
        }
    }

    /// Errors: a topic is unknown; the log cannot be asked.
    pub fn reader(&self, topics: &[Arc<str>], start: &Start) -> Result<AnyReader, Error> {
        Ok(match self {
            Self::Embedded(log) => AnyReader::Embedded(Box::new(log.reader(topics, start)?)),
            Self::Kafka(log, _) => AnyReader::Kafka(Box::new(log.reader(topics, start)?)),
        })
    }

    /// Up to `limits` records of a partition, from the offset `from` on; the oldest there are if those are gone.
    ///
    /// Errors: the topic or partition is unknown; the log cannot be read.
    pub fn read_range(
        &self,
        topic: &str,
        partition: u32,
        from: i64,
        limits: Limits,
    ) -> Result<Vec<Record>, Error> {
        match self {
            Self::Embedded(log) => log.read_range(topic, partition, from, limits),
            Self::Kafka(log, _) => log.read_range(topic, partition, from, limits),
        }
    }

    /// Per partition, the offset that the next record will get, or one before it: transactions may leave marks.
    ///
    /// Errors: the topic is unknown; the log cannot be asked.
    pub fn end_offsets(&self, topic: &str) -> Result<Vec<i64>, Error> {
        match self {
            Self::Embedded(log) => log.end_offsets(topic),
            Self::Kafka(log, _) => log.end_offsets(topic),
        }
    }

    /// The offset behind the last record of a partition: where a reader stands that has read everything.
    ///
    /// Errors: the topic or partition is unknown; the log cannot be asked.
    pub fn last_record_end(&self, topic: &str, partition: u32) -> Result<i64, Error> {
        match self {
            Self::Embedded(log) => log.last_record_end(topic, partition),
            Self::Kafka(log, _) => log.last_record_end(topic, partition),
        }
    }

    /// Per partition, the first offset that retention has left.
    ///
    /// Errors: the topic is unknown; the log cannot be asked.
    pub fn earliest_offsets(&self, topic: &str) -> Result<Vec<i64>, Error> {
        match self {
            Self::Embedded(log) => log.earliest_offsets(topic),
            Self::Kafka(log, _) => log.earliest_offsets(topic),
        }
    }

    /// Per partition, how many records the group has not processed; on Kafka, marks of transactions are counted too.
    ///
    /// Errors: the topic is unknown; the log cannot be asked.
    pub fn lag_records(&self, group: &str, topic: &str) -> Result<Vec<u64>, Error> {
        match self {
            Self::Embedded(log) => log.lag_records(group, topic),
            Self::Kafka(log, _) => log.lag_records(group, topic),
        }
    }

    /// The groups that have positions in a topic. On Kafka others have groups too, so it is looked for those that are `known`.
    ///
    /// Errors: the topic is unknown; the log cannot be asked.
    pub fn groups(&self, topic: &str, known: &[&str]) -> Result<Vec<Group>, Error> {
        match self {
            Self::Embedded(log) => log.groups(topic),
            Self::Kafka(log, _) => log.groups(topic, known),
        }
    }

    /// Per partition, the bytes of all its records before compression; None: nobody counts them there.
    ///
    /// Errors: the topic is unknown; the log cannot be read.
    pub fn partition_bytes(&self, topic: &str) -> Result<Option<Vec<u64>>, Error> {
        match self {
            Self::Embedded(log) => log.partition_bytes(topic).map(Some),
            Self::Kafka(..) => Ok(None),
        }
    }

    /// Why nothing can be written at the moment, as on a full disk; None: the last write succeeded, or nobody knows.
    pub fn write_failure(&self) -> Option<Arc<str>> {
        self.embedded().and_then(Embedded::write_failure)
    }

    /// Errors: the store cannot be asked. None: it is not on this machine.
    pub fn sizes(&self) -> Result<Option<Sizes>, Error> {
        self.embedded().map(Embedded::sizes).transpose()
    }

    /// A value that [`AnyLog::regroup`] has left.
    ///
    /// Errors: the log cannot be read.
    pub fn note(&self, key: &str) -> Result<Option<Bytes>, Error> {
        match self {
            Self::Embedded(log) => log.meta_get(key),
            Self::Kafka(log, _) => log.note(key),
        }
    }

    /// Sets where groups go on, and a value, all or nothing, where the value still is what the caller knows: whether it was.
    ///
    /// Errors: a group has members; a topic is unknown; the log cannot be written.
    pub fn regroup(&self, positions: Vec<GroupPositions>, note: Note<'_>) -> Result<bool, Error> {
        match self {
            Self::Embedded(log) => log.regroup(positions, note),
            Self::Kafka(log, _) => log.regroup(&positions, &note),
        }
    }

    /// Who is in a group at the moment. On one machine nobody but this process can be, so it is not asked.
    ///
    /// Errors: the brokers do not answer.
    pub fn group_members(&self, group: &str) -> Result<Vec<String>, Error> {
        match self {
            Self::Embedded(_) => Ok(Vec::new()),
            Self::Kafka(log, _) => log.group_members(group),
        }
    }

    /// The copies of others' state that the workers of this process keep. On one machine there are no others.
    pub fn following(&self) -> Vec<Following> {
        match self {
            Self::Embedded(_) => Vec::new(),
            Self::Kafka(log, _) => log.following(),
        }
    }

    /// The partitions whose state the workers of this process are still reading. On one machine it is where it is.
    pub fn restoring(&self) -> Vec<Restoration> {
        match self {
            Self::Embedded(_) => Vec::new(),
            Self::Kafka(log, _) => log.restoring(),
        }
    }

    /// The topics that it was opened with.
    pub fn topics(&self) -> &Arc<Topics> {
        match self {
            Self::Embedded(log) => log.topics(),
            Self::Kafka(log, _) => log.topics(),
        }
    }
}

/// Appends records to the log. Cheap to clone; any number may be used at once.
#[derive(Clone, Debug)]
pub enum AnyProducer {
    Embedded(embedded::Producer),
    Kafka(kafka::Producer),
}

impl AnyProducer {
    /// Waits until the records are durable: the (partition, offset) of each. On an embedded log all of them are written or
    /// none; on Kafka, after an error, some may be.
    pub fn send(&self, records: &[Outgoing]) -> Result<Vec<(u32, i64)>, Error> {
        match self {
            Self::Embedded(producer) => producer.send(records),
            Self::Kafka(producer) => producer.send(records),
        }
    }

    /// Like [`AnyProducer::send`], without waiting for durability; waits while the queue is full.
    pub fn submit(&self, records: &[Outgoing]) -> Result<AnyPending, Error> {
        Ok(match self {
            Self::Embedded(producer) => AnyPending::Embedded(producer.submit(records)?),
            Self::Kafka(producer) => AnyPending::Kafka(producer.submit(records)?),
        })
    }

    /// Like [`AnyProducer::submit`], but refuses with [`Error::QueueFull`] where that would wait.
    pub fn try_submit(&self, records: &[Outgoing]) -> Result<AnyPending, Error> {
        Ok(match self {
            Self::Embedded(producer) => AnyPending::Embedded(producer.try_submit(records)?),
            Self::Kafka(producer) => AnyPending::Kafka(producer.try_submit(records)?),
        })
    }
}

/// Records on their way.
#[derive(Debug)]
pub enum AnyPending {
    Embedded(embedded::Pending),
    Kafka(kafka::Pending),
}

impl AnyPending {
    /// Waits until the records are durable: the (partition, offset) of each, in the sequence in which they were sent.
    pub fn wait(self, wait: Duration) -> Result<Vec<(u32, i64)>, Error> {
        match self {
            Self::Embedded(pending) => pending.wait(wait),
            Self::Kafka(pending) => pending.wait(wait),
        }
    }
}

/// Reads all partitions of its topics, outside any assignment; in order per partition.
#[derive(Debug)]
pub enum AnyReader {
    Embedded(Box<embedded::Reader>),
    Kafka(Box<kafka::Reader>),
}

impl AnyReader {
    /// The next records; waits at most `wait` for the first. Empty: none came.
    pub fn poll(&mut self, limits: Limits, wait: Duration) -> Result<Vec<Record>, Error> {
        match self {
            Self::Embedded(reader) => reader.poll(limits, wait),
            Self::Kafka(reader) => reader.poll(limits, wait),
        }
    }

    /// Where it goes on, for each partition: behind what `poll` gave out.
    pub fn positions(&self) -> Vec<Position> {
        match self {
            Self::Embedded(reader) => reader.positions(),
            Self::Kafka(reader) => reader.positions(),
        }
    }

    /// Makes the positions of its group durable: all that `poll` gave out is processed. Refused without a group.
    pub fn commit(&mut self) -> Result<(), Error> {
        match self {
            Self::Embedded(reader) => reader.commit(),
            Self::Kafka(reader) => reader.commit(),
        }
    }

    /// How many records it has not given out yet; on Kafka as of the last second, and marks of transactions counted too.
    pub fn lag_records(&self) -> u64 {
        match self {
            Self::Embedded(reader) => reader.lag_records(),
            Self::Kafka(reader) => reader.lag_records_seen(),
        }
    }
}

/// A worker's side of whichever log it is.
#[derive(Debug)]
pub enum AnyMember {
    Embedded(Box<embedded::Member>),
    Kafka(Box<kafka::Member>),
}

/// The same call on whichever it is.
macro_rules! on {
    ($member:expr, $log:ident => $call:expr) => {
        match $member {
            AnyMember::Embedded($log) => $call,
            AnyMember::Kafka($log) => $call,
        }
    };
}

impl Log for AnyMember {
    fn topics(&self) -> &Arc<Topics> {
        on!(self, log => log.topics())
    }

    fn poll(&mut self, limits: Limits, wait: Duration) -> Result<Polled, Error> {
        on!(self, log => log.poll(limits, wait))
    }

    fn append(&mut self, batch: Batch) -> Result<BatchId, Error> {
        on!(self, log => log.append(batch))
    }

    fn is_sending(&self) -> bool {
        on!(self, log => log.is_sending())
    }

    fn tells_failures(&self) -> bool {
        on!(self, log => log.tells_failures())
    }

    fn settle(&mut self, wait: Duration) -> Result<Option<(BatchId, Outcome)>, Error> {
        on!(self, log => log.settle(wait))
    }

    fn rewind(&mut self) -> Result<(), Error> {
        on!(self, log => log.rewind())
    }

    fn cell(&mut self, cell: &[u8]) -> Result<Option<Bytes>, Error> {
        on!(self, log => log.cell(cell))
    }

    fn cells(&mut self, prefix: &[u8], cells_max: usize) -> Result<Vec<(CellKey, Bytes)>, Error> {
        on!(self, log => log.cells(prefix, cells_max))
    }

    fn timer_due_ms(&mut self, timer: &TimerKey) -> Result<Option<i64>, Error> {
        on!(self, log => log.timer_due_ms(timer))
    }

    fn due_timers(
        &mut self,
        partition: u32,
        until_ms: i64,
        timers_max: usize,
    ) -> Result<Vec<DueTimer>, Error> {
        on!(self, log => log.due_timers(partition, until_ms, timers_max))
    }

    fn lag_records(&self) -> u64 {
        on!(self, log => log.lag_records())
    }

    fn leave(&mut self) -> Result<(), Error> {
        on!(self, log => log.leave())
    }
}
