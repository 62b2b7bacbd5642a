//! Reading from outside: all partitions of some topics, outside any assignment. For projections, connectors and tools.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::debug;

use super::Shared;
use super::context::Quiet;
use super::ends::{Ends, Place};
use super::failure::{failed, is_forbidden, reading_refused, refused};
use super::incoming::{self, Names};
use super::options::CALL_WAIT;
use super::transaction::wire_partition;
use crate::Error;
use crate::log::embedded::Start;
use crate::log::{Limits, Position};
use crate::record::Record;

/// How often whoever asks all the time is told anew how far it is behind.
const ENDS_LOOK: Duration = Duration::from_secs(1);
/// Between two looks whether its group may be asked at all.
const FORBIDDEN_LOOK: Duration = Duration::from_secs(1);

/// Reads what is committed in all partitions of its topics; in order per partition.
pub struct Reader {
    shared: Arc<Shared>,
    consumer: BaseConsumer<Quiet>,
    ends: Arc<Ends>,
    /// When it was last asked for its ends, and what they were; in the sequence of `next_offsets`.
    ends_seen: Mutex<Option<(Instant, Vec<i64>)>>,
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
    pub(crate) fn open(
        shared: Arc<Shared>,
        ends: Arc<Ends>,
        topics: &[Arc<str>],
        start: &Start,
    ) -> Result<Self, Error> {
        let group = match start {
            Start::Group(group) => Some(group.clone()),
            Start::Positions(_) | Start::Earliest | Start::End => None,
        };
        let id = format!("{}-reader", shared.options.node);
        // Without a group of its own it is only asked for a name, under which nothing is kept.
        let named = shared.options.wire(group.as_deref().unwrap_or(&id));
        let consumer: BaseConsumer<Quiet> =
            BaseConsumer::from_config_and_context(&shared.options.following(&id, &named), Quiet)
                .map_err(refused)?;
        let mut places = Vec::new();
        for name in topics {
            let topic = shared.topics.index(name)?;
            places.extend((0..shared.topics.at(topic).partitions).map(|partition| (topic, partition)));
        }
        let next_offsets = first_offsets(&shared, &consumer, &ends, start, &places)?;
        let (ends_seen, names) = (Mutex::default(), Names::default());
        let reader = Self { shared, consumer, ends, ends_seen, group, next_offsets, names };
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
                Some(Err(problem)) => {
                    let topics = self.next_offsets.keys().map(|(topic, _)| &*self.shared.wire[*topic]);
                    match reading_refused(&problem, topics) {
                        Some(refused) => return Err(refused),
                        None => debug!(%problem, "reading topics"),
                    }
                }
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

    fn places(&self) -> Vec<Place> {
        let place = |(topic, partition): &(usize, u32)| (self.shared.wire[*topic].clone(), *partition);
        self.next_offsets.keys().map(place).collect()
    }

    /// The ends of its partitions as they are now. The last record may lie some offsets before: transactions leave marks.
    ///
    /// Errors: the brokers do not answer.
    pub fn end_positions(&self) -> Result<Vec<Position>, Error> {
        let ends = self.ends.committed_all(&self.places())?;
        let end = |(place, end): (&(usize, u32), i64)| self.position(*place, end);
        Ok(self.next_offsets.keys().zip(ends).map(end).collect())
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
        let ends = self.ends.committed_all(&self.places())?;
        let lag = self.behind(&ends);
        *self.ends_seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), ends));
        Ok(lag)
    }

    /// The same, for whoever asks all the time: the brokers are asked once in [`ENDS_LOOK`], and while they do not answer
    /// the ends are those that they told last.
    pub fn lag_records_seen(&self) -> u64 {
        let seen = self.ends_seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if seen.as_ref().is_none_or(|(at, _)| at.elapsed() >= ENDS_LOOK) {
            match self.lag_records() {
                Ok(lag) => return lag,
                Err(problem) => debug!(%problem, "ends of topics are not known anew"),
            }
        }
        seen.map_or(0, |(_, ends)| self.behind(&ends))
    }

    fn behind(&self, ends: &[i64]) -> u64 {
        let behind = |(next, end): (&i64, &i64)| (end - next).max(0).unsigned_abs();
        self.next_offsets.values().zip(ends).map(behind).sum()
    }
}

/// A group that this user may not read is told by the way, and else only by silence.
fn committed(
    consumer: &BaseConsumer<Quiet>,
    group: &Arc<str>,
    asked: &TopicPartitionList,
) -> Result<TopicPartitionList, Error> {
    let deadline = Instant::now() + CALL_WAIT;
    loop {
        let problem = match consumer.committed_offsets(asked.clone(), FORBIDDEN_LOOK) {
            Ok(committed) => return Ok(committed),
            Err(problem) => problem,
        };
        while let Some(told) = consumer.poll(Duration::ZERO) {
            if let Some(refusal) = told.err().filter(is_forbidden) {
                return Err(Error::GroupRefused { group: group.clone(), reason: refusal.to_string() });
            }
        }
        if Instant::now() >= deadline {
            return Err(failed("read the group's positions")(problem));
        }
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
        Start::Group(group) => {
            let mut asked = TopicPartitionList::new();
            for (topic, partition) in places {
                asked.add_partition(&shared.wire[*topic], wire_partition(*partition));
            }
            Some(committed(consumer, group, &asked)?)
        }
        Start::Positions(_) | Start::Earliest | Start::End => None,
    };
    let wire = |(topic, partition): &(usize, u32)| (shared.wire[*topic].clone(), *partition);
    let asked: Vec<Place> = places.iter().map(wire).collect();
    let firsts: Vec<i64> = match start {
        Start::End => ends.committed_all(&asked)?,
        Start::Group(_) | Start::Positions(_) | Start::Earliest => {
            ends.written_all(&asked)?.into_iter().map(|(low, _)| low).collect()
        }
    };
    let mut found = BTreeMap::new();
    for ((topic, partition), first) in places.iter().zip(firsts) {
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
            Start::Earliest | Start::End => None,
        };
        found.insert((*topic, *partition), known.unwrap_or(first));
    }
    Ok(found)
}
