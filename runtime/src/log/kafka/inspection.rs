//! Looking at what lies on the cluster, beside whoever works on it: for tools, metrics and the parts of a service that only ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::debug;

use super::context::Quiet;
use super::ends::{Ends, Place};
use super::failure::{failed, reading_refused, refused};
use super::fitness::Changelog;
use super::incoming::{self, Names};
use super::options::{CALL_WAIT, Options};
use super::origin::{self, Glance};
use super::store::Progress;
use super::transaction::wire_partition;
use super::{Kafka, Shared, topics};
use crate::Error;
use crate::log::Limits;
use crate::log::embedded::Group;
use crate::record::{Record, TopicSpec};

const POLL_WAIT: Duration = Duration::from_millis(100);
/// How many offsets before the end the last record is looked for first; ten times as many with each look that finds none.
const LOOK_BACK_MIN: i64 = 16;
/// In one look back.
const LOOK_BACK: Limits = Limits { records_max: 10_000, bytes_max: 16 << 20 };

/// Clients that are used again and again.
#[derive(Debug)]
pub(super) struct Looking {
    ends: Arc<Ends>,
    /// By group, as the caller names it.
    groups: Mutex<HashMap<Arc<str>, Asking>>,
    /// Free at the moment. Whoever finds none makes one, and leaves it here.
    range: Mutex<Option<Asking>>,
}

#[derive(Clone)]
struct Asking(Arc<BaseConsumer<Quiet>>);

impl std::fmt::Debug for Asking {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Asking").finish()
    }
}

/// Nothing panics while these locks are held, so a poisoned one holds what it should.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Looking {
    pub(super) fn new(options: &Options) -> Result<Self, Error> {
        let ends = Arc::new(Ends::new(options, &format!("{}-ends", options.node))?);
        Ok(Self { ends, groups: Mutex::default(), range: Mutex::default() })
    }

    pub(super) fn ends(&self) -> &Arc<Ends> {
        &self.ends
    }

    /// The client that asks for a group's positions. It waits for no transaction that is open: what it is told is what is
    /// committed, and under load some transaction always is open.
    fn group(&self, shared: &Shared, name: &str) -> Result<Asking, Error> {
        let mut groups = held(&self.groups);
        if let Some(known) = groups.get(name) {
            return Ok(known.clone());
        }
        let options = &shared.options;
        let mut config = options.asking(&format!("{}-positions", options.node), false);
        config.set("group.id", options.wire(name));
        let client = BaseConsumer::from_config_and_context(&config, Quiet).map_err(refused)?;
        let asking = Asking(Arc::new(client));
        groups.insert(name.into(), asking.clone());
        Ok(asking)
    }

    fn take_range(&self, shared: &Shared) -> Result<Asking, Error> {
        if let Some(free) = held(&self.range).take() {
            return Ok(free);
        }
        let id = format!("{}-range", shared.options.node);
        let config = shared.options.reading(&id, &shared.options.wire(&id));
        let client = BaseConsumer::from_config_and_context(&config, Quiet).map_err(refused)?;
        Ok(Asking(Arc::new(client)))
    }
}

impl Kafka {
    /// Up to `limits` records of a partition, from the offset `from` on; the oldest there are if those are gone. Ends at the
    /// end that there is now, once the transactions before it are settled.
    ///
    /// Errors: the topic or partition is unknown; the brokers do not answer, or some transaction stays open.
    pub fn read_range(
        &self,
        topic: &str,
        partition: u32,
        from: i64,
        limits: Limits,
    ) -> Result<Vec<Record>, Error> {
        let index = self.place(topic, partition)?;
        let deadline = Instant::now() + CALL_WAIT;
        let wire = &self.shared.wire[index];
        let (low, high) = self.looking.ends.settled(wire, partition, deadline)?;
        let from = from.max(low);
        if from >= high {
            return Ok(Vec::new());
        }
        let client = self.looking.take_range(&self.shared)?;
        let records = self.read(&client.0, (wire, partition), from..high, limits, deadline);
        // One that went wrong, or still reads, is not kept for the next.
        if records.is_ok() && client.0.assign(&TopicPartitionList::new()).is_ok() {
            *held(&self.looking.range) = Some(client);
        }
        records
    }

