//! Broadcast topics: read whole by every member, outside any assignment.
//!
//! Invariant: all that was there at opening is handed out before anything else. Later ones come as the brokers hand them
//! out; between topics there is no order on a cluster, so an input may overtake one that was written a moment before.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::debug;

use super::Shared;
use super::context::Quiet;
use super::ends::Ends;
use super::failure::{failed, refused};
use super::incoming::{self, Names};
use super::options::CALL_WAIT;
use super::transaction::wire_partition;
use crate::Error;
use crate::log::Limits;
use crate::log::embedded::signal::Signal;
use crate::record::Record;

/// One topic and its own client: an end is told by its partition alone.
struct Topic {
    consumer: BaseConsumer<Quiet>,
    /// Partitions of which not all is read that was there at opening.
    unread: HashSet<i32>,
}

pub(crate) struct Broadcast {
    topics: Vec<Topic>,
}

impl Broadcast {
    /// Errors: the brokers do not answer, or a transaction stays open on one of the topics.
    pub(crate) fn open(
        shared: &Shared,
        worker: &str,
        indexes: &[usize],
        signal: &Arc<Signal>,
    ) -> Result<Self, Error> {
        let ends = Ends::new(&shared.options, &format!("{worker}-broadcast"))?;
        let mut topics = Vec::with_capacity(indexes.len());
        for index in indexes {
            topics.push(Topic::open(shared, worker, *index, &ends, signal)?);
        }
        Ok(Self { topics })
    }

    /// Whether all is handed out that was there at opening.
    pub(crate) fn is_complete(&self) -> bool {
        self.topics.iter().all(|topic| topic.unread.is_empty())
    }

    /// What has come, without waiting.
    pub(crate) fn poll(&mut self, shared: &Shared, names: &mut Names, mut limits: Limits) -> Vec<Record> {
        let mut records = Vec::new();
        for topic in &mut self.topics {
            topic.poll(shared, names, &mut limits, &mut records);
        }
        records
    }
}

impl Topic {
    fn open(
        shared: &Shared,
        worker: &str,
        index: usize,
        ends: &Ends,
        signal: &Arc<Signal>,
    ) -> Result<Self, Error> {
        let wire = &shared.wire[index];
        // The group is never joined, and nothing is committed under it.
        let config = shared.options.reading(&format!("{worker}-broadcast"), &format!("{wire}-broadcast"));
        let mut consumer: BaseConsumer<Quiet> =
            BaseConsumer::from_config_and_context(&config, Quiet).map_err(refused)?;
        let signal = signal.clone();
        consumer.set_nonempty_callback(move || signal.notify());
        let mut assigned = TopicPartitionList::new();
        let mut unread = HashSet::new();
        for partition in 0..shared.topics.at(index).partitions {
            let (low, high) = ends.settled(wire, partition, Instant::now() + CALL_WAIT)?;
            if low < high {
                unread.insert(wire_partition(partition));
            }
            assigned
                .add_partition_offset(wire, wire_partition(partition), Offset::Beginning)
                .map_err(failed("name a broadcast partition"))?;
        }
        consumer.assign(&assigned).map_err(failed("read a broadcast topic"))?;
        Ok(Self { consumer, unread })
    }

    fn poll(&mut self, shared: &Shared, names: &mut Names, limits: &mut Limits, records: &mut Vec<Record>) {
        while incoming::has_room(limits) {
            match self.consumer.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    if let Some(record) = incoming::record_of(shared, names, &message) {
                        incoming::spend(limits, &record);
                        records.push(record);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.unread.remove(&partition);
                }
                Some(Err(problem)) => debug!(%problem, "reading a broadcast topic"),
                None => return,
            }
        }
    }
}
