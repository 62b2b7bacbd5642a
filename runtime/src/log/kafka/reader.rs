//! Reading from outside: all partitions of some topics, outside any assignment. For projections, connectors and tools.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
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
use crate::log::embedded::Start;
use crate::log::{Limits, Position};
use crate::record::Record;

/// Reads what is committed in all partitions of its topics; in order per partition.
pub struct Reader {
    shared: Arc<Shared>,
    consumer: BaseConsumer<Quiet>,
    ends: Ends,
    group: Option<Arc<str>>,
    /// By topic and partition: the offset behind the last record that was given out.
    next_offsets: BTreeMap<(usize, u32), i64>,
    names: Names,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Reader").field("next_offsets", &self.next_offsets).finish_non_exhaustive()
    }
}

impl Reader {
    pub(crate) fn open(shared: Arc<Shared>, topics: &[Arc<str>], start: &Start) -> Result<Self, Error> {
        let group = match start {
            Start::Group(group) => Some(group.clone()),
            Start::Positions(_) | Start::Earliest | Start::End => None,
        };
        let id = format!("{}-reader", shared.options.node);
        // Without a group of its own it is only asked for a name, under which nothing is kept.
        let named = shared.options.wire(group.as_deref().unwrap_or(&id));
        let consumer: BaseConsumer<Quiet> =
            BaseConsumer::from_config_and_context(&shared.options.reading(&id, &named), Quiet)
                .map_err(refused)?;
        let ends = Ends::new(&shared.options, &id)?;
        let mut places = Vec::new();
        for name in topics {
            let topic = shared.topics.index(name)?;
            places.extend((0..shared.topics.at(topic).partitions).map(|partition| (topic, partition)));
        }
        let next_offsets = first_offsets(&shared, &consumer, &ends, start, &places)?;
        let reader = Self { shared, consumer, ends, group, next_offsets, names: Names::default() };
        let assigned = reader.list(|_, next_offset| next_offset)?;
        reader.consumer.assign(&assigned).map_err(failed("read topics"))?;
        Ok(reader)
    }

    fn list(&self, offset: impl Fn((usize, u32), i64) -> i64) -> Result<TopicPartitionList, Error> {
        let mut list = TopicPartitionList::with_capacity(self.next_offsets.len());
        for (place, next_offset) in &self.next_offsets {
            let at = Offset::Offset(offset(*place, *next_offset));
            list.add_partition_offset(&self.shared.wire[place.0], wire_partition(place.1), at)
                .map_err(failed("name a position"))?;
        }
        Ok(list)
    }

    /// The next records; waits at most `wait` for the first. Empty: none came, also while the brokers do not answer.
    ///
    /// Errors: the client cannot go on at all.
    pub fn poll(&mut self, mut limits: Limits, wait: Duration) -> Result<Vec<Record>, Error> {
        let deadline = Instant::now() + wait;
        let mut records = Vec::new();
        while incoming::has_room(&limits) {
            let left = match records.is_empty() {
                true => deadline.saturating_duration_since(Instant::now()),
                false => Duration::ZERO,
            };
            match self.consumer.poll(left) {
                Some(Ok(message)) => {
                    if let Some(record) = incoming::record_of(&self.shared, &mut self.names, &message) {
                        let topic = self.shared.topics.index(&record.topic)?;
                        self.next_offsets.insert((topic, record.partition), record.offset + 1);
                        incoming::spend(&mut limits, &record);
                        records.push(record);
                    }
                }
                Some(Err(problem @ KafkaError::MessageConsumptionFatal(_))) => {
                    return Err(failed("read topics")(problem));
                }
                Some(Err(KafkaError::PartitionEOF(_))) => {}
                Some(Err(problem)) => debug!(%problem, "reading topics"),
                None if !records.is_empty() || Instant::now() >= deadline => break,
                None => {}
            }
        }
        Ok(records)
    }

    /// Where it goes on, for each partition: behind what `poll` gave out.
    pub fn positions(&self) -> Vec<Position> {
        self.next_offsets.iter().map(|(place, next_offset)| self.position(*place, *next_offset)).collect()
    }

    /// The ends of its partitions as they are now. The last record may lie some offsets before: transactions leave marks.
    ///
    /// Errors: the brokers do not answer.
    pub fn end_positions(&self) -> Result<Vec<Position>, Error> {
        let end = |place: &(usize, u32)| {
            let (_, end) = self.ends.committed(&self.shared.wire[place.0], place.1)?;
            Ok(self.position(*place, end))
        };
        self.next_offsets.keys().map(end).collect()
    }

    fn position(&self, (topic, partition): (usize, u32), next_offset: i64) -> Position {
        Position { topic: self.shared.topics.at(topic).name.clone(), partition, next_offset }
    }

    /// Makes the positions of its group durable: all that `poll` gave out is processed.
    ///
    /// Errors: it was opened without a group; the brokers do not answer.
    pub fn commit(&mut self) -> Result<(), Error> {
        if self.group.is_none() {
            let reason = "this reader was opened without a group, it keeps its own positions".to_owned();
            return Err(Error::GroupRefused { group: "".into(), reason });
        }
        let positions = self.list(|_, next_offset| next_offset)?;
        self.consumer.commit(&positions, CommitMode::Sync).map_err(failed("commit positions"))
    }

    /// How many records it has not given out yet, marks of transactions counted as records.
    ///
    /// Errors: the brokers do not answer.
    pub fn lag_records(&self) -> Result<u64, Error> {
        let mut lag = 0;
        for ((topic, partition), next_offset) in &self.next_offsets {
            let (_, end) = self.ends.committed(&self.shared.wire[*topic], *partition)?;
            lag += (end - next_offset).max(0).unsigned_abs();
        }
        Ok(lag)
    }
}

fn first_offsets(
    shared: &Shared,
    consumer: &BaseConsumer<Quiet>,
    ends: &Ends,
    start: &Start,
    places: &[(usize, u32)],
) -> Result<BTreeMap<(usize, u32), i64>, Error> {
    let committed = match start {
        Start::Group(_) => {
            let mut asked = TopicPartitionList::new();
            for (topic, partition) in places {
                asked.add_partition(&shared.wire[*topic], wire_partition(*partition));
            }
            Some(consumer.committed_offsets(asked, CALL_WAIT).map_err(failed("read the group's positions"))?)
        }
        Start::Positions(_) | Start::Earliest | Start::End => None,
    };
    let mut found = BTreeMap::new();
    for (topic, partition) in places {
        let name = &shared.topics.at(*topic).name;
        let wire = &shared.wire[*topic];
        let known = match start {
            Start::Group(_) => committed
                .as_ref()
                .and_then(|list| list.find_partition(wire, wire_partition(*partition)))
                .and_then(|element| match element.offset() {
                    Offset::Offset(next_offset) => Some(next_offset),
                    _ => None,
                }),
            Start::Positions(positions) => positions
                .iter()
                .find(|at| at.topic == *name && at.partition == *partition)
                .map(|at| at.next_offset),
            Start::Earliest => None,
            Start::End => Some(ends.committed(wire, *partition)?.1),
        };
        let next_offset = match known {
            Some(next_offset) => next_offset,
            None => ends.written(wire, *partition)?.0,
        };
        found.insert((*topic, *partition), next_offset);
    }
    Ok(found)
}
