//! The log on Kafka, for more than one machine.
//!
//! A worker is a member of a consumer group. What follows from its input (positions, outputs, state) is one Kafka
//! transaction; the same state then goes to a store on its own disk, which is restored from the changelog topic when a
//! partition comes from elsewhere. [`create`] and [`check`] take care of the topics.
//!
//! Read `member` first, the worker's side; then `pipeline`, where commits happen, and `restore`, where state comes from.
//!
//! Invariant: partitions of a group are given out by the changelog topic alone. Inputs with the same partition number go
//! with it: the assignors of the client would spread them over members, and state belongs to a number.
//! Invariant: a store is never ahead of what is committed.

mod assignment;
mod broadcast;
mod changelog;
mod context;
mod ends;
mod failure;
mod faults;
mod incoming;
mod member;
mod options;
mod pipeline;
mod producer;
mod reader;
mod replay;
mod restore;
mod staging;
mod store;
mod topics;
mod transaction;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::{debug, info};

pub use faults::Faults;
pub use member::Member;
pub use options::{
    Connection, Identity, Mechanism, Options, PRODUCERS_MAX, PRODUCERS_MIN, Sasl, Secret, Security,
    TRANSACTION_TIMEOUT, Tls,
};
pub use producer::{Pending, Producer};
pub use reader::Reader;
pub use topics::{Drift, brokers, check, create};

use crate::log::embedded::Start;
use crate::log::{Limits, Membership};
use crate::record::{Record, TopicSpec, Topics};
use crate::{Clock, Error};
use context::Quiet;
use ends::Ends;
use failure::{failed, refused};
use incoming::Names;
use options::CALL_WAIT;
use transaction::wire_partition;

const POLL_WAIT: Duration = Duration::from_millis(100);

/// What everything on one cluster shares.
pub(crate) struct Shared {
    pub(crate) options: Options,
    /// As the caller named them; the changelogs are not among them.
    pub(crate) topics: Arc<Topics>,
    /// By index, their names on the cluster.
    pub(crate) wire: Vec<Arc<str>>,
    by_wire: HashMap<Arc<str>, usize>,
    pub(crate) record_bytes_max: usize,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Shared {
    pub(crate) fn index_of_wire(&self, wire: &str) -> Option<usize> {
        self.by_wire.get(wire).copied()
    }
}

/// The open log. Clones are the same log.
#[derive(Clone)]
pub struct Kafka {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Kafka {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Kafka").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

impl Kafka {
    /// Looks at the cluster and at these topics on it.
    ///
    /// Errors: the client refuses its settings; the cluster does not answer; topics are missing there, have another
    /// partition count or settings that do not do: all findings in one error, [`create`] makes what is missing.
    pub fn open(options: Options, topics: Vec<TopicSpec>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        check_options(&options)?;
        let topics = Topics::checked(topics)?;
        let all = topics::with_changelogs(&options, &topics)?;
        topics::require(&options, &all)?;
        let wire: Vec<Arc<str>> = topics.iter().map(|spec| options.wire(&spec.name).into()).collect();
        let by_wire = wire.iter().cloned().zip(0..).collect();
        let record_bytes_max = all.iter().map(|spec| spec.record_bytes_max).max().unwrap_or(0);
        info!(brokers = %options.connection.brokers, topics = wire.len(), "log is open");
        let topics = Arc::new(topics);
        Ok(Self { shared: Arc::new(Shared { options, topics, wire, by_wire, record_bytes_max, clock }) })
    }

    /// Joins a group, with a store below [`Options::directory`] that no other worker of this process may use.
    ///
    /// Errors: its topics are unknown or differ in their partition counts; the store is in use or not accessible; the
    /// brokers do not answer.
    pub fn member(&self, membership: Membership) -> Result<Member, Error> {
        Member::join(self.shared.clone(), membership)
    }

    /// Errors: the client refuses its settings.
    pub fn producer(&self) -> Result<Producer, Error> {
        Producer::open(self.shared.clone())
    }

    /// Errors: a topic is unknown; the brokers do not answer.
    pub fn reader(&self, topics: &[Arc<str>], start: &Start) -> Result<Reader, Error> {
        Reader::open(self.shared.clone(), topics, start)
    }