    fn read(
        &self,
        consumer: &BaseConsumer<Quiet>,
        (wire, partition): (&Arc<str>, u32),
        offsets: std::ops::Range<i64>,
        mut limits: Limits,
        deadline: Instant,
    ) -> Result<Vec<Record>, Error> {
        let mut assigned = TopicPartitionList::new();
        assigned
            .add_partition_offset(wire, wire_partition(partition), Offset::Offset(offsets.start))
            .and_then(|()| consumer.assign(&assigned))
            .map_err(failed("read a partition"))?;
        let (mut records, mut names) = (Vec::new(), Names::default());
        let mut next_offset = offsets.start;
        while incoming::has_room(&limits) && next_offset < offsets.end {
            match consumer.poll(POLL_WAIT) {
                Some(Ok(message)) => {
                    next_offset = message.offset() + 1;
                    if let Some(record) = incoming::record_of(&self.shared, &mut names, &message)
                        && record.offset < offsets.end
                    {
                        incoming::spend(&mut limits, &record);
                        records.push(record);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => break,
                Some(Err(problem)) => match reading_refused(&problem, [&**wire]) {
                    Some(refused) => return Err(refused),
                    None => debug!(%problem, "reading a partition"),
                },
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
        self.looking.ends.settled_all(&self.places(topic)?, Instant::now() + CALL_WAIT)
    }

    /// Per partition, the first offset that retention has left.
    ///
    /// Errors: the topic is unknown; the brokers do not answer.
    pub fn earliest_offsets(&self, topic: &str) -> Result<Vec<i64>, Error> {
        let bounds = self.looking.ends.written_all(&self.places(topic)?)?;
        Ok(bounds.into_iter().map(|(low, _)| low).collect())
    }

    /// The offset behind the last committed record of a partition. Its end lies further on: transactions leave marks, and a
    /// reader that has everything stands here.
    ///
    /// Errors: as [`Kafka::read_range`].
    pub fn last_record_end(&self, topic: &str, partition: u32) -> Result<i64, Error> {
        let index = self.place(topic, partition)?;
        let deadline = Instant::now() + CALL_WAIT;
        let (low, high) = self.looking.ends.settled(&self.shared.wire[index], partition, deadline)?;
        let mut back = LOOK_BACK_MIN;
        let mut to = high;
        while to > low {
            let from = to.saturating_sub(back).max(low);
            let mut last = None;
            let mut next = from;
            // What is read may have to be read in pieces; the last of them counts.
            while next < to {
                let records = self.read_range(topic, partition, next, LOOK_BACK)?;
                let Some(record) = records.last() else { break };
                next = record.offset + 1;
                last = Some(next);
            }
            if let Some(end) = last {
                return Ok(end);
            }
            (to, back) = (from, back.saturating_mul(10));
        }
        Ok(low)
    }

    /// Per partition, how many records the group has not processed, marks of transactions counted as records.
    ///
    /// Errors: the topic is unknown; the brokers do not answer.
    pub fn lag_records(&self, group: &str, topic: &str) -> Result<Vec<u64>, Error> {
        let places = self.places(topic)?;
        let bounds = self.looking.ends.written_all(&places)?;
        let ends = self.looking.ends.committed_all(&places)?;
        let positions = self.positions(group, &places)?;
        let lag = |((position, (low, _)), end): ((Option<i64>, (i64, i64)), i64)| {
            (end - position.unwrap_or(0).max(low)).max(0).unsigned_abs()
        };
        Ok(positions.into_iter().zip(bounds).zip(ends).map(lag).collect())
    }

    /// Those of the groups that have positions in a topic. The cluster is not asked which groups there are: others use it too.
    ///
    /// Errors: the topic is unknown; the brokers do not answer.
    pub fn groups(&self, topic: &str, names: &[&str]) -> Result<Vec<Group>, Error> {
        let places = self.places(topic)?;
        let mut groups = Vec::new();
        for name in names {
            let next_offsets = self.positions(name, &places)?;
            if next_offsets.iter().any(Option::is_some) {
                groups.push(Group { name: (*name).to_owned(), next_offsets });
            }
        }
        Ok(groups)
    }

    /// Who is in a group at the moment, as `client on host`. A worker that died stays until its session ends.
    ///
    /// Errors: the brokers do not answer.
    pub fn group_members(&self, group: &str) -> Result<Vec<String>, Error> {
        let wire = self.shared.options.wire(group);
        let client = self.looking.group(&self.shared, group)?.0;
        let listed =
            client.fetch_group_list(Some(&wire), CALL_WAIT).map_err(failed("list the members of a group"))?;
        let ours = listed.groups().iter().filter(|group| group.name() == wire);
        let shown = |member: &rdkafka::groups::GroupMemberInfo| {
            format!("{} on {}", member.client_id(), member.client_host().trim_start_matches('/'))
        };
        Ok(ours.flat_map(|group| group.members()).map(shown).collect())
    }

    /// Per partition, what the changelog of inputs with so many partitions has, and whether it is the one that a store of this
    /// group was written from that stands so.
    ///
    /// Errors: there is none; the brokers do not answer.
    pub fn changelogs(
        &self,
        partitions: u32,
        group: &str,
        stands: &[(u32, Progress)],
    ) -> Result<Vec<Changelog>, Error> {
        let options = &self.shared.options;
        let name = options.changelog_topic(partitions);
        let spec = TopicSpec { compacted: true, ..TopicSpec::new(&name, partitions) };
        let delete_retention_ms = topics::delete_retention_ms(options, &spec)?;
        let wire: Arc<str> = options.wire(&name).into();
        let places: Vec<Place> = (0..partitions).map(|partition| (wire.clone(), partition)).collect();
        let bounds = self.looking.ends.written_all(&places)?;
        let origin = |(partition, stands): &(u32, Progress)| {
            Some((*partition, stands.origin.clone()?, *bounds.get(*partition as usize)?))
        };
        let asked: Vec<_> = stands.iter().filter_map(origin).collect();
        let glancing = || origin::glancing(options, &options.node, &options.wire(group));
        let known = Glance::new().recognise(glancing, (&wire, group), &asked, CALL_WAIT, || true)?;
        if !known.late.is_empty() {
            return Err(Error::WaitEnded { wait_ms: CALL_WAIT.as_millis() as u64 });
        }
        let changelog = |(partition, (begin, end))| {
            let is_same = known.told.get(&partition).copied();
            Changelog { begin, end, delete_retention_ms, is_same }
        };
        Ok((0..).zip(bounds).map(changelog).collect())
    }

    fn positions(&self, group: &str, places: &[Place]) -> Result<Vec<Option<i64>>, Error> {
        let mut asked = TopicPartitionList::with_capacity(places.len());
        for (topic, partition) in places {
            asked.add_partition(topic, wire_partition(*partition));
        }
        let client = self.looking.group(&self.shared, group)?.0;
        let told = client.committed_offsets(asked, CALL_WAIT).map_err(failed("read a group's positions"))?;
        let position = |(topic, partition): &Place| {
            match told.find_partition(topic, wire_partition(*partition))?.offset() {
                Offset::Offset(next_offset) => Some(next_offset),
                // It never committed one there.
                _ => None,
            }
        };
        Ok(places.iter().map(position).collect())
    }

    fn places(&self, topic: &str) -> Result<Vec<Place>, Error> {
        let index = self.shared.topics.index(topic)?;
        let partitions = self.shared.topics.at(index).partitions;
        Ok((0..partitions).map(|partition| (self.shared.wire[index].clone(), partition)).collect())
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
