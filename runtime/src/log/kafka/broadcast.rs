//! Broadcast topics: read whole by every member, outside any assignment.
//!
//! Invariant: all that was there at opening is handed out before anything else.
//! Invariant: what was written before an input is handed out before it. The brokers give no order between topics, so
//! inputs that have come wait until the broadcast is read up to the end that it has by then.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tracing::debug;

use super::Shared;
use super::context::Quiet;
use super::ends::{Ends, Place};
use super::failure::{failed, reading_refused, refused};
use super::incoming::{self, Names};
use super::options::CALL_WAIT;
use super::transaction::wire_partition;
use crate::Error;
use crate::log::Limits;
use crate::log::embedded::signal::Signal;
use crate::record::Record;

/// How long inputs wait at most for what was broadcast before them: a broker that is slow must not stop the work.
const CATCH_UP_WAIT: Duration = Duration::from_millis(500);
/// The end of a transaction takes an offset and is no record: between two looks whether it was passed.
const CATCH_UP_POLL: Duration = Duration::from_millis(2);

/// One topic and its own client: an end is told by its partition alone.
struct Topic {
    wire: Arc<str>,
    partitions: u32,
    consumer: BaseConsumer<Quiet>,
    /// Behind what is known to be read, per partition.
    reached: HashMap<u32, i64>,
    /// Partitions of which not all is read that was there at opening, and where that ends.
    unread: HashMap<u32, i64>,
}

pub(crate) struct Broadcast {
    topics: Vec<Topic>,
    /// All their partitions, in sequence.
    places: Vec<Place>,
    ends: Ends,
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
        let of_topic = |topic: &Topic| {
            let wire = topic.wire.clone();
            (0..topic.partitions).map(move |partition| (wire.clone(), partition))
        };
        let places = topics.iter().flat_map(of_topic).collect();
        Ok(Self { topics, places, ends })
    }

    /// Whether all is handed out that was there at opening.
    pub(crate) fn is_complete(&self) -> bool {
        self.topics.iter().all(|topic| topic.unread.is_empty())
    }

    /// What has come, without waiting.
    ///
    /// Errors: a topic may not be read.
    pub(crate) fn poll(
        &mut self,
        shared: &Shared,
        names: &mut Names,
        mut limits: Limits,
    ) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        for topic in &mut self.topics {
            topic.poll(Duration::ZERO, shared, names, &mut limits, &mut records)?;
        }
        Ok(records)
    }

    /// What there is now and has not been handed out, as far as the limits allow. Empty: there is nothing.
    ///
    /// Errors: a topic may not be read.
    pub(crate) fn catch_up(
        &mut self,
        shared: &Shared,
        names: &mut Names,
        mut limits: Limits,
    ) -> Result<Vec<Record>, Error> {
        let mut records = Vec::new();
        // One question for all of them: every batch waits for the answer.
        let ends = match self.ends.committed_all(&self.places) {
            Ok(ends) => ends,
            // Brokers that do not answer will not take what follows from the inputs either.
            Err(problem) => {
                debug!(reason = problem.chain(), "ends of broadcast topics are not known");
                return Ok(records);
            }
        };
        let mut ends = ends.into_iter();
        for topic in &mut self.topics {
            let ends = (0..topic.partitions).zip(ends.by_ref());
            let ahead: Vec<(u32, i64)> =
                ends.filter(|(partition, end)| !topic.has_reached(*partition, *end)).collect();
            topic.read_up_to(&ahead, shared, names, &mut limits, &mut records)?;
        }
        Ok(records)
    }
}

impl Topic {
    fn has_reached(&self, partition: u32, end: i64) -> bool {
        if self.reached.get(&partition).is_some_and(|reached| *reached >= end) {
            return true;
        }
        // The client's own position also passes the marks that transactions leave.
        let position = self.consumer.position().ok().and_then(|list| {
            let place = list.find_partition(&self.wire, wire_partition(partition))?;
            place.offset().to_raw()
        });
        position.is_some_and(|position| position >= end)
    }

    fn read_up_to(
        &mut self,
        ahead: &[(u32, i64)],
        shared: &Shared,
        names: &mut Names,
        limits: &mut Limits,
        records: &mut Vec<Record>,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + CATCH_UP_WAIT;
        while incoming::has_room(limits)
            && ahead.iter().any(|(partition, end)| !self.has_reached(*partition, *end))
        {
            if Instant::now() >= deadline {
                debug!(topic = %self.wire, "inputs do not wait any longer for what may be broadcast before them");
                // Nor do those behind them, for the same.
                self.reached.extend(ahead.iter().copied());
                return Ok(());
            }
            self.poll(CATCH_UP_POLL, shared, names, limits, records)?;
        }
        Ok(())
    }

    fn open(
        shared: &Shared,
        worker: &str,
        index: usize,
        ends: &Ends,
        signal: &Arc<Signal>,
    ) -> Result<Self, Error> {
        let wire = &shared.wire[index];
        // The group is never joined, and nothing is committed under it.
        let config = shared.options.following(&format!("{worker}-broadcast"), &format!("{wire}-broadcast"));
        let mut consumer: BaseConsumer<Quiet> =
            BaseConsumer::from_config_and_context(&config, Quiet).map_err(refused)?;
        let signal = signal.clone();
        consumer.set_nonempty_callback(move || signal.notify());
        let mut assigned = TopicPartitionList::new();
        let (mut unread, mut reached) = (HashMap::new(), HashMap::new());
        for partition in 0..shared.topics.at(index).partitions {
            let (low, high) = ends.settled(wire, partition, Instant::now() + CALL_WAIT)?;
            if low < high {
                unread.insert(partition, high);
            } else {
                // There is nothing to read up to here.
                reached.insert(partition, high);
            }
            assigned
                .add_partition_offset(wire, wire_partition(partition), Offset::Beginning)
                .map_err(failed("name a broadcast partition"))?;
        }
        consumer.assign(&assigned).map_err(failed("read a broadcast topic"))?;
        let (wire, partitions) = (wire.clone(), shared.topics.at(index).partitions);
        Ok(Self { wire, partitions, consumer, reached, unread })
    }

    /// What has come; waits at most `wait` for the first.
    fn poll(
        &mut self,
        wait: Duration,
        shared: &Shared,
        names: &mut Names,
        limits: &mut Limits,
        records: &mut Vec<Record>,
    ) -> Result<(), Error> {
        let mut wait = wait;
        while incoming::has_room(limits) {
            match self.consumer.poll(wait) {
                Some(Ok(message)) => {
                    if let Some(record) = incoming::record_of(shared, names, &message) {
                        incoming::spend(limits, &record);
                        self.reached.insert(record.partition, record.offset + 1);
                        records.push(record);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    self.unread.remove(&partition.unsigned_abs());
                }
                Some(Err(problem)) => match reading_refused(&problem, [&*self.wire]) {
                    Some(refused) => return Err(refused),
                    None => debug!(%problem, "reading a broadcast topic"),
                },
                None => break,
            }
            wait = Duration::ZERO;
        }
        // The client says by itself that a partition ends, but only once a fetch has found nothing for its whole wait.
        if !self.unread.is_empty() {
            let unread = std::mem::take(&mut self.unread);
            self.unread =
                unread.into_iter().filter(|(partition, end)| !self.has_reached(*partition, *end)).collect();
        }
        Ok(())
    }
}