    /// Up to `limits` records of a partition, from the offset `from` on; the oldest there are if those are gone. Ends at the
    /// end that there is now, once the transactions before it are settled.
    ///
    /// Errors: the topic or partition is unknown; the brokers do not answer, or some transaction stays open.
    pub fn read_range(
        &self,
        topic: &str,
        partition: u32,
        from: i64,
        mut limits: Limits,
    ) -> Result<Vec<Record>, Error> {
        let shared = &self.shared;
        let (index, id) = (self.place(topic, partition)?, format!("{}-range", shared.options.node));
        let deadline = Instant::now() + CALL_WAIT;
        let (low, high) =
            Ends::new(&shared.options, &id)?.settled(&shared.wire[index], partition, deadline)?;
        let mut records = Vec::new();
        let mut next_offset = from.max(low);
        if next_offset >= high {
            return Ok(records);
        }
        let config = shared.options.reading(&id, &shared.options.wire(&id));
        let consumer: BaseConsumer<Quiet> =
            BaseConsumer::from_config_and_context(&config, Quiet).map_err(refused)?;
        let mut assigned = TopicPartitionList::new();
        assigned
            .add_partition_offset(&shared.wire[index], wire_partition(partition), Offset::Offset(next_offset))
            .and_then(|()| consumer.assign(&assigned))
            .map_err(failed("read a partition"))?;
        let mut names = Names::default();
        while incoming::has_room(&limits) && next_offset < high {
            match consumer.poll(POLL_WAIT) {
                Some(Ok(message)) => {
                    next_offset = message_end(&message);
                    if let Some(record) = incoming::record_of(shared, &mut names, &message)
                        && record.offset < high
                    {
                        incoming::spend(&mut limits, &record);
                        records.push(record);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(problem)) => debug!(%problem, "reading a partition"),
                None if Instant::now() >= deadline => {
                    return Err(Error::WaitEnded { wait_ms: CALL_WAIT.as_millis() as u64 });
                }
                None => {}
            }
        }
        Ok(records)
    }

    /// Per partition, the offset behind all that is written now, once the transactions before it are settled.
    ///
    /// Errors: the topic is unknown; the brokers do not answer, or some transaction stays open.
    pub fn end_offsets(&self, topic: &str) -> Result<Vec<i64>, Error> {
        let shared = &self.shared;
        let index = shared.topics.index(topic)?;
        let ends = Ends::new(&shared.options, &format!("{}-ends", shared.options.node))?;
        let deadline = Instant::now() + CALL_WAIT;
        (0..shared.topics.at(index).partitions)
            .map(|partition| Ok(ends.settled(&shared.wire[index], partition, deadline)?.1))
            .collect()
    }

    /// Per partition, how many records the group has not processed, marks of transactions counted as records.
    ///
    /// Errors: the topic is unknown; the brokers do not answer.
    pub fn lag_records(&self, group: &str, topic: &str) -> Result<Vec<u64>, Error> {
        let reader = self.reader(&[topic.into()], &Start::Group(group.into()))?;
        let ends = reader.end_positions()?;
        let lag = |(at, end): (&crate::log::Position, &crate::log::Position)| {
            (end.next_offset - at.next_offset).max(0).unsigned_abs()
        };
        Ok(reader.positions().iter().zip(&ends).map(lag).collect())
    }

    pub fn topics(&self) -> &Arc<Topics> {
        &self.shared.topics
    }

    fn place(&self, topic: &str, partition: u32) -> Result<usize, Error> {
        let topics = &self.shared.topics;
        let index = topics.index(topic)?;
        let spec = topics.at(index);
        if partition >= spec.partitions {
            let (topic, partitions) = (spec.name.clone(), spec.partitions);
            return Err(Error::PartitionUnknown { topic, partition, partitions });
        }
        Ok(index)
    }
}

fn message_end(message: &rdkafka::message::BorrowedMessage<'_>) -> i64 {
    use rdkafka::message::Message;
    message.offset() + 1
}

fn check_options(options: &Options) -> Result<(), Error> {
    let refused = |reason: String| Err(Error::ClientRefused { source: reason.into() });
    if !(PRODUCERS_MIN..=PRODUCERS_MAX).contains(&options.producers) {
        let given = options.producers;
        return refused(format!("{given} producers, allowed are {PRODUCERS_MIN} to {PRODUCERS_MAX}"));
    }
    if options.connection.brokers.trim().is_empty() {
        return refused("no broker is named".to_owned());
    }
    if options.node.is_empty() {
        return refused(
            "the node has no name; without one a restart could not end what the last run left open"
                .to_owned(),
        );
    }
    Ok(())
}
